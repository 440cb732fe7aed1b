"""What the verifier computes from the rows of a run."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from pipeline.verifier.checks import Notes


@dataclass
class Recomputed:
    """The counts and sums of all rows, and the first problem of each check."""

    records: int = 0
    has_amounts: bool = False  #: whether this check computes amounts
    fates: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    debits: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    credits: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    #: Fate -> kind of balance -> records.
    kinds: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    #: Currency -> debits and credits of records that were not sent: an earlier request is in doubt.
    waiting: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    #: Inputs or columns with cells that this check does not read.
    not_read: set[str] = field(default_factory=set)
    notes: Notes = field(default_factory=Notes)

    def add_amount(self, fate: str, amount: tuple[str, int] | str, *, waits: bool) -> None:
        """Count the balance of a row, and add it to the sums of its fate.

        Args:
            fate: where the record ended
            amount: currency and minor units, or the kind of a balance that is in no sum
            waits: whether it was not sent because an earlier request is in doubt
        """
        if isinstance(amount, str):
            self.kinds[fate][amount] += 1
            return
        code, minor = amount
        self.kinds[fate]["debit" if minor > 0 else "credit" if minor < 0 else "zero"] += 1
        if not minor:
            return
        (self.debits if minor > 0 else self.credits)[code][fate] += minor
        if waits:
            self.waiting[code]["debits" if minor > 0 else "credits"] += minor

    def add(self, other: "Recomputed") -> None:
        """Add the counts and sums of further rows."""
        self.records += other.records
        self.fates.update(other.fates)
        self.reasons.update(other.reasons)
        for mine, more in (
            (self.debits, other.debits),
            (self.credits, other.credits),
            (self.kinds, other.kinds),
            (self.waiting, other.waiting),
        ):
            for key, counts in more.items():
                mine[key].update(counts)
        self.not_read |= other.not_read
        for check, problem in other.notes.first.items():
            self.notes.note(check, problem)
