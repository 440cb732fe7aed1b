"""Check files against the SHA-256 in the manifest, and the manifest against its own seal."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.storage.files import read_regular, sha256_of

MANIFEST = "manifest.json"
UNFINISHED = "unfinished.txt"  #: in the folder while a run writes its results
ACCEPTED = "accepted.jsonl"
#: Files that grow by a line. While a line is added, the manifest has the digests before and after.
_GROWING = {"signatures.jsonl": "signing", ACCEPTED: "accepting"}
_SEAL = re.compile(rb'("seal": ")([0-9a-f]{64})("\s*}\s*)\Z')
_STAGED = "staged"
_FALLS_UNDER_RETENTION = f"{_STAGED}/"


def read_manifest(folder: Path) -> tuple[dict[str, Any], str | None]:
    """The manifest of a folder, and the problem with it or None.

    Its seal is the hash of its own bytes, with zeros in the place of the seal.
    """
    try:
        content = read_regular(folder / MANIFEST)
    except OSError as error:
        return {}, f"{MANIFEST} cannot be read ({error.strerror})"
    return read_sealed(content, MANIFEST)


def read_sealed(content: bytes, name: str) -> tuple[dict[str, Any], str | None]:
    """A manifest from its bytes, and the problem with it or None."""
    try:
        manifest = json.loads(content)
    except ValueError as error:
        return {}, f"{name} cannot be read ({type(error).__name__})"
    found = _SEAL.search(content)
    if found is None or not isinstance(manifest, dict):
        return {}, f"{name} has no seal: an earlier version wrote it, or somebody changed it"
    bare = content[: found.start(2)] + b"0" * 64 + content[found.end(2) :]
    if hashlib.sha256(bare).hexdigest() != found[2].decode():
        return manifest, f"{name} was changed: its seal does not match"
    return manifest, None


def other_kinds(folder: Path) -> Iterator[str]:
    """Entries that are neither files nor folders; reading a pipe or a device might never end."""
    # `rglob` does not follow links to folders.
    for path in sorted({*folder.rglob("*"), *(folder / _STAGED).glob("*")}):
        if not path.is_file() and not path.is_dir():
            yield f"{path.relative_to(folder).as_posix()} is not a regular file"


def changed_files(folder: Path, manifest: dict[str, Any]) -> Iterator[str]:
    """Every problem with the files of a folder, in the order of the manifest."""
    for name, digest in manifest.get("files", {}).items():
        path = folder / name
        if path.is_file():
            digests = {digest, manifest.get(_GROWING[name])} if name in _GROWING else {digest}
            if sha256_of(path) not in digests:
                yield f"{name} was changed"
        elif path.exists():
            yield f"{name} is not a regular file"
        elif not name.startswith(_FALLS_UNDER_RETENTION):
            yield f"{name} is missing"
    known = {*manifest.get("files", {}), MANIFEST, UNFINISHED}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in known:
            yield f"{name} is not in the manifest"


def purged_files(folder: Path, manifest: dict[str, Any]) -> list[str]:
    """Staged files that retention has deleted."""
    names = [name for name in manifest.get("files", {}) if name.startswith(_FALLS_UNDER_RETENTION)]
    return [name for name in names if not (folder / name).exists()]
