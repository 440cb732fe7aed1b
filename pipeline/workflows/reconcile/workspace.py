"""The folder of a reconciliation: a new one, or the one of the same lookups to resume."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.storage.files import private_folder
from pipeline.storage.run_damage import RunDamaged
from pipeline.storage.run_folder import RunFolder
from pipeline.workflows.progress import CLOCK
from pipeline.workflows.reconcile.lookups import journal_of

_JOURNAL, _QUESTION = "looked_up.jsonl", "asked.json"
_A_DAY = 86_400  #: seconds; do not resume with older answers


@contextmanager
def folder_by_export(reports: Path, question: dict[str, Any]) -> Iterator[tuple[RunFolder, None]]:
    """A new folder, without a journal. It is deleted if the reconciliation fails."""
    folder = _new_folder(reports, question)
    try:
        yield folder, None
    except BaseException:
        shutil.rmtree(folder.path)
        raise
    shutil.rmtree(folder.staged)


@contextmanager
def folder_by_look_ups(
    reports: Path, question: dict[str, Any]
) -> Iterator[tuple[RunFolder, BinaryIO]]:
    """A folder and its journal of answers. If the reconciliation fails, both stay for a resume.

    Raises:
        LedgerLocked: if the same reconciliation is running in another process
    """
    folder = _unfinished_folder(reports, question) or _new_folder(reports, question)
    with journal_of(folder.path / _JOURNAL) as journal:
        shutil.rmtree(folder.staged, ignore_errors=True)  # a kill may have left it
        private_folder(folder.staged)
        try:
            yield folder, journal
        finally:
            shutil.rmtree(folder.staged)  # personal data
        (folder.path / _JOURNAL).unlink()


def _new_folder(reports: Path, question: dict[str, Any]) -> RunFolder:
    """A folder for a reconciliation that begins now."""
    folder = RunFolder.create(
        reports, f"{CLOCK.now():%Y%m%dT%H%M%SZ}-reconcile-{secrets.token_hex(3)}"
    )
    begun_at = CLOCK.now().isoformat(timespec="seconds")
    folder.write_json(_QUESTION, {**question, "begun_at": begun_at})
    return folder


def _unfinished_folder(reports: Path, question: dict[str, Any]) -> RunFolder | None:
    """The unfinished folder of the same question that began within a day.

    A question is made of runs, sample, and billing's address and credential.
    """
    for path in sorted(reports.glob("*-reconcile-*"), reverse=True):
        folder = RunFolder(path)
        if (
            (path / _JOURNAL).is_file()
            and not (path / "summary.json").is_file()
            and _has_question(folder, question)
        ):
            return folder
    return None


def _has_question(folder: RunFolder, question: dict[str, Any]) -> bool:
    try:
        written = folder.read_json(_QUESTION)
        age = (CLOCK.now() - datetime.fromisoformat(str(written.pop("begun_at")))).total_seconds()
    except (RunDamaged, KeyError, ValueError, TypeError):  # another file of that name
        return False
    return written == question and age < _A_DAY
