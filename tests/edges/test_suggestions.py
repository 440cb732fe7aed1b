"""Every command that a message suggests works as it is printed: with the same home, reports and config, quoted for a shell."""

import ast
import html
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from pipeline.cli.commands import cli
from pipeline.domain.customer import Environment
from pipeline.storage.run_folder import RunFolder
from pipeline.workflows import write_results
from pipeline.workflows.places import destination_options
from tests.conftest import REPOSITORY, Inside, customers_csv
from tests.sample_plans import a_plan

PLACES = ["--home", "my home", "--reports", "our $reports"]
CONFIG = (
    "environment: sandbox\nmerchant: sandbox\naddress: sandbox\nstream: {name: 'day_{date}.csv'}\n"
)


@pytest.fixture
def here(with_pages, without_pages) -> Inside:
    """The same folder, where runs write no pages."""
    return with_pages


@pytest.fixture
def with_pages(tmp_path) -> Inside:
    """A folder whose name wants quotes, with a config and files of three customers."""
    folder = tmp_path / "what's here; (all)"
    folder.mkdir()
    for number, name in enumerate(
        ("c.csv", "other.csv", "day_2026-11-01.csv", "day_2026-11-04.csv")
    ):
        customers_csv(folder / name, 3, start=10 * number)
    (folder / "the job.yaml").write_text(CONFIG)
    return Inside(folder)


def suggestions(*texts: str) -> list[list[str]]:
    """The words of every command that texts suggest; it is the last of its line."""
    lines = (line.rpartition(": pipeline ") for text in texts for line in text.splitlines())
    return [shlex.split(command) for before, _, command in lines if before]


def only(result) -> list[str]:
    """The one suggestion of a command."""
    [words] = suggestions(result.stdout, result.stderr)
    return words


def repeats(words: list[str], *options: str) -> bool:
    """Whether a command repeats these options, each beside its value."""
    return shlex.join(options) in shlex.join(words)


def stranded(pipeline: Inside, *options: str) -> str:
    """A run whose customers are created and whose results are not written."""
    pipeline("plan", "c.csv", "--sandbox", *options)

    def fail(*_given: object) -> None:
        raise OSError(28, "No space left on device")

    with patch.object(write_results, "STEPS", (fail, *write_results.STEPS)):
        failed = pipeline("apply", "latest", *options)
    assert failed.returncode == 5, failed.stderr
    return failed.stderr


def test_a_plan_suggests_to_apply_it_with_its_config(here):
    job = ["--config", "the job.yaml"]

    words = only(here("plan", "day_2026-11-01.csv", *job, *PLACES))

    assert words[0] == "apply"
    assert repeats(words, *job, *PLACES)
    assert here(*words).returncode == 0


def test_an_unapproved_run_suggests_to_apply_its_plan_at_the_same_rate(here):
    words = only(here("run", "c.csv", "--sandbox", "--pace", "50", "--workers", "2", *PLACES))

    assert repeats(words, *PLACES)
    assert repeats(words, "--workers", "2", "--pace", "50.0")
    assert here(*words).returncode == 0


def test_a_plan_with_an_alarm_suggests_how_to_accept_it(here):
    job = ["--config", "the job.yaml", *PLACES]
    here("run", "day_2026-11-01.csv", *job, "--yes")

    stopped = here("run", "day_2026-11-04.csv", *job, "--yes")

    words = only(stopped)
    assert stopped.returncode == 3
    assert repeats(words, "--accept", "STREAM.MISSING_DAY")
    assert here(*words).returncode == 0


def test_a_plan_that_stops_suggests_to_apply_it_with_its_alarm_accepted(here):
    (here.folder / "job2.yaml").write_text(CONFIG + "thresholds: {max_rejected: 0}\n")
    (here.folder / "day_2026-11-01.csv").write_text("external_reference,email\nA,bad\nB,b@x.org\n")

    stopped = here("plan", "day_2026-11-01.csv", "--config", "job2.yaml", *PLACES)

    run_id = only(stopped)[1]
    asked = [stopped, here("status", run_id, *PLACES), here("resume", run_id, *PLACES)]
    assert stopped.returncode == 3
    for told in asked:
        assert repeats(only(told), "--accept", "THRESHOLD.MAX_REJECTED")
    assert here(*only(asked[-1])).returncode == 1


def test_a_plan_that_is_too_large_suggests_how_to_allow_it(here):
    words = only(here("run", "c.csv", "--sandbox", "--yes", "--max-creates", "2", *PLACES))

    assert repeats(words, "--max-creates", "3")
    assert here(*words).returncode == 0


def test_every_command_suggests_to_resume_a_failed_run(here):
    met = {"the failure": stranded(here, *PLACES)}
    commands = {
        name: [*words, "latest", *PLACES]
        for name, words in {
            "apply": ["apply"],
            "status": ["status"],
            "verify": ["verify"],
            "report": ["report"],
            "sign": ["sign"],
            "bundle": ["bundle"],
            "reconcile": ["reconcile"],
        }.items()
    }
    codes = {}
    for name, words in commands.items():
        done = here(*words)
        met[name], codes[name] = done.stdout + done.stderr, done.returncode
    run_id = next((here.folder / "our $reports").iterdir()).name
    note = (here.folder / "our $reports" / run_id / "unfinished.txt").read_text()

    found = {name: suggestions(text) for name, text in met.items()}

    assert codes == {
        "apply": 6, "status": 0, "verify": 7, "report": 6, "sign": 6, "bundle": 6, "reconcile": 4,
    }  # fmt: skip
    assert [
        name for name, one in found.items() if [words[:2] for words in one] != [["resume", run_id]]
    ] == []
    assert [name for name, [words] in found.items() if not repeats(words, *PLACES)] == []
    assert repeats(found["status"][0], "--sandbox")
    assert here(*shlex.split(note.splitlines()[-1])[1:]).returncode == 0
    assert {here(*words).returncode for words in {tuple(words) for [words] in found.values()}} == {
        0
    }


def test_a_run_that_was_never_applied_is_suggested_to_be_applied(here):
    here("plan", "c.csv", "--sandbox", *PLACES)

    by_resume, by_status = (
        only(here("resume", "latest", "--sandbox", *PLACES)),
        only(here("status", *PLACES)),
    )

    assert by_resume == by_status
    assert repeats(by_resume, *PLACES)
    assert repeats(by_status, "--sandbox")
    assert here(*by_resume).returncode == 0


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "apply latest",
        "resume latest",
        "report",
        "verify latest",
        "sign latest",
        "bundle latest",
        "reconcile",
    ],
)
def test_where_there_are_no_runs_yet_every_command_suggests_how_to_make_one(here, command):
    done = here(*command.split(), *PLACES)

    words = only(done)
    assert done.returncode == (0 if command == "status" else 4)
    assert "no runs" in done.stderr
    assert words[:2] == ["plan", "FILE"]
    assert repeats(words, *PLACES)


@pytest.mark.parametrize(
    ("file", "destination"),
    [
        ("day_2026-11-01.csv", ["--config", "job.yaml"]),
        pytest.param("c.csv", ["--sandbox"], marks=pytest.mark.long),
    ],
)
def test_a_stale_plan_suggests_the_command_that_makes_it_again(here, file, destination):
    options = ["--limit", "2", "--where", "external_reference <> 'x y'", "--expect", "records=3"]
    (here.folder / "job.yaml").write_text(CONFIG)
    here("plan", file, *destination, *options, *PLACES)
    with (here.folder / file).open("a") as added:
        added.write("\n")

    words = only(here("apply", "latest", *PLACES))

    assert sorted(words) == sorted(["plan", file, *destination, *options, *PLACES])
    assert here(*words).returncode == 0


def test_a_plan_of_another_environment_suggests_a_plan_for_the_one_that_was_given(here, outside):
    here("plan", "c.csv", "--sandbox", *PLACES)
    there = ["--base-url", outside.base_url, "--environment", "there", "--merchant", "m"]

    refused = here("apply", "latest", *there, *PLACES, environment=outside.environment)
    words = only(refused)
    assert (
        "for environment sandbox of merchant sandbox (test, this machine), not for environment there of merchant m (test, this machine)"
        in refused.stderr
    )

    assert words[:2] == ["plan", "c.csv"]
    assert repeats(words, *there)
    assert here(*words, environment=outside.environment).returncode == 0


def test_a_missing_page_suggests_the_command_that_makes_it(with_pages):
    here = with_pages
    here("run", "c.csv", "--sandbox", "--yes", *PLACES)
    next((here.folder / "our $reports").glob("*/report.html")).unlink()

    words = only(here("verify", "latest", *PLACES))

    assert words[0] == "report"
    assert here(*words).returncode == 0


def test_signatures_that_were_changed_are_suggested_to_be_verified(here):
    here("run", "c.csv", "--sandbox", "--yes", *PLACES)
    path = next((here.folder / "our $reports").glob("*/signatures.jsonl"))
    path.write_text(path.read_text() + path.read_text())

    words = only(here("report", "latest", *PLACES))

    assert words[0] == "verify"
    assert here(*words).returncode == 7


def test_a_run_of_another_home_is_suggested_by_its_name(here):
    here("run", "c.csv", "--sandbox", "--yes", *PLACES)
    (here.folder / "my home").rename(here.folder / "away")

    words = only(here("reconcile", *PLACES))

    assert words[0] == "reconcile"
    assert here(*words).returncode in {0, 1, 7}


def test_known_customers_that_cannot_be_read_are_suggested_to_be_loaded_again(here):
    place = ["--base-url", "http://127.0.0.1:9", *PLACES]
    here("references", "load", "other.csv", *place)
    [known] = (here.folder / "my home" / "sandbox").glob("references*")
    known.write_bytes(b"damaged")

    [by_check] = suggestions(here("check", *place).stdout)
    words = only(here("plan", "c.csv", *place))

    assert words == by_check
    assert repeats(words, *place[2:])
    assert here(*(word if word != "FILE" else "other.csv" for word in words)).returncode == 0
    assert here("plan", "c.csv", *place).returncode == 0


def test_check_suggests_resume_for_pending_and_verify_for_damaged_runs(here, tmp_path):
    stranded(here, *PLACES)
    with patch("pipeline.storage.ledger.LedgerReader.in_doubt", lambda _: 2):
        [resume] = suggestions(here("check", "the job.yaml", *PLACES).stdout)
    with patch("pipeline.storage.ledger.LedgerReader.damage", lambda _: ["its end is missing"]):
        [audit] = suggestions(here("check", "the job.yaml", *PLACES).stdout)

    assert repeats(resume, "--config", "the job.yaml", *PLACES)
    assert audit[:2] == ["audit", "verify"]
    assert (here(*resume[:1], *PLACES).returncode, here(*audit).returncode) == (0, 0)


def test_a_draft_suggests_a_plan_with_it(here):
    drafted = here("init", "c.csv", "--output", "a draft.yaml")

    words = only(drafted)

    assert repeats(words, "--config", "a draft.yaml", "--sandbox")
    assert here(*(word if word != "FILE" else "c.csv" for word in words)).returncode in {
        0,
        4,
    }  # some is left open


def test_a_page_suggests_commands_that_find_its_run(with_pages):
    here = with_pages
    here("plan", "c.csv", "--sandbox", *PLACES)
    of_plan = commands_on(here)
    applied = [here(*words).returncode for words in of_plan[::-1]]
    of_run = commands_on(here)

    assert {repeats(words, "--sandbox") for words in (*of_plan, *of_run) if words[0] != "sign"} == {
        True
    }
    assert [words[0] for words in of_plan] == ["apply", "sign"]
    assert {words[0] for words in of_run} == {"reconcile", "sign"}
    assert applied == [0, 0]
    assert {here(*words).returncode for words in of_run} == {
        0,
        6,
    }  # its reconciliation makes the evidence another one


@pytest.mark.parametrize(
    ("destination", "environment", "words"),
    [
        ("sandbox", ("sandbox", "sandbox", "test"), ["--sandbox"]),
        (
            "http://127.0.0.1:9",
            ("sandbox", "sandbox", "test"),
            ["--base-url", "http://127.0.0.1:9"],
        ),
        (
            "https://x.org",
            ("e", "m", "live"),
            ["--base-url", "https://x.org", "--environment", "e", "--merchant", "m", "--live"],
        ),
    ],
)
def test_a_command_names_the_destination_and_that_its_customers_are_real(
    destination, environment, words
):
    plan = a_plan(destination=destination, environment=Environment(*environment, "x.org"))

    assert list(destination_options(plan)) == words


def commands_on(pipeline: Inside) -> list[list[str]]:
    """The words of every command on the page of the only run."""
    [page] = (pipeline.folder / PLACES[-1]).glob("2*/report.html")
    found = re.findall(r"<code>pipeline (.*?)</code>", page.read_text())
    return [shlex.split(html.unescape(command)) for command in found]


def test_an_unknown_code_suggests_the_list_of_all(here):
    assert here(*only(here("explain", "NO_SUCH_CODE"))).returncode == 0


# -- ids --------------------------------------------------------------------------------------------------------------


def test_latest_and_the_beginning_of_an_id_name_a_run_in_every_command(here):
    here("run", "c.csv", "--sandbox", "--yes")
    first = here.newest().name
    here("plan", "other.csv", "--sandbox")
    second = here.newest().name
    here("reconcile", first)
    beginning = first[
        : next(n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b) + 1
    ]

    of_latest = {name: here(*words, "latest") for name, words in {"status": ["status"], "apply": ["apply"]}.items()}  # fmt: skip
    commands = (["status"], ["resume"], ["report"], ["sign"], ["bundle"], ["reconcile"])
    by_beginning = {words[0]: here(*words, beginning) for words in commands}
    row = here("trace", f"{beginning} c.csv:2", "--json").stdout
    exact = here("verify", first)

    assert {name: done.returncode for name, done in of_latest.items()} == dict.fromkeys(
        of_latest, 0
    )
    assert second in of_latest["status"].stdout
    assert {name: done.returncode for name, done in by_beginning.items()} == dict.fromkeys(
        by_beginning, 0
    )
    assert first in by_beginning["status"].stdout
    assert "ref-0" in row or first in row
    assert first in exact.stdout


def test_verify_does_not_read_an_empty_name_or_latest_as_a_folder(here):
    here("plan", "c.csv", "--sandbox")
    (here.folder / "latest").mkdir()

    assert here("verify", "latest").returncode == 0
    nothing = here("verify", "")
    assert (nothing.returncode, "no run ''" in nothing.stderr) == (4, True)


def test_verify_accepts_the_beginning_of_a_reconciliation_id(here):
    here("run", "c.csv", "--sandbox", "--yes")
    here("reconcile", "latest")
    [reconciliation] = (here.folder / "reports").glob("*-reconcile-*")

    done = here("verify", reconciliation.name[:-3])

    assert done.returncode == 0, done.stdout
    assert reconciliation.name in done.stdout
    assert reconciliation.name not in here("verify", "latest").stdout


@pytest.mark.parametrize(
    "command", ["status", "apply", "resume", "report", "verify", "sign", "bundle", "reconcile"]
)
def test_an_ambiguous_beginning_is_refused_with_the_candidates(here, command):
    runs = [f"20261130T10000{n}Z-c-abcde{n}" for n in range(2)]
    for run_id in runs:
        RunFolder.create(here.folder / "reports", run_id).write_json("plan.json", {})

    done = here(command, "20261130")

    assert done.returncode == 4
    assert all(run_id in done.stderr for run_id in runs)


def test_runs_shows_every_state_with_ids_that_can_be_copied_at_80_columns(here):
    long = "a-very-long-name-of-a-file-that-somebody-has-chosen-for-all-that-is-in-it"
    customers_csv(here.folder / f"{long}.csv", 3)
    stranded(here)
    here("run", f"{long}.csv", "--sandbox", "--yes")
    here("run", "other.csv", "--sandbox", "--yes")
    here("plan", "day_2026-11-04.csv", "--sandbox")
    here("plan", "day_2026-11-01.csv", "--sandbox", "--expect", "records=4")
    customers_csv(here.folder / "new.csv", 3, start=50)
    here("run", "new.csv", "--sandbox", "--max-creates", "2", "--yes")

    shown = here("runs", environment={"COLUMNS": "80"}).stdout

    lines = shown.splitlines()
    ids = sorted(path.name for path in (here.folder / "reports").glob("[0-9]*"))
    assert [line for line in lines if not line.startswith(" ")] == ids
    assert [line.split(",")[0].strip() for line in lines if ", sandbox:" in line] == [
        "interrupted", "finished (exit code 0)", "finished (exit code 0)", "planned", "stopped (exit code 3)", "stopped (exit code 3)",
    ]  # fmt: skip
    assert "3 of 3 records were created" in shown
    assert "Stopped by TOTAL.RECORDS_DIFFER." in shown
    assert "Stopped by THRESHOLD.MAX_CREATES: 3 creates, and 2 are allowed." in " ".join(
        shown.split()
    )
    assert max(len(line) for line in lines if line.startswith(" ")) <= 80


# -- no other way -----------------------------------------------------------------------------------------------------

#: Texts that are read where no options are known: they explain, and name no run.
_EXPLAINS = {
    ("workflows/init.py", "#   pipeline plan FILE --config THIS_FILE --sandbox"),
    ("workflows/bundle/workflow.py", "To check it on any machine:  pipeline verify {name}"),
}


def test_no_message_of_the_package_writes_a_command_by_hand():
    command = re.compile(rf"\bpipeline ({'|'.join(cli.commands)})\b")
    found = {
        (path.relative_to(REPOSITORY / "pipeline").as_posix(), line.strip())
        for path in (REPOSITORY / "pipeline").rglob("*.py")
        for text in _texts(path)
        for line in text.splitlines()
        if command.search(line)
    }

    assert found - _EXPLAINS == set()


def _texts(path: Path) -> Iterator[str]:
    """Every text of a module that is no docstring."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
        ):
            yield node.value
