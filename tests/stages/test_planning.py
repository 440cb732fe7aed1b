"""What is planned for a row is what the planning table says: one case file a line of it, each row beside what becomes of it.

In the case files `content` stands for the payload, `same_as` for the number of the row, and `key` says whose key it is.
"""

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipeline.customer import Environment, create_key
from pipeline.matching import find_matches
from pipeline.outcomes import Action, Fate, Reason, State
from pipeline.planning import VERDICTS, make_plan

CASES = sorted((Path(__file__).parents[1] / "cases" / "planning").glob("*.csv"))
ENVIRONMENT = Environment("sandbox", "acme", "test", "loopback")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def planned(
    rows: list[dict[str, str]], target: Path, environment: Environment = ENVIRONMENT, *, stored: Callable = iter
) -> tuple[list[dict], dict]:
    """The plan of some rows and a ledger's history, as the case files write them."""
    records = pl.DataFrame(
        [
            {
                "position": at,
                "row_id": f"c.csv:{at + 1}",
                "external_reference": row["reference"] or None,
                "payload": row["content"],
                "fate": "invalid" if row["content"] == "INVALID" else None,
            }
            for at, row in stored(list(enumerate(rows)))
        ],
        schema={"position": pl.Int64, "row_id": pl.String, "external_reference": pl.String, "payload": pl.String, "fate": pl.String},
    )  # fmt: skip
    known = {
        row["reference"]: (
            row["reference"],
            row["ledger_state"],
            sha256(row["ledger_content"]),
            f"key of {row['reference']}",
        )
        for row in rows
        if row["ledger_state"]
    }
    history = pl.DataFrame(
        list(stored(list(known.values()))),
        schema=dict.fromkeys(("external_reference", "state", "fingerprint", "key"), pl.String),
        orient="row",
    )
    with duckdb.connect(":memory:") as workbench:
        workbench.register("records", records)
        workbench.register("history", history)
        find_matches(workbench)
        retry = any(row["retry_refused"] == "yes" for row in rows)
        plan = make_plan(workbench, target, environment, retry_refused=retry)
    return pl.read_parquet(target).to_dicts(), plan.rows


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_row_is_planned_as_its_case_says(path, tmp_path):
    rows = rows_of(path)

    plan, counts = planned(rows, tmp_path / "plan.parquet")

    expected = [(at, row) for at, row in enumerate(rows) if row["action"] != "none"]
    assert [p["position"] for p in plan] == [at for at, _ in expected]
    assert [_told(p) for p in plan] == [
        (
            row["action"],
            row["fate"] or None,
            row["reason"] or None,
            f"c.csv:{row['same_as']}" if row["same_as"] else None,
        )
        for _, row in expected
    ]
    assert [p["key"] for p in plan] == [_key(row) for _, row in expected]
    assert [p["payload"] for p in plan] == [
        row["content"] if row["action"] == "create" else None for _, row in expected
    ]
    assert [p["fingerprint"] for p in plan] == [sha256(row["content"]) for _, row in expected]
    assert counts == {action: sum(row["action"] == action for row in rows) for action in Action}


def _told(row: dict) -> tuple:
    return row["action"], row["fate"], row["reason"], row["same_as"]


def _key(row: dict[str, str]) -> str | None:
    match row["key"]:
        case "new":
            return create_key(ENVIRONMENT, row["reference"], sha256(row["content"]))
        case "ledger":
            return f"key of {row['reference']}"
    return None


def test_the_case_files_have_every_state_of_the_ledger_and_every_reason():
    rows = [row for path in CASES for row in rows_of(path)]

    assert {row["ledger_state"] for row in rows if row["ledger_state"]} == {state.value for state in State}
    assert {row["reason"] for row in rows if row["reason"]} == {reason.value for reason in VERDICTS}
    assert {row["action"] for row in rows} == {*(action.value for action in Action), "none"}


def test_every_reason_of_matching_and_planning_leads_to_an_action_and_a_fate():
    assert set(VERDICTS) == {reason for reason in Reason if reason.startswith(("MATCH.", "PLAN."))}
    assert all(isinstance(fate, Fate) for _, fate in VERDICTS.values())


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_order_in_which_the_rows_are_stored_changes_nothing(path, tmp_path):
    rows = rows_of(path)

    forward = planned(rows, tmp_path / "forward.parquet")
    backward = planned(rows, tmp_path / "backward.parquet", stored=reversed)

    assert backward == forward


def test_a_plan_of_no_rows_is_empty_and_has_its_columns(tmp_path):
    plan, counts = planned([], tmp_path / "plan.parquet")

    assert plan == []
    assert set(counts.values()) == {0}
    assert pl.read_parquet_schema(tmp_path / "plan.parquet").keys() >= {
        "position",
        "row_id",
        "action",
        "key",
        "payload",
    }


@pytest.mark.parametrize(
    "other",
    [
        Environment("staging", "acme", "test", "loopback"),
        Environment("sandbox", "other", "test", "loopback"),
        Environment("sandbox", "acme", "live", "loopback"),
    ],
)
def test_another_environment_merchant_or_mode_has_other_keys(tmp_path, other):
    rows = rows_of(next(path for path in CASES if path.stem == "never_sent_before"))

    ours, _ = planned(rows, tmp_path / "ours.parquet")
    theirs, _ = planned(rows, tmp_path / "theirs.parquet", other)

    assert {p["key"] for p in ours}.isdisjoint(p["key"] for p in theirs)
    assert len({p["key"] for p in ours}) == len(ours)
