"""Every code that stands beside a row is explained, and what the explanation says is true."""

import csv
import json

import click
import polars as pl
import pytest

from pipeline.cli.commands import cli
from pipeline.config import config_schema
from pipeline.domain.file_issues import FileIssue
from pipeline.domain.reason_help import EXPLANATIONS
from pipeline.domain.reasons import Reason
from pipeline.errors import UnknownCode
from pipeline.workflows.explain import EVERY_CODE, explain

COLUMNS = ["external_reference", "name", "email", "phone", "currency", "balance", "metadata.note"]


def test_every_reason_has_an_explanation_an_example_and_a_remedy():
    assert set(EXPLANATIONS) == {*Reason, *FileIssue}
    for told in EXPLANATIONS.values():
        assert told.remedy.endswith(".")
        assert told.shown


def test_the_cells_of_an_example_bring_its_reason_about(pipeline, tmp_path):
    shown = {reason: told.cells for reason, told in EXPLANATIONS.items() if told.cells}
    with (tmp_path / "examples.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        for number, cells in enumerate(shown.values()):
            mine = (
                {"external_reference": f"R-{number}"}
                if cells.get("external_reference") == "A-1"
                else {}
            )
            table.writerow({**cells, **mine})

    assert pipeline("plan", "examples.csv", "--sandbox").returncode == 1

    rows = pl.read_parquet(pipeline.newest() / "rows.parquet")
    found = [{code.partition(":")[0] for code in reasons} for reasons in rows["reasons"]]
    told = {reason.value: reason.value in codes for reason, codes in zip(shown, found, strict=True)}
    assert [code for code, is_true in told.items() if not is_true] == []
    assert len(told) > 15
    with (pipeline.newest() / "rejected.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            codes = [code.partition(":")[0] for code in row["_import_reasons"].split()]
            assert codes
            assert all(EXPLANATIONS[Reason(code)].remedy in row["_import_hint"] for code in codes)


def test_every_setting_named_by_a_reason_exists():
    options = {
        option
        for command in cli.commands.values()
        for one in _params(command)
        for option in one.opts
    }
    named = {name for told in EXPLANATIONS.values() for name in told.settings}

    assert {name for name in named if name.startswith("--")} <= options
    assert [name for name in named if not name.startswith("--") and not _in_schema(name)] == []


@pytest.mark.parametrize(
    "code",
    [
        "VALIDATE.PHONE_SEVERAL",
        "VALIDATE.PHONE_SEVERAL:phone",
        "validate.phone_several",
        "PHONE_SEVERAL",
    ],
)
def test_a_code_may_be_given_as_in_a_list_or_from_memory(code):
    [told] = explain([code])

    assert told.code == "VALIDATE.PHONE_SEVERAL"
    assert told.meaning == Reason.VALIDATE_PHONE_SEVERAL.sentence


def test_codes_without_their_stage_are_distinguished():
    bare = [reason.value.partition(".")[2] for reason in EVERY_CODE]

    assert len(set(bare)) == len(bare)


def test_all_unknown_codes_are_named_with_the_nearest_and_exit_2(pipeline):
    with pytest.raises(
        UnknownCode,
        match=r"PHONE_SEVERALL.*did you mean VALIDATE.PHONE_SEVERAL\?; 'xyz' is not a code",
    ):
        explain(["PHONE_SEVERALL", "xyz"])
    assert pipeline("explain", "PHONE_SEVERALL").returncode == 2


def test_without_a_code_every_one_is_listed_and_programs_get_json(pipeline):
    listed, as_json = pipeline("explain"), pipeline("explain", "--json")

    assert [line.split()[0] for line in listed.stdout.splitlines()] == [
        reason.value for reason in EVERY_CODE
    ]
    assert [one["code"] for one in json.loads(as_json.stdout)] == [
        reason.value for reason in EVERY_CODE
    ]
    assert {"code", "meaning", "example", "remedy", "settings"} == set(
        json.loads(as_json.stdout)[0]
    )


def _params(command: click.Command) -> list[click.Parameter]:
    subcommands = command.commands.values() if isinstance(command, click.Group) else ()
    return [*command.params, *(one for sub in subcommands for one in _params(sub))]


def _in_schema(path: str) -> bool:
    schema = config_schema()
    node = schema
    for name in path.split("."):
        node = _resolved(node, schema)
        if name not in node.get("properties", {}):
            return False
        node = node["properties"][name]
    return True


def _resolved(node: dict, schema: dict) -> dict:
    for option in [node, *node.get("anyOf", []), *node.get("allOf", [])]:
        if "$ref" in option:
            return schema["$defs"][option["$ref"].rsplit("/", 1)[1]]
        if "properties" in option:
            return option
    return node
