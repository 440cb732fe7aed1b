"""What is done with every accepted row: `make_plan` writes the plan, one line a row, part by part."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

import duckdb

from pipeline.domain.customer import KEY_NAMESPACE, Environment, key_prefix
from pipeline.domain.outcomes import Action, Fate, Reason, sends
from pipeline.planning.differing import created_otherwise, find_differing
from pipeline.planning.limits import find_outside
from pipeline.storage.files import renamed_when_whole

__all__ = [
    "IDENTITY_REASONS", "SAME_IDENTITY", "VERDICTS", "Plan", "SameIdentity", "created_otherwise", "find_differing", "make_plan",
]  # fmt: skip

_JUDGED, _BEYOND, _PLAN = (
    files(__package__).joinpath(name).read_text(encoding="utf-8")
    for name in ("exceptions.sql", "first_over_limit.sql", "plan.sql")
)
#: Hashes and keys take longer to press than to write, and no dictionary of them pays.
_WRITTEN = "FORMAT parquet, COMPRESSION snappy, DICTIONARY_SIZE_LIMIT 1"
#: Parts that are written at once: of one alone DuckDB keeps one and a half cores busy.
_AT_ONCE = 2
_WAITS = Reason.PLAN_EARLIER_REQUEST_UNSETTLED.value
SameIdentity = Literal["flag", "hold", "skip"]

#: What each reason leads to. No reason: the row is created.
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
#: A new reference with the email, phone or billing id of another: the job decides what that leads to.
IDENTITY_REASONS = (
    Reason.MATCH_EMAIL_OF_ANOTHER,
    Reason.MATCH_PHONE_OF_ANOTHER,
    Reason.MATCH_BILLING_ID_OF_ANOTHER,
    Reason.MATCH_IDENTITY_OF_ANOTHER,
)
#: `flag` leads to nothing: the row is created and carries its reasons.
SAME_IDENTITY: dict[SameIdentity, tuple[Action, Fate] | None] = {
    "flag": None,
    "hold": (Action.HOLD, Fate.NEEDS_REVIEW),
    "skip": (Action.SKIP, Fate.DUPLICATE_OF_REFERENCE),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a plan comes to: rows by action."""

    rows: dict[Action, int]

    @property
    def creates(self) -> int:
        """How many customers may be created: those that wait for an earlier request among them."""
        return sends(self.rows)


def make_plan(
    workbench: duckdb.DuckDBPyConnection,
    parts: Iterable[tuple[str, Path]],
    environment: Environment,
    *,
    retry_refused: bool,
    same_identity: SameIdentity = "flag",
    limit: int | None = None,
    where: str | None = None,
    normalization: int | None = None,
) -> Plan:
    """Write the plan from the views `records` and `history` and what `find_matches` made, a file for each part of the records.

    `parts`: what holds a part, as it stands behind FROM, and where its plan is to be written (Parquet): position,
    external_reference, action, fate, reason, flags (the identities of other references that the row has), same_as (a row
    of the run, or with flags the known reference), fingerprint, and for creates and waiting rows key. Rows stand in the order of the
    input. `limit` is the number of creates of this wave, and `where` an SQL expression over the file's own columns that
    says which rows are in it; raise ConfigError where it cannot be asked. `normalization` is the version of the rules that
    made the payloads.
    """
    _judge(workbench, same_identity, normalization, retry_refused=retry_refused)
    find_outside(workbench, where)
    first_beyond, first_waiting_beyond = _first_beyond(workbench, limit)
    told = {
        "namespace": KEY_NAMESPACE.hex,
        "key_prefix": key_prefix(environment),
        "waits": _WAITS,
        "first_beyond": first_beyond,
        "first_waiting_beyond": first_waiting_beyond,
    }
    rows = Counter[str]()

    def write(part_and_target: tuple[str, Path]) -> dict[str, int]:
        with workbench.cursor() as cursor:
            return _write_part(cursor, *part_and_target, told)

    with ThreadPoolExecutor(_AT_ONCE, "plan") as threads:
        for counted in threads.map(write, parts):
            rows.update(counted)
    return Plan({action: rows[action.value] for action in Action})


def _write_part(
    workbench: duckdb.DuckDBPyConnection, part: str, target: Path, told: dict[str, str | int | None]
) -> dict[str, int]:
    """Write the plan of one part; its rows by action."""
    first, last = workbench.execute(f"SELECT min(position), max(position) FROM {part}").fetchall()[0]
    with renamed_when_whole(target) as path:
        workbench.execute(
            f"COPY ({_PLAN.format(part=part)}) TO $target ({_WRITTEN})",
            {"target": str(path), "first": first, "last": last, **told},
        )
    counted = "SELECT action, count(*) FROM read_parquet($written) GROUP BY action"
    return dict(workbench.execute(counted, {"written": str(target)}).fetchall())


def _judge(
    workbench: duckdb.DuckDBPyConnection, same_identity: SameIdentity, normalization: int | None, *, retry_refused: bool
) -> None:
    """Make the tables `judged` and `verdicts`."""
    of_another = SAME_IDENTITY[same_identity]
    verdicts = {**VERDICTS, **({} if of_another is None else dict.fromkeys(IDENTITY_REASONS, of_another))}
    workbench.execute("CREATE OR REPLACE TABLE verdicts (reason VARCHAR, action VARCHAR, fate VARCHAR)")
    for reason, (action, fate) in verdicts.items():
        workbench.execute("INSERT INTO verdicts VALUES (?, ?, ?)", [reason.value, action.value, fate.value])
    workbench.execute(
        "CREATE OR REPLACE TABLE told AS SELECT ?::BOOLEAN AS retry_refused, ?::VARCHAR AS same_identity, ?::BIGINT AS normalization",
        [retry_refused, same_identity, normalization],
    )
    workbench.execute(_JUDGED)


def _first_beyond(workbench: duckdb.DuckDBPyConnection, limit: int | None) -> tuple[int | None, int | None]:
    """The first row that a wave of this size does not take: of those to create, and of those that wait."""
    if limit is None:
        return None, None
    create, wait = workbench.execute(_BEYOND, {"limit": limit, "waits": _WAITS}).fetchall()[0]
    return create, wait
