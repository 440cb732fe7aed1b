"""`plan.json`: what an import would do, and everything that the plan depends on."""

from typing import Annotated

from pydantic import Field, JsonValue

from pipeline.domain.customer import Environment
from pipeline.domain.fates import Action
from pipeline.domain.published import Count, Published, Sha256, Sums, Text

PLAN_SCHEMA = 7  #: the version of plan.json and of the staged tables


class LineCounts(Published):
    """The physical lines of a file by use; `records` counts the lines of all records."""

    physical: Count = 0
    header: Count = 0
    skipped: Count = 0
    blank: Count = 0
    records: Count = 0


class InputFile(Published):
    """One input file as it was read, with its control totals."""

    path: Text
    name: Text
    sha256: Text
    format: Text = Field(description="csv, excel or parquet")
    bytes: Count
    dialect: dict[str, str] = Field(description="delimiter, encoding, sheet and the like")
    lines: LineCounts
    records: Count
    columns: tuple[str, ...]
    debits: Sums
    credits: Sums
    is_resubmission: bool = Field(description="the file is a list of an earlier run, corrected")
    of_workbooks: bool = Field(
        default=False, description="the runs that a resubmitted list names read workbooks"
    )


class FileFinding(Published):
    """One issue of a file, a stream or a ledger."""

    code: Text
    stops: bool = Field(description="the plan is not applied until somebody accepts the code")
    what: Text
    sentence: Text


class ControlTotalCheck(Published):
    """A stated count or sum beside the one that was read."""

    where: Text
    what: Text
    stated: JsonValue
    found: JsonValue
    holds: bool


class InputTotals(Published):
    """Records and sums of all inputs."""

    records: Count
    debits: Sums
    credits: Sums


class StageProfile(Published):
    """Time and memory of one stage."""

    seconds: Annotated[float, Field(ge=0)]
    rows: Count
    peak_bytes: Count | None = None


class PlanSettings(Published):
    """The settings that belong to a plan: with other values it is another plan."""

    region: Text
    retry_refused: bool = False
    same_identity: Text = "flag"
    limit: Count | None = None
    where: Text | None = None
    expect: tuple[str, ...] | None = None


class KnownCustomersUsed(Published):
    """The version of the known customers that records were matched with."""

    version: JsonValue
    rows: Count
    loaded_at: Text


class ConfigFile(Published):
    """The file of the job."""

    path: Text
    sha256: Sha256


class ConfigUsed(ConfigFile):
    """The job as the plan used it; the file may have changed since."""

    job: dict[str, JsonValue]


class PlanFile(Published):
    """The content of `plan.json`."""

    schema_version: Count = Field(PLAN_SCHEMA, alias="schema")
    run_id: Text
    planned_at: Text = Field(description="ISO 8601 with offset")
    planner: Text
    version: Text = Field(description="the version of this program")
    normalization: Count = Field(description="the version of the normalization rules")
    environment: Environment
    destination: Text = Field(description="an address, or `sandbox`")
    config: ConfigUsed | None = None
    settings: PlanSettings
    per_second: float | None = None
    max_creates: Count | None = None
    mapping: dict[str, str] = Field(description="field -> its source, in words")
    absent_texts: dict[str, Count] = Field(description='text that means "no value" -> cells')
    known_customers: KnownCustomersUsed | None = None
    inputs: tuple[InputFile, ...]
    findings: tuple[FileFinding, ...] = ()
    control_totals: tuple[ControlTotalCheck, ...] = ()
    columns: tuple[str, ...]
    columns_not_sent: dict[str, str | None]
    ledger_event: Count = Field(description="the last event of the ledger that the plan knows")
    read: InputTotals
    actions: dict[str, Count] = Field(description="planned action -> records")
    staged: dict[str, Text] = Field(description="staged file -> SHA-256")
    profile: dict[str, StageProfile] = Field(description="stage -> its time and memory")

    def count_of(self, action: Action) -> int:
        """How many records have this planned action."""
        return self.actions.get(action.value, 0)
