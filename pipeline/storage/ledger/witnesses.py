"""What the reports folder records about ledgers, so that a restored, lost or replaced home is noticed.

A ledger and its high-water mark are restored together, and then agree. The reports folder is restored separately or not at
all. It has a small file for each ledger, and one in each run folder, which name the ledger and its last event.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline.domain.customer import Environment
from pipeline.errors import OutputRefused
from pipeline.storage.files import (
    Kind,
    kind_fault,
    private_folder,
    read_regular,
    refuse_symlink,
)
from pipeline.storage.ledger.hash_chain import Link

FOLDER = ".ledgers"  #: in the reports folder: a file for each ledger that has written reports there
_LARGEST = 1 << 16  #: bytes; no statement is larger
_SEQ = re.compile("[0-9]{20}")  #: as `statement` writes it
IN_RUN = (
    "ledger.json"  #: in a run folder: the ledger and its last event when the results were written
)


@dataclass(frozen=True, slots=True)
class Statement:
    """What a file in the reports folder states: the last event of a ledger."""

    ledger: str  #: its id
    environment: str
    link: Link
    path: Path


class Witness:
    """The file of one ledger, overwritten in place after each commit."""

    def __init__(self, reports: Path, ledger: str, environment: Environment) -> None:
        self._path = reports / FOLDER / f"{ledger}.json"
        self._ledger, self._environment = ledger, environment
        self._descriptor: int | None = None

    def move(self, link: Link) -> None:
        """Write a link that is durable in the ledger."""
        if self._descriptor is None:
            self._refuse_other_kinds()
            private_folder(self._path.parent)
            self._descriptor = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600
            )
        content = statement(self._ledger, self._environment, link)
        os.pwrite(self._descriptor, content, 0)
        os.ftruncate(self._descriptor, len(content))

    def _refuse_other_kinds(self) -> None:
        """Refuse a path that holds neither a folder nor a file as we make them: nothing could be remembered there."""
        folder = self._path.parent
        kinds: tuple[tuple[Path, Kind], ...] = (
            (folder.parent, "folder"),
            (folder, "folder"),
            (self._path, "regular file"),
        )
        for path, wanted in kinds:
            if path is not folder.parent:  # people may link the reports folder itself
                refuse_symlink(path)
            if path.exists() and (fault := kind_fault(path, wanted=wanted)) is not None:
                raise OutputRefused(f"{path} {fault}. Remove it, then resume: it is written again")

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def statement(ledger: str, environment: Environment, link: Link) -> bytes:
    """The content of a statement, always of the same length for the same ledger."""
    content = {
        "ledger": ledger,
        "environment": asdict(environment),
        "seq": f"{link.seq:020d}",
        "sha256": link.sha256,
    }
    return json.dumps(content, sort_keys=True).encode() + b"\n"


def statements(reports: Path, environment: Environment) -> Iterator[Statement]:
    """Every statement about a ledger of this environment; a file that cannot be read states nothing."""
    for path in (*reports.glob(f"{FOLDER}/*.json"), *reports.glob(f"*/{IN_RUN}")):
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            content = json.loads(read_regular(path, _LARGEST))
            if content["environment"] == asdict(environment) and _SEQ.fullmatch(content["seq"]):
                link = Link(int(content["seq"]), str(content["sha256"]))
                yield Statement(str(content["ledger"]), environment.name, link, path)
