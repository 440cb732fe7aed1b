"""The sandbox's OpenAPI document says what the sandbox does: held against its rules, and attacked with what it allows and forbids.

SANDBOX_EXAMPLES=500 makes the attack longer.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import jsonschema
import pytest

from pipeline.sandbox import NO_FAULTS, Faults, SandboxServer, contract, problems

EXAMPLES = os.environ.get("SANDBOX_EXAMPLES", "4")


@pytest.fixture(scope="module")
def document() -> dict:
    with SandboxServer() as sandbox:
        key = {"Authorization": f"Bearer {sandbox.api_key}"}
        return httpx.get(
            f"{sandbox.base_url}/_sandbox/openapi.json", headers=key, trust_env=False
        ).json()


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param(NO_FAULTS, id="plain"),
        pytest.param(Faults.of(opaque_types=True, no_payment_rules=0.5), id="opaque"),
    ],
)
@pytest.mark.long
def test_schemathesis_finds_nothing_in_the_sandbox(faults, tmp_path):
    with SandboxServer(faults=faults, seed=1) as sandbox:
        result = _attack(f"{sandbox.base_url}/_sandbox/openapi.json", sandbox.api_key, tmp_path)

    assert result.returncode == 0, result.stdout
    assert "No issues found" in result.stdout


@pytest.mark.long  # that schemathesis finds what is planted
def test_schemathesis_finds_a_sandbox_that_breaks_its_document(monkeypatch, tmp_path):
    monkeypatch.setitem(contract.RULES, "name", lambda _: "is refused, whatever it is")
    with SandboxServer() as sandbox:
        result = _attack(
            f"{sandbox.base_url}/_sandbox/openapi.json",
            sandbox.api_key,
            tmp_path,
            "--phases=coverage",
            "--include-method=POST",
        )

    assert result.returncode == 1
    assert "Schema-valid request rejected" in result.stdout


def _attack(document, key, folder, *options):
    """All phases and all checks of schemathesis, the same requests each time."""
    told = ["-H", f"Authorization: Bearer {key}", "--checks=all", "--max-examples", EXAMPLES]
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "schemathesis.cli",
            "run",
            document,
            *told,
            "--generation-deterministic",
            *options,
        ],
        cwd=folder,
        env={
            **os.environ,
            "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
            "PYTHONPATH": str(Path(__file__).parent),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


# -- document and code ------------------------------------------------------------------------------------------------


def test_the_document_is_openapi_3_1_and_every_schema_in_it_is_one(document):
    assert document["openapi"] == "3.1.0"
    for kept in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(kept)


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("external_reference", ["a", "a" * 255, "A_1-b"], ["", "a" * 256, "a b", "é", 1, None]),
        ("name", ["", "é" * 255], ["é" * 256, 1, None]),
        ("email", ["a@b.c"], ["", "a", "a@b", "a b@c.d", f"{'a' * 252}@b.c", None]),
        ("phone", ["+12", "+123456789012345"], ["+1", "+1234567890123456", "+0123", "27123456789", None]),
        ("currency", ["ZAR", "JPY"], ["zar", "RAND", "HRK", "", 710]),
        ("balance", [0, 2**53 - 1, -(2**53) + 1], [2**53, -(2**53), 1.5, "1", None]),
        ("metadata", [{}, {"k" * 40: "v" * 500}], [{"": "v"}, {"k" * 41: "v"}, {"k": ""}, {"k": "v" * 501}, {"k": 1}, {str(n): "v" for n in range(11)}, []]),
    ],
)  # fmt: skip
def test_document_and_sandbox_agree_on_every_field(document, field, good, bad):
    schemas = document["components"]["schemas"]
    validator = jsonschema.Draft202012Validator(
        {"$ref": "#/components/schemas/NewCustomer", **document}
    )

    for value in [*good, *bad]:
        fields = {"external_reference": "a", "currency": "ZAR", field: value}
        documented = not list(validator.iter_errors(fields))
        assert documented is (contract.check_customer(fields) is None) is (value in good), (
            field,
            value,
        )
    assert field == "external_reference" or field in schemas["Changes"]["properties"]


def test_document_and_sandbox_name_the_same_fields(document):
    schemas = document["components"]["schemas"]

    assert set(schemas["NewCustomer"]["properties"]) == set(contract.RULES)
    assert set(schemas["Changes"]["properties"]) == set(contract.RULES) - {"external_reference"}
    assert set(schemas["Customer"]["properties"]) == {*contract.RULES, "id", "payment_rules"}


def test_every_status_of_a_problem_is_documented(document):
    statuses = {
        problem.status
        for problem in vars(problems).values()
        if isinstance(problem, problems.Problem)
    }
    documented = {
        int(status)
        for path in document["paths"].values()
        for method, operation in path.items()
        if method != "parameters"
        for status in operation["responses"]
    }

    # 405 is the answer to methods that a document does not have.
    assert statuses - {405} == {status for status in documented if status >= 400}


def test_the_document_in_the_package_is_plain_json():
    from importlib.resources import files

    assert json.loads(
        files("pipeline.sandbox").joinpath("openapi.json").read_text(encoding="utf-8")
    )["paths"]
