"""`pipeline bundle`: the evidence of a run in one archive that names nobody, and that anyone can check from itself alone."""

import hashlib
import io
import json
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from pipeline.run_folder import sealed
from tests.journeys.test_report import PLANTED, everything_of, found_in, sent, write_customers

__all__ = ["sent"]


@pytest.fixture
def bundled(sent):
    """The bundle of a run that was reconciled and signed, and what every command said on the way."""
    pipeline, outside = sent
    run = pipeline.newest().name
    said = [
        pipeline("reconcile", "--base-url", outside.base_url, environment=outside.environment),
        pipeline("sign", run, "--name", "Thandi"),
        pipeline("report", run),
        pipeline("status", run),
        pipeline("trace", PLANTED[3][0]),
        pipeline("verify", run),
        pipeline("bundle", run),
    ]
    return pipeline, pipeline.folder / "reports" / f"{run}.evidence.zip", said


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
        name: hashlib.sha256(contents[name]).hexdigest() for name in contents if name != "manifest.json"
    }
    return {**contents, "manifest.json": sealed(manifest)}


def test_twenty_planted_people_stand_nowhere_in_it_nor_in_what_the_commands_said(bundled):
    _, path, said = bundled
    assert [one.returncode for one in said] == [0, 0, 0, 0, 0, 0, 0], [one.stderr for one in said]

    for name, content in members(path).items():
        text = content.decode(errors="replace")
        if name.endswith(".xlsx"):
            with ZipFile(io.BytesIO(content)) as book:
                text = "".join(book.read(part).decode() for part in book.namelist())
        assert found_in(text) == set(), name
    for one in said[:4] + said[5:]:
        assert found_in(one.stdout + one.stderr) == set(), one.args


def test_it_is_checked_from_itself_alone_and_says_what_cannot_be(bundled, tmp_path_factory, monkeypatch):
    pipeline, path, _ = bundled
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "e.zip").write_bytes(path.read_bytes())
    (pipeline.folder / "reports").rename(pipeline.folder / "gone")

    done = type(pipeline)(elsewhere)("verify", "e.zip", "--json")

    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert told["records"] == 22
    by_state = {
        holds: [check["what"] for check in told["checks"] if check["holds"] is holds] for holds in (True, False, None)
    }
    assert (len(by_state[True]), by_state[False], len(by_state[None])) == (8, [], 3)


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
            "verify", packed(tmp_path / "less.zip", {other: whole[other] for other in whole if other != name})
        )
        assert done.returncode == 7, name


def test_a_lie_with_hashes_made_to_fit_is_found_by_what_does_not_add_up(bundled, tmp_path):
    pipeline, path, _ = bundled
    whole = members(path)
    created, journal = whole["lists/created.csv"].decode(), whole["journal.csv"].decode()
    lies = {
        "a balance": {"lists/created.csv": created.replace(",1001,", ",9001,", 1).encode()},
        "a row less": {"lists/created.csv": "".join(created.splitlines(keepends=True)[:-1]).encode()},
        "a row twice": {"lists/created.csv": (created + created.splitlines(keepends=True)[-1]).encode()},
        "a journal": {"journal.csv": journal.replace("settled", "intent").encode()},
        "a summary": {"run/summary.json": whole["run/summary.json"].replace(b'"created": 16', b'"created": 17')},
    }

    for what, changed in lies.items():
        assert any(whole[name] != content for name, content in changed.items()), what
        done = pipeline("verify", packed(tmp_path / "lie.zip", resealed({**whole, **changed})))
        assert done.returncode == 7, what


def test_a_bundle_that_would_name_somebody_is_not_made(sent):
    pipeline, _ = sent
    run = pipeline.newest()
    assert (
        pipeline("sign", run.name, "--name", "Sipho", "--note", f"asked {PLANTED[9][2].upper()} about it").returncode
        == 0
    )

    done = pipeline("bundle", run.name)

    assert done.returncode == 4
    assert "run/signatures.jsonl: given.email of people.csv:11" in done.stderr
    assert found_in(done.stderr.lower()) == set()
    assert not list((pipeline.folder / "reports").glob("*.zip*"))


def test_a_canary_stops_it_wherever_it_stands(sent):
    pipeline, _ = sent

    done = pipeline("bundle", pipeline.newest().name, "--canary", "nowhere", "--canary", "EVERY RECORD OF THIS IMPORT")

    assert done.returncode == 4
    assert "report.html: canary 2" in done.stderr


def test_a_bundle_that_shows_nothing_of_people_holds_as_well(sent):
    pipeline, _ = sent

    made = pipeline("bundle", pipeline.newest().name, "--pii", "none", "--output", "none.zip")

    assert made.returncode == 0, made.stderr
    assert pipeline("verify", "none.zip").returncode == 0
    assert b"person-" not in b"".join(
        content for name, content in members(pipeline.folder / "none.zip").items() if name.startswith("lists/")
    )


def test_a_plan_has_no_evidence_yet(pipeline, outside):
    write_customers(pipeline.folder / "c.csv", [["A-1", "A", "", "", "ZAR", "1"]])
    pipeline("plan", "c.csv", "--base-url", outside.base_url, environment=outside.environment)

    assert pipeline("bundle", pipeline.newest().name).returncode == 4


def test_what_is_no_bundle_does_not_hold(pipeline):
    (pipeline.folder / "x.zip").write_bytes(b"PK\x03\x04 nothing")

    assert pipeline("verify", "x.zip").returncode == 7


def test_the_page_in_it_is_the_page_of_the_run(bundled):
    pipeline, path, _ = bundled

    page = members(path)["report.html"].decode()

    assert page == everything_of(pipeline.newest() / "report.html")
