"""The folder of a reconciliation: a new one, or that of the same one by look-up which was stopped or killed."""

import json
import secrets
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline.run_folder import RunFolder
from pipeline.verbs.watch import CLOCK

JOURNAL, ASKED = "looked_up.jsonl", "asked.json"
_A_DAY = 86_400  #: seconds; what billing said longer ago says little


def new_folder(reports: Path, asked: dict[str, Any]) -> RunFolder:
    """A folder for a reconciliation that begins now."""
    folder = RunFolder.create(reports, f"{CLOCK.now():%Y%m%dT%H%M%SZ}-reconcile-{secrets.token_hex(3)}")
    folder.write_json(ASKED, {**asked, "begun_at": CLOCK.now().isoformat(timespec="seconds")})
    return folder


def unfinished_folder(reports: Path, asked: dict[str, Any]) -> RunFolder | None:
    """That of the same question (runs, sample, billing's address and credential), begun within a day and never ended."""
    for path in sorted(reports.glob("*-reconcile-*"), reverse=True):
        folder = RunFolder(path)
        if (path / JOURNAL).is_file() and not (path / "summary.json").is_file() and _asks(folder, asked):
            return folder
    return None


def _asks(folder: RunFolder, asked: dict[str, Any]) -> bool:
    try:
        said = folder.read_json(ASKED)
    except (OSError, json.JSONDecodeError):
        return False
    begun = said.pop("begun_at", None)
    return (
        said == asked and begun is not None and (CLOCK.now() - datetime.fromisoformat(begun)).total_seconds() < _A_DAY
    )
