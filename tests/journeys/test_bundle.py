"""`pipeline bundle`: the evidence of a run in one archive that names nobody, and that anyone can check from itself alone."""

import hashlib
import io
import json
import os
import re
import shutil
import stat
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import polars as pl
import pytest

from pipeline.storage.manifest import sealed_json
from pipeline.verifier import verify_bundle
from tests.conftest import REPOSITORY, Inside, running_sandbox
from tests.journeys.test_report import (
    PLANTED,
    everything_of,
    found_in,
    send_people,
    sent,
    sent_alone,
    sent_once,
    write_customers,
)

__all__ = ["sent", "sent_alone", "sent_once"]

pytestmark = pytest.mark.xdist_group("bundle")  # one worker, so that one is made once


@pytest.fixture(scope="module")
def bundled_once(tmp_path_factory):
    """A run that was reconciled, signed and bundled, and what every command said on the way."""
    pipeline = Inside(tmp_path_factory.mktemp("bundled"))
    with running_sandbox(tmp_path_factory.mktemp("billing") / "billing.sqlite") as outside:
        send_people(pipeline, outside)
        return pipeline, bundling(pipeline, outside)


@pytest.fixture
def bundled(bundled_once, tmp_path):
    """The same in a folder that may be changed, with its bundle."""
    pipeline, said = bundled_once
    shutil.copytree(pipeline.folder, tmp_path / "bundled")
    mine = Inside(tmp_path / "bundled")
    return mine, mine.folder / "reports" / f"{mine.newest().name}.evidence.zip", said


def bundling(pipeline, outside):
    run = pipeline.newest().name
    return [
        pipeline("reconcile", "--base-url", outside.base_url, environment=outside.environment),
        pipeline("sign", run, "--name", "Thandi"),
        pipeline("report", run),
        pipeline("status", run),
        pipeline("trace", PLANTED[3][0]),
        pipeline("verify", run),
        pipeline("bundle", run),
    ]


def members(path):
    with ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path, contents):
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def resealed(contents):
    """The same with a manifest that fits: a lie that was thought of."""
    manifest = json.loads(contents["manifest.json"])
    manifest["files"] = {
        name: hashlib.sha256(contents[name]).hexdigest()
        for name in contents
        if name != "manifest.json"
    }
    return {**contents, "manifest.json": sealed_json(manifest)}


def test_twenty_planted_people_are_neither_in_the_bundle_nor_in_the_output(bundled):
    _, path, said = bundled
    assert [one.returncode for one in said] == [0, 0, 0, 0, 0, 0, 0], [one.stderr for one in said]

    for name, content in members(path).items():
        text = content.decode(errors="replace")
        if name.endswith(".xlsx"):
            with ZipFile(io.BytesIO(content)) as book:
                text = "".join(book.read(part).decode() for part in book.namelist())
        assert found_in(text) == set(), name
    for one in said:
        assert found_in(one.stdout + one.stderr) == set(), one.args


def test_a_bundle_is_verified_alone_and_lists_what_cannot_be(
    bundled, tmp_path_factory, monkeypatch
):
    pipeline, path, _ = bundled
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "e.zip").write_bytes(path.read_bytes())
    (pipeline.folder / "reports").rename(pipeline.folder / "gone")

    done = type(pipeline)(elsewhere)("verify", "e.zip", "--json")

    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert told["records"] == 22
    by_state = {
        holds: [check["what"] for check in told["checks"] if check["holds"] is holds]
        for holds in (True, False, None)
    }
    assert (len(by_state[True]), by_state[False], len(by_state[None])) == (18, [], 5)


def test_a_guess_at_a_customer_cannot_be_tested_against_the_bundle(bundled):
    """A key is made of a reference and a fingerprint, a fingerprint of a payload; six digits are tried in two seconds."""
    pipeline, path, _ = bundled
    rows = pl.read_parquet(pipeline.newest() / "rows.parquet").drop_nulls("idempotency_key")
    secrets = {*rows["idempotency_key"], *rows["fingerprint"]}
    assert len(secrets) > 20

    for name, content in members(path).items():
        text = content.decode(errors="replace")
        assert not any(secret in text for secret in secrets), name
    shown = pl.read_parquet(io.BytesIO(members(path)["rows.parquet"]))
    assert (
        shown["idempotency_key"].null_count()
        == pl.read_parquet(pipeline.newest() / "rows.parquet")["idempotency_key"].null_count()
    )
    assert secrets.isdisjoint({*shown["idempotency_key"], *shown["fingerprint"]})


@pytest.mark.long  # every day, the pages of the documentation verify and bundle runs of the sample
@pytest.mark.parametrize(("sample", "config"), [
    ("customers.csv", None),
    ("merchant_billing/za_kwikwater_dailyfile_2026-11-22.csv", "merchant_billing.yaml"),
    ("legacy_migration/debtors_export.csv", "legacy_migration.yaml"),
    ("nightly/new_customers_2026-11-22.csv", "nightly.yaml"),
])  # fmt: skip
def test_a_run_of_each_sample_verifies_and_its_evidence_can_be_bundled(pipeline, sample, config):
    said = ("--config", REPOSITORY / "configs" / config) if config else ()
    pipeline("run", REPOSITORY / "sample_data" / sample, "--sandbox", "--yes", *said)

    assert pipeline("verify", pipeline.newest().name).returncode == 0
    made = pipeline("bundle", pipeline.newest().name)

    assert made.returncode == 0, made.stderr
    assert pipeline("verify", made.stdout.strip()).returncode == 0


def test_a_run_that_does_not_verify_is_not_bundled(sent):
    pipeline, _ = sent
    run = pipeline.newest()
    (run / "created.csv").write_text(
        (run / "created.csv").read_text().replace(",1001,", ",9001,", 1)
    )

    done = pipeline("bundle", run.name)

    assert (done.returncode, "created.csv was changed" in done.stderr) == (7, True)
    assert not list((pipeline.folder / "reports").glob("*.zip*"))


def test_an_existing_archive_is_overwritten_only_on_request(bundled):
    pipeline, path, _ = bundled
    before = path.read_bytes()

    assert pipeline("bundle", pipeline.newest().name).returncode == 4
    assert path.read_bytes() == before
    assert pipeline("bundle", pipeline.newest().name, "--replace").returncode == 0


@pytest.mark.parametrize(
    "note",
    [
        "asked +27 (82) 555-0009 about it",
        "zephyrine_quandt09 paid",
        pytest.param("see canary.09", marks=pytest.mark.long),
    ],
)
def test_a_person_in_a_note_is_found_in_every_spelling_and_kept_only_on_request(sent, note):
    pipeline, _ = sent
    run = pipeline.newest().name
    assert pipeline("sign", run, "--name", "Sipho", "--note", note).returncode == 0

    refused = pipeline("bundle", run)

    assert refused.returncode == 4, refused.stderr
    assert "people.csv:11" in refused.stderr
    if "+27" not in note:
        assert (
            pipeline(
                "bundle", run, "--allow", "Zephyrine Quandt09", "--allow", "CANARY-09"
            ).returncode
            == 0
        )


def test_the_bundle_shows_the_condition_of_a_batch_without_literals(sent_alone):
    pipeline, outside = sent_alone
    write_customers(
        pipeline.folder / "w.csv", [["W-000001", "Wilhelmina Zorg", "", "", "ZAR", "5"]]
    )
    done = pipeline(
        "run", "w.csv", "--where", "name = 'Wilhelmina Zorg'", "--base-url", outside.base_url, "--yes",
        environment=outside.environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    made = pipeline("bundle", pipeline.newest().name)

    assert made.returncode == 0, made.stderr
    whole = members(pipeline.folder / made.stdout.strip())
    assert b"name = 'Xxxxxxxxxx Xxxx'" in whole["run/summary.json"]
    assert not any(b"Wilhelmina" in content for content in whole.values())
    assert pipeline("verify", made.stdout.strip()).returncode == 0


def test_one_byte_of_any_file_in_it_is_named(bundled, tmp_path):
    pipeline, path, _ = bundled
    whole = members(path)

    for name, content in whole.items():
        at = len(content) // 2
        spoilt = {**whole, name: content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]}
        done = pipeline("verify", packed(tmp_path / "spoilt.zip", spoilt))
        assert done.returncode == 7, name
        assert name in done.stdout or name == "manifest.json"
    for name in whole:
        done = pipeline(
            "verify",
            packed(
                tmp_path / "less.zip", {other: whole[other] for other in whole if other != name}
            ),
        )
        assert done.returncode == 7, name


def test_a_lie_with_matching_hashes_is_found_by_recomputing(bundled, tmp_path):
    pipeline, path, _ = bundled
    whole = members(path)
    created, journal = whole["lists/created.csv"].decode(), whole["journal.csv"].decode()
    lies = {
        "a balance": {"lists/created.csv": created.replace(",1001,", ",9001,", 1).encode()},
        "a row less": {
            "lists/created.csv": "".join(created.splitlines(keepends=True)[:-1]).encode()
        },
        "a row twice": {
            "lists/created.csv": (created + created.splitlines(keepends=True)[-1]).encode()
        },
        "a journal": {"journal.csv": journal.replace("settled", "intent").encode()},
        "another job": {"config/job.json": b"{}"},
        "an empty journal": {"journal.csv": journal.splitlines(keepends=True)[0].encode()},
        "a journal of another customer": {
            "journal.csv": (journal + _another_event(journal)).encode()
        },
        "another billing id": {
            "lists/created.csv": re.sub(r"bcus_[A-Za-z0-9]+", "bcus_x", created, count=1).encode()
        },
        "another reason": {
            "lists/rejected.csv": whole["lists/rejected.csv"].replace(
                b"PHONE_UNREADABLE", b"PHONE_SEVERAL", 1
            )
        },
        "another page": {"report.html": b"<html>"},
        "no signatures": {"run/signatures.jsonl": None},
        "another file": {"../../evil": b"x"},
        "another verdict": {
            "run/summary.json": whole["run/summary.json"].replace(b"were created", b"were made", 1)
        },
        "another page with the same run": {
            "report.html": whole["report.html"].replace(b"were created", b"were made")
        },
        "another reconciliation": {
            "reconciliation/summary.json": whole["reconciliation/summary.json"].replace(
                b'"exit_code": 0', b'"exit_code": 1'
            )
        },
        "a difference more": {
            "reconciliation/differences.csv": whole["reconciliation/differences.csv"]
            + b"missing_in_billing,,,,,,,,,\n"
        },
        "a summary": {
            "run/summary.json": whole["run/summary.json"].replace(
                b'"created": 16', b'"created": 17'
            )
        },
    }

    for what, changed in lies.items():
        assert any(whole.get(name) != content for name, content in changed.items()), what
        told = {
            name: content for name, content in {**whole, **changed}.items() if content is not None
        }
        done = pipeline("verify", packed(tmp_path / "lie.zip", resealed(told)))
        assert done.returncode == 7, what


def _another_event(journal):
    """The last settled event once more, under another key."""
    row = next(line for line in reversed(journal.splitlines()) if ",settled," in line)
    return re.sub("[0-9a-f]{32}", "0" * 32, row) + "\n"


@pytest.mark.parametrize("spoil", [
    lambda content: content + b"more",
    lambda content: b"more" + content,
    lambda content: content[: len(content) // 2],
    lambda content: b"",
], ids=["behind", "before", "half", "empty"])  # fmt: skip
def test_bytes_before_or_behind_an_archive_are_named(bundled, spoil):
    pipeline, path, _ = bundled
    path.write_bytes(spoil(path.read_bytes()))

    assert pipeline("verify", str(path)).returncode == 7


def test_an_unreadable_record_may_have_any_length(pipeline, outside):
    (pipeline.folder / "c.csv").write_text(
        f"external_reference,currency,balance\nA-1,ZAR,1\n{'x' * 200_000},\n"
    )
    pipeline(
        "run", "c.csv", "--base-url", outside.base_url, "--yes", environment=outside.environment
    )

    made = pipeline("bundle", pipeline.newest().name)

    assert made.returncode == 0, made.stderr
    assert pipeline("verify", made.stdout.strip()).returncode == 0


def test_a_bundle_that_would_name_somebody_is_not_made(sent):
    pipeline, _ = sent
    run = pipeline.newest()
    assert (
        pipeline(
            "sign", run.name, "--name", "Sipho", "--note", f"asked {PLANTED[9][2].upper()} about it"
        ).returncode
        == 0
    )

    done = pipeline("bundle", run.name)

    assert done.returncode == 4
    assert "run/signatures.jsonl: " in done.stderr
    assert found_in(done.stderr.lower()) == set()
    assert not list((pipeline.folder / "reports").glob("*.zip*"))


def test_a_canary_anywhere_stops_the_bundle(sent):
    pipeline, _ = sent

    done = pipeline(
        "bundle",
        pipeline.newest().name,
        "--canary",
        "nowhere",
        "--canary",
        "EVERY RECORD OF THIS IMPORT",
    )

    assert done.returncode == 4
    assert "report.html: canary 2" in done.stderr


def test_a_bundle_without_personal_data_verifies_too(sent):
    pipeline, _ = sent

    made = pipeline("bundle", pipeline.newest().name, "--pii", "none", "--output", "none.zip")

    assert made.returncode == 0, made.stderr
    assert pipeline("verify", "none.zip").returncode == 0
    for name, content in members(pipeline.folder / "none.zip").items():
        assert b"person-" not in content, name
        assert b"xxx x xxxxxx" not in content, name


def test_a_plan_has_no_evidence_yet(pipeline, outside):
    write_customers(pipeline.folder / "c.csv", [["A-1", "A", "", "", "ZAR", "1"]])
    pipeline("plan", "c.csv", "--base-url", outside.base_url, environment=outside.environment)

    assert pipeline("bundle", pipeline.newest().name).returncode == 4


def test_a_file_that_is_not_a_bundle_does_not_verify(pipeline):
    (pipeline.folder / "x.zip").write_bytes(b"PK\x03\x04 nothing")

    assert pipeline("verify", "x.zip").returncode == 7


def test_a_member_that_is_a_pipe_a_device_or_a_link_is_no_file_of_a_bundle(bundled):
    _, path, _ = bundled
    contents = members(path)
    for kind in (stat.S_IFIFO, stat.S_IFCHR, stat.S_IFLNK, stat.S_IFDIR):
        with ZipFile(path, "w") as archive:
            for name, content in contents.items():
                info = ZipInfo(name)
                info.external_attr = (
                    (kind if name == "run/plan.json" else stat.S_IFREG) | 0o600
                ) << 16
                archive.writestr(info, content)

        assert [check.found for check in verify_bundle(path).checks] == [
            "run/plan.json is not a regular file"
        ]


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"]
)
def test_a_pipe_or_a_device_is_no_bundle(tmp_path, make):
    make(tmp_path / "x.zip")

    (check,) = verify_bundle(tmp_path / "x.zip").checks

    assert not check.holds
    assert "not a regular file" in check.found


def test_the_page_in_it_is_the_page_of_the_run(bundled):
    pipeline, path, _ = bundled

    page = members(path)["report.html"].decode()

    assert page == everything_of(pipeline.newest() / "report.html")
