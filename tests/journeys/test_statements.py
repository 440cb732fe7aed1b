"""Statements that agree: whatever page, command or file is asked, the same thing has the same figure."""

import csv
import json
import re
import shutil
from pathlib import Path

import openpyxl
import pytest

pytestmark = pytest.mark.usefixtures("without_pages")

CASES = Path(__file__).parents[1] / "cases" / "outside"
HEADER = "external_reference,name,email,currency,balance"


class Merchant:
    """Somebody who imports files at one sandbox and reads what is stated."""

    def __init__(self, pipeline, outside):
        self.pipeline, self.outside = pipeline, outside
        self.there = ("--base-url", outside.base_url)

    def __call__(self, *words):
        return self.pipeline(*words, environment=self.outside.environment)

    def run(self, name, *rows, header=HEADER, options=()):
        """Run a file; the id of the run."""
        if rows:
            (self.pipeline.folder / name).write_text("\n".join([header, *rows]) + "\n")
        done = self("run", name, *self.there, "--yes", *options)
        assert done.returncode in {0, 1}, done.stderr
        return self.pipeline.newest().name

    def list_of(self, run, name):
        with (self.pipeline.folder / "reports" / run / f"{name}.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    def feed_back(self, name, rows):
        """Run rows of a list that came back."""
        with (self.pipeline.folder / name).open("w", newline="") as file:
            table = csv.DictWriter(file, rows[0].keys())
            table.writeheader()
            table.writerows(rows)
        return self.run(name)

    def status(self, run):
        return json.loads(self("status", run, "--json").stdout)

    def page(self, run):
        assert self("report", run).returncode == 0
        return (self.pipeline.folder / "reports" / run / "report.html").read_text()

    def book(self, run):
        return openpyxl.load_workbook(self.pipeline.folder / "reports" / run / "report.xlsx")

    def span(self):
        done = self("report", "--since", "2020-01-01", "--json")
        return done.returncode, json.loads(done.stdout)

    def reconciled(self):
        done = self("reconcile", "--since", "2020-01-01", "--json")
        return done.returncode, json.loads(done.stdout)


@pytest.fixture
def merchant(pipeline, outside):
    return Merchant(pipeline, outside)


def counted(page, mark):
    found = re.findall(rf'<tr {mark}="(\w+)".*?<td class="n"[^>]*>([0-9,]+)</td>', page, re.DOTALL)
    return {name: int(number.replace(",", "")) for name, number in found if number != "0"}


def some(fates):
    return {fate: number for fate, number in fates.items() if number}


def test_held_and_dropped_a_resolved_conflict_is_closed_on_every_page(merchant):
    shutil.copy(CASES / "held_and_dropped" / "c.csv", merchant.pipeline.folder)
    first = merchant.run("c.csv")
    kept, dropped = merchant.list_of(first, "held")
    assert {kept["_import_differs"], dropped["_import_differs"]} == {"name"}
    second = merchant.feed_back("held.csv", [kept])

    status, page, (code, span) = merchant.status(first), merchant.page(first), merchant.span()
    exit_code, reconciled = merchant.reconciled()

    now = {"created": 1, "superseded": 1}
    assert (status["overall"], status["open"], status["fates"]["needs_review"]) == (now, 0, 2)
    assert (counted(page, "data-fate"), counted(page, "data-overall")) == ({"needs_review": 2}, now)
    assert "Adds up; nothing left to do" in page
    assert "a person decides.</li>" not in page
    assert second in page
    assert {
        row[0]: int(row[1])
        for row in merchant.book(first)["Fates now"].iter_rows(min_row=2, values_only=True)
    } == now
    assert (code, span["open"], some(span["once"]["fates"])) == (0, [], now)
    assert " open" not in span["verdict"]
    assert (exit_code, {step["step"]: step["records"] for step in reconciled["bridge"]}) == (
        0, {"read": 2, "superseded": -1, "expected": 1, "found": 1},
    )  # fmt: skip


@pytest.mark.long  # a bigger form of held_and_dropped
def test_a_superseded_record_is_not_counted_by_the_row_that_superseded_it(merchant):
    first = merchant.run("c.csv", "R-1,Ann,,ZAR,843", "R-1,Bob,,ZAR,843")
    conflict = merchant.list_of(first, "held")
    second = merchant.feed_back("unchanged.csv", conflict)
    ann, bob = merchant.list_of(second, "held")
    merchant.feed_back("chosen.csv", [{**ann, "email": "no address"}, bob])  # Bob is created
    merchant.feed_back(
        "again.csv", [row for row in conflict if row["name"] == "Bob"]
    )  # and is there already

    exit_code, reconciled = merchant.reconciled()

    assert (exit_code, reconciled["residual"]) == (0, {})
    assert [(step["step"], step["records"]) for step in reconciled["bridge"]] == [
        ("read", 2), ("superseded", -1), ("expected", 1), ("found", 1),
    ]  # fmt: skip


def test_outcomes_of_an_earlier_run_are_not_attributed_to_a_later_one(merchant):
    first = merchant.run(
        "a.csv", "S-1,Ann,,ZAR,1", "S-2,Bob,no address,ZAR,2", "S-3,Cy,no address,ZAR,3"
    )
    merchant.run("b.csv", "S-2,Bob,,ZAR,2")
    two, three = merchant.list_of(first, "rejected")
    third = merchant.feed_back("mended.csv", [{**two, "email": ""}, three])
    merchant.feed_back("last.csv", [{**three, "email": ""}])

    page, shown = merchant.page(third), merchant("status", third).stdout

    for text in (page, shown):
        assert (
            "Since then, by later runs: 1 created; by earlier runs: 1 created; nothing of this run is open."
            in text
        )


def test_a_run_whose_ledger_is_in_another_home_is_not_called_planned(merchant):
    run = merchant.run("a.csv", "S-1,Ann,,ZAR,1", "S-2,Bob,no address,ZAR,2")

    shown = json.loads(merchant("status", run, "--home", "elsewhere", "--json").stdout)
    runs = merchant("runs", "--home", "elsewhere").stdout

    assert (shown["status"], shown["states"]) == ("finished", {"created": 1})
    assert shown["verdict"].startswith(
        "No ledger under elsewhere has this run. Its own report states: 1 of 2 records"
    )
    assert "finished (exit code 1)" in runs
    assert "planned" not in runs


def test_a_rebuilt_report_shows_the_fate_of_records_that_were_corrected_later(merchant):
    rows = [f"R-{at},Ann,{'no address' if at < 3 else 'a@example.com'},ZAR,{at}" for at in range(5)]
    first = merchant.run("c.csv", *rows)
    assert "3 in <a" in merchant.page(first)
    mended = [{**row, "email": "a@example.com"} for row in merchant.list_of(first, "rejected")]
    second = merchant.feed_back("first.csv", mended[:2])

    page = merchant.page(first)

    assert 'data-before="invalid" data-after="created"' in page
    assert f"../{second}/report.html" in page
    assert "Since then, by later runs: 2 created; 1 record of this run is open." in page
    assert "1 still in <a" in page
    merchant.feed_back("last.csv", mended[2:])
    page = merchant.page(first)
    assert "nothing of this run is open" in page
    assert "submit the file again" not in page
    assert counted(page, "data-fate") == {"created": 2, "invalid": 3}
    assert counted(page, "data-overall") == {"created": 5}


def test_bridge_period_and_status_count_a_resubmitted_record_once(merchant):
    bad = [f"R-{at},Ann,no address,ZAR,{at}" for at in range(3)]
    first = merchant.run("c.csv", *bad, "R-9,Zoe,,ZAR,900")
    rejected = merchant.list_of(first, "rejected")
    merchant.feed_back("unmended.csv", rejected)
    merchant.feed_back("mended.csv", [{**row, "email": ""} for row in rejected])
    merchant.run("c.csv")  # the whole file once more

    (code, span), (exit_code, reconciled) = merchant.span(), merchant.reconciled()

    assert (code, span["once"]["records"], some(span["once"]["fates"])) == (0, 4, {"created": 4})
    assert span["once"]["sums"] == {"ZAR": {"created": 903}}
    assert span["once"]["rows_read"] == reconciled["rows_read"] == 4 + 3 + 3 + 4
    assert (exit_code, [(step["step"], step["records"], step["figures"]["ZAR"]["sum"]) for step in reconciled["bridge"]]) == (
        0, [("read", 4, 903), ("expected", 4, 903), ("found", 4, 903)],
    )  # fmt: skip
    assert merchant.status(first)["overall"] == {"created": 4}
    assert merchant.status(first)["resubmitted"] == 3


def test_a_record_that_the_supplier_corrects_in_a_file_of_his_own_is_that_record(merchant):
    first = merchant.run(
        "monday.csv", "R-1,Ann,no address,ZAR,1", "R-2,Bo,,ZAR,2", "R-3,Cy,no address,ZAR,3"
    )
    merchant.run("tuesday.csv", "R-1,Ann,ann@example.com,ZAR,1", "R-8,Di,,ZAR,8")

    code, span = merchant.span()

    assert (code, some(span["once"]["fates"])) == (1, {"created": 3, "invalid": 1})
    assert [(one["fate"], one["records"]) for one in span["open"]] == [("invalid", 1)]
    assert span["once"]["accounting"]["holds"]
    assert [(file["name"], file["records"], file["corrections"]) for file in span["files"]] == [
        ("monday.csv", 3, 0), ("tuesday.csv", 2, 1),
    ]  # fmt: skip
    assert merchant.status(first)["overall"] == {"created": 2, "invalid": 1}


@pytest.mark.long  # test_current_fates has each rule of linking
def test_records_that_cannot_be_linked_stay_open(merchant):
    first = merchant.run(
        "c.csv", "R-1,Ann,no address,ZAR,1", "R-2,Bo,no address,ZAR,2", "T-1,X,,,", "T-1,Y,,,"
    )
    one, _ = merchant.list_of(first, "rejected")
    merchant.feed_back("one.csv", [{**one, "email": ""}])
    merchant.run("other.csv", "R-3,Another,,ZAR,2")

    status, (code, span) = merchant.status(first), merchant.span()

    assert (status["overall"], status["open"]) == (
        {"created": 1, "invalid": 1, "needs_review": 2},
        3,
    )
    assert (code, {one["fate"]: one["records"] for one in span["open"]}) == (
        1,
        {"needs_review": 2, "invalid": 1},
    )


def test_out_of_balance_is_never_followed_by_a_claim_that_all_is_explained(merchant):
    merchant.run("c.csv", "R-1,Ann,,ZAR,100")
    merchant.outside.change("R-1", balance=200)

    code, reconciled = merchant.reconciled()
    page = Path(merchant.pipeline.folder / reconciled["files"]["report.html"]).read_text()

    assert (code, reconciled["verdict"]) == (7, "Out of balance: 1 balance differs.")
    assert "explain" not in reconciled["verdict"]
    assert "explains every record and every cent" not in page


def test_every_count_of_records_names_reasons_and_differing_fields(merchant):
    header = f"{HEADER},phone,metadata.due date"
    rows = [
        "R-1,Ann,no address,ZAR,1,,", "R-2,Bo,no address,ZAR,2,12,", "R-3,Cy,,ZAR,3,,",
        "T-1,X,,ZAR,1,,today", "T-1,Y,,ZAR,1,,tomorrow", "T-2,Z,,ZAR,5,,", "T-2,Z,,ZAR,6,,",
    ]  # fmt: skip
    (merchant.pipeline.folder / "c.csv").write_text("\n".join([header, *rows]) + "\n")
    planned = merchant("plan", "c.csv", *merchant.there)
    shown = merchant("run", "c.csv", *merchant.there, "--yes")
    run = merchant.pipeline.newest().name
    page, status = merchant.page(run), merchant("status", run).stdout

    rejected = "2 VALIDATE.EMAIL_MALFORMED (email), 1 VALIDATE.PHONE_"
    held = "4 MATCH.SAME_REFERENCE_OTHER_CONTENT"
    differs = "they differ in balance (2), metadata.due date (2), name (2)"
    for text in (planned.stdout, shown.stdout):
        assert f"rejected 2: {rejected}" in text
        assert f"held 4: {held}" in text
        assert differs in text
    assert f"rejected: {rejected}" in status
    assert f"held: {held}" in status
    assert differs in status
    assert '<p id="differs">' in page
    assert "metadata.due date" in page[page.index('<p id="differs">') :]
    assert [row["_import_differs"] for row in merchant.list_of(run, "held")] == [
        "name, metadata.due date"
    ] * 2 + ["balance"] * 2
    assert merchant.pipeline.summary()["held_differs"] == {
        "name": 2,
        "balance": 2,
        "metadata.due date": 2,
    }


def test_a_row_that_differs_from_billing_or_the_ledger_names_the_fields(merchant):
    merchant.run("c.csv", "R-1,Ann,ann@example.com,ZAR,1")
    (merchant.pipeline.folder / "d.csv").write_text(f"{HEADER}\nR-1,Anna,,ZAR,1\n")
    assert merchant("plan", "d.csv", *merchant.there).returncode == 1

    (row,) = merchant.list_of(merchant.pipeline.newest().name, "held")

    assert row["_import_differs"] == "name, email"
    for path in (merchant.pipeline.folder / ".pipeline").glob(
        "*/*"
    ):  # another home, which knows of nothing
        if path.is_file():
            path.unlink()
    met = merchant.run(
        "e.csv", "R-1,Annabel,ann@example.com,ZAR,7", options=("--accept", "HOME.NEW")
    )
    (row,) = merchant.list_of(met, "held")
    assert row["_import_fate"] == "already_exists_different"
    assert set(row["_import_differs"].split(", ")) == {"name", "balance"}


def test_sheets_of_one_workbook_are_different_tables_in_every_statement(merchant):
    book = openpyxl.Workbook()
    book.active.title = "North"
    south = book.create_sheet("South")
    for sheet, rows in (
        (book.active, ["A1,Ann,bad", "A2,Zed,z@x.org"]),
        (south, ["B1,Ben,b@x.org", "B2,Cid,bad"]),
    ):
        for row in ["external_reference,name,email", *rows]:
            sheet.append(row.split(","))
    book.save(merchant.pipeline.folder / "t.xlsx")
    runs = []
    for sheet in ("North", "South"):
        assert merchant("run", "t.xlsx", "--sheet", sheet, *merchant.there, "--yes").returncode == 1
        runs.append(merchant.pipeline.newest().name)

    code, span = merchant.span()

    assert code == 1
    assert (
        span["once"]["records"],
        span["once"]["fates"]["created"],
        span["once"]["fates"]["invalid"],
    ) == (4, 2, 2)
    for run in runs:
        (row,) = merchant.list_of(run, "rejected")
        merchant.feed_back(f"{run}.csv", [{**row, "email": "ok@x.org"}])
    assert merchant.span()[1]["once"]["fates"]["created"] == 4
    assert all("nothing of this run is open" in merchant.page(run) for run in runs)


def test_a_file_that_is_read_with_more_of_its_lines_the_next_time_has_each_record_once(merchant):
    rows = ["A1,Ann,a@x.org,ZAR,1", "A2,Ben,bad,ZAR,2"]
    job = "environment: sandbox\nmerchant: sandbox\naddress: sandbox\nsource: {footer_lines: 1}\n"
    (merchant.pipeline.folder / "job.yaml").write_text(job)
    (merchant.pipeline.folder / "c.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    assert (
        merchant("run", "c.csv", "--config", "job.yaml", *merchant.there, "--yes").returncode == 0
    )
    merchant.run("c.csv")

    code, span = merchant.span()

    assert code == 1
    fates = span["once"]["fates"]
    assert (span["once"]["records"], fates["created"], fates["invalid"]) == (2, 1, 1)
