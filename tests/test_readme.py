"""What the documents say is so: commands exist, examples run, tables name everything, figures are those of the files."""

import json
import re
import shlex
import subprocess
import sys

import click
import pytest

from pipeline import errors
from pipeline.cli.commands import cli
from pipeline.domain.fates import LISTS, Fate
from pipeline.storage.run_folder import RESULT_FILES
from tests.conftest import REPOSITORY, Inside, running_sandbox

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_first_code_block_is_two_lines_that_set_up_everything():
    first = re.search(r"^```\w*\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)

    demo, tests = first[1].splitlines()

    assert demo.endswith("pipeline demo")
    assert tests.endswith("pytest")
    assert all("--require-hashes" in line for line in (demo, tests))


def test_every_command_that_the_readme_names_exists_and_every_command_is_named():
    named = set(re.findall(r"`pipeline ([a-z]+)", README)) | set(
        re.findall(r"^pipeline ([a-z]+)", README, re.MULTILINE)
    )

    assert named == set(cli.commands)


def test_every_option_that_the_readme_names_exists():
    options = {
        name
        for command in (*cli.commands.values(), *cli.commands["references"].commands.values())
        for p in command.params
        for name in p.opts
        if isinstance(p, click.Option)
    }
    prose = re.sub(r"^```\w*\n.*?^```$", "", README, flags=re.MULTILINE | re.DOTALL)
    examples = "\n".join(line for block in BLOCKS[1:] for line in block.splitlines())

    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", prose + examples)) <= options


def test_the_examples_of_the_first_import_run(tmp_path):
    lines = next(block for block in BLOCKS if block.startswith("pipeline plan")).splitlines()

    codes = [_run(line, tmp_path).returncode for line in lines]

    assert codes == [1, 1, 1, 0, 0]  # the sample holds rejected and held rows, and the code says so


def test_the_examples_of_configs_and_of_a_wave_run(tmp_path):
    configs = next(
        block for block in BLOCKS if block.startswith("pipeline run sample_data/merchant_billing")
    )
    wave = next(block for block in BLOCKS if "--where" in block)

    codes = [
        _run(line, tmp_path).returncode for line in [*configs.splitlines(), *wave.splitlines()]
    ]

    assert codes == [1, 1, 0, 1, 1]  # rejected and held rows, and references without any


def test_the_config_of_the_readme_loads(tmp_path):
    from pipeline.config import load_config

    (yaml,) = re.findall(r"^```yaml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    (tmp_path / "job.yaml").write_text(yaml, encoding="utf-8")

    assert load_config(tmp_path / "job.yaml").job.mapping is not None


def test_the_example_with_a_sandbox_in_another_process_runs(tmp_path):
    _, line = next(block for block in BLOCKS if block.startswith("pipeline sandbox")).splitlines()
    variable, _, command = line.partition(" ")
    with running_sandbox(tmp_path / "billing.sqlite") as outside:
        command = command.replace("http://127.0.0.1:8765", outside.base_url)

        result = _run(command, tmp_path, **{variable.partition("=")[0]: outside.api_key})

        assert result.returncode == 1
        created = Inside(tmp_path).summary()["fates"]["created"]
        assert outside.stats()["customers"] == created > 50


def test_the_demo_exits_0_and_its_last_line_names_a_report_that_is_there(tmp_path):
    result = _run("pipeline demo", tmp_path)

    assert result.returncode == 0, result.stderr
    assert "the sandbox holds 1,120 customers" in result.stdout
    report = tmp_path / result.stdout.splitlines()[-1].removeprefix("report: ")
    page = report.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")

    suggested = re.search(r"pipeline reconcile [^<]*--sandbox", page)[0]
    assert (
        _run("pipeline reconcile", tmp_path)
        .stderr.rstrip()
        .endswith(f"but that of a demo does. To reconcile it: {suggested}")
    )
    assert not list(report.parent.glob("ledger.json"))  # it stands in the way of no other home
    compared = _run(suggested, tmp_path)

    assert compared.returncode == 0, compared.stdout
    assert "In balance: every customer that was looked up is what we meant" in compared.stdout


@pytest.mark.parametrize("fate", [fate.value for fate in Fate])
def test_the_readme_names_every_fate(fate):
    assert f"`{fate}`" in README


@pytest.mark.parametrize(
    "name", [*RESULT_FILES, "manifest.json", *(f"{name}.csv" for name in LISTS)]
)
def test_the_readme_names_every_file_of_a_run(name):
    assert f"`{name}`" in README


def test_the_readme_explains_every_exit_code_that_an_error_ends_with():
    codes = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.PipelineError)
    }
    explained = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}

    assert codes | {0, 1, 2, 70, 130} == explained


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
def test_locks_hold_hashes_and_no_addresses(lock):
    text = (REPOSITORY / lock).read_text()

    pinned = re.findall(r"^([\w.-]+)==\S+ \\\n    --hash=sha256:", text, re.MULTILINE)

    assert "://" not in text
    assert len(pinned) == len(re.findall(r"^\S+==", text, re.MULTILINE))
    assert {"hatchling", "editables"} <= set(pinned)


RECORDS = 100  #: of each sample, which are enough for every fate that an exit code states


def _run(line, folder, **variables):
    """Run a line of the documents in a folder that has the first records of each sample, and the configs as they are."""
    program, *arguments = shlex.split(line)
    assert program == "pipeline"
    for sample in arguments:
        if sample.startswith("sample_data/"):
            (folder / sample).parent.mkdir(parents=True, exist_ok=True)
            lines = (REPOSITORY / sample).read_bytes().splitlines(keepends=True)
            (folder / sample).write_bytes(b"".join(lines[: RECORDS + 1]))
    arguments = [
        str(REPOSITORY / argument) if argument.startswith("configs/") else argument
        for argument in arguments
    ]
    return Inside(folder)(*arguments, environment=variables)
