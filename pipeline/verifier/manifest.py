"""Check files against the SHA-256 in the manifest, and the manifest against its own seal."""

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from pipeline.domain.manifest import MANIFEST, Manifest, digests_of, manifest_of
from pipeline.domain.published import first_fault
from pipeline.storage.files import read_regular, sha256_of

UNFINISHED = "unfinished.txt"  #: in the folder while a run writes its results
_SEAL = re.compile(rb'("seal": ")([0-9a-f]{64})("\s*}\s*)\Z')
_STAGED = "staged"
_FALLS_UNDER_RETENTION = f"{_STAGED}/"


def read_manifest(folder: Path) -> tuple[Manifest | None, str | None]:
    """The manifest of a folder or None, and the problem with it or None.

    Its seal is the hash of its own bytes, with zeros in the place of the seal.
    """
    try:
        content = read_regular(folder / MANIFEST)
    except OSError as error:
        return None, f"{MANIFEST} cannot be read ({error.strerror})"
    return read_sealed(content, MANIFEST)


def read_sealed(content: bytes, name: str) -> tuple[Manifest | None, str | None]:
    """A manifest from its bytes or None, and the problem with it or None."""
    try:
        document = json.loads(content)
    except ValueError as error:
        return None, f"{name} cannot be read ({type(error).__name__})"
    found = _SEAL.search(content)
    if found is None or not isinstance(document, dict):
        return None, f"{name} has no seal: an earlier version wrote it, or somebody changed it"
    bare = content[: found.start(2)] + b"0" * 64 + content[found.end(2) :]
    is_sealed = hashlib.sha256(bare).hexdigest() == found[2].decode()
    broken = None if is_sealed else f"{name} was changed: its seal does not match"
    try:
        return manifest_of(document), broken
    except ValidationError as error:
        return None, broken or f"{name} has {first_fault(error)}"


def other_kinds(folder: Path) -> Iterator[str]:
    """Entries that are neither files nor folders; reading a pipe or a device might never end."""
    # `rglob` does not follow links to folders.
    for path in sorted({*folder.rglob("*"), *(folder / _STAGED).glob("*")}):
        if not path.is_file() and not path.is_dir():
            yield f"{path.relative_to(folder).as_posix()} is not a regular file"


def changed_files(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Every problem with the files of a folder, in the order of the manifest."""
    for name in manifest.files:
        path = folder / name
        if path.is_file():
            if sha256_of(path) not in digests_of(manifest, name):
                yield f"{name} was changed"
        elif path.exists():
            yield f"{name} is not a regular file"
        elif not name.startswith(_FALLS_UNDER_RETENTION):
            yield f"{name} is missing"
    known = {*manifest.files, MANIFEST, UNFINISHED}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in known:
            yield f"{name} is not in the manifest"


def purged_files(folder: Path, manifest: Manifest) -> list[str]:
    """Staged files that retention has deleted."""
    names = [name for name in manifest.files if name.startswith(_FALLS_UNDER_RETENTION)]
    return [name for name in names if not (folder / name).exists()]
