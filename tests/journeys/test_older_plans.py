"""Plans and run folders that earlier versions wrote.

`tests/golden/older` has what the commits of that time wrote, for the first eight sample records:
`plan-N.json` by the last commit of schema N, `plan-N-first.json` by its first. `begun-N.zip` has
the home and the reports of a run whose process was killed.
"""

import json
import zipfile
from itertools import islice

import pytest
from pydantic import ValidationError

from pipeline.domain.fates import Action
from pipeline.domain.plan_file import PLAN_SCHEMA
from pipeline.domain.plan_versions import plan_of
from pipeline.domain.published import first_fault
from tests.conftest import REPOSITORY, Inside

OLDER = REPOSITORY / "tests" / "golden" / "older"
PLANS = sorted(OLDER.glob("plan-*.json"))
SCHEMAS = range(1, PLAN_SCHEMA)
RECORDS = 8


def content_of(name: str) -> dict:
    return json.loads((OLDER / f"{name}.json").read_text(encoding="utf-8"))


def sample(inside: Inside) -> None:
    """The file of the older plans, as customers.csv."""
    path = REPOSITORY / "sample_data" / "customers.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        text = "".join(islice(lines, RECORDS + 1))
    (inside.folder / "customers.csv").write_text(text, encoding="utf-8", newline="")


def begun(inside: Inside, name: str) -> str:
    """Restore a begun run; return its id."""
    with zipfile.ZipFile(OLDER / f"{name}.zip") as archive:
        archive.extractall(inside.folder)
    (inside.folder / ".pipeline" / "token.key").chmod(0o600)
    return inside.newest().name


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("inputs", [None, {}, [1]], ids=["none", "no list", "no object"])
def test_an_older_plan_without_its_inputs_is_not_read_as_one_that_has_none(schema, inputs):
    written = {**content_of(f"plan-{schema}"), "inputs": inputs}

    with pytest.raises(ValidationError) as refused:
        plan_of(written)

    assert "'inputs'" in first_fault(refused.value)


def test_there_is_a_plan_of_every_earlier_schema():
    assert {content_of(path.stem)["schema"] for path in PLANS} == set(SCHEMAS)


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_a_plan_of_every_earlier_schema_is_read(path):
    written = json.loads(path.read_text(encoding="utf-8"))

    plan = plan_of(written)

    assert plan.run_id == written["run_id"]
    assert plan.schema_version == PLAN_SCHEMA
    assert plan.count_of(Action.CREATE) == written["actions"]["create"]
    assert plan.read.records == RECORDS
    assert plan.read.debits == written["read"]["debits"]
    assert {stage.rows for stage in plan.profile.values()} <= {0, RECORDS}
    [file] = plan.inputs
    assert (file.records, file.debits) == (RECORDS, plan.read.debits)
    assert file.columns == plan.columns
    assert (file.dialect["delimiter"], file.dialect["encoding"]) == (",", "utf-8")
    assert file.is_resubmission is False


def test_several_files_of_a_plan_that_counted_them_together_get_their_lines():
    written = content_of("plan-3")
    written["inputs"] = [{**written["inputs"][0], "name": name} for name in ("a.csv", "b.csv")]

    plan = plan_of(written)

    assert [(file.records, file.debits) for file in plan.inputs] == [(RECORDS, {})] * 2


def test_the_codes_that_an_early_plan_accepts_were_accepted_by_its_planner():
    written = content_of("plan-4-first") | {"accepted": ["STREAM.SAME_FILE"]}

    assert plan_of(written).accepted == {"STREAM.SAME_FILE": "ann"}


def test_a_declared_dialect_counts_where_nothing_was_detected():
    source = {"delimiter": ";", "encoding": "cp1252"}
    config = {"path": "job.yaml", "sha256": "0" * 64, "job": {"source": source}}

    plan = plan_of(content_of("plan-2") | {"config": config})

    assert plan.inputs[0].dialect == {**source, "line_end": "LF or CRLF"}


def test_commands_that_look_back_read_a_plan_of_every_earlier_schema(inside):
    sample(inside)
    inside("run", "customers.csv", "--sandbox", "--yes")
    run = inside.newest()
    commands = {
        "status": ["status", run.name],
        "trace": ["trace", "ACC-100001"],
        "report": ["report", run.name],
        "period": ["report", "--since", "2026-01-01"],
    }

    refused = {}
    for schema in SCHEMAS:
        plan = content_of(f"plan-{schema}") | {"run_id": run.name}
        (run / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
        for name, words in commands.items():
            if (ended := inside(*words)).returncode:
                refused[schema, name] = ended.stderr

    assert refused == {}


@pytest.mark.parametrize("name", ["begun-6", pytest.param("begun-6-first", marks=pytest.mark.long)])
def test_a_begun_run_of_schema_6_is_resumed_and_looked_back_at(inside, name):
    run_id = begun(inside, name)

    resumed = inside("resume", run_id, "--sandbox")

    assert resumed.returncode == 0, resumed.stderr
    assert "8 of 8 records were created" in resumed.stdout
    assert inside("verify", run_id, "--inputs", ".").returncode == 0
    for words in (["status", run_id], ["trace", "ACC-100001"], ["report", run_id]):
        assert inside(*words).returncode == 0
    assert inside("run", "customers.csv", "--sandbox", "--yes").stdout.count("8 skipped") == 1


def test_a_begun_run_with_older_staged_tables_names_the_run_that_settles_its_requests(inside):
    run_id = begun(inside, "begun-5")

    refused = inside("resume", run_id, "--sandbox")
    settling = inside("run", "customers.csv", "--sandbox", "--yes")

    assert refused.returncode == 6
    assert "staged tables of an earlier version (0.1.0)" in refused.stderr
    assert "pipeline run FILE --sandbox" in refused.stderr
    assert settling.returncode == 0
    traced = json.loads(inside("trace", "ACC-100001", "--json").stdout)
    assert [event["state"] for _, event in traced["events"]][-1] == "created"
    assert len({event["key"] for _, event in traced["events"]}) == 1
