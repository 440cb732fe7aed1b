"""Reconciliations, periods, manifests and sign-offs of every earlier version read like those of this one."""

import hashlib
import json
from dataclasses import asdict
from io import StringIO
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.domain.manifest import MANIFEST, RunManifest, manifest_of
from pipeline.domain.period_report import PeriodReport
from pipeline.domain.published import first_fault
from pipeline.domain.reconciliation import Reconciliation
from pipeline.domain.sign_offs import Signature, digest, signature, signed
from pipeline.reporting import ReportContext, render_period, render_reconciliation
from pipeline.storage.manifest import amend, sealed_manifest
from pipeline.storage.run_damage import RunDamaged, document_in
from pipeline.verifier.manifest import read_manifest
from pipeline.verifier.reconciliations import of_reconciliation
from pipeline.workflows.reconcile.workspace import LookupRequest, folder_by_lookups, request_in

OLDER = Path(__file__).parents[1] / "golden" / "older"
RECONCILIATIONS = ("reconciliation_1_first.json", "reconciliation_1_last.json")
DIFFERENCES = "kind,external_reference,run_id,row_id,field,ours,theirs,currency,amount,pattern\n"


def older(name):
    return json.loads((OLDER / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", RECONCILIATIONS)
def test_an_older_reconciliation_has_the_keys_of_this_version(name):
    content = Reconciliation.of(older(name))

    assert (content.schema_version, content.method, content.is_by_lookups) == (2, "lookups", True)
    assert "there_before" not in {step.step for step in content.bridge}
    assert content.bridge[-1].records == 3 + content.existed_before.held
    assert content.ledger[0].settled_since == 0
    assert Reconciliation.of(content.to_json()) == content


def test_a_reconciliation_without_counts_of_rows_and_fields_states_none():
    first, last = map(Reconciliation.of, map(older, RECONCILIATIONS))

    assert (first.rows_read, first.fields, first.sample.of) == (None, None, None)
    assert (first.existed_before.held, last.existed_before.held) == (0, 1)
    assert (last.rows_read, last.fields, last.sample) == (3, {}, None)


@pytest.mark.parametrize("name", RECONCILIATIONS)
def test_an_older_reconciliation_can_be_shown_and_verified(name):
    content = Reconciliation.of(older(name))

    assert content.verdict in render_reconciliation(content).replace("&#39;", "'")
    checks = list(of_reconciliation(content, StringIO(DIFFERENCES)))
    assert [check.found for check in checks if not check.holds] == []


def test_a_lie_in_an_older_reconciliation_is_found():
    lie = older(RECONCILIATIONS[1])
    lie["bridge"][3]["figures"]["ZAR"]["sum"] = 351

    checks = of_reconciliation(Reconciliation.of(lie), StringIO(DIFFERENCES))

    assert "ZAR: the steps do not add up" in " ".join(check.found for check in checks)


def test_an_older_period_has_the_keys_of_this_version():
    content = PeriodReport.of(older("period_1.json"))

    assert (content.once.rows_read, content.once.read_again) == (3, 0)
    assert content.once.accounting.holds
    assert content.files[0].corrections == 0
    assert (content.open_as_of, content.not_finished) == ("2026-03-31", ())
    assert content.verdict in render_period(content, ReportContext())


def test_an_older_manifest_keeps_its_seal_and_is_amended_in_the_form_of_this_version(tmp_path):
    written = (OLDER / "run_manifest_2.json").read_bytes()
    (tmp_path / MANIFEST).write_bytes(written)

    manifest, broken = read_manifest(tmp_path)
    assert broken is None
    assert isinstance(manifest, RunManifest)
    assert manifest.inputs[0].dialect["delimiter"] == ","
    assert sealed_manifest(tmp_path) == manifest

    (tmp_path / "report.html").write_text("page")
    amend(tmp_path, ["report.html"])

    amended = json.loads((tmp_path / MANIFEST).read_text())
    assert (amended["schema"], "signing" in amended) == (3, False)
    assert set(amended["files"]) == {"summary.json", "report.html"}
    assert read_manifest(tmp_path)[1] is None


def test_an_older_sign_off_is_valid_as_long_as_its_files_are_unchanged():
    lines = (OLDER / "signatures_1.jsonl").read_text().splitlines()
    now = {"plan": "c" * 64, "created.csv": "d" * 64}

    planner, _, reviewer = signed(lines, now)

    assert (planner.name, planner.state) == ("Thandi", "stands")
    assert (reviewer.name, reviewer.state) == ("Sipho", "stands")
    assert reviewer.evidence == digest(now)
    assert signed(lines, {**now, "created.csv": "e" * 64})[2].changed == ("created.csv",)


def test_a_new_sign_off_continues_the_chain_of_older_lines():
    lines = (OLDER / "signatures_1.jsonl").read_text().splitlines()
    now = {"plan": "c" * 64, "created.csv": "d" * 64}

    line = signature("approver", "Lindiwe", "2026-03-04T08:00:00+00:00", {"plan": "c" * 64}, lines)

    assert Signature.of(json.loads(line)).after == hashlib.sha256(lines[-1].encode()).hexdigest()
    assert [one.state for one in signed([*lines, line], now)] == ["stands"] * 3
    assert signed([lines[1], line], now)[1].changed == ("signatures.jsonl",)


def test_lookups_that_an_older_version_began_are_resumed(tmp_path):
    request = LookupRequest(runs=("run",), sample=None, billing=("http://127.0.0.1", "key"))
    with pytest.raises(KeyboardInterrupt), folder_by_lookups(tmp_path, request) as (folder, _):
        raise KeyboardInterrupt
    (folder.path / "request.json").rename(folder.path / "asked.json")

    with pytest.raises(KeyboardInterrupt), folder_by_lookups(tmp_path, request) as (resumed, _):
        raise KeyboardInterrupt

    assert resumed.path == folder.path
    assert request_in(resumed).is_same_as(request)
    other = request.changed(sample=5)
    with folder_by_lookups(tmp_path, other) as (another, _):
        assert another.path != folder.path


@pytest.mark.parametrize("key", ["runs", "verdict", "bridge", "differences", "method"])
def test_a_missing_key_of_a_reconciliation_is_named(tmp_path, key):
    content = older(RECONCILIATIONS[1])
    del content[key]
    path = tmp_path / "summary.json"
    path.write_text(json.dumps(content))

    with pytest.raises(RunDamaged, match=rf"summary\.json has .*'{key}'"):
        document_in(path, Reconciliation.of)


def test_a_value_of_another_type_is_named():
    wrong = {**older("run_manifest_2.json"), "files": {"summary.json": "no digest"}}

    with pytest.raises(ValidationError) as refused:
        manifest_of(wrong)

    assert first_fault(refused.value) == "a value of another type in 'files.summary.json'"


def test_the_environment_of_an_older_document_is_the_same():
    content = Reconciliation.of(older(RECONCILIATIONS[0]))

    assert asdict(content.environment) == older(RECONCILIATIONS[0])["environment"]


@pytest.mark.parametrize(
    ("parse", "name"),
    [
        (Reconciliation.of, "reconciliation_1_last.json"),
        (PeriodReport.of, "period_1.json"),
        (manifest_of, "run_manifest_2.json"),
    ],
)
def test_a_document_of_a_newer_version_is_refused_by_its_schema(parse, name):
    present = parse(older(name)).to_json()

    with pytest.raises(ValidationError) as refused:
        parse({**present, "schema": present["schema"] + 1})

    assert first_fault(refused.value) == "a schema that only a newer version of this program reads"
