"""Write and check the manifest of a folder and its seal; append lines to files.

The seal is the SHA-256 of the manifest with zeros in place of the seal: a change of a file also
needs a change of the manifest.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import JsonValue, ValidationError

from pipeline.domain.manifest import (
    ACCEPTED,
    GROWING,
    MANIFEST,
    SIGNATURES,
    Manifest,
    RunManifest,
    digests_of,
    manifest_of,
)
from pipeline.errors import OutOfBalance
from pipeline.storage.files import read_regular, sha256_of, write_bytes

__all__ = ["ACCEPTED", "MANIFEST", "SIGNATURES"]
_UNSEALED = "0" * 64
_SEAL = re.compile(rb'"seal": "([0-9a-f]{64})"\s*}\s*\Z')


def sealed(manifest: Manifest) -> bytes:
    """A manifest with its seal: its own SHA-256 with zeros in place of the seal."""
    return sealed_json(manifest.to_json())


def sealed_json(document: Mapping[str, JsonValue]) -> bytes:
    """The JSON of a manifest with its seal."""
    content = {**document, "seal": _UNSEALED}
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    seal = hashlib.sha256(text.encode()).hexdigest()
    return text.replace(f'"seal": "{_UNSEALED}"', f'"seal": "{seal}"').encode()


def sealed_manifest(folder: Path) -> Manifest:
    """The manifest of a folder; raise OutOfBalance if changed, which a new seal would hide."""
    path = folder / MANIFEST
    changed = OutOfBalance(f"{path} is not as it was written", suggests=("verify", folder.name))
    try:
        written = read_regular(path)
        if not _has_its_seal(written):
            raise changed
        return manifest_of(json.loads(written))
    except (ValueError, TypeError, RecursionError, ValidationError):
        raise changed from None


def _has_its_seal(written: bytes) -> bool:
    found = _SEAL.search(written)
    if found is None:
        return False
    bare = written[: found.start(1)] + _UNSEALED.encode() + written[found.end(1) :]
    return hashlib.sha256(bare).hexdigest() == found[1].decode()


def write_sealed(folder: Path, manifest: Manifest) -> None:
    """Write a manifest with a new seal."""
    write_bytes(folder / MANIFEST, sealed(manifest))


def amend(folder: Path, names: Iterable[str]) -> None:
    """Update these files in the manifest; all other files keep their SHA-256."""
    manifest, wanted = _run_manifest(folder), set(names)
    wanted |= {name for name in GROWING if len(digests_of(manifest, name)) > 1}
    others = {name: digest for name, digest in manifest.files.items() if name not in wanted}
    here = {name: sha256_of(path) for name in wanted if (path := folder / name).is_file()}
    files = dict(sorted({**others, **here}.items()))
    write_sealed(folder, manifest.changed(files=files, signing=None, accepting=None))


def refuse_other_lines(folder: Path, name: str) -> None:
    """Raise OutOfBalance if an append-only file does not match the manifest."""
    path = folder / name
    if (folder / MANIFEST).is_file():
        known = digests_of(sealed_manifest(folder), name)
        if (sha256_of(path) if path.is_file() else None) not in known:
            raise OutOfBalance(f"{path} is not as it was written", suggests=("verify", folder.name))


def append_lines(folder: Path, name: str, before: Iterable[str], lines: Iterable[str]) -> None:
    """Append lines to a file; raise OutOfBalance if the earlier lines do not match the manifest.

    The manifest gets the new lines first, so that a failure in between leaves only known lines.
    """
    refuse_other_lines(folder, name)
    content = "".join(f"{line}\n" for line in (*before, *lines)).encode()
    has_manifest = (folder / MANIFEST).is_file()
    if has_manifest:
        grown = hashlib.sha256(content).hexdigest()
        write_sealed(folder, _run_manifest(folder).with_growing(name, grown))
    write_bytes(folder / name, content)
    if has_manifest:
        amend(folder, (name,))


def _run_manifest(folder: Path) -> RunManifest:
    manifest = sealed_manifest(folder)
    if not isinstance(manifest, RunManifest):
        raise OutOfBalance(f"{folder / MANIFEST} is not the manifest of a run")
    return manifest
