"""What the documents say is so: commands run and print what is shown, names exist, figures are those of the files."""

import json
import re
import shutil
import subprocess
import sys

import click
import pytest
from ruamel.yaml import YAML

from pipeline import errors
from pipeline.cli.commands import cli
from pipeline.config import load_config
from tests.conftest import REPOSITORY, Inside
from tests.documents import DOCS, PAGES, README, blocks_of, name_of, reader_in, steps_of

WITH_COMMANDS = [page for page in PAGES if steps_of(page)]
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
#: Pages that people write; the reference is generated and has tests of its own.
WRITTEN = [page for page in PAGES if DOCS / "reference" not in page.parents]
RESULTS = REPOSITORY / "tests" / "benches" / "results"
#: Blocks that no test can run, by the beginning of their text.
NOT_RUN = {
    "uv venv": "installs packages; the set-up beside it does the same with pip",
    "pipeline resume RUN_ID --give-up": "needs a record that stays in doubt for 48 hours",
    "pipeline reconcile --export": "needs an export of billing",
    "pipeline reconcile --because": "needs a residual that no step explains",
    "pipeline check nightly.yaml": "needs billing itself, and its key",
    "15 2 * * *": "a line of a crontab",
}


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=name_of)
def test_every_command_of_a_page_does_what_the_page_says(page, tmp_path):
    reader = reader_in(tmp_path)
    try:
        faults = list(reader.follow(page))
    finally:
        reader.close()

    assert not faults, "\n\n".join(f"{line}\n{fault}" for line, fault in faults)


def test_blocks_that_are_not_run_are_few_and_have_a_reason():
    blocks = [block for page in PAGES for block in blocks_of(page) if block.kind == "console"]

    reasons = [[start for start in NOT_RUN if block.text.startswith(start)] for block in blocks]

    assert [len(found) for found in reasons] == [1] * len(NOT_RUN)


def test_every_block_of_a_page_is_of_a_known_kind():
    """A block of a misspelt kind would be neither run nor excused."""
    kinds = {block.kind for page in WRITTEN for block in blocks_of(page)}
    directives = {kind for kind in kinds if re.match(r"\{\w+\}", kind)}

    assert kinds - directives <= {"", "sh", "text", "console", "yaml", "python", "bash", "ini"}


def test_a_page_with_a_wrong_output_or_exit_code_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```sh\npipeline explain VALIDATE.PHONE_SEVERAL\n```\n\n```text\nnothing\n...\n```\n"
        "```sh\npipeline explain NO.SUCH_CODE\n```\n"
    )

    faults = list(reader_in(tmp_path).follow(page))

    assert [line for line, _ in faults] == [
        "pipeline explain VALIDATE.PHONE_SEVERAL\n",
        "pipeline explain NO.SUCH_CODE",
    ]


def test_the_first_code_block_is_two_lines_that_set_up_everything():
    first = re.search(r"^```\w*\n(.*?)^```$", TEXTS[README], re.MULTILINE | re.DOTALL)

    demo, tests = first[1].splitlines()

    assert demo.endswith("pipeline demo")
    assert tests.endswith("pytest -n auto")
    assert all("--require-hashes" in line for line in (demo, tests))


def test_the_readme_is_short():
    assert README.stat().st_size <= 6 * 1024


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_file_that_a_page_links_to_is_there(page):
    linked = re.findall(r"\]\(([^)#\s]+)[^)]*\)", TEXTS[page])

    missing = [
        link for link in linked if "://" not in link and not (page.parent / link).resolve().exists()
    ]

    assert missing == []


def test_every_command_that_the_pages_name_exists_and_every_command_is_named():
    text = "\n".join(TEXTS[page] for page in WRITTEN)
    named = set(re.findall(r"(?:`|^|/)pipeline ([a-z]+)", text, re.MULTILINE))

    assert named == set(cli.commands)


def test_every_option_that_the_pages_name_exists():
    commands = (*cli.commands.values(), *cli.commands["references"].commands.values())
    options = {
        name
        for command in commands
        for p in command.params
        for name in p.opts
        if isinstance(p, click.Option)
    }
    of_ours = {
        name
        for page in WRITTEN
        for line in _without_set_up(TEXTS[page]).splitlines()
        if "pip install" not in line
        for name in re.findall(r"(?<![\w-])--[a-z][a-z-]+", line)
    }

    assert of_ours <= options | {"--allow-empty"}


def test_every_code_that_the_pages_name_can_be_explained():
    named = {
        code
        for page in WRITTEN
        for code in re.findall(r"\b[A-Z]{3,}\.[A-Z][A-Z_0-9]{3,}\b", TEXTS[page])
    }
    known = {entry["code"] for entry in json.loads(Inside(REPOSITORY)("explain", "--json").stdout)}

    assert named
    assert named <= known


@pytest.mark.parametrize(
    ("page", "text"),
    [
        pytest.param(page, block.text, id=f"{name_of(page)}-{at}")
        for page in WRITTEN
        for at, block in enumerate(blocks_of(page))
        if block.kind == "yaml"
    ],
)
def test_every_config_of_a_page_loads(page, text, tmp_path):
    """A part of a config is completed with the keys that every config needs."""
    config = {"environment": "test", "merchant": "example"}
    config |= {"mapping": {"external_reference": "A"}} | YAML(typ="safe").load(text)
    (tmp_path / "job.yaml").write_text(json.dumps(config), encoding="utf-8")

    assert load_config(tmp_path / "job.yaml").job.mapping is not None


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_units(tmp_path):
    units = [block for page in WRITTEN for block in blocks_of(page) if block.kind == "ini"]
    for unit in units:
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.text, flags=re.MULTILINE)
        (tmp_path / unit.file_name).write_text(text)

    result = subprocess.run(
        ["systemd-analyze", "verify", *sorted(tmp_path.iterdir())],
        check=False,
        capture_output=True,
        text=True,
    )

    assert units
    assert result.returncode == 0, result.stderr


def test_the_demo_exits_0_and_its_last_line_names_a_report_that_is_there(tmp_path):
    demo = Inside(tmp_path)

    result = demo("demo")

    assert result.returncode == 0, result.stderr
    assert "the sandbox holds 1,120 customers" in result.stdout
    report = tmp_path / result.stdout.splitlines()[-1].removeprefix("report: ")
    page = report.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert demo("runs").stdout == ""  # the runs of a demo are apart from the user's

    suggested = re.search(r"pipeline reconcile [^<]*--sandbox", page)[0]
    error = demo("reconcile", "--reports", "reports/demo").stderr
    why, command = error.split(". To reconcile it: ")
    assert why.endswith("but that of a demo does")
    assert sorted(command.split()) == sorted(suggested.split())
    assert not list(report.parent.glob("ledger.json"))  # it stands in the way of no other home
    compared = demo(*suggested.split()[1:])

    assert compared.returncode == 0, compared.stdout
    assert "In balance: every customer that was looked up agrees with billing" in compared.stdout


def test_the_page_on_exit_codes_explains_every_code_that_an_error_ends_with():
    codes = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.PipelineError)
    }
    text = TEXTS[DOCS / "how-to" / "exit-codes.md"]
    explained = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}

    assert codes | {0, 1, 2, 70, 130} == explained


@pytest.mark.parametrize("name", ["planning.md", "growth.md", "kinds.md"])
def test_the_tables_of_the_page_on_performance_are_those_of_the_benches(name):
    measured = _rows((RESULTS / name).read_text(encoding="utf-8"))
    of_page = _rows(TEXTS[DOCS / "explanation" / "performance.md"])
    same = [row for row in of_page for full in measured if row[0] == full[0] and {*row} <= {*full}]

    assert len(same) == {"planning.md": 6, "growth.md": 6, "kinds.md": 4}[name]  # with the heading


def test_the_other_figures_of_the_page_on_performance_are_those_of_the_benches():
    text = TEXTS[DOCS / "explanation" / "performance.md"]
    reading, phones, reconciling, at_scale = (
        _last(name) for name in ("reading", "phones", "reconciling", "at_scale")
    )
    narrow = [json.loads(line) for line in (RESULTS / "growth-narrow.jsonl").open()][-1]

    for figure in (
        f"takes {reading['clean'] / reading['polars']:.1f} times as long",
        f"it takes {reading['dirty'] / reading['polars']:.1f} times as long",
        f"{int(phones['columns'] / phones['phonenumbers'])} times as fast",
        f"in {reconciling['reconcile']:.1f} seconds",
        f"takes {reconciling['join']:.1f} seconds",
        f"in {narrow['seconds']:.1f} seconds and {narrow['peak_bytes'] / 1e6:,.0f} MB",
        f"a page of {at_scale['many']['page_bytes'] / 1e3:.0f} KB",
        f"{at_scale['many']['report'] / at_scale['many']['plan']:.0%}".replace("%", " %"),
    ):
        assert figure in text
    for name, command in (
        ("resume", "`resume`, to its first request"),
        ("status", "`status`"),
        ("trace", "`trace`"),
    ):
        assert f"| {command} | {at_scale['many'][name]:.2f} | {at_scale['few'][name]:.2f} |" in text


def test_the_figures_of_sending_are_those_of_the_bench():
    text = TEXTS[DOCS / "explanation" / "performance.md"]
    names = {
        "pipeline": "pipeline",
        "pipeline, journal in memory": "pipeline, ledger in memory",
        "httpx, 8 threads": "httpx, 8 threads, no ledger",
        "httpx, 8 tasks": "httpx, 8 tasks, no ledger",
        "aiohttp, 8 tasks": "aiohttp, 8 tasks, no ledger",
    }
    measured = [json.loads(line) for line in (RESULTS / "submission.jsonl").open()]
    rows = {
        f"| {server} | {names[client]} | {figures['per_second']:,.0f} | {figures['cpu_us']:,.0f} |"
        for server, place in (("responder", "minimal responder"), ("sandbox", "sandbox"))
        for bench in measured
        if bench["server"] == server and bench["creates"] == 10_000
        for client, figures in bench["medians"].items()
        for server in [place]
    }
    shown = re.findall(r"^\| (?:minimal responder|sandbox) \|.*$", text, re.MULTILINE)

    assert len(shown) == 8
    assert {*shown} <= rows


def test_the_samples_readme_states_the_figures_that_its_maker_counted():
    expected = json.loads((REPOSITORY / "sample_data" / "customers.expected.json").read_text())
    text = (REPOSITORY / "sample_data" / "README.md").read_text(encoding="utf-8")

    stated = {
        fate: int(count) for count, fate in re.findall(r"^\| (\d+) \| `(\w+)`", text, re.MULTILINE)
    }

    assert stated == expected["fates"]


def test_the_sample_is_what_its_maker_writes(tmp_path):
    before = {
        name: (REPOSITORY / "sample_data" / name).read_bytes()
        for name in ("customers.csv", "customers.expected.json")
    }
    script = f"import sys; sys.path.insert(0, {str(REPOSITORY / 'sample_data')!r}); import make_customers as m; m.write(m.Path({str(tmp_path)!r}))"

    subprocess.run([sys.executable, "-c", script], check=True)

    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_every_dependency_has_its_line_in_contributing():
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    wanted = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["dev"],
        *project["build-system"]["requires"],
    ]
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = {
        name.strip()
        for row in re.findall(r"^\| ([\w., \[\]-]+) \|", text, re.MULTILINE)
        for name in row.split(",")
    }

    assert {re.match(r"[\w.-]+(\[\w+\])?", line)[0] for line in wanted} <= table


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_lock_files_contain_hashes_and_no_addresses(lock):
    text = (REPOSITORY / lock).read_text()

    pinned = re.findall(r"^([\w.-]+)==\S+ \\\n    --hash=sha256:", text, re.MULTILINE)

    assert "://" not in text
    assert len(pinned) == len(re.findall(r"^\S+==", text, re.MULTILINE))
    assert {"hatchling", "editables"} <= set(pinned)


def _rows(text: str) -> list[list[str]]:
    """The cells of the lines of tables."""
    lines = re.findall(r"^\| *(.*?) *\|$", text, re.MULTILINE)
    return [re.split(r" *\| *", line) for line in lines if not line.startswith(("-", ":"))]


def _last(name: str) -> dict:
    """The newest line of a bench."""
    return json.loads((RESULTS / f"{name}.jsonl").read_text().splitlines()[-1])


def _without_set_up(text: str) -> str:
    """A page without blocks of other programs."""
    return re.sub(r"^(git|uv|cp|sed|curl|head|systemctl) .*$", "", text, flags=re.MULTILINE)
