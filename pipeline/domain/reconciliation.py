"""The `summary.json` of a reconciliation: the verdict, and the figures that support it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue

from pipeline.domain.customer import Environment
from pipeline.domain.discrepancies import Discrepancy
from pipeline.domain.plan_file import LineCounts
from pipeline.domain.published import Count, Published, Sha256, Sums, Text
from pipeline.domain.summary_parts import BridgeFigure, BridgeStep
from pipeline.domain.upgrades import Document, renamed, upgraded, with_each

RECONCILIATION_SCHEMA = 2  #: the version of the summary of a reconciliation
Method = Literal["export", "lookups"]
BY_EXPORT: Method = "export"
BY_LOOKUPS: Method = "lookups"
OUT_OF_BALANCE = 7  #: the exit code if totals or customers differ


class DamagedFolder(Published):
    """A folder that could not be read, and why."""

    run_id: Text
    reason: Text


class ExportFile(Published):
    """A file that billing exported, as it was read."""

    name: Text
    sha256: Sha256
    lines: LineCounts


class ExistedBefore(Published):
    """Customers that billing had before our first request."""

    held: Count = Field(description="with other content; they wait for a decision")
    known: Count = Field(description="named by the known customers")


class LegacyTotals(Published):
    """Control totals of the legacy system, and the reasons for those that differ."""

    totals: Sums = Field(description="currency, or `records` -> total")
    because: dict[str, str]


class LedgerAgreement(Published):
    """The creates of one run, by its report and by the ledger."""

    run_id: Text
    reported: Count
    settled_since: Count = Field(description="in doubt in the report, with an outcome now")
    recorded: Count
    agrees: bool


class Sample(Published):
    """A random sample of the customers, and its confidence bound."""

    customers: Count
    of: Count | None = Field(description="null if an earlier version did not state it")
    differing: Count
    confidence: Annotated[float, Field(ge=0, le=1)]
    at_most: Annotated[float, Field(ge=0, le=1)]


class Reconciliation(Published):
    """The content of a reconciliation's `summary.json`."""

    schema_version: Count = Field(
        default=RECONCILIATION_SCHEMA, le=RECONCILIATION_SCHEMA, alias="schema"
    )
    kind: Literal["reconciliation"] = "reconciliation"
    reconciliation_id: Text
    runs: tuple[str, ...]
    left_out: dict[str, str] = Field(description="run of the period -> why it is not compared")
    damaged_runs: tuple[DamagedFolder, ...]
    environment: Environment
    reviewer: Text
    version: Text = Field(description="the version of this program")
    begun_at: Text | None = Field(description="null if an earlier version did not state it")
    finished_at: Text = Field(description="ISO 8601 with offset")
    exit_code: Count
    signable: bool
    verdict: Text
    method: Method
    export: tuple[ExportFile, ...]
    export_unusable: Count = Field(description="records of the export that name no customer")
    compared: tuple[str, ...] = Field(description="fields")
    not_compared: tuple[str, ...] = Field(description="fields that billing's side does not state")
    tolerances: dict[str, JsonValue]
    differences: dict[str, Count] = Field(description="kind of difference -> differences")
    fields: dict[str, Count] | None = Field(
        description="field -> differences in it; null if an earlier version did not count them"
    )
    patterns: dict[str, Count] = Field(description="likely mistake -> balances that look like it")
    not_determinable: dict[str, str] = Field(description="kind of difference -> why")
    rows_read: Count | None = Field(
        description="input rows of all runs; null if an earlier version did not state them"
    )
    existed_before: ExistedBefore
    bridge: tuple[BridgeStep, ...]
    residual: dict[str, BridgeFigure] = Field(description="currency -> what no step explains")
    legacy: LegacyTotals
    ledger: tuple[LedgerAgreement, ...]
    examples: dict[str, tuple[str, ...]] = Field(
        default={}, description="kind of difference -> first rows; a bundle leaves them out"
    )
    sample: Sample | None
    files: dict[str, str] = Field(default={}, description="name -> path; a bundle leaves them out")

    @classmethod
    def of(cls, document: Document) -> Self:
        """Parse a summary of any version; raise ValidationError if it has another shape."""
        return cls.model_validate(upgraded(document, _STEPS))

    def outcome(self) -> "ReconciliationOutcome":
        """What a report states of each reconciliation of a run."""
        return ReconciliationOutcome(
            self.reconciliation_id,
            self.finished_at,
            self.method,
            self.exit_code,
            self.verdict,
            self.is_sample,
        )

    @property
    def is_sample(self) -> bool:
        """Whether only some customers were looked up."""
        return self.sample is not None

    @property
    def is_by_lookups(self) -> bool:
        """Whether each customer was looked up, so no export was read."""
        return self.method == BY_LOOKUPS

    def differences_of(self, kinds: Sequence[Discrepancy]) -> int:
        """How many differences are of these kinds; an earlier version knows fewer kinds."""
        return sum(self.differences.get(kind.value, 0) for kind in kinds)


@dataclass(frozen=True, slots=True)
class ReconciliationOutcome:
    """The result of one reconciliation of a run."""

    reconciliation_id: str
    finished_at: str
    method: Method
    exit_code: int
    verdict: str
    is_sample: bool


#: Names of steps in version 1.
_STEP_NAMES = {"there_before": "existed_before", "not_in_the_files": "files_differ"}
#: Keys that some summaries of version 1 lack: they were added without a new version.
_ADDED_TO_1: dict[str, JsonValue] = {
    "left_out": {},
    "damaged_runs": [],
    "begun_at": None,
    "not_compared": [],
    "fields": None,
    "fed": None,
    "legacy": {"totals": {}, "because": {}},
    "sample": None,
}


def step_named(steps: Sequence[BridgeStep], name: str) -> BridgeStep | None:
    """The step of this name, or None."""
    return next((one for one in steps if one.step == name), None)


def _from_1(document: Document) -> Document:
    """Rename keys, steps and the method; add what some summaries of version 1 lack."""
    changed: dict[str, JsonValue] = {
        **_ADDED_TO_1,
        "there_before": _existed_before(document.get("bridge")),
        **document,
        "bridge": with_each(document, "bridge", _step_from_1),
        "ledger": with_each(document, "ledger", lambda run: {"settled_since": 0, **run}),
    }
    if changed.get("method") == "look-ups":
        changed["method"] = BY_LOOKUPS
    if isinstance(sample := changed["sample"], dict):
        changed["sample"] = {"of": None, **sample}
    return renamed(changed, {"fed": "rows_read", "there_before": "existed_before"})


def _step_from_1(step: Document) -> Document:
    name = step.get("step")
    new_name = _STEP_NAMES.get(name, name) if isinstance(name, str) else name
    return {"records": _records_of(step), **step, "step": new_name}


def _records_of(step: Document) -> int:
    """The records of a step, over all currencies; the first summaries did not add them up."""
    figures = step.get("figures")
    if not isinstance(figures, dict):
        return 0
    counted = [one.get("records") for one in figures.values() if isinstance(one, dict)]
    return sum(one for one in counted if isinstance(one, int))


def _existed_before(steps: JsonValue) -> dict[str, JsonValue]:
    """The first summaries stated these counts only in the bridge."""
    objects = [one for one in steps if isinstance(one, dict)] if isinstance(steps, list) else []
    records = {str(one.get("step")): _records_of(one) for one in objects}
    return {"held": records.get("there_before", 0), "known": records.get("known_before", 0)}


_STEPS = {1: _from_1}
