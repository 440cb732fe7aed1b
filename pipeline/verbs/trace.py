"""The story of one customer: everything that was ever sent for a reference, and every answer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Traced:
    """What the ledger of one environment holds of a reference, the oldest event first."""

    environment: str
    events: list[dict[str, Any]]


def trace(reference: str, home: Path) -> list[Traced]:
    """Every environment of a home whose ledger knows the reference; nothing is written, and a run may go on beside it."""
    found = []
    for folder in sorted(path for path in home.glob("*") if path.is_dir()):
        with Ledger.read(folder) as ledger:
            events = ledger.life_of(reference) if ledger is not None else []
        if events:
            found.append(Traced(folder.name, events))
    return found
