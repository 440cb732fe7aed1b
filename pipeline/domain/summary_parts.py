"""The parts of `summary.json`: groups of records, reasons, accounting checks, the bridge."""

from dataclasses import dataclass

from pydantic import Field

from pipeline.domain.published import Count, MinorUnits, Published, Sums, Text


class RecordCounts(Published):
    """The records read, and the lines of the inputs that are no records."""

    read: Count
    header: Count = 0
    skipped: Count = 0
    blank: Count = 0


class SumsRead(Published):
    """Sums of all inputs."""

    debits: Sums
    credits: Sums


class BalanceKinds(Published):
    """Records by kind of balance; every record has exactly one kind."""

    debit: Count = 0
    credit: Count = 0
    zero: Count = Field(default=0, description="a stated balance of 0, which is sent")
    absent: Count = Field(default=0, description="no stated balance, so none is sent")
    unusable: Count = Field(default=0, description="the amount is, or may be, unreadable")

    @property
    def records(self) -> int:
        """All of the records."""
        return sum(dict(self).values())

    def __add__(self, other: "BalanceKinds") -> "BalanceKinds":
        return BalanceKinds(**{kind: count + getattr(other, kind) for kind, count in self})

    def __sub__(self, other: "BalanceKinds") -> "BalanceKinds":
        return BalanceKinds(**{kind: count - getattr(other, kind) for kind, count in self})


class Sides(Published):
    """Sums of one currency in minor units."""

    debits: MinorUnits = 0
    credits: MinorUnits = 0

    @property
    def net(self) -> int:
        """Debits and credits together."""
        return self.debits + self.credits

    def __sub__(self, other: "Sides") -> "Sides":
        return Sides(debits=self.debits - other.debits, credits=self.credits - other.credits)


class RecordGroup(Published):
    """Some records, by kind of balance, and their sums."""

    records: Count = 0
    balances: BalanceKinds = BalanceKinds()
    sums: dict[str, Sides] = Field(default={}, description="currency -> sums")


class AmountAtStake(Published):
    """The records of one list that are not in billing, or may not be."""

    records: Count
    unusable: Count = Field(description="records whose amount is, or may be, unreadable")
    sums: dict[str, Sides] = Field(description="currency -> sums of the other records")


class Example(Published):
    """One row with a reason, as far as a report may show it."""

    row_id: Text
    person: Text | None = Field(default=None, description="a token")
    given: Text | None = Field(
        default=None, description="the cell that caused the reason, redacted"
    )


class ReasonCount(Published):
    """A reason, and how many records have it."""

    reason: Text = Field(description="a code, and after a colon the column")
    rows: Count
    by_list: dict[str, Count] = Field(default={}, description="list -> records")
    sentence: Text
    examples: tuple[Text, ...] = Field(description="the ids of the first rows")
    shown: tuple[Example, ...] | None = Field(
        default=None, description="the same rows, in more detail"
    )


class Sample(Published):
    """One of the first records of an action: its amount in the file, and as it was read."""

    row_id: Text
    given: Text | None
    balance: MinorUnits | None
    currency: Text
    reason: Text | None


class Estimate(Published):
    """How long the creates of a plan take at its rate limit."""

    creates: Count
    per_second: float | None
    seconds: float | None = Field(description="null without a rate limit")


class AccountingCheck(Published):
    """A count or sum of the input (read) beside the one of the fates (ended)."""

    what: Text
    currency: Text | None
    read: MinorUnits
    ended: MinorUnits
    holds: bool


class Accounting(Published):
    """The accounting checks: no record and no amount is lost or counted twice."""

    holds: bool
    checks: tuple[AccountingCheck, ...]


class BridgeFigure(Published):
    """Records and minor units of one currency in one step."""

    records: MinorUnits | None
    sum: MinorUnits


class BridgeStep(Published):
    """A total, or one of the steps between two totals."""

    step: Text
    sentence: Text
    is_total: bool
    records: MinorUnits | None = None
    figures: dict[str, BridgeFigure] = Field(description="currency -> figures")


class Waits(Published):
    """Seconds from the durable intent to the durable answer, by percentile."""

    p50: float
    p95: float
    p99: float
    most: float


class ThroughputSpan(Published):
    """The creates that were settled in one span of time."""

    after: Count | float = Field(description="seconds from the first")
    settled: Count
    p50: float
    p95: float


class Throughput(Published):
    """Creates settled over time, and how long they waited."""

    since: Text = Field(description="ISO 8601 with offset")
    span_seconds: Count | float
    settled: Count
    per_second: float
    waited: Waits
    spans: tuple[ThroughputSpan, ...]


class Batch(Published):
    """The part of the records that a run sends; the others are left for a later run."""

    limit: Count | None = None
    where: Text | None = None


class Requests(Published):
    """Requests to billing by kind."""

    creates: Count = 0
    replayed: Count = Field(default=0, description="creates that billing had answered before")
    lookups: Count = 0


@dataclass(frozen=True, slots=True)
class LeftInDoubt:
    """A request of an earlier run that is still in doubt."""

    external_reference: str
    run_id: str
    why: str  #: the last answer


class InDoubtEarlier(Published):
    """Requests that earlier runs left in doubt, and the first of them."""

    in_doubt: Count = 0
    named: tuple[LeftInDoubt, ...] = ()
