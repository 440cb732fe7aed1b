"""The story of an audit: recompute the chain of every ledger in a home, and name the first thing that does not hold."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.domain.machine_faults import is_of_the_machine
from pipeline.errors import LedgerError
from pipeline.storage.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Audited:
    """One ledger: how many events it holds, and what is wrong with them."""

    environment: str
    events: int
    broken: str | None  #: the first thing that does not hold
    damage: tuple[str, ...]  #: what earlier openings found

    @property
    def holds(self) -> bool:
        """Whether the chain does."""
        return self.broken is None


def audit(home: Path) -> list[Audited]:
    """Every environment of a home, by name; nothing is written, and a run may go on beside it.

    Raises LedgerError where there is nothing to audit.
    """
    found = []
    for folder in sorted(path for path in home.glob("*") if path.is_dir()):
        try:
            with Ledger.read(folder) as ledger:
                if ledger is None:
                    if (gone := Ledger.remembered(folder)) is not None:
                        told = f"its ledger is gone: its high-water mark remembers event {gone}"
                        found.append(Audited(folder.name, 0, told, ()))
                    continue
                broken, damage = ledger.first_broken(), tuple(ledger.damage())
                found.append(Audited(folder.name, ledger.last_event(), broken, damage))
        except LedgerError as unreadable:
            if unreadable.__cause__ is not None and is_of_the_machine(unreadable.__cause__):
                raise  # nobody can say whether it holds
            found.append(Audited(folder.name, 0, str(unreadable), ()))
    if not found:
        raise LedgerError(
            f"{home}: no ledger stands there, so there is nothing to audit; is this the right --home?"
        )
    return found
