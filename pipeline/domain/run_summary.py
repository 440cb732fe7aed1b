"""`summary.json`: the result of a run in figures, for programs and for every report of it."""

from typing import Annotated

from pydantic import AfterValidator, Field

from pipeline.domain.customer import Environment
from pipeline.domain.fates import Fate
from pipeline.domain.plan_file import (
    ConfigFile,
    ControlTotalCheck,
    FileFinding,
    InputFile,
    KnownCustomersUsed,
    PlanSettings,
    StageProfile,
)
from pipeline.domain.published import Count, MinorUnits, Published, Text
from pipeline.domain.summary_parts import (
    Accounting,
    AmountAtStake,
    BalanceKinds,
    Batch,
    BridgeStep,
    Estimate,
    InDoubtEarlier,
    ReasonCount,
    RecordCounts,
    RecordGroup,
    Requests,
    Sample,
    SumsRead,
    Throughput,
)

SUMMARY_SCHEMA = 2  #: the version of summary.json


def _complete(fates: dict[str, int]) -> dict[str, int]:
    if missing := [fate.value for fate in Fate if fate not in fates]:
        raise ValueError(f"no {missing[0]!r}")
    return fates


Fates = Annotated[dict[str, Count], AfterValidator(_complete)]  #: every fate -> records
SumsByFate = dict[str, dict[str, MinorUnits]]  #: currency -> fate -> minor units


Status = Annotated[str, Field(strict=True, pattern="^(planned|finished|stopped)$")]


class RunSummary(Published):
    """The content of `summary.json`."""

    schema_version: Count = Field(default=SUMMARY_SCHEMA, le=SUMMARY_SCHEMA, alias="schema")
    run_id: Text
    status: Status
    exit_code: Count
    stopped_because: Text | None = None
    environment: Environment
    planner: Text
    version: Text = Field(description="the version of this program")
    tools: dict[str, Text] = Field(default={}, description="software of the run -> its version")
    planned_at: Text = Field(description="ISO 8601 with offset")
    finished_at: Text = Field(description="ISO 8601 with offset")
    records: RecordCounts
    read: SumsRead = Field(description="sums of the source text, added up while it was read")
    actions: dict[str, Count] = Field(description="planned action -> records")
    fates: Fates = Field(description="fate -> records; every record has exactly one")
    sums: SumsByFate = Field(description="currency -> fate -> debits and credits together")
    debits: SumsByFate = Field(description="currency -> fate -> positive balances")
    credits: SumsByFate = Field(description="currency -> fate -> negative balances")
    balances: dict[str, BalanceKinds] = Field(
        description="fate -> kind of balance -> records; empty if a first version wrote it"
    )
    at_stake: dict[str, AmountAtStake] = Field(description="list -> amounts that did not arrive")
    amounts_unreadable: dict[str, Count] = Field(description="fate -> records; in no sum")
    reasons: tuple[ReasonCount, ...] = Field(description="most frequent first")
    not_payable: Count = Field(
        default=0, description="created customers that cannot receive payments"
    )
    by_action: dict[str, RecordGroup] = Field(description="planned action -> its records")
    waiting: RecordGroup = Field(
        default=RecordGroup(),
        description="never sent: an earlier request for their reference is in doubt",
    )
    samples: dict[str, tuple[Sample, ...]] = Field(description="planned action -> first records")
    flagged: dict[str, Count] = Field(
        default={}, description="reason -> creates that were sent in spite of it"
    )
    findings: tuple[FileFinding, ...] = ()
    control_totals: tuple[ControlTotalCheck, ...] = ()
    accepted: dict[str, Text] = Field(
        default={}, description="code of a file issue -> who accepted it first"
    )
    estimate: Estimate
    accounting: Accounting
    bridge: tuple[BridgeStep, ...] = ()
    throughput: Throughput | None = None
    columns_not_sent: dict[str, str | None] = Field(
        description="column -> the field that it resembles"
    )
    mapping: dict[str, str] = Field(default={}, description="field -> its source, in words")
    absent_texts: dict[str, Count] = Field(
        default={}, description='text that means "no value" -> cells'
    )
    known_customers: KnownCustomersUsed | None = None
    requests: Requests
    settled_for_earlier_runs: Count = 0
    left_by_earlier_runs: InDoubtEarlier = InDoubtEarlier()
    other_ledgers: tuple[Text, ...] = Field(
        default=(), description="other ledgers that write to this reports folder"
    )
    account: Text | None = Field(
        default=None, description="what lookups showed about the account of the API key"
    )
    account_is_doubtful: bool = False
    seconds: dict[str, float] = Field(description="stage -> seconds")
    profile: dict[str, StageProfile] = Field(description="stage -> its time and memory")
    settings: PlanSettings
    config: ConfigFile | None = None
    batch: Batch | None = Field(
        default=None, description="the part of the records that this run sends"
    )
    inputs: tuple[InputFile, ...]
    files: dict[str, Text] = Field(default={}, description="name of a result file -> its path")
    verdict: Text = Field(
        default="", description="one sentence: records by fate; whether they add up"
    )
    held_differs: dict[str, Count] | None = Field(
        default=None, description="field -> held records that differ in it; null: not counted"
    )

    @property
    def is_planned(self) -> bool:
        """Whether nothing was sent yet."""
        return self.status == "planned"
