"""Decide what to do with every accepted row; `plan_query` returns the plan as SQL."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import duckdb

from pipeline.domain.customer import KEY_NAMESPACE, Environment, key_prefix
from pipeline.domain.fates import Action, Fate, sends
from pipeline.domain.reasons import Reason
from pipeline.planning.differing import created_otherwise, find_differing
from pipeline.planning.limits import Ceiling, find_outside

__all__ = [
    "IDENTITY_REASONS", "SAME_IDENTITY", "VERDICTS", "Ceiling", "Plan", "PlanQuery", "SameIdentity", "created_otherwise", "find_differing",
    "plan_query",
]  # fmt: skip

_EXCEPTIONS, _FIRST_OVER_LIMIT, _PLAN = (
    files(__package__).joinpath(name).read_text(encoding="utf-8")
    for name in ("exceptions.sql", "first_over_limit.sql", "plan.sql")
)
_WAITS = Reason.PLAN_EARLIER_REQUEST_UNSETTLED.value
SameIdentity = Literal["flag", "hold", "skip"]

#: The action and fate of each reason. Without a reason, the row is created.
VERDICTS: dict[Reason, tuple[Action, Fate]] = {
    Reason.MATCH_REPEATS_EARLIER_ROW: (Action.SKIP, Fate.DUPLICATE_IN_FILE),
    Reason.MATCH_SAME_REFERENCE_OTHER_CONTENT: (Action.HOLD, Fate.NEEDS_REVIEW),
    Reason.PLAN_CREATED_BEFORE: (Action.SKIP, Fate.ALREADY_EXISTS_SAME),
    Reason.PLAN_CREATED_BEFORE_DIFFERENT: (Action.HOLD, Fate.ALREADY_EXISTS_DIFFERENT),
    Reason.PLAN_CREATED_BEFORE_OTHER_FORM: (Action.HOLD, Fate.ALREADY_EXISTS_DIFFERENT),
    Reason.PLAN_EARLIER_REQUEST_UNSETTLED: (Action.WAIT, Fate.IN_DOUBT),
    Reason.PLAN_EARLIER_REQUEST_GIVEN_UP: (Action.HOLD, Fate.NEEDS_REVIEW),
    Reason.PLAN_REFUSED_BEFORE: (Action.REFUSE, Fate.REFUSED),
    Reason.MATCH_KNOWN_SAME: (Action.SKIP, Fate.ALREADY_EXISTS_SAME),
    Reason.MATCH_KNOWN_DIFFERENT: (Action.HOLD, Fate.ALREADY_EXISTS_DIFFERENT),
    Reason.PLAN_OUTSIDE_WAVE: (Action.DEFER, Fate.NOT_ATTEMPTED),
    Reason.PLAN_BEYOND_LIMIT: (Action.DEFER, Fate.NOT_ATTEMPTED),
}
#: A new reference with the email, phone, billing id or identity of another: the config decides.
IDENTITY_REASONS = (
    Reason.MATCH_EMAIL_OF_ANOTHER,
    Reason.MATCH_PHONE_OF_ANOTHER,
    Reason.MATCH_BILLING_ID_OF_ANOTHER,
    Reason.MATCH_IDENTITY_OF_ANOTHER,
)
#: `flag` has no action: the row is created and keeps its reasons.
SAME_IDENTITY: dict[SameIdentity, tuple[Action, Fate] | None] = {
    "flag": None,
    "hold": (Action.HOLD, Fate.NEEDS_REVIEW),
    "skip": (Action.SKIP, Fate.DUPLICATE_OF_REFERENCE),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """The totals of a plan: rows by action."""

    rows: dict[Action, int]

    @property
    def creates(self) -> int:
        """How many customers may be created, including rows that wait for an earlier request."""
        return sends(self.rows)


@dataclass(frozen=True, slots=True)
class PlanQuery:
    """The plan of an import as SQL, part by part.

    Columns, in the order of the input: position, external_reference, action, fate, reason, flags
    (reasons for data shared with another reference), same_as (a row of the run, or with flags the
    known reference), fingerprint, and key for creates and waiting rows.
    """

    #: Bound values, without the first and last position of a part.
    values: dict[str, str | int | None]

    def of(self, part: str) -> str:
        """The query of a part, an SQL relation. It binds `values`, `first` and `last`."""
        return _PLAN.format(part=part)


def plan_query(
    workbench: duckdb.DuckDBPyConnection,
    environment: Environment,
    *,
    retry_refused: bool,
    ceiling: Ceiling,
    same_identity: SameIdentity = "flag",
    limit: int | None = None,
    where: str | None = None,
    normalization: int | None = None,
) -> PlanQuery:
    """Decide the plan from the views `records` and `history` and the tables of `find_matches`.

    `limit` is the number of creates of this run. `where` is an SQL expression over the columns of
    the file that selects the rows to send; raise ConfigError if it fails. `ceiling` bounds its
    memory.
    `normalization` is the version of the rules that made the payloads.
    """
    _judge(workbench, same_identity, normalization, retry_refused=retry_refused)
    find_outside(workbench, where, ceiling)
    first_beyond, first_waiting_beyond = _first_over_limit(workbench, limit)
    return PlanQuery(
        {
            "namespace": KEY_NAMESPACE.hex,
            "key_prefix": key_prefix(environment),
            "waits": _WAITS,
            "first_beyond": first_beyond,
            "first_waiting_beyond": first_waiting_beyond,
        }
    )


def _judge(
    workbench: duckdb.DuckDBPyConnection,
    same_identity: SameIdentity,
    normalization: int | None,
    *,
    retry_refused: bool,
) -> None:
    """Make the tables `judged` and `verdicts`."""
    of_another = SAME_IDENTITY[same_identity]
    verdicts = {
        **VERDICTS,
        **({} if of_another is None else dict.fromkeys(IDENTITY_REASONS, of_another)),
    }
    workbench.execute(
        "CREATE OR REPLACE TABLE verdicts (reason VARCHAR, action VARCHAR, fate VARCHAR)"
    )
    for reason, (action, fate) in verdicts.items():
        workbench.execute(
            "INSERT INTO verdicts VALUES (?, ?, ?)", [reason.value, action.value, fate.value]
        )
    workbench.execute(
        "CREATE OR REPLACE TABLE plan_options AS SELECT ?::BOOLEAN AS retry_refused,"
        " ?::VARCHAR AS same_identity, ?::BIGINT AS normalization",
        [retry_refused, same_identity, normalization],
    )
    workbench.execute(_EXCEPTIONS)


def _first_over_limit(
    workbench: duckdb.DuckDBPyConnection, limit: int | None
) -> tuple[int | None, int | None]:
    """The first row over the limit: of rows to create, and of rows that wait."""
    if limit is None:
        return None, None
    create, wait = workbench.execute(
        _FIRST_OVER_LIMIT, {"limit": limit, "waits": _WAITS}
    ).fetchall()[0]
    return create, wait
