"""What a check came to, and all of them together."""

import csv
import sys
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was recomputed. `holds` is None where it cannot be checked from what is there; `found` says why."""

    what: str
    holds: bool | None
    found: str = ""  #: the first thing that does not hold
    suggests: tuple[str, ...] = ()  #: the words of a command that helps, such as ("resume", RUN_ID)


@dataclass(frozen=True, slots=True)
class Verified:
    """What the checks of one run folder came to."""

    run_id: str
    records: (
        int | None
    )  #: None for a reconciliation or a span: their records are not checked one by one
    checks: list[Check]

    @property
    def holds(self) -> bool:
        """Whether nothing was found that does not hold."""
        return all(check.holds is not False for check in self.checks)

    @property
    def exit_code(self) -> int:
        """0, or 7 where something does not hold."""
        return 0 if self.holds else 7


@dataclass
class Notes:
    """The first thing that does not hold, of each check that goes on over many rows."""

    first: dict[str, str] = field(default_factory=dict)

    def note(self, check: str, found: str | None) -> None:
        """Remember it."""
        if found:
            self.first.setdefault(check, found)

    def check(self, name: str, what: str) -> Check:
        """What it came to."""
        return Check(what, name not in self.first, self.first.get(name, ""))


def unreadable(what: str, error: Exception) -> Check:
    """A file that is not what it was made as, whatever that does to whoever reads it."""
    return Check(what, holds=False, found=f"{type(error).__name__}: {error}")


def differing(what: str, ours: dict[str, int], theirs: dict[str, int]) -> str | None:
    """The first of some figures that is not the same on both sides."""
    for name in sorted({*ours, *theirs}):
        if ours.get(name, 0) != theirs.get(name, 0):
            return f"{what}, {name}: {ours.get(name, 0)} recomputed, {theirs.get(name, 0)} stated"
    return None


def read_any_cell() -> None:
    """Python's csv takes cells of 128 KiB; a record that nobody could read is listed whole, whatever its length."""
    csv.field_size_limit(sys.maxsize)
