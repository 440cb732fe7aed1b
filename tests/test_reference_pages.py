"""The generated reference lists everything that the code has; Sphinx is not needed to read it."""

import re
import sys

import click
import pytest

import pipeline
from pipeline.cli.commands import HEADINGS
from pipeline.config.job import Job
from pipeline.domain.discrepancies import Discrepancy, Pattern
from pipeline.domain.fates import LISTS
from pipeline.domain.file_issues import FileIssue
from pipeline.domain.plan_file import PlanFile
from pipeline.domain.reason_help import EXPLANATIONS
from pipeline.domain.reasons import Reason
from pipeline.domain.run_files import RUN_FILES
from pipeline.errors import ExitCode
from tests.conftest import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "docs" / "_extensions"))

from generated import GENERATORS
from generated.codes import STAGES
from generated.config_keys import key_names
from generated.markdown import escaped

PAGES = sorted((REPOSITORY / "docs" / "reference").glob("*.md"))


@pytest.mark.parametrize(("name", "codes"), [("reasons", Reason), ("file-issues", FileIssue)])
def test_each_code_is_there_with_its_meaning_and_what_to_do(name, codes):
    page = GENERATORS[name]()

    for one in codes:
        entry = page.split(f"\n### {one.value}\n")[1].split("\n### ")[0]
        assert escaped(one.sentence) in entry
        assert f"What to do\n: {escaped(EXPLANATIONS[one].remedy)}\n" in entry
        assert ("Example\n: " in entry) == bool(EXPLANATIONS[one].shown)


def test_each_stage_of_a_code_has_a_heading():
    assert {one.value.partition(".")[0] for one in (*Reason, *FileIssue)} == {*STAGES}


def test_each_key_that_a_code_names_is_on_the_page_of_config_keys():
    named = {name for one in EXPLANATIONS.values() for name in one.settings}

    assert {name for name in named if not name.startswith("--")} - {*key_names()} == set()


def test_each_config_key_is_there_with_its_default():
    page = GENERATORS["config-keys"]()

    assert {f"{{#key-{name}}}" for name in Job.model_fields} <= {*re.findall(r"{#key-\w+}", page)}
    for name in key_names():
        assert page.count(f"[`{name}`]{{#key-") == 1
    entry = page.split("[`pace.workers`]")[1].split("\n[`")[0]
    assert "Whole number from 1 to 64. Default: `8`." in entry


def test_each_exit_code_is_there():
    page = GENERATORS["exit-codes"]()

    for code in ExitCode:
        assert f"`{code.value}`\n: {escaped(code.sentence)}\n" in page


def test_each_fate_is_there_under_its_list():
    page = GENERATORS["fates"]()

    for name, members in LISTS.items():
        part = page.split(f"## `{name}.csv`\n")[1].split("\n## ")[0]
        assert re.findall(r"^`(\w+)`$", part, re.MULTILINE) == [fate.value for fate in members]
        for fate in members:
            assert escaped(fate.sentence)[1:] in part


def test_each_difference_and_pattern_is_there():
    page = GENERATORS["discrepancies"]()

    for one in (*Discrepancy, *Pattern):
        assert f"`{one.value}`\n: {escaped(one.sentence)}\n" in page


def test_each_file_of_a_run_is_there():
    page = GENERATORS["run-files"]()

    for file in RUN_FILES:
        assert f"| `{file.name}` | {file.reader} | {escaped(file.holds)}" in page


def test_each_command_is_there_under_its_heading():
    page = GENERATORS["commands"]()

    for heading, commands in HEADINGS.items():
        part = page.split(f"## {heading}\n")[1].split("\n## ")[0]
        for command in commands:
            assert isinstance(command, click.Command)
            assert f".. click:: pipeline.cli.commands:{command.name}\n" in part


def test_each_key_of_a_published_file_is_there():
    page = GENERATORS["schemas"]().split("\n## PlanFile\n")[1].split("\n### ")[0]

    for key in PlanFile.model_json_schema()["properties"]:
        assert f"\n`{key}`\n: " in page


def test_each_public_name_is_there():
    page = GENERATORS["python-api"]()

    for name in pipeline.__all__:
        assert re.search(rf"^\.\. auto\w+:: pipeline\.{name}$", page, re.MULTILINE), name


def test_each_generated_text_has_one_page():
    marks = [
        name
        for page in PAGES
        for name in re.findall(
            r"^<!-- generated: (\S+) -->$", page.read_text(encoding="utf-8"), re.MULTILINE
        )
    ]

    assert sorted(marks) == sorted(GENERATORS)
    listed = (REPOSITORY / "docs" / "index.md").read_text(encoding="utf-8")
    assert {page.stem for page in PAGES} - {"index"} == {
        *re.findall(r"^reference/(\S+)$", listed, re.MULTILINE)
    }
