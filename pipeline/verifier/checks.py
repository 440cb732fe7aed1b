"""What a check came to, and all of them together."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was recomputed. `holds` is None where it cannot be checked from what is there; `found` says why."""

    what: str
    holds: bool | None
    found: str = ""  #: the first thing that does not hold


@dataclass(frozen=True, slots=True)
class Verified:
    """What the checks of one run folder came to."""

    run_id: str
    records: int
    checks: list[Check]

    @property
    def holds(self) -> bool:
        """Whether nothing was found that does not hold."""
        return all(check.holds is not False for check in self.checks)

    @property
    def exit_code(self) -> int:
        """0, or 7 where something does not hold."""
        return 0 if self.holds else 7
