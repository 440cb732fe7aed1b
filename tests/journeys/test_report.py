"""The report that a reviewer is handed: in a real browser, as a workbook, by how much of people it shows, and who signed it."""

import csv
import json
import re
import shutil
from zipfile import ZipFile

import openpyxl
import polars as pl
import pytest

from pipeline.storage.run_search import all_runs
from tests.conftest import Inside, lived_at_a_sandbox, running_sandbox, sandbox_of_ones_own
from tests.properties.test_naughty_strings import OURS

HEADER = "external_reference,name,email,phone,currency,balance"
pytestmark = pytest.mark.xdist_group("report")  # one worker, so that the twenty are sent once
BROWSER = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
OFFICE = shutil.which("soffice")
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
#: Twenty people that nobody has met, each with a name, an address and a number that stand nowhere else.
PLANTED = [
    (f"CANARY-{n:02}", f"Zephyrine Quandt{n:02}", f"zq{n:02}@canary.example", f"082 555 {n:04}")
    for n in range(20)
]


def write_customers(path, rows, header=HEADER):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header.split(","), *rows])


@pytest.fixture(scope="module")
def sent_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sent")
    with lived_at_a_sandbox(folder, send_people) as outside:
        yield folder, outside


@pytest.fixture
def sent_alone(sent_once, pipeline):
    """A run over twenty people, and a billing that the test may change."""
    folder, _ = sent_once
    with sandbox_of_ones_own(folder, pipeline) as outside:
        yield pipeline, outside


@pytest.fixture
def sent(sent_once, tmp_path):
    """The same in a billing that all tests share, and a copy of the folder that is the test's own."""
    folder, outside = sent_once
    before = outside.customers()
    shutil.copytree(folder / "place", tmp_path / "place")
    yield Inside(tmp_path / "place"), outside
    assert outside.customers() == before, "take sent_alone to change what billing holds"


def send_people(pipeline, outside):
    """A run over twenty people, of whom some are invalid, one is there twice and one repeats another."""
    rows = [[*person, "ZAR", str(1000 + at)] for at, person in enumerate(PLANTED)]
    rows[3][3], rows[4][3], rows[5][2] = "not a number", "082 55", "nobody at all"
    rows.append([*rows[6][:1], "Somebody Else", *rows[6][2:]])
    rows.append(rows[7])
    write_customers(pipeline.folder / "people.csv", rows)
    done = pipeline(
        "run",
        "people.csv",
        "--base-url",
        outside.base_url,
        "--yes",
        environment=outside.environment,
    )
    assert done.returncode == 1, done.stderr


def reported(pipeline, pii, name="out"):
    done = pipeline("report", "--pii", pii, "--output", name)
    assert done.returncode == 0, done.stderr
    return pipeline.folder / name


def everything_of(path):
    """The text of a page, a list or a workbook."""
    if path.suffix == ".xlsx":
        with ZipFile(path) as book:
            return "".join(
                book.read(name).decode() for name in book.namelist() if name.endswith(".xml")
            )
    return path.read_text(encoding="utf-8")


def found_in(text):
    """Which of the planted people stand in a text, by reference, name, address or number."""
    needles = [
        word
        for person in PLANTED
        for word in (*person, person[3].replace(" ", ""), "+27" + person[3].replace(" ", "")[1:])
    ]
    return {needle for needle in needles if needle in text}


@pytest.mark.parametrize("pii", ["masked", "none"])
def test_the_bundle_names_no_person(sent, pii):
    pipeline, outside = sent
    done = pipeline("reconcile", "--base-url", outside.base_url, environment=outside.environment)
    assert done.returncode in {0, 1}, done.stderr

    folder = reported(pipeline, pii)

    assert {path.name for path in folder.iterdir()} == {"report.html", "report.xlsx"}
    for path in (
        *folder.iterdir(),
        pipeline.newest() / "report.html",
        pipeline.newest() / "report.xlsx",
        pipeline.newest() / "summary.json",
    ):
        assert found_in(everything_of(path)) == set(), path
    assert ("person-" in everything_of(folder / "report.html")) == (pii == "masked")


def test_a_report_with_personal_data_is_written_outside_the_run_folder_only(sent):
    pipeline, _ = sent
    before = everything_of(pipeline.newest() / "report.html")

    refused = pipeline("report", "--pii", "full")
    folder = reported(pipeline, "full")

    assert (refused.returncode, "--output" in refused.stderr) == (6, True)
    assert everything_of(pipeline.newest() / "report.html") == before
    assert {"not a number", "nobody at all"} <= {
        word
        for word in ("not a number", "nobody at all")
        if word in everything_of(folder / "report.html")
    }
    assert len(found_in(everything_of(folder / "report.xlsx"))) > 60


def test_the_same_person_has_the_same_token_in_every_report(sent_alone):
    pipeline, outside = sent_alone
    first = pipeline.summary()["reasons"]
    write_customers(pipeline.folder / "more.csv", [[*PLANTED[3], "ZAR", "x"]])
    pipeline(
        "run", "more.csv", "--base-url", outside.base_url, "--yes", environment=outside.environment
    )
    second = pipeline.summary()["reasons"]

    (before,) = {
        one["person"]
        for reason in first
        if "PHONE_UNREADABLE" in reason["reason"]
        for one in reason["shown"]
    }
    (after,) = {
        one["person"]
        for reason in second
        if "BALANCE" in reason["reason"]
        for one in reason["shown"]
    }

    assert before == after
    assert [
        one["given"]
        for reason in first
        if "PHONE_UNREADABLE" in reason["reason"]
        for one in reason["shown"]
    ] == ["xxx x xxxxxx"]


def test_a_workbook_holds_every_list_as_text_and_no_formula(sent):
    pipeline, _ = sent
    path = reported(pipeline, "full") / "report.xlsx"

    book = openpyxl.load_workbook(path)

    assert book.sheetnames[-6:] == [
        "created",
        "skipped",
        "held",
        "in_doubt",
        "rejected",
        "unprocessed",
    ]
    cells = [
        cell
        for sheet in book
        for row in sheet.iter_rows()
        for cell in row
        if cell.value is not None
    ]
    assert {cell.data_type for cell in cells} == {"s"}
    phones = {
        row[
            book["created"][1].index(next(c for c in book["created"][1] if c.value == "phone"))
        ].value
        for row in book["created"].iter_rows(min_row=2)
    }
    assert PLANTED[0][3] in phones


@pytest.mark.skipif(OFFICE is None, reason="LibreOffice is not on this machine")
def test_libreoffice_opens_the_workbook_with_its_phones_intact_and_no_formula(
    pipeline, outside, tmp_path
):
    import subprocess

    rows = [
        ["F-1", "=1+1", "a@example.com", "+27825550001", "ZAR", "-100"],
        ["F-2", "@sum(A1)", "b@example.com", "0825550002", "ZAR", "007"],
    ]
    write_customers(tmp_path / "f.csv", rows)
    pipeline(
        "run", "f.csv", "--base-url", outside.base_url, "--yes", environment=outside.environment
    )
    book = reported(pipeline, "full") / "report.xlsx"
    told = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,true,false,-1"  # -1: each sheet a file; formulas shown

    subprocess.run(
        [OFFICE, f"-env:UserInstallation=file://{tmp_path}/office", "--headless", "--convert-to", told, "--outdir", tmp_path / "sheets", book],
        check=True, capture_output=True, timeout=180,
    )  # fmt: skip

    with (tmp_path / "sheets" / "report-created.csv").open(encoding="utf-8", newline="") as file:
        found = [[row["name"], row["phone"], row["balance"]] for row in csv.DictReader(file)]
    assert found == [[row[1], row[3], row[5]] for row in rows]


def test_an_open_row_ages_over_the_runs_until_it_is_corrected(sent_alone):
    pipeline, outside = sent_alone
    there = ("--base-url", outside.base_url, "--yes")
    first = pipeline.newest()
    write_customers(
        pipeline.folder / "again.csv",
        [[*PLANTED[3][:3], "still none", "ZAR", "5"], ["NEW-1", "New", "", "", "ZAR", "x"]],
    )
    pipeline("run", "again.csv", *there, environment=outside.environment)

    page = pipeline.newest() / "report.html"
    book = openpyxl.load_workbook(pipeline.newest() / "report.xlsx")
    told = {row[0]: row[1:5] for row in book["Open items"].iter_rows(min_row=2, values_only=True)}
    assert (
        told["invalid"][0] == "4"
    )  # three of the first run, of which one was met again, and a new one
    assert told["invalid"][3] == "2"
    assert first.name in page.read_text()

    rejected = (
        (first / "rejected.csv")
        .read_text()
        .replace("082 55,", "082 555 0004,")
        .replace("not a number", "082 555 0003")
        .replace("nobody at all", "")
    )
    (pipeline.folder / "rejected.csv").write_text(rejected)
    done = pipeline("run", "rejected.csv", *there, environment=outside.environment)
    assert done.returncode == 0, done.stdout
    book = openpyxl.load_workbook(pipeline.newest() / "report.xlsx")
    told = {row[0]: row[1:5] for row in book["Open items"].iter_rows(min_row=2, values_only=True)}
    assert told["invalid"][0] == "1"  # the new one


def test_planner_and_approver_sign_by_running_and_a_reviewer_signs_the_files(sent):
    pipeline, _ = sent
    run = pipeline.newest()
    assert states(run) == {"planner": "stands", "approver": "stands", "reviewer": "open"}

    wrong = pipeline("sign", run.name, "--name", "Thandi", "--evidence", "00ff")
    done = pipeline("sign", run.name, "--name", "Thandi", "--note", "held against the bank")

    assert (wrong.returncode, done.returncode) == (6, 0), done.stderr
    assert states(run) == {"planner": "stands", "approver": "stands", "reviewer": "stands"}
    assert "Thandi" in (run / "report.html").read_text()
    assert "held against the bank" in (run / "report.html").read_text()
    assert pipeline("verify", run.name).returncode == 0


def test_a_sign_off_is_stale_as_soon_as_a_signed_file_changes(sent):
    pipeline, outside = sent
    run = pipeline.newest()
    assert pipeline("sign", run.name, "--name", "Thandi").returncode == 0

    pipeline("reconcile", "--base-url", outside.base_url, environment=outside.environment)
    pipeline("report", run.name)
    assert states(run)["reviewer"] == "stale"  # what billing holds was not known when it was signed
    assert pipeline("sign", run.name, "--name", "Sipho").returncode == 0
    assert states(run)["reviewer"] == "stands"
    pipeline("reconcile", "--base-url", outside.base_url, environment=outside.environment)
    pipeline("report", run.name)
    assert states(run)["reviewer"] == "stale"
    page = (run / "report.html").read_text()
    assert "changed since: reconciliation" in page


def test_a_name_that_was_changed_under_a_signature_is_not_shown_as_one(sent):
    pipeline, _ = sent
    run = pipeline.newest()
    assert pipeline("sign", run.name, "--name", "Thandi").returncode == 0
    signatures = run / "signatures.jsonl"
    signatures.write_text(signatures.read_text().replace("Thandi", "Somebody"))

    for command in (
        ("report",),
        ("sign", run.name, "--name", "Sipho"),
        ("bundle", run.name),
        ("verify", run.name),
    ):
        assert pipeline(*command).returncode == 7, command


def test_a_run_that_fails_its_checks_cannot_be_signed(sent):
    pipeline, _ = sent
    run = pipeline.newest()
    text = (run / "created.csv").read_text()
    (run / "created.csv").write_text(text.replace("Zephyrine", "Zephyrina", 1))

    done = pipeline("sign", run.name)

    assert done.returncode == 7
    assert "created.csv was changed" in done.stderr
    assert states(run)["reviewer"] == "open"


def test_a_plan_is_signed_by_an_approver_and_not_by_a_reviewer(pipeline, outside):
    write_customers(pipeline.folder / "c.csv", [["A-1", "A", "", "", "ZAR", "1"]])
    pipeline("plan", "c.csv", "--base-url", outside.base_url, environment=outside.environment)
    run = pipeline.newest()

    assert pipeline("sign", run.name).returncode == 6
    assert pipeline("sign", run.name, "--as", "approver", "--name", "Thandi").returncode == 0
    done = pipeline(
        "apply", run.name, "--base-url", outside.base_url, environment=outside.environment
    )

    assert done.returncode == 0, done.stderr
    assert [
        json.loads(line)["name"] for line in (run / "signatures.jsonl").read_text().splitlines()
    ][1:] == ["Thandi"]


def states(run):
    """Role -> state, as the page tells it."""
    from pipeline.domain.sign_offs import signed
    from pipeline.workflows.report.evidence import newest_reconciliation, signed_digests

    folder = next(one for one in all_runs(run.parent) if one.run_id == run.name)
    return {
        one.role: one.state
        for one in signed(
            folder.signatures(), signed_digests(folder, "reviewer", newest_reconciliation(folder))
        )
    }


in_a_browser = pytest.mark.xdist_group("browser")  # one worker, so that one is started


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None:
        pytest.skip("no Chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=BROWSER, args=list(QUIET))
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser):
    """A page from disk with the network off; what it complained of, what it asked for."""
    context = browser.new_context(offline=True)
    told = []

    def open_page(path):
        page = context.new_page()
        page.on("console", lambda message: told.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: told.append(f"error: {error}"))
        page.on("dialog", lambda dialog: told.append(f"dialog: {dialog.message}"))
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(("file:", "data:")) else told.append(request.url)
            ),
        )
        page.goto(path.resolve().as_uri())
        return page

    yield open_page, told
    context.close()


@pytest.fixture(scope="module")
def naughty(browser, tmp_path_factory):
    """Made where there is a browser for it: a run, and a billing export, in which the strings that break programs are names, columns and cells; shown in full."""
    folder = tmp_path_factory.mktemp("naughty")
    with running_sandbox(folder / "billing.sqlite") as outside:
        return show_naughty_strings(Inside(folder), outside)


def show_naughty_strings(pipeline, outside):
    strings = [text for text in OURS if "\x00" not in text]
    rows = [[f"N-{at}", "Plain", "", "", "ZAR", str(at)] for at in range(len(strings))]
    rows += [[f"E-{at}", "Plain", text, "", "ZAR", "1"] for at, text in enumerate(strings)]
    header = [*HEADER.split(","), "<script>alert('column')</script>", "' onmouseover='alert(1)"]
    with (pipeline.folder / "<img src=x onerror=alert(2)>.csv").open(
        "w", encoding="utf-8", newline=""
    ) as file:
        csv.writer(file).writerows([header, *([*row, "", ""] for row in rows)])
    there = ("--base-url", outside.base_url, "--yes", "--max-rejected", "100%")
    done = pipeline(
        "run", "<img src=x onerror=alert(2)>.csv", *there, environment=outside.environment
    )
    assert done.returncode in {0, 1}, done.stderr
    held = outside.customers()
    theirs = [
        [
            one["external_reference"],
            text.replace("\r", " ").replace("\n", " "),
            "ZAR",
            one["balance"],
        ]
        for one, text in zip((held[f"N-{at}"] for at in range(len(strings))), strings, strict=True)
    ]
    write_customers(
        pipeline.folder / "export.csv", theirs, "external_reference,name,currency,balance"
    )
    pipeline("reconcile", "--export", "export.csv")
    return reported(pipeline, "full"), strings


@in_a_browser
def test_the_page_opens_offline_without_a_complaint_and_naughty_strings_stay_text(naughty, opened):
    folder, _ = naughty
    open_page, told = opened

    page = open_page(folder / "report.html")

    assert told == []
    assert page.locator("script").count() == 1
    assert page.locator("img, iframe, object, embed, form").count() == 0
    assert page.evaluate(
        "Array.from(document.querySelectorAll('*')).every(e => e.getAttributeNames().every(n => !n.startsWith('on')))"
    )
    text = page.locator("body").inner_text()
    assert "<script>alert(1)</script>" in text
    assert "<script>alert('column')</script>" in text
    assert "{{ 7 * 7 }}" in text


@in_a_browser
def test_no_script_runs_on_the_page_but_the_one_that_its_policy_names(naughty, opened):
    open_page, told = opened
    page = open_page(naughty[0] / "report.html")

    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.ran = true'; document.body.append(s); }"
    )

    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in one for one in told)


@in_a_browser
def test_tables_filter_and_sort(naughty, opened):
    open_page, _ = opened
    page = open_page(naughty[0] / "report.html")
    table = page.locator("#differences table")
    rows = table.locator("tbody tr")
    shown = page.locator("#differences tbody tr:not([hidden])")
    every = rows.count()

    page.locator("#differences input.sift").fill("jp SIGN")
    assert shown.count() == 0
    page.locator("#differences input.sift").fill("drop table")
    assert shown.count() == 1
    assert page.locator("#differences output").inner_text() == f"1 of {every}"
    page.locator("#differences input.sift").fill("")
    assert shown.count() == every

    records = page.locator("#reasons thead button").first
    before = page.locator("#reasons tbody tr").all_inner_texts()
    for is_reverse in (False, True):
        records.click()
        cells = page.locator("#reasons tbody tr td:first-child").all_inner_texts()
        counts = [int(cell.replace(",", "")) for cell in cells]
        assert counts == sorted(counts, reverse=is_reverse)
    records.click()  # the third time: as it was
    assert page.locator("#reasons tbody tr").all_inner_texts() == before


@in_a_browser
def test_amounts_sort_within_their_currency_and_are_found_as_people_type_them(sent_alone, opened):
    pipeline, outside = sent_alone
    rows = [[f"S-{at}", "A", "", "", code, amount] for at, (code, amount) in enumerate(
        [("KWD", "8647095"), ("ZAR", "-382453"), ("ZAR", "123456789"), ("JPY", "24097"), ("ZAR", "5")]
    )]  # fmt: skip
    write_customers(pipeline.folder / "s.csv", rows)
    pipeline(
        "run", "s.csv", "--base-url", outside.base_url, "--yes", environment=outside.environment
    )
    held = outside.customers()
    write_customers(
        pipeline.folder / "e.csv",
        [
            [name, one["name"], one["currency"], one["balance"] + 1]
            for name, one in held.items()
            if name.startswith("S-")
        ],
        "external_reference,name,currency,balance",
    )
    pipeline("reconcile", "--export", "e.csv")
    pipeline("report")
    open_page, told = opened
    page = open_page(pipeline.newest() / "report.html")
    meant = page.locator("#differences thead button", has_text="Sent")

    meant.click()

    cells = page.locator('#differences tbody td[data-label="Sent"]').all_inner_texts()
    assert [cell.replace(",", "") for cell in cells] == [
        "24097",
        "8647.095",
        "-3824.53",
        "0.05",
        "1234567.89",
    ]
    field = page.locator("#differences input.sift")
    field.fill("1234567.89")
    assert page.locator("#differences tbody tr:not([hidden])").count() == 1
    page.emulate_media(media="print")
    assert page.locator("#differences tbody tr:visible").count() == 5  # nobody signs half a table
    page.emulate_media(media="screen")
    field.fill("nothing of the kind")
    assert page.locator("#differences output").inner_text() == "nothing matches, of 5"
    assert told == []


@in_a_browser
def test_nothing_on_a_page_is_wider_than_the_window_in_light_or_dark_and_text_can_be_read(
    sent, opened
):
    pipeline, outside = sent
    pipeline("reconcile", "--base-url", outside.base_url, environment=outside.environment)
    pipeline("report", "--since", "2020-01-01")
    reports = pipeline.folder / "reports"
    pages = [
        pipeline.newest() / "report.html",
        *reports.glob("*-reconcile-*/report.html"),
        *reports.glob("*-since-*/report.html"),
    ]
    open_page, told = opened

    for path in pages:
        page = open_page(path)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for width in (390, 768, 1280):
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
            ink, paper = (page.evaluate(f"getComputedStyle(document.querySelector('main')).{one}") for one in ("color", "backgroundColor"))  # fmt: skip
            assert contrast(ink, paper) > 7, (scheme, ink, paper)
        page.set_viewport_size({"width": 1280, "height": 900})
        stops = page.locator("[tabindex='0']").count()
        assert stops <= 2, path  # only what really scrolls is a stop for the tab key
    assert len(pages) == 3
    assert told == []


def contrast(one, other):
    """The ratio of two colours as WCAG 2 defines it."""

    def light(colour):
        channels = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(
            weight * channel
            for weight, channel in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
        )

    brighter, darker = sorted((light(one), light(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


@pytest.mark.long  # a bigger form of test_bridge_span_and_status_count_a_record_once of test_statements
def test_a_month_counts_each_record_once_however_often_it_was_submitted(sent_alone):
    pipeline, outside = sent_alone
    there = ("--base-url", outside.base_url, "--yes")
    first = pipeline.newest()
    rejected = (
        (first / "rejected.csv")
        .read_text()
        .replace("082 55,", "082 555 0004,")
        .replace("not a number", "082 555 0003")
    )
    (pipeline.folder / "rejected.csv").write_text(rejected)
    for file in ("people.csv", "rejected.csv", "people.csv"):
        pipeline("run", file, *there, environment=outside.environment)

    done = pipeline("report", "--since", "2020-01-01", "--json")

    told = json.loads(done.stdout)
    assert done.returncode == 1  # the pair that differs, and the address that nobody mended
    records, fed, money = told["once"]["accounting"]["checks"]
    assert (records["read"], records["ended"], records["holds"]) == (22, 22, True)
    assert (fed["read"], fed["ended"]) == (
        69,
        69,
    )  # 22 records three times, and three of them mended
    assert (money["currency"], money["holds"], money["read"]) == ("ZAR", True, money["ended"])
    assert told["once"]["fates"]["created"] == 18
    assert {fate: number for fate, number in told["once"]["fates"].items() if number} == {
        "created": 18, "duplicate_in_file": 1, "needs_review": 2, "invalid": 1,
    }  # fmt: skip
    assert [(file["name"], file["times"], file["records"], file["corrections"]) for file in told["files"]] == [
        ("people.csv", 3, 22, 0), ("rejected.csv", 1, 3, 3),
    ]  # fmt: skip
    assert told["once"]["sums"]["ZAR"]["created"] == sum(
        1000 + at for at in range(20) if at not in {5, 6}
    )
    assert {one["fate"]: one["records"] for one in told["open"]} == {
        "needs_review": 2,
        "invalid": 1,
    }
    (folder,) = (pipeline.folder / "reports").glob("*-since-*")
    assert (
        found_in((folder / "report.html").read_text() + (folder / "summary.json").read_text())
        == set()
    )


def test_a_month_with_only_resubmitted_rows_of_an_earlier_month_shows_that(sent_alone):
    pipeline, outside = sent_alone
    first = pipeline.newest()
    (pipeline.folder / "rejected.csv").write_text(
        (first / "rejected.csv").read_text().replace("not a number", "082 555 0003")
    )
    pipeline(
        "run",
        "rejected.csv",
        "--base-url",
        outside.base_url,
        "--yes",
        environment=outside.environment,
    )
    second = pipeline.newest()
    for path in ("plan.json", "summary.json"):
        text = (first / path).read_text()
        (first / path).write_text(text.replace(first.name, "20200101" + first.name[8:]))
    first.rename(first.parent / ("20200101" + first.name[8:]))
    for part in (second / "staged").glob("records-*.parquet"):
        pl.read_parquet(part).with_columns(
            origin_run=pl.lit("20200101" + first.name[8:])
        ).write_parquet(part)

    told = json.loads(pipeline("report", "--since", "2025-01-01", "--json").stdout)

    assert told["once"]["accounting"]["holds"]
    assert told["once"]["records"] == 0
    assert told["once"]["of_earlier_files"] == {"created": 1, "invalid": 2}


def test_a_period_without_a_run_is_reported(sent):
    assert sent[0]("report", "--since", "2025-01-01", "--until", "2025-01-31").returncode == 4


def test_page_and_workbook_show_control_totals_and_duplicates(sent_alone):
    pipeline, outside = sent_alone
    write_customers(
        pipeline.folder / "c.csv",
        [["A-1", "A", "", "", "ZAR", "100"], ["A-1", "A", "", "", "ZAR", "100"]],
    )
    done = pipeline(
        "run", "c.csv", "--base-url", outside.base_url, "--yes", "--expect", "ZAR=2.00", "--expect", "records=2",
        environment=outside.environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    page = (pipeline.newest() / "report.html").read_text()
    book = openpyxl.load_workbook(pipeline.newest() / "report.xlsx")

    assert [row[1:] for row in book["Control totals"].iter_rows(min_row=2, values_only=True)] == [
        ("ZAR", "200", "200", "yes"), ("records", "2", "2", "yes"),
    ]  # fmt: skip
    assert '<section id="controls">' in page
    duplicates = page[page.index('<section id="duplicates">') :]
    assert "c.csv:3" in duplicates[: duplicates.index("</section>")]
    assert "c.csv:2" in duplicates[: duplicates.index("</section>")]
