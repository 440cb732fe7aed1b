"""`check` tells everything that can be known before a run, all at once, each with what to do; and changes nothing."""

import json
import re
import resource
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline.billing.probe import Probe
from pipeline.domain.customer import Environment
from pipeline.storage.ledger import Intent, Ledger, run_lock
from pipeline.workflows.check import CheckRequest, Finding, Verdict, check
from pipeline.workflows.check.billing import of_certificate, of_clock
from tests.conftest import REPOSITORY, customers_csv, environment_of_ours

CERTIFICATE = REPOSITORY / "tests" / "cases" / "tls" / "self_signed.pem"
SANDBOX = Environment("sandbox", "sandbox", "test", "loopback")


def looked(folder: Path, **asked: object) -> dict[str, Finding]:
    """What is found, by what was looked at; of the two disks the worse."""
    given = {
        "config": None,
        "destination": None,
        "home": folder / "home",
        "reports": folder / "reports",
        "variables": {},
    }
    found = check(CheckRequest(**{**given, **asked}))
    by_weight = ["ok", "not checked", "warning", "fault"]
    return {
        finding.what: finding
        for finding in sorted(found, key=lambda finding: by_weight.index(finding.verdict))
    }


@contextmanager
def website(*, ahead: timedelta = timedelta(), tls: bool = False) -> Iterator[str]:
    """A server that is not billing: HTML, and a time of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response_only(200)
            self.send_header("Date", format_datetime(datetime.now(UTC) + ahead, usegmt=True))
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"hi")
            seen.append(self.headers.get("Authorization"))

        def log_message(self, *_):
            pass

    seen: list[str | None] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
    assert set(seen) <= {None}, "a key was told to a stranger"


def test_one_run_reports_a_wrong_clock_a_full_disk_a_public_key_and_a_wrong_address(
    tmp_path,
):
    (tmp_path / "home").mkdir(mode=0o700)
    with website(ahead=timedelta(hours=-7)) as address:
        result = subprocess.run(
            [
                sys.executable,
                "-m",
                "pipeline",
                "check",
                "--base-url",
                address,
                "--home",
                "home",
                "--reports",
                "reports",
            ],
            cwd=tmp_path,
            env=environment_of_ours({"BILLING_API_KEY": "pk_test_canary00000000000000"}),
            capture_output=True,
            text=True,
            # The disk is full for this process: no file of it may grow beyond 64 KiB.
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16)),
            check=False,
        )

    lines = result.stdout.splitlines()
    faults = [line.split()[1] for line in lines if line.startswith("fault")]
    assert result.returncode == 4
    assert faults == ["key", "address", "clock", "disk", "disk"]
    assert all(
        lines[at + 1].strip().startswith("-> ")
        for at, line in enumerate(lines)
        if line.startswith("fault")
    )
    assert re.search(r"this machine is 25[12]\d\d s ahead of the server", result.stdout)
    assert "public key" in result.stdout
    assert "canary" not in result.stdout + result.stderr
    assert list((tmp_path / "home").iterdir()) == []


def test_if_every_check_passes_the_exit_code_is_0(pipeline, outside):
    result = pipeline(
        "check", "--base-url", outside.base_url, "--json", environment=outside.environment
    )

    told = json.loads(result.stdout)
    assert (result.returncode, told["exit_code"]) == (0, 0)
    assert {check["what"]: check["verdict"] for check in told["checks"]} == {
        "config": "ok",
        "key": "ok",
        "address": "ok",
        "certificate": "not checked",
        "clock": "ok",
        "disk": "ok",
        "ledger": "ok",
        "lock": "ok",
        "references": "ok",
    }
    assert (
        sorted(path.name for path in pipeline.folder.iterdir() if "billing" not in path.name) == []
    )


def test_a_check_sends_only_lookups(outside, tmp_path):
    looked(tmp_path, destination=outside.base_url, variables=outside.environment)

    assert outside.stats()["requests"] == {"create": 0, "retrieve": 2, "update": 0}


def test_a_config_with_three_faults_shows_all_three_and_the_other_checks_go_on(tmp_path):
    config = tmp_path / "job.yaml"
    config.write_text("environment: t\nmerchant: M\nregoin: ZA\npace: {workers: 0}\n")

    found = looked(tmp_path, config=config, destination="sandbox")

    assert found["config"].verdict is Verdict.FAULT
    assert [
        line.removeprefix(f"{config}:").split(":")[0]
        for line in found["config"].detail.splitlines()[1:]
    ] == [
        "2",
        "3",
        "4",
    ]
    assert found["disk"].verdict is found["ledger"].verdict is found["lock"].verdict is Verdict.OK


def test_check_tests_the_destination_of_a_config(outside, tmp_path):
    config = tmp_path / "job.yaml"
    config.write_text(f"environment: practice\nmerchant: m\naddress: {outside.base_url}\n")

    found = looked(tmp_path, config=config, variables=outside.environment)

    assert (found["config"].verdict, found["address"].verdict, found["key"].detail) == (
        "ok",
        "ok",
        "billing accepts it (test key)",
    )
    assert "practice" in found["ledger"].detail


@pytest.mark.parametrize(
    ("variables", "verdict", "told"),
    [
        ({}, Verdict.FAULT, "no API key"),
        ({"BILLING_API_KEY": "sk_test_wrong000000000"}, Verdict.FAULT, "billing refuses it (401)"),
        ({"BILLING_API_KEY": "sk_live000000000000"}, Verdict.FAULT, "live key"),
        ({"BILLING_API_KEY": "sk_test with spaces"}, Verdict.FAULT, "does not hold a secret key"),
        (
            {"BILLING_API_KEY": "sk_test_a0000000", "BILLING_API_KEY_FILE": "x"},
            Verdict.FAULT,
            "both",
        ),
    ],
)
def test_a_useless_key_is_reported_and_the_address_is_checked_without_it(
    outside, tmp_path, variables, verdict, told
):
    found = looked(tmp_path, destination=outside.base_url, variables=variables)

    assert (found["key"].verdict, found["address"].verdict, found["clock"].verdict) == (
        verdict,
        Verdict.OK,
        Verdict.OK,
    )
    assert told in found["key"].detail
    assert "sk_test_wrong" not in found["key"].detail


def test_a_key_file_that_others_can_read_is_a_warning(outside, tmp_path):
    path = tmp_path / "key"
    path.write_text(outside.api_key)
    path.chmod(0o644)

    found = looked(
        tmp_path, destination=outside.base_url, variables={"BILLING_API_KEY_FILE": str(path)}
    )

    assert (found["key"].verdict, found["key"].remedy) == (Verdict.WARNING, f"chmod 600 {path}")


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(0, Verdict.OK), (120, Verdict.WARNING), (-86_400, Verdict.FAULT)]
)
def test_the_clock_is_held_against_the_servers(outside, tmp_path, seconds, verdict):
    outside.advance(seconds)

    assert (
        looked(tmp_path, destination=outside.base_url, variables=outside.environment)[
            "clock"
        ].verdict
        is verdict
    )


def test_an_address_without_an_answer_is_reported(tmp_path):
    found = looked(
        tmp_path,
        destination="http://127.0.0.1:9",
        variables={"BILLING_API_KEY": "sk_test_a0000000"},
    )

    assert (found["address"].verdict, found["clock"].verdict) == (
        Verdict.FAULT,
        Verdict.NOT_CHECKED,
    )
    assert "does not answer" in found["address"].detail


@pytest.mark.parametrize(
    "address", ["http://example.com", "https://user@example.com", "ftp://127.0.0.1"]
)
def test_an_address_that_may_not_receive_a_key_is_reported(tmp_path, address):
    found = looked(tmp_path, destination=address, variables={"BILLING_API_KEY": "sk_test_a0000000"})

    assert found["address"].verdict is Verdict.FAULT
    assert found["disk"].verdict is Verdict.OK


def test_an_unsigned_certificate_is_reported_and_the_key_is_not_sent(tmp_path):
    with website(tls=True) as address:
        found = looked(
            tmp_path, destination=address, variables={"BILLING_API_KEY": "sk_test_a0000000"}
        )

    assert found["certificate"].verdict is Verdict.FAULT
    assert "self-signed" in found["certificate"].detail.replace("self signed", "self-signed")


@pytest.mark.parametrize(("days", "verdict"), [(200, Verdict.OK), (13, Verdict.WARNING)])
def test_a_certificate_that_ends_soon_is_a_warning(days, verdict):
    until = datetime.now(UTC) + timedelta(days=days, hours=1)

    assert (
        of_certificate("https://a.example", Probe(401, certificate_until=until)).verdict is verdict
    )


def test_a_server_without_a_time_leaves_the_clock_unchecked():
    assert of_clock(Probe(401)).verdict is Verdict.NOT_CHECKED


def test_a_folder_readable_by_others_is_a_warning(tmp_path):
    (tmp_path / "home").mkdir(mode=0o755)
    (tmp_path / "home").chmod(0o755)

    found = looked(tmp_path)["disk"]

    assert (found.verdict, found.remedy.split(":")[0]) == (
        Verdict.WARNING,
        f"chmod 700 {tmp_path / 'home'}",
    )


def test_the_ledger_of_another_environment_is_a_fault_and_pending_requests_are_a_warning(
    outside, tmp_path
):
    folder = tmp_path / "home" / "sandbox"
    with Ledger.opened(folder, SANDBOX) as ledger:
        now = datetime.now(UTC)
        ledger.begin_run("run", now, 1, 1)
        ledger.record_intents("run", now, [Intent("a", "f" * 64, "key", b"{}")], "credential")

    ours = looked(tmp_path, destination="sandbox")
    theirs = looked(tmp_path, destination="sandbox", environment="sandbox", merchant="another")

    assert (ours["ledger"].verdict, ours["ledger"].suggests) == (Verdict.WARNING, ("resume",))
    assert "1 request is unsettled" in ours["ledger"].detail
    assert theirs["ledger"].verdict is Verdict.FAULT


def test_a_held_lock_is_reported_with_its_holder_and_stays_held(tmp_path):
    folder = tmp_path / "home" / "sandbox"
    with run_lock(folder, "20261122T060000Z-c-3f9a1c", "2026-11-22T06:00:00+00:00"):
        held = looked(tmp_path, destination="sandbox")["lock"]

    assert held.verdict is Verdict.WARNING
    assert "20261122T060000Z-c-3f9a1c" in held.detail
    assert looked(tmp_path, destination="sandbox")["lock"].verdict is Verdict.OK


def test_check_reports_the_known_customers_and_fails_on_damaged_ones(pipeline):
    customers_csv(pipeline.folder / "known.csv", 3)
    pipeline("references", "load", "known.csv", "--sandbox", "--home", "home")

    known = looked(pipeline.folder, destination="sandbox")["references"]
    (pipeline.folder / "home" / "sandbox" / "references.duckdb").write_bytes(b"x" * 5000)

    assert known.detail.startswith("3 known customers")
    assert looked(pipeline.folder, destination="sandbox")["references"].verdict is Verdict.FAULT


def test_nothing_is_made_where_nothing_was(tmp_path):
    looked(tmp_path, destination="sandbox")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verdict", [Verdict.FAULT, Verdict.WARNING])
def test_every_fault_says_what_to_do(tmp_path, verdict):
    with website(ahead=timedelta(minutes=-2)) as address:
        found = looked(tmp_path, destination=address, variables={})

    assert all(finding.remedy for finding in found.values() if finding.verdict is verdict)
