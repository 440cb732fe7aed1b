"""The folder of a reconciliation: a new one, or the one of the same lookups to resume."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from pydantic import Field

from pipeline.domain.published import Count, Published, Text
from pipeline.storage.files import private_folder
from pipeline.storage.run_damage import RunDamaged, document_in
from pipeline.storage.run_folder import RunFolder
from pipeline.workflows.progress import CLOCK
from pipeline.workflows.reconcile.lookups import journal_of

_JOURNAL, _REQUEST = "looked_up.jsonl", "request.json"
_EARLIER_REQUEST = "asked.json"  #: the name that earlier versions gave to request.json
_A_DAY = 86_400  #: seconds; do not resume with older answers


class LookupRequest(Published):
    """The content of `request.json`: only the same lookups may resume with their answers."""

    runs: tuple[str, ...]
    sample: Count | None
    billing: tuple[str, str] | None = Field(
        description="address and fingerprint of the credential; null for an export"
    )
    begun_at: Text = ""

    def is_same_as(self, other: "LookupRequest") -> bool:
        """Whether the other request asks for the same, whenever it began."""
        return other.changed(begun_at=self.begun_at) == self


@contextmanager
def folder_by_export(reports: Path, request: LookupRequest) -> Iterator[tuple[RunFolder, None]]:
    """A new folder, without a journal. It is deleted if the reconciliation fails."""
    folder = _new_folder(reports, request)
    try:
        yield folder, None
    except BaseException:
        shutil.rmtree(folder.path)
        raise
    shutil.rmtree(folder.staged)


@contextmanager
def folder_by_lookups(
    reports: Path, request: LookupRequest
) -> Iterator[tuple[RunFolder, BinaryIO]]:
    """A folder and its journal of answers. If the reconciliation fails, both stay for a resume.

    Raises:
        LedgerLocked: if the same reconciliation is running in another process
    """
    folder = _unfinished_folder(reports, request) or _new_folder(reports, request)
    with journal_of(folder.path / _JOURNAL) as journal:
        shutil.rmtree(folder.staged, ignore_errors=True)  # a kill may have left it
        private_folder(folder.staged)
        try:
            yield folder, journal
        finally:
            shutil.rmtree(folder.staged)  # personal data
        (folder.path / _JOURNAL).unlink()


def request_in(folder: RunFolder) -> LookupRequest:
    """The request of a reconciliation, of any version; raise RunDamaged if it cannot be read."""
    earlier = folder.path / _EARLIER_REQUEST
    return document_in(
        earlier if earlier.is_file() else folder.path / _REQUEST, LookupRequest.model_validate
    )


def _new_folder(reports: Path, request: LookupRequest) -> RunFolder:
    """A folder for a reconciliation that begins now."""
    folder = RunFolder.create(
        reports, f"{CLOCK.now():%Y%m%dT%H%M%SZ}-reconcile-{secrets.token_hex(3)}"
    )
    begun = request.changed(begun_at=CLOCK.now().isoformat(timespec="seconds"))
    folder.write_json(_REQUEST, begun.to_json())
    return folder


def _unfinished_folder(reports: Path, request: LookupRequest) -> RunFolder | None:
    """The unfinished folder of the same request that began within a day."""
    for path in sorted(reports.glob("*-reconcile-*"), reverse=True):
        folder = RunFolder(path)
        if (
            (path / _JOURNAL).is_file()
            and not (path / "summary.json").is_file()
            and _has_request(folder, request)
        ):
            return folder
    return None


def _has_request(folder: RunFolder, request: LookupRequest) -> bool:
    try:
        written = request_in(folder)
        age = (CLOCK.now() - datetime.fromisoformat(written.begun_at)).total_seconds()
    except (RunDamaged, ValueError, TypeError):  # another file of that name
        return False
    return written.is_same_as(request) and age < _A_DAY
