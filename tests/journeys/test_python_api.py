"""The public functions do what their commands do, with plain strings and paths, and against the real sandbox."""

import pickle
import subprocess
import sys
import typing
import zipfile
from pathlib import Path

import click
import pytest

import pipeline
from pipeline import errors
from pipeline.cli.commands import cli
from pipeline.cli.options import PLANNING
from pipeline.config import Settings
from tests.conftest import KEY, REPOSITORY, Outside, customers_csv

SAMPLE = REPOSITORY / "sample_data" / "customers.csv"
JOB = """\
environment: test
merchant: shop
mapping: {external_reference: external_reference, name: name}
"""
#: Function -> its command.
COMMANDS = {
    "plan_import": cli.commands["plan"],
    "run_import": cli.commands["run"],
    "apply_plan": cli.commands["apply"],
    "resume_run": cli.commands["resume"],
    "load_known_customers": cli.commands["references"].commands["load"],
    "verify": cli.commands["verify"],
    "reconcile": cli.commands["reconcile"],
    "make_report": cli.commands["report"],
    "report_period": cli.commands["report"],
    "sign": cli.commands["sign"],
    "make_bundle": cli.commands["bundle"],
}
#: Options that only a terminal has.
OF_A_TERMINAL = {"json", "yes", "profile", "inputs"}
#: A parameter that has another name in Python, where `as` and `since` are taken.
OTHER_NAMES = {"as": "role"}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The working folder, with a file of four customers."""
    monkeypatch.chdir(tmp_path)
    customers_csv(tmp_path / "customers.csv", 4, balance=12345)
    return tmp_path


@pytest.fixture
def key(monkeypatch) -> None:
    monkeypatch.setenv("BILLING_API_KEY", KEY)


def test_three_lines_import_a_file(folder):
    (folder / "job.yaml").write_text(JOB)

    from pipeline import run_import

    result = run_import("customers.csv", config="job.yaml", sandbox=True)

    assert result.exit_code == 0
    assert result.fates["created"] == 4
    assert result.holds
    assert result.folder == folder / "reports" / result.run_id
    assert result.report.is_file()


def test_paths_and_lists_of_paths_are_the_same_as_strings(folder):
    places = {"home": folder / "h", "reports": str(folder / "r")}

    by_text = pipeline.plan_import("customers.csv", **places)
    by_path = pipeline.plan_import(Path("customers.csv"), **places)
    by_list = pipeline.plan_import(["customers.csv"], **places)

    assert by_text.actions["create"] == 4
    assert by_text.fates == by_path.fates == by_list.fates
    assert by_text.sums == by_path.sums == by_list.sums == {"ZAR": {**by_text.sums["ZAR"]}}
    assert by_path.folder.parent == folder / "r"


def test_a_plan_is_applied_verified_reconciled_reported_signed_and_bundled(folder):
    plan = pipeline.plan_import("customers.csv")

    run = pipeline.apply_plan(plan.run_id)
    checked = pipeline.verify(run.run_id)
    compared = pipeline.reconcile(run.run_id)
    report = pipeline.make_report(run.run_id, output=folder / "elsewhere", pii="none")
    signed = pipeline.sign(run.run_id, name="Ann", note="seen")
    period = pipeline.report_period("2020-01-01")
    bundle = pipeline.make_bundle(run.run_id, output=str(folder / "evidence.zip"))

    assert (plan.status, run.status) == ("planned", "finished")
    assert run.sums["ZAR"]["created"] == (0 + 1 + 2 + 3) * 12345
    assert checked.holds
    assert checked.records == 4
    assert compared.is_signable
    assert not any(compared.differences.values())
    assert [path.parent for path in report.files] == [folder / "elsewhere"] * 2
    assert (signed.name, signed.role) == ("Ann", "reviewer")
    assert period.fates["created"] == 4
    assert pipeline.verify(bundle).holds
    assert pipeline.resume_run() is None


def test_billing_is_reached_by_its_address_and_the_key_of_the_environment(folder, outside, key):
    result = pipeline.run_import("customers.csv", base_url=outside.base_url, workers=1)

    assert len(outside.customers()) == 4
    assert result.content.environment.name == "sandbox"


def test_an_option_that_is_switched_off_again_makes_a_plan_stale(folder):
    plan = pipeline.plan_import("customers.csv", retry_refused=True)

    with pytest.raises(pipeline.PlanStale, match="retry_refused"):
        pipeline.apply_plan(plan.run_id, retry_refused=False)


def test_known_customers_are_loaded_and_skipped(folder):
    loaded = pipeline.load_known_customers("customers.csv", sandbox=True)

    plan = pipeline.plan_import("customers.csv")

    assert (loaded.rows, loaded.read, loaded.set_aside, loaded.exit_code) == (4, 4, 0, 0)
    assert plan.actions["create"] == 0


def test_a_run_that_stopped_is_a_result_and_is_resumed(folder, outside: Outside, key):
    outside.faults(revoked_after=2)

    billing = {"base_url": outside.base_url, "lookup_lag": 0}
    stopped = pipeline.run_import("customers.csv", workers=1, **billing)

    assert (stopped.status, stopped.exit_code) == ("stopped", 4)
    with pytest.raises(pipeline.SubmissionStopped, match=f"pipeline resume {stopped.run_id}"):
        stopped.raise_if_stopped()

    outside.faults()
    resumed = pipeline.resume_run(**billing)

    assert resumed.raise_if_stopped().run_id == stopped.run_id
    assert resumed.fates["created"] == len(outside.customers()) == 4


def test_a_plan_that_is_not_approved_sends_nothing(folder):
    seen = []

    with pytest.raises(pipeline.NotApproved) as refused:
        pipeline.run_import(
            "customers.csv", sandbox=True, approve=lambda plan: bool(seen.append(plan))
        )

    assert refused.value.exit_code == 6
    assert seen[0].status == "planned"
    assert pipeline.apply_plan(seen[0].run_id).fates["created"] == 4


@pytest.mark.parametrize("text", ["", "not a key", "sk_live_real0000000000000000000"])
def test_a_wrong_key_of_billing_raises_the_documented_error(folder, monkeypatch, text):
    monkeypatch.setenv("BILLING_API_KEY", text)

    with pytest.raises(pipeline.KeyProblem) as refused:
        pipeline.run_import("customers.csv", base_url="http://127.0.0.1:9")

    assert refused.value.exit_code == 4
    assert not text or text not in str(refused.value)


def test_a_key_that_billing_refuses_stops_the_run_before_the_first_customer(
    folder, outside, monkeypatch
):
    monkeypatch.setenv("BILLING_API_KEY", "sk_test_another00000000000000000")

    result = pipeline.run_import("customers.csv", base_url=outside.base_url)

    assert (result.status, result.exit_code) == ("stopped", 4)
    assert outside.customers() == {}
    with pytest.raises(pipeline.SubmissionStopped):
        result.raise_if_stopped()


def test_a_wrong_key_of_a_config_raises_the_documented_error(folder):
    (folder / "job.yaml").write_text("regoin: ZA\n")

    with pytest.raises(pipeline.ConfigError, match=r"job\.yaml:1:1"):
        pipeline.plan_import("customers.csv", config="job.yaml")


def test_an_option_that_does_not_exist_is_refused_with_the_nearest_one(folder):
    with pytest.raises(TypeError, match=r"plan_import\(\).*'worker'. Did you mean 'workers'\?"):
        pipeline.plan_import("customers.csv", worker=2)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("pace", -1),
        ("workers", 0),
        ("default_region", "XX"),
        ("accept", "NO.SUCH_ALARM"),
        ("sheet", ""),
    ],
)
def test_a_wrong_value_names_the_option_as_the_caller_wrote_it(folder, option, value):
    with pytest.raises(pipeline.OptionRefused) as refused:
        pipeline.plan_import("customers.csv", **{option: value})

    assert [name for name, _ in refused.value.faults] == [option]
    assert refused.value.exit_code == 2


def test_a_run_needs_one_destination(folder):
    with pytest.raises(pipeline.OptionRefused, match="sandbox=True or base_url"):
        pipeline.run_import("customers.csv")
    with pytest.raises(pipeline.OptionRefused, match="two destinations"):
        pipeline.run_import("customers.csv", sandbox=True, base_url="http://127.0.0.1:1")


def test_a_result_shows_counts_sums_verdict_and_folder(folder):
    result = pipeline.run_import("customers.csv", sandbox=True)

    text = str(result)

    assert repr(result) == (
        f"<RunResult {result.run_id}: finished, exit code 0. 4 of 4 records were created;"
        " every record and every cent is accounted for.>"
    )
    assert "created        4" in text
    assert "created  ZAR       740.70" in text
    assert text.endswith(str(result.folder))


def test_a_notebook_shows_a_result_with_its_texts_escaped(folder):
    odd = folder / "<b>folder&"
    odd.mkdir()

    page = pipeline.plan_import("customers.csv", reports=odd)._repr_html_()

    assert "<td>create</td><td>4</td>" in page
    assert "&lt;b&gt;folder&amp;" in page
    assert "<b>" not in page


def test_results_are_frozen_and_travel_between_processes(folder):
    result = pipeline.plan_import("customers.csv")

    with pytest.raises(AttributeError):
        result.exit_code = 0

    assert pickle.loads(pickle.dumps(result)) == result


def test_each_function_takes_the_options_of_its_command():
    differing = {}
    for name, command in COMMANDS.items():
        wanted = {
            OTHER_NAMES.get(option, option)
            for param in command.params
            if isinstance(param, click.Option)
            for option in [param.opts[0].removeprefix("--").replace("-", "_")]
        } - OF_A_TERMINAL
        taken = _parameters(name) - {"inputs", "files", "run_id", "run_ids", "approve", "stopping"}
        differing[name] = wanted ^ taken

    # One command makes two reports: of a run, and of a period.
    assert differing.pop("make_report") == {"since", "until"}
    assert differing.pop("report_period") == {"output"}
    assert {name: options for name, options in differing.items() if options} == {}


def _parameters(name: str) -> set[str]:
    hints = typing.get_type_hints(getattr(pipeline, name))
    options = typing.get_args(hints.pop("options"))[0]
    return {*hints, *options.__annotations__} - {"return"}


def test_the_options_of_a_plan_are_those_of_the_command_line():
    from pipeline.workflows.public.options import PlanningOptions

    assert {*PlanningOptions.__annotations__} == {*PLANNING} - {"region"} | {"default_region"}


def test_every_option_is_used():
    from pipeline.workflows.public import call, options

    settings = {call._SETTINGS.get(name, name) for name in options.RunOptions.__annotations__}

    assert settings - {*Settings.model_fields} == {
        "source.sheet", "sandbox", "base_url", "environment", "merchant", "live",
    }  # fmt: skip


def test_everything_is_exported_once_under_its_name():
    assert sorted(set(pipeline.__all__)) == sorted(pipeline.__all__)
    for name in pipeline.__all__:
        assert getattr(pipeline, name) is not None, name
    assert {*pipeline.__all__} <= {*dir(pipeline)}
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = pipeline.no_such_name


def test_every_error_and_every_documented_error_is_exported():
    tree = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.PipelineError)
    }
    documented = {
        line.strip().partition(":")[0]
        for name in COMMANDS
        for line in getattr(pipeline, name).__doc__.partition("Raises:")[2].splitlines()
        if line.startswith("        ") and line[8] != " "
    }

    assert tree <= {*pipeline.__all__}
    assert documented - {"TypeError"} <= {*pipeline.__all__}
    assert len(documented) > 15


def test_type_checkers_see_what_is_exported():
    import ast

    tree = ast.parse(Path(pipeline.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.If)
        for line in node.body
        if isinstance(line, ast.ImportFrom) and line.module.startswith("pipeline")
        for alias in line.names
    }

    assert seen - {"SandboxServer"} == {*pipeline.__all__} - {"__version__", "open_sandbox"}
    assert (Path(pipeline.__file__).parent / "py.typed").is_file()


def test_the_wheel_says_that_the_package_is_typed(tmp_path):
    from hatchling.builders.wheel import WheelBuilder

    wheel = next(WheelBuilder(str(REPOSITORY)).build(directory=str(tmp_path)))

    assert "pipeline/py.typed" in zipfile.ZipFile(wheel).namelist()


def test_importing_the_package_and_its_errors_loads_no_library():
    script = (
        "import sys, pipeline; pipeline.KeyProblem; dir(pipeline)\n"
        "print(sorted({'polars', 'pydantic', 'click', 'duckdb', 'starlette'} & set(sys.modules)))"
    )

    shown = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )

    assert shown.stdout == "[]\n"


def test_the_example_script_imports_a_file_and_reconciles_it(folder):
    script = REPOSITORY / "examples" / "import_customers.py"
    file = customers_csv(folder / "some.csv", 20)
    with file.open("a") as lines:
        lines.write("ref-20,Zoe,zoe@example.com,,NOPE,1,\n")

    ended = subprocess.run(
        [sys.executable, script, file], check=False, capture_output=True, text=True, cwd=folder
    )

    assert ended.returncode == 1, ended.stderr  # a record is rejected
    assert "20 of 21 records were created" in ended.stdout
    assert "In balance" in ended.stdout


@pytest.mark.long
def test_a_strict_type_checker_accepts_a_caller_and_refuses_a_wrong_option(folder):
    (folder / "caller.py").write_text(
        "from pathlib import Path\n"
        "from pipeline import KeyProblem, RunResult, run_import\n\n"
        "def create(file: Path) -> int:\n"
        "    try:\n"
        "        run: RunResult = run_import(file, config='job.yaml', sandbox=True, pace=5)\n"
        "    except KeyProblem as problem:\n"
        "        return problem.exit_code\n"
        "    return run.fates['created']\n"
    )
    (folder / "wrong.py").write_text("import pipeline\n\npipeline.run_import('x', worker=2)\n")

    def checked(name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", name],
            check=False,
            capture_output=True,
            text=True,
        )

    assert checked("caller.py").stdout == "Success: no issues found in 1 source file\n"
    assert 'Unexpected keyword argument "worker"' in checked("wrong.py").stdout
