"""The JSON of a run and of a reconciliation keeps its form: other programs read it.

If a change here is intended, raise the file's `schema`, list the change in the changelog, and write the golden files again:
`GOLDEN=write pytest tests/journeys/test_golden_json.py`.
"""

import json
import os
import re
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY, Inside

GOLDEN = REPOSITORY / "tests" / "golden"
RECORDS = 150  #: of the sample data: most reasons and fates are among them
#: What differs from run to run, in texts.
VOLATILE = {
    r"\d{8}T\d{6}Z-([a-z]+)-[0-9a-f]{6}": r"<run of \1>",
    r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)": "<time>",
    r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}": "<idempotency key>",
    r"bcus_[A-Za-z0-9]+": "<billing id>",
    r"person-[0-9a-f]{10}": "<person>",
    r"\b[0-9a-f]{64}\b": "<sha256>",
    r"\b[0-9a-f]{32}\b": "<ledger>",
    r"\bh[0-9a-f]{6}-[0-9a-f]{20}\b": "<check>",
    r"127\.0\.0\.1:\d+": "<address>",
}
#: Objects and values that the machine or the moment decides, by their key.
MACHINE = {
    "tools",
    "version",
    "planner",
    "reviewer",
    "by",
    "pid",
    "profile",
    "throughput",
    "seconds",
    "size",
    "seal",
    "staged",
}


def shaped(value: Any, key: str, folder: Path) -> Any:
    """A value without what differs from run to run; of `MACHINE` only its type is left."""
    if key in MACHINE:
        return f"<{type(value).__name__}>"
    match value:
        case dict():
            return {name: shaped(one, name, folder) for name, one in value.items()}
        case list():
            return [shaped(one, "", folder) for one in value]
        case float():
            return "<float>"
        case str():
            text = value.replace(str(folder), "<folder>")
            for pattern, name in VOLATILE.items():
                text = re.sub(pattern, name, text)
            return text
        case _:
            return value


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The JSON files of one run with a reconciliation, by the name of their golden file."""
    inside = Inside(tmp_path_factory.mktemp("golden"))
    with (REPOSITORY / "sample_data" / "customers.csv").open(
        encoding="utf-8", newline=""
    ) as sample:
        (inside.folder / "customers.csv").write_text(
            "".join(islice(sample, RECORDS + 1)), newline=""
        )
    inside("run", "customers.csv", "--sandbox", "--yes", "--limit", "100")
    run = inside.newest()
    inside("reconcile", "latest", "--sandbox", "--lookup-lag", "0.05")
    reconciliation = next(run.parent.glob("*-reconcile-*"))
    files = {
        "plan": run / "plan.json",
        "run_summary": run / "summary.json",
        "run_manifest": run / "manifest.json",
        "reconciliation": reconciliation / "summary.json",
        "reconciliation_manifest": reconciliation / "manifest.json",
    }
    return {
        name: shaped(json.loads(path.read_text(encoding="utf-8")), "", inside.folder)
        for name, path in files.items()
    }


@pytest.mark.parametrize(
    "name", ["plan", "run_summary", "run_manifest", "reconciliation", "reconciliation_manifest"]
)
def test_the_json_keeps_its_form(written, name):
    path = GOLDEN / f"{name}.json"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(
            json.dumps(written[name], indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )

    assert written[name] == json.loads(path.read_text(encoding="utf-8"))
