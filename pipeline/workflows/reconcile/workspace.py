"""The folder of a reconciliation: a new one, or that of the same one by lookup which was stopped or killed."""

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

_JOURNAL, _ASKED = "looked_up.jsonl", "asked.json"
_A_DAY = 86_400  #: seconds; what billing said longer ago says little


@contextmanager
def folder_by_export(reports: Path, asked: dict[str, Any]) -> Iterator[tuple[RunFolder, None]]:
    """A folder, and no journal: where it fails nothing of it stays."""
    folder = _new_folder(reports, asked)
    try:
        yield folder, None
    except BaseException:
        shutil.rmtree(folder.path)
        raise
    shutil.rmtree(folder.staged)


@contextmanager
def folder_by_look_ups(
    reports: Path, asked: dict[str, Any]
) -> Iterator[tuple[RunFolder, BinaryIO]]:
    """A folder and the journal of answers in it: where it fails the answers stay, to go on there.

    Raises LedgerLocked where the same reconciliation goes on in another process.
    """
    folder = _unfinished_folder(reports, asked) or _new_folder(reports, asked)
    with journal_of(folder.path / _JOURNAL) as journal:
        shutil.rmtree(folder.staged, ignore_errors=True)  # as a kill may have left it
        private_folder(folder.staged)
        try:
            yield folder, journal
        finally:
            shutil.rmtree(folder.staged)  # people's data
        (folder.path / _JOURNAL).unlink()


def _new_folder(reports: Path, asked: dict[str, Any]) -> RunFolder:
    """A folder for a reconciliation that begins now."""
    folder = RunFolder.create(
        reports, f"{CLOCK.now():%Y%m%dT%H%M%SZ}-reconcile-{secrets.token_hex(3)}"
    )
    folder.write_json(_ASKED, {**asked, "begun_at": CLOCK.now().isoformat(timespec="seconds")})
    return folder


def _unfinished_folder(reports: Path, asked: dict[str, Any]) -> RunFolder | None:
    """That of the same question (runs, sample, billing's address and credential), begun within a day and never ended."""
    for path in sorted(reports.glob("*-reconcile-*"), reverse=True):
        folder = RunFolder(path)
        if (
            (path / _JOURNAL).is_file()
            and not (path / "summary.json").is_file()
            and _asks(folder, asked)
        ):
            return folder
    return None


def _asks(folder: RunFolder, asked: dict[str, Any]) -> bool:
    try:
        said = folder.read_json(_ASKED)
        age = (CLOCK.now() - datetime.fromisoformat(said.pop("begun_at"))).total_seconds()
    except (RunDamaged, KeyError, ValueError, TypeError):  # another file of that name
        return False
    return said == asked and age < _A_DAY
