"""The result of one check, and of all checks of a folder."""

import csv
import sys
from dataclasses import dataclass, field

from pydantic import ValidationError

from pipeline.domain.published import first_fault


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `holds` is None if the check is not possible here; `found` then says why."""

    what: str
    holds: bool | None
    found: str = ""  #: the first problem
    suggests: tuple[str, ...] = ()  #: a command that helps, such as ("resume", RUN_ID)


@dataclass(frozen=True, slots=True)
class Verified:
    """The results of all checks of one folder."""

    run_id: str
    #: None for a reconciliation or a period: their records are not checked one by one.
    records: int | None
    checks: list[Check]

    @property
    def holds(self) -> bool:
        """Whether no check failed."""
        return all(check.holds is not False for check in self.checks)

    @property
    def exit_code(self) -> int:
        """0, or 7 if a check failed."""
        return 0 if self.holds else 7


@dataclass
class Notes:
    """The first problem of each check that goes over many rows."""

    first: dict[str, str] = field(default_factory=dict)

    def note(self, check: str, found: str | None) -> None:
        """Remember a problem, unless the check already has one."""
        if found:
            self.first.setdefault(check, found)

    def check(self, name: str, what: str) -> Check:
        """The result of a check."""
        return Check(what, name not in self.first, self.first.get(name, ""))


def unreadable(what: str, error: Exception) -> Check:
    """A failed check: a file cannot be read."""
    if isinstance(error, ValidationError):
        return Check(what, holds=False, found=f"{error.title} has {first_fault(error)}")
    return Check(what, holds=False, found=f"{type(error).__name__}: {error}")


def differing(what: str, ours: dict[str, int], theirs: dict[str, int]) -> str | None:
    """The first figure that differs between both sides."""
    for name in sorted({*ours, *theirs}):
        if ours.get(name, 0) != theirs.get(name, 0):
            return f"{what}, {name}: {ours.get(name, 0)} recomputed, {theirs.get(name, 0)} stated"
    return None


def read_any_cell() -> None:
    """Lift the csv module's limit of 128 KiB a cell: unreadable records are listed in full."""
    csv.field_size_limit(sys.maxsize)
