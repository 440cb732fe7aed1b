"""`pipeline schema --of` prints the JSON Schema of each document, and real files match it."""

import json

import jsonschema
import pytest
import yaml

from pipeline.cli.commands import cli
from pipeline.workflows.published_schemas import SCHEMAS
from tests.conftest import REPOSITORY, Inside, customers_csv


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """A real document for each schema."""
    inside = Inside(tmp_path_factory.mktemp("documents"))
    customers_csv(inside.folder / "c.csv", 3)
    config = REPOSITORY / "configs" / "nightly.yaml"
    inside("run", "c.csv", "--sandbox", "--yes", "--where", "name <> 'x'")
    run = inside.newest()
    inside("reconcile", run.name, "--sandbox")
    reconciliation = next(inside.folder.glob("reports/*-reconcile-*/summary.json"))
    inside("report", "--since", "2020-01-01")
    period = next(inside.folder.glob("reports/*-since-*/summary.json"))
    return {
        "config": yaml.safe_load(config.read_text(encoding="utf-8")),
        "plan": json.loads((run / "plan.json").read_text(encoding="utf-8")),
        "summary": json.loads((run / "summary.json").read_text(encoding="utf-8")),
        "reconciliation": json.loads(reconciliation.read_text(encoding="utf-8")),
        "period": json.loads(period.read_text(encoding="utf-8")),
        "manifest": json.loads((run / "manifest.json").read_text(encoding="utf-8")),
    }


def test_the_command_offers_every_schema_and_no_other():
    option = next(one for one in cli.commands["schema"].params if one.name == "document")

    assert {*option.type.choices} == {*SCHEMAS}


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_real_document_matches_its_schema(documents, pipeline, name):
    printed = pipeline("schema", "--of", name)
    schema = json.loads(printed.stdout)

    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(documents[name])
    assert schema["title"]


@pytest.mark.parametrize("name", sorted({*SCHEMAS} - {"config"}))
def test_a_written_document_has_exactly_the_keys_of_its_schema(documents, name):
    schema = SCHEMAS[name]()

    assert {*schema["required"]} <= {*documents[name]} <= {*schema["properties"]}
    left_out = {"signing", "accepting"} if name == "manifest" else set()
    assert {*schema["properties"]} - {*schema["required"]} == left_out


def test_the_config_is_the_default():
    assert next(one for one in cli.commands["schema"].params if one.name == "document").default == (
        "config"
    )
