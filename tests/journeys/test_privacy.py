"""What a run must not leave behind or hand out: the key that billing repeats, the keys of TLS, and people's data in other folders."""

import base64
import json
import re
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest

from pipeline.billing import Address, ApiKey, Billing, Create, parse_address
from pipeline.billing.echoes import KeyEchoes
from pipeline.billing.probe import probe
from pipeline.domain.customer import Environment
from pipeline.domain.responses import Accepted, CertificateRefused, Difference
from pipeline.storage.ledger import Ledger
from tests.conftest import REPOSITORY, customers_csv, environment_of_ours
from tests.small_billing import PROBLEM, Answer, small_billing

KEY = "sk_test_4f9a2c7e81d3XyZ0Kq5b"
ENVIRONMENT = {"BILLING_API_KEY": KEY}
SECRET = KEY.removeprefix("sk_test_")
CERTIFICATE = REPOSITORY / "tests" / "cases" / "tls" / "signed_by_authority.pem"
AUTHORITY = REPOSITORY / "tests" / "cases" / "tls" / "authority.pem"
BY_ITS_HASH = "c1f85daa.0"  #: under this name OpenSSL finds the certificate in a folder

# -- a key that billing repeats ---------------------------------------------------------------------------------------

#: How a server may repeat a key, by the words for it.
WRITTEN = {
    "as it is": KEY,
    "in capitals": KEY.upper(),
    "percent-encoded": "".join(f"%{byte:02X}" for byte in KEY.encode()),
    "quoted for an address": quote(f"Bearer {KEY}", safe=""),
    "as HTML entities": "".join(f"&#{byte};" for byte in KEY.encode()),
    "escaped twice": "".join(f"\\u00{byte:02x}" for byte in KEY.encode()),
    "in base64": base64.b64encode(KEY.encode()).decode(),
    "in base64 behind a scheme": base64.b64encode(f"Bearer {KEY}".encode()).decode(),
    "in base64 for addresses, as a user without password": base64.urlsafe_b64encode(
        f"{KEY}:".encode()
    ).decode(),
    "in hexadecimal": KEY.encode().hex(),
    "cut off": KEY[:-6],
    "from its middle on": KEY[6:],
    "percent-encoded twice": "".join(f"%25{byte:02X}" for byte in KEY.encode()),
    "as HTML entities of HTML": "".join(f"&amp;#{byte};" for byte in KEY.encode()),
    "in octal": "".join(f"\\{byte:03o}" for byte in KEY.encode()),
    "escaped with braces": "".join(f"\\u{{{byte:x}}}" for byte in KEY.encode()),
    "quoted-printable": "".join(f"={byte:02X}" for byte in KEY.encode()),
    "in base32": base64.b32encode(KEY.encode()).decode(),
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_a_key_is_redacted_in_every_spelling(written):
    shown = KeyEchoes(ApiKey(KEY, source="a test")).hidden(f"No such key: {written}.")

    assert "[redacted]" in shown
    assert shown.startswith("No such key: ")
    assert not any(
        written[at : at + 16].lower() in shown.lower() for at in range(len(written) - 15)
    )


@pytest.mark.parametrize(
    "written",
    [
        " ".join(KEY),
        "\u200b".join(KEY),
        KEY.encode().hex(":"),
        "".join(chr(ord(letter) + 0xFEE0) for letter in KEY),
    ],
    ids=["spaced", "with spaces of no width", "in bytes", "in wide characters"],
)
def test_a_text_that_shows_the_key_with_something_between_is_redacted_whole(written):
    assert (
        KeyEchoes(ApiKey(KEY, source="a test")).hidden(f"No such key: {written}.") == "[redacted]"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sk_test_…",
        "bcus_4f9a2c",
        "A customer has this reference",
        "100 % of &c. \\ 000000000000",
        SECRET[:8],
    ],
)
def test_a_text_without_the_key_stays_as_it_is(text):
    assert KeyEchoes(ApiKey(KEY, source="a test")).hidden(text) == text
    assert KeyEchoes(ApiKey("sk_test_" + "0" * 30, source="a test")).hidden(text) == text


def test_a_value_of_billing_s_stays_json_when_the_key_in_it_is_redacted():
    theirs = json.dumps({"note": f'"{KEY}" &quot;', "plan": "gold", KEY: 1})
    told = Accepted("bcus_1", replayed=False, differences=(Difference("metadata", None, theirs),))

    [hidden] = KeyEchoes(ApiKey(KEY, source="a test")).hidden_in(told).differences

    assert json.loads(hidden.theirs) == {
        "note": '"[redacted]" &quot;',
        "plan": "gold",
        "[redacted]": 1,
    }


def repeating(status: int, told: str) -> Answer:
    """A refusal in billing's words that repeats the key, where the limit of a detail cuts it, too."""
    detail = f"{told} {'x' * (277 - len(told))} {KEY}"
    body = {"type": "#invalid-parameter", "title": "No", "status": status, "detail": detail}
    return Answer(
        status, json.dumps(body).encode(), PROBLEM, (("X-Key", KEY), ("Retry-After", KEY))
    )


def test_a_key_that_billing_repeats_is_in_no_file_and_on_no_terminal(pipeline):
    customers_csv(pipeline.folder / "customers.csv", 12)
    (pipeline.folder / "job.yaml").write_text(
        "environment: sandbox\nmerchant: sandbox\nthresholds: {usual_refusals: 0.5, alarming_refusals: 0.95}\n"
    )
    with small_billing() as billing:
        for number, told in enumerate((KEY, KEY.upper(), base64.b64encode(KEY.encode()).decode())):
            billing.creates[f"ref-{number}"] = repeating(422, told)
        billing.creates["ref-3"] = Answer(
            201,
            json.dumps(
                {
                    "id": "bcus_77",
                    "external_reference": "ref-3",
                    "name": f"<b>{KEY}</b>",
                    "metadata": {KEY: [KEY]},
                    "currency": "ZAR",
                    "balance": 300,
                }
            ).encode(),
        )
        billing.creates["ref-4"] = Answer(403, f"<p>{KEY}</p>".encode(), "text/html")

        place = ["--base-url", billing.url, "--config", "job.yaml"]
        ran = pipeline("run", "customers.csv", *place, "--yes", "--json", environment=ENVIRONMENT)
        reconciled = pipeline("reconcile", *place, environment=ENVIRONMENT)
        traced = pipeline("trace", "ref-0", "--pii", "full", *place[2:])

    assert ran.returncode == 1, ran.stderr
    assert "[redacted]" in (pipeline.newest() / "rejected.csv").read_text()
    assert (
        "[redacted]"
        in (pipeline.newest() / "created.csv").read_text()
        + (pipeline.newest() / "differences.csv").read_text()
    )
    spoken = "".join(one.stdout + one.stderr for one in (ran, reconciled, traced))
    assert SECRET.lower() not in spoken.lower()
    assert files_that_hold(pipeline.folder, SECRET) == []


def files_that_hold(folder: Path, secret: str) -> list[str]:
    """The files with a text in them, in any case or in base64; tables are read, for their columns are compressed."""
    forms = [secret.lower(), base64.b64encode(KEY.encode()).decode().lower()[:-4]]
    found = []
    for path in (path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes().lower()
        if path.suffix == ".parquet":
            content += pl.read_parquet(path).write_json().lower().encode()
        found += [path.name for form in forms if form.encode() in content]
    return found


# -- TLS that the environment would steer -----------------------------------------------------------------------------


@contextmanager
def tls_server() -> Iterator[Address]:
    """A server whose certificate an authority has signed that nobody has heard of."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append(self.headers["Authorization"])

        def do_GET(self):
            self.do_POST()

        def log_message(self, *_told):
            """Say nothing."""

    seen: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()
    try:
        yield parse_address(f"https://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
    assert seen == [], "a key was sent to a server that could not prove who it is"


@pytest.mark.parametrize("asks", ["a call", "check"])
@pytest.mark.parametrize("named", ["SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"])
def test_no_variable_of_the_environment_makes_a_certificate_good_or_logs_the_keys_of_a_connection(
    monkeypatch, tmp_path, named, asks
):
    log = tmp_path / "keys.log"
    monkeypatch.setenv(
        named, {"SSL_CERT_FILE": str(AUTHORITY), "SSL_CERT_DIR": str(tmp_path)}.get(named, str(log))
    )
    (tmp_path / BY_ITS_HASH).write_bytes(AUTHORITY.read_bytes())

    with tls_server() as address:
        if asks == "check":
            refused = probe(address, ApiKey(KEY, source="a test")).certificate_refused
        else:
            with Billing(address, ApiKey(KEY, source="a test"), workers=1) as billing:
                answer = billing.make(Create("A-1", "key-1", b'{"external_reference":"A-1"}'))
            refused = isinstance(answer, CertificateRefused)

    assert refused
    assert not log.exists()


def test_no_library_of_a_run_makes_the_file_for_the_keys_of_connections(tmp_path):
    customers_csv(tmp_path / "customers.csv", 3)
    environment = {**environment_of_ours(), "SSLKEYLOGFILE": str(tmp_path / "keys.log")}

    ended = subprocess.run(
        [sys.executable, "-m", "pipeline", "plan", "customers.csv"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert not (tmp_path / "keys.log").exists()


# -- people's data in temporary files ---------------------------------------------------------------------------------


@pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed: what is opened cannot be seen"
)
def test_no_command_makes_a_file_outside_of_home_and_reports(pipeline, tmp_path):
    """Every file that the process makes, by the system calls: no library has a folder of its own."""
    work, log = tmp_path / "work", tmp_path / "calls"
    work.mkdir()
    spoilt = (
        customers_csv(work / "customers.csv", 8)
        .read_text()
        .replace("person3@example.com", "nobody")
    )
    (work / "customers.csv").write_text(spoilt)
    customers_csv(work / "known.csv", 5, start=100)
    program = (
        "import sys; from pipeline.cli import run;"
        "\nfor words in sys.argv[1:]: sys.argv = ['pipeline', *words.split()]; print(words, run(), flush=True)"
    )
    commands = [
        "references load known.csv --sandbox",
        "run customers.csv --sandbox --yes",
        "report latest",
        "reconcile --sandbox --lookup-lag 0.1",
        "bundle latest",
    ]

    traced = subprocess.run(
        ["strace", "-f", "--seccomp-bpf", "-e", "trace=openat,open,creat,mkdir,mkdirat", "-o", log, sys.executable, "-c", program, *commands],
        cwd=work,
        env=environment_of_ours(),
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip

    if "Operation not permitted" in traced.stderr:
        pytest.skip("this machine lets nobody trace a process")
    ended = dict(
        line.rsplit(" ", 1)
        for line in traced.stdout.splitlines()
        if line.startswith(tuple(commands))
    )
    assert [ended[one] for one in commands] == ["0", "1", "0", "0", "0"], traced.stderr
    made = made_by(log.read_text(errors="replace"))
    assert sum(path.endswith(".xlsx") for path in made) >= 3
    ours = (
        str(work / "reports"),
        str(work / ".pipeline"),
        "reports/",
        ".pipeline/",
        "/proc/self/fd/",
        "/dev/",
    )
    assert [
        path for path in made if not path.startswith(ours) and path not in {"reports", ".pipeline"}
    ] == []


def made_by(calls: str) -> list[str]:
    """The files and folders that system calls have made, as the calls name them."""
    found = re.findall(
        r'(?:mkdir|creat)\("([^"]+)|openat?\((?:[^,"]*, )?"([^"]+)", [^)\n]*O_CREAT', calls
    )
    return [one or other for one, other in found if "__pycache__" not in (one or other)]


def test_a_process_killed_within_a_workbook_leaves_private_files_in_its_own_folder_and_the_next_start_removes_them(
    pipeline, tmp_path
):
    spoilt = (
        customers_csv(pipeline.folder / "customers.csv", 8)
        .read_text()
        .replace("person3@example.com", "nobody")
    )
    (pipeline.folder / "customers.csv").write_text(spoilt)
    system = tmp_path / "system"
    system.mkdir()
    program = (
        "import os, sys; from xlsxwriter import Workbook; from pipeline.cli import run;"
        " Workbook.close = lambda _: os.kill(os.getpid(), 9); sys.argv[0] = 'pipeline'; run()"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program, "run", "customers.csv", "--sandbox", "--yes"],
        cwd=pipeline.folder,
        env=environment_of_ours({"TMPDIR": str(system)}),
        capture_output=True,
        check=False,
    )

    assert killed.returncode == -9
    left = list(pipeline.newest().glob(".*.part/*"))
    assert left
    assert {path.stat().st_mode & 0o777 for path in left} == {0o600}
    assert {path.parent.stat().st_mode & 0o777 for path in left} == {0o700}
    assert list(system.iterdir()) == []

    pipeline("runs")

    assert [path for path in pipeline.folder.rglob("*") if ".part" in path.name] == []


def test_the_ledger_sorts_what_is_too_large_for_memory_beside_itself(tmp_path):
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)"
    with Ledger.opened(
        tmp_path / "home", Environment("sandbox", "sandbox", "test", "loopback")
    ) as ledger:
        sorting = ledger.reader.database.connection.execute(
            f"{numbers} SELECT hex(randomblob(50)) FROM n ORDER BY 1"
        )
        sorting.fetchone()
        there = [
            str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()
        ]

    found = [Path(path).parent for path in there if "etilqs" in path]
    assert found
    assert {*found} == {tmp_path / "home"}
