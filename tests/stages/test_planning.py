"""What is planned for a row is what the planning table says: a case file for each of its lines, and laws that always hold.

How the case files are read stands in their README.
"""

import csv
import hashlib
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.customer import Environment, create_key
from pipeline.domain.fates import Action, Fate, State
from pipeline.domain.reasons import Reason
from pipeline.errors import ConfigError
from pipeline.planning import IDENTITY_REASONS, SAME_IDENTITY, VERDICTS
from pipeline.planning.matching import find_matches
from pipeline.reporting import find_fates
from tests.conftest import hold
from tests.sample_plans import make_plan

FOLDER = Path(__file__).parents[1] / "cases" / "planning"
CASES = sorted(FOLDER.glob("*.csv"))
ENVIRONMENT = Environment("sandbox", "acme", "test", "loopback")
IDENTITIES = ("email", "phone", "billing_id", "identity")
RECORDS = {
    "position": pl.Int64,
    **dict.fromkeys(
        (
            "row_id",
            "external_reference",
            "billing_id",
            "email",
            "phone",
            "name",
            "currency",
            "identity",
        ),
        pl.String,
    ),
    "balance": pl.Int64,
    "payload": pl.String,
    "fate": pl.String,
}
KNOWN = {
    name: RECORDS[name]
    for name in ("external_reference", *IDENTITIES, "name", "currency", "balance")
}
Row = dict[str, str]


HISTORY = {
    **dict.fromkeys(("external_reference", "state", "fingerprint", "key"), pl.String),
    "normalization": pl.Int64,
}


def rows_of(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def planned(
    rows: list[Row],
    target: Path,
    environment: Environment = ENVIRONMENT,
    *,
    stored: Callable = iter,
) -> tuple[list[dict], dict]:
    """The plan of some rows, a ledger's history and the references, as the case files write them."""
    columns = [name for name in (rows[0] if rows else ()) if name.startswith("given.")]
    tables = {
        "records": pl.DataFrame(
            list(stored([_record(at, row, columns) for at, row in enumerate(rows)])),
            schema={**RECORDS, **dict.fromkeys(columns, pl.String)},
        ),
        "history": pl.DataFrame(
            list(stored(_history(rows))),
            schema=HISTORY,
            orient="row",
        ),
        "known": pl.DataFrame(list(stored(_known(rows))), schema=KNOWN).with_row_index("place"),
        "known_fields": pl.DataFrame({"field": [*IDENTITIES, "name"]}),
    }
    with duckdb.connect(":memory:") as workbench:
        for name, table in tables.items():
            hold(workbench, name, table)
        hold(workbench, "cells", tables["records"])
        find_matches(workbench)
        plan = make_plan(workbench, target, environment, **_told_by_the_job(rows))
    records = tables["records"].select("position", "row_id", "payload")
    sent = pl.when(pl.col("action").is_in(["create", "wait"])).then("payload")
    found = (
        pl.read_parquet(target).join(records, on="position", how="left").with_columns(payload=sent)
    )
    return found.to_dicts(), plan.rows


def _record(at: int, row: Row, columns: list[str]) -> dict:
    return {
        "position": at,
        "row_id": f"row {at + 1}",
        "external_reference": row["reference"] or None,
        **_identities(row["reference"]),
        "name": row["content"],
        "payload": row["content"],
        "fate": "invalid" if row["content"] == "INVALID" else None,
        **{column: row[column] or None for column in columns},
    }


def _identities(reference: str) -> dict[str, str]:
    return {field: f"{field} of {reference}" for field in IDENTITIES}


def _history(rows: list[Row]) -> list[tuple]:
    found = {
        row["reference"]: (
            row["reference"], row["ledger_state"], sha256(row["ledger_content"]), f"key of {row['reference']}",
            int(row["ledger_normalization"] or 0) or None if "ledger_normalization" in row else 2,
        )
        for row in rows
        if row.get("ledger_state")
    }  # fmt: skip
    return list(found.values())


def _known(rows: list[Row]) -> list[dict]:
    """The references: those of the file's own references, and those that hold an identity of one of its rows."""
    found = []
    for row in {row["reference"]: row for row in rows}.values():
        same = {"external_reference": row["reference"], **_identities(row["reference"])}
        found.extend({**same, "name": content} for content in _several(row, "known_content"))
        for field in IDENTITIES:
            held = {field: f"{field} of {row['reference']}", "name": "someone"}
            found.extend(
                {"external_reference": owner, **held} for owner in _several(row, f"{field}_of")
            )
    return found


def _several(row: Row, column: str) -> list[str]:
    return [part for part in row.get(column, "").split("|") if part]


def _told_by_the_job(rows: list[Row]) -> dict:
    first = rows[0] if rows else {}
    return {
        "retry_refused": first.get("retry_refused") == "yes",
        "normalization": 2,
        "same_identity": first.get("same_identity") or "flag",
        "limit": int(first["limit"]) if first.get("limit") else None,
        "where": first.get("where") or None,
    }


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_row_is_planned_as_its_case_says_in_whatever_order_rows_are_stored(path, tmp_path):
    rows = rows_of(path)

    plan, counts = planned(rows, tmp_path / "forward.parquet")
    backward = planned(rows, tmp_path / "backward.parquet", stored=reversed)

    expected = [(at, row) for at, row in enumerate(rows) if row["action"] != "none"]
    assert [p["position"] for p in plan] == [at for at, _ in expected]
    assert [_told(p) for p in plan] == [_expected(row) for _, row in expected]
    assert [p["key"] for p in plan] == [_key(row) for _, row in expected]
    assert [p["payload"] for p in plan] == [
        row["content"] if row["action"] in {"create", "wait"} else None for _, row in expected
    ]
    assert [p["fingerprint"] for p in plan] == [sha256(row["content"]) for _, row in expected]
    assert counts == {action: sum(row["action"] == action for row in rows) for action in Action}
    assert backward == (plan, counts)


def _told(planned_row: dict) -> tuple:
    return tuple(planned_row[name] for name in ("action", "fate", "reason", "flags", "same_as"))


def _expected(row: Row) -> tuple:
    fate, reason, same_as = (row.get(name) or None for name in ("fate", "reason", "same_as"))
    return row["action"], fate, reason, row.get("flags", "").split(), same_as


def _key(row: Row) -> str | None:
    match row["key"]:
        case "new":
            return create_key(ENVIRONMENT, row["reference"], sha256(row["content"]))
        case "ledger":
            return f"key of {row['reference']}"
    return None


def test_every_line_of_the_planning_table_has_a_case_file_and_every_numbered_file_a_line():
    lines = re.findall(
        r"^\| (\d) \|(.*)\|$", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )

    named = {name: number for number, line in lines for name in re.findall(r"`(\w+\.csv)`", line)}

    assert [number for number, _ in lines] == [str(number) for number in range(1, 10)]
    assert set(named.values()) == {number for number, _ in lines}
    assert set(named) == {path.name for path in CASES if path.name[0].isdigit()}
    assert all(name.startswith(f"0{number}_") for name, number in named.items())


def test_the_case_files_have_every_state_of_the_ledger_every_reason_and_every_action():
    rows = [row for path in CASES for row in rows_of(path)]

    assert {row["ledger_state"] for row in rows if row.get("ledger_state")} == {
        state.value for state in State
    }
    assert {row["reason"] for row in rows if row.get("reason")} == {*VERDICTS, *IDENTITY_REASONS}
    assert {row["action"] for row in rows} == {*(action.value for action in Action), "none"}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
@pytest.mark.parametrize("setting", ["retry_refused", "same_identity", "where", "limit"])
def test_the_job_is_the_same_in_all_lines_of_a_case_file(path, setting):
    assert len({row.get(setting) for row in rows_of(path)}) == 1


def test_every_reason_of_matching_and_planning_leads_to_an_action_and_a_fate():
    reasons = {reason for reason in Reason if reason.startswith(("MATCH.", "PLAN."))}

    assert set(VERDICTS) | set(IDENTITY_REASONS) == reasons
    assert set(VERDICTS).isdisjoint(IDENTITY_REASONS)
    assert all(
        isinstance(fate, Fate)
        for _, fate in (*VERDICTS.values(), *filter(None, SAME_IDENTITY.values()))
    )


def test_a_plan_of_no_rows_is_empty_and_has_its_columns(tmp_path):
    plan, counts = planned([], tmp_path / "plan.parquet")

    assert plan == []
    assert set(counts.values()) == {0}
    schema = pl.read_parquet_schema(tmp_path / "plan.parquet")
    assert schema.keys() >= {"position", "external_reference", "action", "key"}
    assert schema["flags"] == pl.List(pl.String)


@pytest.mark.parametrize(
    "other",
    [
        Environment("staging", "acme", "test", "loopback"),
        Environment("sandbox", "other", "test", "loopback"),
        Environment("sandbox", "acme", "live", "loopback"),
    ],
)
def test_another_environment_merchant_or_mode_has_other_keys(tmp_path, other):
    rows = rows_of(FOLDER / "05_first_and_unknown.csv")

    ours, _ = planned(rows, tmp_path / "ours.parquet")
    theirs, _ = planned(rows, tmp_path / "theirs.parquet", other)

    assert {p["key"] for p in ours}.isdisjoint(p["key"] for p in theirs)
    assert len({p["key"] for p in ours}) == len(ours)


# laws

references = st.sampled_from(["a", "b", "c", "d", "e"])
contents = st.sampled_from(["A", "B"])
rows = st.fixed_dictionaries(
    {
        "reference": references,
        "content": contents | st.just("INVALID"),
        "given.month": st.sampled_from(["May", "June", ""]),
    }
)
of_a_reference = st.fixed_dictionaries(
    {
        "ledger_state": st.sampled_from([*(state.value for state in State), "", "", ""]),
        "ledger_content": contents,
        "known_content": st.sampled_from(["A", "B", "A|A", "A|B", "", "", ""]),
        **{f"{field}_of": st.sampled_from(["", "", "k", "k|l"]) for field in IDENTITIES},
    }
)
jobs = st.fixed_dictionaries(
    {
        "retry_refused": st.sampled_from(["yes", "no"]),
        "same_identity": st.sampled_from(list(SAME_IDENTITY)),
        "limit": st.sampled_from(["", "1", "2", "3"]),
        "where": st.sampled_from(["", "month = 'May'"]),
    }
)
worlds = st.builds(
    lambda rows, told, job: [{**row, **told[row["reference"]], **job} for row in rows],
    st.lists(rows, max_size=8),
    st.fixed_dictionaries(dict.fromkeys("abcde", of_a_reference)),
    jobs,
)


def plan_of(rows: list[Row]) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        return planned(rows, Path(folder, "plan.parquet"))[0]


@settings(max_examples=5, deadline=None)
@given(worlds)
def test_every_accepted_row_gets_one_action_and_no_reference_gets_two_creates(rows):
    plan = plan_of(rows)

    accepted = [at for at, row in enumerate(rows) if row["content"] != "INVALID"]
    creates = [p for p in plan if p["action"] == "create"]
    assert [p["position"] for p in plan] == accepted
    assert max(Counter(p["external_reference"] for p in creates).values(), default=0) <= 1
    assert all(
        (p["key"] is None) == (p["payload"] is None) == (p["action"] not in {"create", "wait"})
        for p in plan
    )
    assert all(
        (p["fate"] is None) == (p["reason"] is None) == (p["action"] == "create") for p in plan
    )
    assert all(p["same_as"] is not None for p in plan if p["flags"])


@settings(max_examples=3, deadline=None)
@given(worlds)
def test_a_batch_never_exceeds_its_limit_and_leaves_no_begun_record(rows):
    plan = plan_of(rows)
    whole = plan_of([{**row, "limit": "", "where": ""} for row in rows])

    begun = {p["position"] for p in whole if (p["key"] or "").startswith("key of ")}
    creates = [p["position"] for p in plan if p["action"] in {"create", "wait"}]
    limit = int(rows[0]["limit"] or len(rows)) if rows else 0
    assert begun <= set(creates)
    assert len(creates) <= max(limit, len(begun))
    assert {p["position"] for p in plan if p["action"] in {"create", "wait", "defer"}} == {
        p["position"] for p in whole if p["action"] in {"create", "wait"}
    }
    assert [p for p in plan if p["action"] != "defer"] == [
        p
        for p in whole
        if p["position"] not in {d["position"] for d in plan if d["action"] == "defer"}
    ]


@settings(max_examples=2, deadline=None)
@given(worlds)
def test_batches_of_one_finish_and_create_what_one_batch_would(rows):
    rows = [{**row, "limit": "", "where": ""} for row in rows]
    at_once = {p["external_reference"] for p in plan_of(rows) if p["action"] == "create"}

    created: set[str] = set()
    while rows:
        wave = [
            p for p in plan_of([{**row, "limit": "1"} for row in rows]) if p["action"] == "create"
        ]
        if not wave:
            break
        done = {p["external_reference"]: p["payload"] for p in wave}
        assert created.isdisjoint(done)
        created |= set(done)
        rows = [
            {**row, "ledger_state": "created", "ledger_content": done[row["reference"]]}
            if row["reference"] in done
            else row
            for row in rows
        ]
    assert created == at_once


# what becomes of it in the lists


def fates_of(path: Path, folder: Path, **sent: str) -> list[tuple]:
    """Fate, reasons and same_as of a case file's rows; `sent`: what the ledger says of a reference after submission."""
    rows = rows_of(path)
    plan, _ = planned(rows, folder / "plan.parquet")
    schema = {**RECORDS, "line_count": pl.Int64, **dict.fromkeys(("text", "kind.balance", "origin_run", "origin_row"), pl.String), "reasons": pl.List(pl.String)}  # fmt: skip
    records = pl.DataFrame([_record(at, row, []) for at, row in enumerate(rows)], schema=schema)
    fingerprints = {p["external_reference"]: p["fingerprint"] for p in plan}
    outcomes = pl.DataFrame(
        [
            {"external_reference": name, "state": state, "run_id": "this", "fingerprint": fingerprints[name]}
            for name, state in sent.items()
        ],
        schema=dict.fromkeys(("external_reference", "state", "run_id", "fingerprint", "key", "billing_id", "detail"), pl.String)
        | {"payable": pl.Boolean},
    )  # fmt: skip
    with duckdb.connect(":memory:") as workbench:
        hold(workbench, "records", records)
        hold(workbench, "plan", pl.read_parquet(folder / "plan.parquet"))
        hold(workbench, "outcomes", outcomes)
        (fates,) = find_fates(workbench, "this", [("records", "plan")])
        return fates.select("fate", "reasons", "same_as").rows()


def test_a_flagged_row_names_its_identity_match_after_its_fate(tmp_path):
    fates = fates_of(
        FOLDER / "09_identity_of_another_flagged.csv",
        tmp_path,
        **{"a-1": "created", "a-2": "refused"},
    )

    assert fates[0] == ("created", ["MATCH.EMAIL_OF_ANOTHER"], "k-9")
    assert fates[1] == ("refused", ["SUBMIT.REFUSED", "MATCH.PHONE_OF_ANOTHER"], "k-8")
    assert fates[2] == (
        "not_attempted",
        ["SUBMIT.NOT_ATTEMPTED", "MATCH.BILLING_ID_OF_ANOTHER"],
        "k-7",
    )
    assert fates[6] == ("not_attempted", ["SUBMIT.NOT_ATTEMPTED"], None)


@pytest.mark.parametrize(
    ("how", "fate"), [("held", "needs_review"), ("skipped", "duplicate_of_reference")]
)
def test_a_row_held_for_its_identity_names_every_shared_field(tmp_path, how, fate):
    fates = fates_of(FOLDER / f"09_identity_of_another_{how}.csv", tmp_path)

    assert fates[3] == (fate, [reason.value for reason in IDENTITY_REASONS], "k-9")
    assert fates[6] == ("not_attempted", ["SUBMIT.NOT_ATTEMPTED"], None)


def test_a_row_left_for_a_later_batch_is_not_attempted_and_has_a_reason(tmp_path):
    path = FOLDER / "a_wave_of_three_takes_what_was_begun_and_then_the_first.csv"

    fates = fates_of(path, tmp_path, **{"a-1": "created"})

    assert fates[0] == ("created", [], None)
    assert fates[1] == ("not_attempted", ["PLAN.OUTSIDE_WAVE"], None)
    assert fates[4] == ("not_attempted", ["PLAN.BEYOND_LIMIT"], None)


# what --where may ask

GIVEN = {
    "given.month": ["May", "Bob Secret", None, "12"],
    "given.Plan b": ["x", "y", "x", "y"],
    'given.it\'s "q"': ["1", "2", "3", "4"],
}


@pytest.fixture(scope="module")
def workbench() -> Iterator[duckdb.DuckDBPyConnection]:
    """Four rows that were accepted and matched: made once, since a plan replaces what an earlier one has left."""
    with matched((None,) * 4) as made:
        yield made


@contextmanager
def matched(fates: tuple[str | None, ...]) -> Iterator[duckdb.DuckDBPyConnection]:
    records = [
        {
            "position": at,
            "row_id": f"row {at}",
            "external_reference": f"r{at}",
            "payload": f"p{at}",
            "fate": fates[at],
        }
        for at in range(4)
    ]
    with duckdb.connect(":memory:") as made:
        for view in ("records", "cells"):
            hold(
                made, view, pl.DataFrame(records, schema=RECORDS).with_columns(pl.DataFrame(GIVEN))
            )
        hold(made, "history", pl.DataFrame(_history([]), schema=HISTORY))
        find_matches(made)
        yield made


def deferred(where: str | None, folder: Path, workbench: duckdb.DuckDBPyConnection) -> set[int]:
    make_plan(workbench, folder / "plan.parquet", ENVIRONMENT, retry_refused=False, where=where)
    plan = pl.read_parquet(folder / "plan.parquet")
    assert set(plan["reason"].drop_nulls()) <= {Reason.PLAN_OUTSIDE_WAVE.value}
    return set(plan.filter(action="defer")["position"])


@pytest.mark.parametrize(
    ("where", "outside"),
    [
        (None, set()),
        ("true", set()),
        ("false", {0, 1, 2, 3}),
        ("month = 'May'", {1, 2, 3}),
        ("MONTH = 'May'", {1, 2, 3}),
        ("month IS NULL", {0, 1, 3}),
        ("month <> 'May'", {0, 2}),
        ("\"Plan b\" IN ('x', 'z')", {1, 3}),
        ('"it\'s ""q""" > \'2\'', {0, 1}),
        ("try_cast(month AS int) = 12", {0, 1, 2}),
        ("month LIKE 'B%' OR length(month) = 2", {0, 2}),
        ("month COLLATE nocase = 'MAY'", {1, 2, 3}),
        ("CASE WHEN month = 'May' THEN true END", {1, 2, 3}),
        ("month /* the billing month */ = 'May'", {1, 2, 3}),
        ("month = '; -- ('", {0, 1, 2, 3}),
        ("not " * 100 + "month = 'May'", {1, 2, 3}),
    ],
)
def test_a_batch_leaves_the_rows_for_which_its_expression_is_not_true(
    where, outside, tmp_path, workbench
):
    assert deferred(where, tmp_path, workbench) == outside


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("month = ", "syntax error"),
        ("month = 'May", "unterminated"),
        ("nope = 1", "no column nope"),
        ("_import_position = 1", "no column _import_position"),
        ("records.payload = 'p'", "no column records.payload"),
        ("payload = 'p'", "no column payload"),
        ("current_date > month", "no column current_date"),
        ("month = 'May'; DROP TABLE matches", "more than one"),
        ("month = 'May'; SELECT 1", "more than one"),
        ("month = 'May';", "semicolon"),
        ("month = 'May' -- only May", "comment"),
        ("month = 'May') OR (true", "syntax error"),
        ('month, "Plan b"', "more than one"),
        ("month AS x", "more than one"),
        ("DISTINCT month = 'May'", "more than one"),
        ("month = 'May' LIMIT 1", "more than one"),
        ("month = 'May' FROM records", "more than one"),
        ("month = 'May' UNION SELECT true", "more than one"),
        ("count(*) > 1", "count_star"),
        ("sum(month) > 1", "sum"),
        ("row_number() OVER () < 3", "window"),
        ("month = (SELECT min(payload) FROM records)", "subquery"),
        ("EXISTS (SELECT * FROM read_text('/etc/passwd'))", "subquery"),
        ("month IN (SELECT 'May')", "subquery"),
        ("*", "star"),
        ("COLUMNS(*) = 'May'", "star"),
        ("month = ?", "parameter"),
        ("month = $where", "parameter"),
        ("random() < 0.5", "random"),
        ("now() > '2026-01-01'", "now"),
        ("error(month) = 'x'", "error"),
        ("main.lower(month) = 'may'", "main.lower"),
        ("month", "true or false"),
        ("length(month)", "true or false"),
        ("NULL", "true or false"),
        ("month::nothing = 1", "nothing"),
        ("length(month, 1, 2) = 1", "No function matches"),
        ("CAST(month AS int) = 12", "TRY_CAST"),
        ("month::date = '2026-01-01'", "TRY_CAST"),
        ("regexp_matches(month, month || '(')", "TRY_CAST"),
        ("not " * 900 + "true", "nested"),
    ],
)
def test_a_wrong_expression_is_refused_in_one_line_without_a_cell_in_it(
    where, told, tmp_path, workbench
):
    with pytest.raises(ConfigError) as refused:
        deferred(where, tmp_path, workbench)

    assert told in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "Secret" not in str(refused.value)
    assert "TRY_CAST" in told or str(refused.value).endswith(
        'the columns are: month, Plan b, it\'s "q"'
    )
    assert list(tmp_path.iterdir()) == []


def test_the_expression_is_not_asked_of_rows_that_were_set_aside(tmp_path):
    with matched(("invalid", "unreadable", None, None)) as some:
        outside = deferred("CAST(month AS int) = 12", tmp_path, some)

    assert outside == {2}
