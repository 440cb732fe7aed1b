"""The manifest of a folder: the SHA-256 of its files and a seal; and append-only files of lines.

The seal is the SHA-256 of the manifest with zeros in place of the seal: a change of a file also
needs a change of the manifest.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.errors import OutOfBalance
from pipeline.storage.files import read_regular, sha256_of, write_bytes

MANIFEST = "manifest.json"
SIGNATURES = "signatures.jsonl"
ACCEPTED = "accepted.jsonl"
#: Append-only files -> the manifest key with the SHA-256 of lines about to be written.
_GROWING = {SIGNATURES: "signing", ACCEPTED: "accepting"}
_UNSEALED = "0" * 64


def sealed(content: dict[str, Any]) -> bytes:
    """A manifest with its seal: its own SHA-256 with zeros in place of the seal."""
    text = json.dumps({**content, "seal": _UNSEALED}, indent=2, ensure_ascii=False) + "\n"
    seal = hashlib.sha256(text.encode()).hexdigest()
    return text.replace(f'"seal": "{_UNSEALED}"', f'"seal": "{seal}"').encode()


def sealed_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder; raise OutOfBalance if changed, which a new seal would hide."""
    path = folder / MANIFEST
    try:
        written = read_regular(path)
        content: dict[str, Any] = json.loads(written)
        is_sealed = isinstance(content["files"], dict) and sealed(content) == written
    except (ValueError, TypeError, KeyError, RecursionError):
        is_sealed = False
    if not is_sealed:
        raise OutOfBalance(f"{path} is not as it was written", suggests=("verify", folder.name))
    return content


def write_sealed(folder: Path, content: dict[str, Any]) -> None:
    """Write a manifest with a new seal."""
    write_bytes(folder / MANIFEST, sealed(content))


def amend(folder: Path, names: Iterable[str]) -> None:
    """Update these files in the manifest; all other files keep their SHA-256."""
    content, wanted = sealed_manifest(folder), set(names)
    wanted |= {name for name, key in _GROWING.items() if content.pop(key, None)}
    others = {name: digest for name, digest in content["files"].items() if name not in wanted}
    here = {name: sha256_of(path) for name in wanted if (path := folder / name).is_file()}
    write_sealed(folder, {**content, "files": dict(sorted({**others, **here}.items()))})


def refuse_other_lines(folder: Path, name: str) -> None:
    """Raise OutOfBalance if an append-only file does not match the manifest."""
    path = folder / name
    if (folder / MANIFEST).is_file():
        content = sealed_manifest(folder)
        known = {
            content["files"].get(name),
            content.get(_GROWING[name], content["files"].get(name)),
        }
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
        write_sealed(
            folder, {**sealed_manifest(folder), _GROWING[name]: hashlib.sha256(content).hexdigest()}
        )
    write_bytes(folder / name, content)
    if has_manifest:
        amend(folder, (name,))
