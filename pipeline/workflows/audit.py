"""`pipeline audit verify`: recompute the hash chain of every ledger and name the first fault."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.domain.machine_faults import is_of_the_machine
from pipeline.errors import LedgerError
from pipeline.storage.ledger import Ledger


@dataclass(frozen=True, slots=True)
class LedgerAudit:
    """The audit of one ledger: the number of its events, and their faults."""

    environment: str
    events: int
    broken: str | None  #: the first fault
    damage: tuple[str, ...]  #: faults that were found when it was opened earlier

    @property
    def holds(self) -> bool:
        """Whether the hash chain is unbroken."""
        return self.broken is None


def audit(home: Path) -> list[LedgerAudit]:
    """Audit every environment of a home, by name; writes nothing, so a run may go on meanwhile.

    Raises LedgerError if there is no ledger.
    """
    found = []
    for folder in sorted(path for path in home.glob("*") if path.is_dir()):
        try:
            with Ledger.read(folder) as ledger:
                if ledger is None:
                    if (gone := Ledger.remembered(folder)) is not None:
                        fault = f"its ledger is gone: its high-water mark remembers event {gone}"
                        found.append(LedgerAudit(folder.name, 0, fault, ()))
                    continue
                broken, damage = ledger.first_fault(), tuple(ledger.damage())
                found.append(LedgerAudit(folder.name, ledger.last_event(), broken, damage))
        except LedgerError as unreadable:
            if unreadable.__cause__ is not None and is_of_the_machine(unreadable.__cause__):
                raise  # the machine failed, so the chain cannot be checked
            found.append(LedgerAudit(folder.name, 0, str(unreadable), ()))
    if not found:
        raise LedgerError(
            f"{home}: no ledger there, so there is nothing to audit; is this the right --home?"
        )
    return found
