"""The conservation law: whatever the file, every record has one fate and one list, and every cent is accounted for."""

import csv
import io
import random
import tempfile
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.config import Settings
from pipeline.domain.currency import NO_CODE, NO_CURRENCY, known
from pipeline.domain.customer import Environment
from pipeline.domain.fates import LISTS, Fate
from pipeline.workflows.plan import PlannedRun, plan_import

HEADER = "external_reference,name,email,phone,currency,balance,metadata.plan,note\n"
ENVIRONMENT = Environment("sandbox", "sandbox", "test", "loopback")
MOST = 2**53 - 1
BIG = 10**18 - 1

GOOD = [
    "a-1,Ann,ann@example.com,0821234567,ZAR,100,gold,x",
    "a-1, Ann ,ann@Example.com,+27821234567,zar,+0100,gold,another note",  # the same customer in another spelling
    "a-1,Ann,ann@example.com,0821234567,ZAR,101,gold,x",
    f"a-2,,,,ZAR,{MOST},,",
    f"a-3,,,,JPY,-{MOST},,",
    'a-4,"Lee, ""Bo""\r\nJr",,,,,"a\n\nb",',
    "a-5,=1+1,,,KWD,-0,,'x",
    "a-6,,,,,,,",
]
INVALID = [
    f"i-1,,,,ZAR,{BIG},,",
    f"i-1,,,,USD,-{BIG},,",
    f"i-2,,,,,{BIG},,",
    "i-3,,,,ZAR,1.50,,",
    "i-4,,,,ZAR,99999999999999999999999,,",
    "i-5,,nobody@,n/a,HRK,-7,,",
    "i-5,,,,-,7,,",
    ",,,,ZAR,5,,",
    ",,,,,,,",
    '"i 6","say ""hi""",,,rand,ten,,',
]
SURPLUS = "u-2,,,,ZAR,1,,,"
UNREADABLE = [
    "u-1,short",
    SURPLUS,
    'u-3,5" pipe,,,ZAR,1,,',
    'u-4,"open,,,ZAR,1,,',
    "u-5,a\x00b,,,ZAR,1,,",
    "u-6,a\rb,,,,,,",
]
BLANK = ["", "  \t"]
files = st.lists(
    st.sampled_from([*GOOD, *GOOD, *INVALID, *UNREADABLE, *BLANK]), max_size=30
).filter(
    # Where every record has one field more than the header, the columns may be shifted, and the file is refused.
    lambda lines: SURPLUS not in lines or not {*lines} <= {SURPLUS, *BLANK, *UNREADABLE}
)


def plan_of(content: str, folder: Path, **options: int) -> PlannedRun:
    path = folder / "customers.csv"
    path.write_bytes((HEADER + content).encode())
    settings = Settings(home=folder / "home", reports=folder / "reports", allow_empty=True)
    return plan_import([path], settings, ENVIRONMENT, **options)


def lists_of(run: PlannedRun) -> dict[str, list[dict[str, str]]]:
    return {name: rows_of(run.folder.path / f"{name}.csv") for name in LISTS}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def amount(text: str) -> int | None:
    """An amount in minor units as Python reads it, where it is one that fits 18 digits."""
    text = text.strip(" \t")
    sign, digits = text[:1] in {"-", "+"}, text.lstrip("+-").lstrip("0")
    if not (text[sign:].isascii() and text[sign:].isdecimal()) or len(digits) > 18:
        return None
    return int(text)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(files, st.sampled_from(["\n", "\r\n"]), st.booleans())
@example([], "\n", True)
@example([*GOOD, *INVALID, *UNREADABLE, *BLANK, *GOOD], "\n", False)
def test_every_record_has_one_fate_and_one_list_and_every_cent_is_accounted_for(lines, end, ended):
    content = end.join(lines) + (end if ended else "")
    with tempfile.TemporaryDirectory() as folder:
        run = plan_of(content, Path(folder))
        lists, summary = lists_of(run), run.report.content.to_json()
        rows = pl.read_parquet(run.folder.path / "rows.parquet").to_dicts()
        records = pl.read_parquet(run.folder.staged / "records-*.parquet").sort("position")

    in_file = [row["row_id"] for row in rows]
    assert run.report.holds, [
        check for check in summary["accounting"]["checks"] if not check["holds"]
    ]
    assert in_file == records["row_id"].to_list()
    assert sorted(row["_import_row_id"] for members in lists.values() for row in members) == sorted(
        set(in_file)
    )
    for name, members in lists.items():
        assert {row["_import_fate"] for row in members} <= {fate.value for fate in LISTS[name]}
        assert [row["_import_row_id"] for row in members] == [
            i for i in in_file if i in {row["_import_row_id"] for row in members}
        ]
    counted = Counter(row["_import_fate"] for members in lists.values() for row in members)
    assert summary["fates"] == {fate.value: counted[fate.value] for fate in Fate}
    assert summary["records"]["read"] == sum(counted.values()) == len(in_file)
    assert _sums(lists) == {
        (currency, fate): cents
        for currency, by_fate in summary["sums"].items()
        for fate, cents in by_fate.items()
        if cents
    }


def _sums(lists: dict[str, list[dict[str, str]]]) -> dict[tuple[str, str], int]:
    """(currency, fate) -> minor units, added up from the text in the lists alone."""
    sums = Counter[tuple[str, str]]()
    for row in (row for members in lists.values() for row in members):
        cents = amount(row["balance"])
        if cents:
            code = row["currency"].strip(" \t").upper()
            name = code if code in known() else NO_CODE if code else NO_CURRENCY
            sums[name, row["_import_fate"]] += cents
    return {key: cents for key, cents in sums.items() if cents}


@pytest.mark.long
@settings(max_examples=2, deadline=None)
@given(files.filter(bool), st.sampled_from([1, 7, 50, 200]))
@example([*GOOD, *UNREADABLE, *INVALID, *GOOD], 30)
def test_the_size_of_a_batch_changes_no_fate_no_fingerprint_and_no_sum(lines, batch_bytes):
    content = "\n".join(lines)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        whole, parts = (
            plan_of(content, Path(one)),
            plan_of(content, Path(other), batch_bytes=batch_bytes),
        )

        assert _result(parts) == _result(whole)


def _result(run: PlannedRun) -> tuple:
    summary = run.report.content.to_json()
    kept = (
        "records",
        "fates",
        "sums",
        "debits",
        "credits",
        "reasons",
        "amounts_unreadable",
        "accounting",
        "exit_code",
    )
    plan = pl.read_parquet(run.folder.parts("plan")).to_dicts()
    lists = {
        name: [{**row, "_import_check": "", "_import_run_id": ""} for row in rows]
        for name, rows in lists_of(run).items()
    }
    for one in (one for reason in summary["reasons"] for one in reason["shown"]):
        one["person"] = bool(one["person"])  # each home has a key of its own for the tokens
    return (
        {name: summary[name] for name in kept},
        plan,
        lists,
        pl.read_parquet(run.folder.path / "rows.parquet").to_dicts(),
    )


def test_the_lists_contain_the_original_cells_of_the_file(tmp_path):
    lines = [line for line in [*GOOD, *INVALID] for _ in range(2)]
    random.Random(7).shuffle(lines)
    content = "\n".join(lines) + "\n"

    run = plan_of(content, tmp_path)

    columns = HEADER.strip().split(",")
    listed = {
        row["_import_row_id"]: [row[column] for column in columns]
        for rows in lists_of(run).values()
        for row in rows
    }
    at, expected = 2, {}
    for line in lines:
        cells = next(csv.reader(io.StringIO(line, newline="")))
        if any(cells):  # a line of delimiters only is a blank one
            expected[f"customers.csv:{at}"] = cells
        at += line.count("\n") + 1
    assert listed == expected


def test_debits_and_credits_beyond_2_to_the_63_are_exact_in_every_fate(tmp_path):
    rows = [f"r-{n},,,,ZAR,{MOST},," for n in range(1025)] + [
        f"s-{n},,,,ZAR,-{BIG},," for n in range(30)
    ]

    run = plan_of("\n".join(rows), tmp_path)

    assert run.report.content.debits["ZAR"]["not_attempted"] == 1025 * MOST > 2**63
    assert run.report.content.credits["ZAR"]["invalid"] == -30 * BIG < -(2**63)
    assert run.report.holds


def test_a_rejected_list_resubmitted_unchanged_is_rejected_for_the_same_reasons(tmp_path):
    first = plan_of("\n".join(INVALID), tmp_path)
    settings = Settings(home=tmp_path / "home", reports=tmp_path / "again")

    second = plan_import([first.folder.path / "rejected.csv"], settings, ENVIRONMENT)

    kept = ["external_reference", "name", "currency", "balance", "_import_fate", "_import_reasons"]
    assert [[row[name] for name in kept] for row in lists_of(second)["rejected"]] == [
        [row[name] for name in kept] for row in lists_of(first)["rejected"]
    ]
    assert second.report.holds


def test_any_column_name_of_a_supplier_is_kept_and_means_nothing_to_us(tmp_path):
    ours = [
        "row_id",
        "fate",
        "position",
        "payload",
        "reasons",
        "kind.balance",
        "text",
        "balance_kind",
        "given.name",
    ]
    names = [
        "note, to self",
        'say "hi"',
        "Ünïcode",
        "select",
        "{}",
        "$1",
        "'; --",
        "^.*$",
        "*",
        *ours,
    ]
    path = tmp_path / "customers.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["external_reference", *names], ["a-1", *names], ["short"]])

    run = plan_import(
        [path], Settings(home=tmp_path / "home", reports=tmp_path / "reports"), ENVIRONMENT
    )

    assert [[row[name] for name in names] for row in lists_of(run)["unprocessed"]] == [names]
    assert run.report.holds


@pytest.mark.parametrize("name", ["re[1]p*rt?", "{a,b}", "re'p orts"])
def test_the_name_of_the_reports_folder_is_never_interpreted(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()

    run = plan_of("a-1,Ann,,,ZAR,1,,", folder)

    assert run.report.holds
    assert run.plan.creates == 1


def test_our_own_columns_keep_their_names_beside_a_suppliers_that_differs_only_in_case(tmp_path):
    path = tmp_path / "customers.csv"
    path.write_text("external_reference,_IMPORT_row_id\na-1,x\n", encoding="utf-8")

    run = plan_import(
        [path], Settings(home=tmp_path / "home", reports=tmp_path / "reports"), ENVIRONMENT
    )

    assert [row["_import_row_id"] for row in lists_of(run)["unprocessed"]] == ["customers.csv:2"]
