"""What the client makes of answers that a good server never gives; the server here is a socket that says what it is told."""

import contextlib
import gzip
import itertools
import json
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

import pipeline.billing.client as client_module
from pipeline.billing import ApiKey, Billing, Create, ErrorForm, Lookup, Pace, parse_address
from pipeline.billing.client import _least_ahead
from pipeline.domain.responses import (
    Accepted,
    AnotherCustomer,
    CertificateRefused,
    Conflicting,
    CredentialRefused,
    Difference,
    Found,
    KeyReused,
    Limited,
    Misaddressed,
    NoAnswer,
    NotFound,
    RequestRefused,
    RowRefused,
    ServerTrouble,
    Unexpected,
    Unintelligible,
)
from tests.conftest import REPOSITORY

KEY = ApiKey("sk_test_4f9a2c7e81d3", source="a test")
CUSTOMER = {
    "external_reference": "A-1",
    "name": "Thandi Nkosi",
    "email": "Thandi@Example.com",
    "phone": "+27821234567",
    "currency": "ZAR",
    "balance": 1,
    "metadata": {"branch": "12"},
}
PAYLOAD = json.dumps(CUSTOMER, sort_keys=True, separators=(",", ":")).encode()
CREATE, LOOK_UP = Create("A-1", "key-1", PAYLOAD), Lookup("A-1", PAYLOAD)
ECHO = json.dumps({"id": "bcus_1", **CUSTOMER, "payment_rules": {"min_amount": 1}}).encode()
DATE = "Mon, 23 Nov 2026 10:00:00 GMT"
PROBLEM = "application/problem+json"


@dataclass
class Script:
    """A server on loopback that reads one request a connection, says what it was told, and hangs up."""

    url: str = ""
    pieces: list[bytes] = field(default_factory=list)
    pause: float = 0.0  #: seconds between the pieces
    heard: list[bytes] = field(default_factory=list)
    quiet: threading.Event = field(default_factory=threading.Event)  #: set: stop talking at once


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        script: Script = self.server.script
        self.request.settimeout(0.3)
        heard, quiet = b"", script.quiet
        with contextlib.suppress(TimeoutError):
            while b"\r\n\r\n" not in heard and (piece := self.request.recv(65536)):
                heard += piece
        head, _, body = heard.partition(b"\r\n\r\n")
        length = next(
            (
                int(line[15:])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            ),
            0,
        )
        while len(body) < length and (piece := self.request.recv(65536)):
            body += piece
        script.heard.append(head + b"\r\n\r\n" + body)
        try:
            for number, piece in enumerate(script.pieces):
                if number and script.pause and quiet.wait(script.pause):
                    return
                self.request.sendall(piece)
        except OSError:
            pass


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, block_on_close = True, True, False


def serve() -> Iterator[Script]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        script = server.script = Script(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        thread.start()
        yield script
        script.quiet.set()
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def two_servers() -> Iterator[tuple[Script, Script]]:
    with contextlib.contextmanager(serve)() as one, contextlib.contextmanager(serve)() as another:
        yield one, another


@pytest.fixture
def server(two_servers: tuple[Script, Script]) -> Script:
    return fresh(two_servers[0])


@pytest.fixture
def elsewhere(two_servers: tuple[Script, Script]) -> Script:
    return fresh(two_servers[1])


def fresh(script: Script) -> Script:
    script.quiet.set()
    script.pieces, script.pause, script.heard, script.quiet = [], 0.0, [], threading.Event()
    return script


def serve_on_one_connection() -> Iterator[tuple[str, list[int]]]:
    """A server that keeps connections open and answers each request with A-1; on which connection each request came."""
    asked: list[int] = []
    numbers = itertools.count(1)

    class Keeping(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            number = next(numbers)
            while head := self.rfile.readline():
                while (line := self.rfile.readline()) not in {b"\r\n", b""}:
                    head += line
                length = next(
                    (
                        int(line[15:])
                        for line in head.lower().split(b"\r\n")
                        if line[:15] == b"content-length:"
                    ),
                    0,
                )
                self.rfile.read(length)
                asked.append(number)
                answer = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                self.wfile.write(answer % (len(ECHO), ECHO))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Keeping) as listening:
        listening.daemon_threads, listening.block_on_close = True, False
        thread = threading.Thread(
            target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        thread.start()
        yield f"http://127.0.0.1:{listening.server_address[1]}", asked
        listening.shutdown()


def raw(
    status: int, body: bytes = b"", content_type: str | None = "application/json", **headers: str
) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", "Connection: close"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def problem(status: int, kind: str, **headers: str) -> bytes:
    body = {
        "type": f"https://api.momentco.io/docs/errors#{kind}" if kind else "about:blank",
        "title": "No",
        "status": status,
    }
    return raw(status, json.dumps(body).encode(), PROBLEM, **headers)


def ask(server: Script, call, *pieces: bytes):
    """What the client makes of an answer."""
    server.pieces = list(pieces)
    with Billing(parse_address(server.url), KEY, workers=1) as billing:
        return billing.make(call)


@pytest.mark.parametrize(
    ("ahead", "least"), [(0, 0), (-0.9, 0), (3, 3), (-1.5, -0.5), (-7200, -7199)]
)
def test_the_clocks_differ_by_no_more_than_whole_second_dates_prove(ahead, least):
    assert _least_ahead(timedelta(seconds=ahead)) == timedelta(seconds=least)


# a 2xx that proves nothing proves nothing


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"null",
        b"true",
        b"[]",
        b'"bcus_1"',
        b"{}",
        ECHO[:-1],
        ECHO[: len(ECHO) // 2],
        ECHO + ECHO,
        ECHO + b"x",
        b'{"id":"bcus_1","external_reference":"A-1","external_reference":"A-1"}',
        b'{"id":"bcus_1","id":"bcus_2"}',
        b'{"id":"bcus_1","metadata":{"a":"1","a":"2"}}',
        b'{"id":"bcus_1","balance":NaN}',
        b'{"id":"bcus_1","balance":Infinity}',
        b'{"id":"bcus_1","balance":-Infinity}',
        b'{"id":"bcus_1","balance":' + b"9" * 5000 + b"}",
        b'{"id":"bcus_1","name":"\xff\xfe"}',
        b"\xef\xbb\xbf" + ECHO,
        ECHO.decode().encode("utf-16"),
        b'{"id":"bcus_1","name":"\\ud800"}',
        b'{"id":"bcus_1","metadata":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        ECHO.replace(b'"id": "bcus_1", ', b""),
        ECHO.replace(b'"bcus_1"', b"null"),
        ECHO.replace(b'"bcus_1"', b"1"),
        ECHO.replace(b'"bcus_1"', b'""'),
        ECHO.replace(b'"bcus_1"', b'"cus_1"'),
        ECHO.replace(b'"bcus_1"', b'"bcus_"'),
        ECHO.replace(b'"bcus_1"', b'"bcus_1 "'),
        ECHO.replace(b'"bcus_1"', b'"bcus_1\\n"'),
        ECHO.replace(b'"bcus_1"', b'["bcus_1"]'),
    ],
    ids=lambda body: ascii(body[:40]),
)
@pytest.mark.parametrize("call", [CREATE, LOOK_UP], ids=["create", "look-up"])
def test_a_success_whose_body_is_not_strictly_a_customer_with_an_id_is_no_success(
    server, call, body
):
    outcome = ask(server, call, raw(201 if call is CREATE else 200, body))

    assert isinstance(outcome, Unintelligible)


@pytest.mark.parametrize(
    "content_type", [None, "", "text/html", "text/json", "application/jsonp", "application/json2"]
)
def test_a_success_of_another_content_type_is_no_success(server, content_type):
    assert isinstance(ask(server, CREATE, raw(201, ECHO, content_type)), Unintelligible)
    assert isinstance(ask(server, LOOK_UP, raw(200, ECHO, content_type)), Unintelligible)


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"]
)
def test_json_is_json_with_a_parameter_and_in_capitals_too(server, content_type):
    assert ask(server, CREATE, raw(201, ECHO, content_type)) == Accepted("bcus_1", replayed=False)


@pytest.mark.parametrize("status", [202, 203, 204, 206, 226])
def test_a_2xx_other_than_200_and_201_proves_nothing_about_the_customer(server, status):
    assert isinstance(
        ask(server, CREATE, raw(status, b"" if status == 204 else ECHO)), Unintelligible
    )


def test_a_lone_surrogate_in_an_answer_is_not_passed_on(
    server,
):
    # "\ud800" parses, but is no text: written to the ledger it raises, and a whole group of outcomes is lost with it.
    accepted = ask(server, CREATE, raw(201, ECHO.replace(b"Thandi Nkosi", b"Thandi \\ud800")))
    refused = ask(
        server, CREATE, raw(422, b'{"status":422,"title":"\\ud800","detail":"no"}', PROBLEM)
    )
    found = ask(server, LOOK_UP, raw(200, ECHO.replace(b"Thandi Nkosi", b"Thandi \\udfff")))

    assert isinstance(accepted, Unintelligible)
    assert isinstance(found, Unintelligible)
    assert isinstance(refused, Unexpected)


# a broken connection is doubt


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"HTTP/1.1 201 Created\r\n"],
        [b"\0\0\0\0"],
        [b"220 smtp.example.com ESMTP\r\n"],
        [raw(201, ECHO)[:-1]],
        [
            b'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"id"'
        ],
        [
            b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"
        ],
        [b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}"],
        [b"HTTP/1.1 201 Created\r\nContent-Length: -1\r\n\r\n{}"],
        [b"HTTP/1.1 99999 Created\r\n\r\n{}"],
        [b"HTTP/1.1 201 Created\r\nX: " + b"a" * 2_000_000 + b"\r\n\r\n{}"],
    ],
    ids=lambda pieces: ascii(b"".join(pieces)[:60]),
)
@pytest.mark.parametrize("call", [CREATE, LOOK_UP], ids=["create", "look-up"])
def test_an_answer_that_breaks_off_or_is_no_http_is_no_answer(server, call, pieces):
    assert isinstance(ask(server, call, *pieces), NoAnswer)


def test_an_unreadable_header_is_ignored(server):
    garbled = raw(
        201,
        ECHO,
        content_type=None,
        Content_Type="application/json; name=caf\xe9",
        X_Other="caf\xe9",
    )

    assert isinstance(ask(server, CREATE, garbled), Unintelligible)
    assert isinstance(ask(server, CREATE, raw(201, ECHO, X_Other="caf\xe9")), Accepted)


def test_a_repeated_content_type_is_ignored(server):
    assert isinstance(ask(server, CREATE, raw(201, ECHO, Content_Type="text/html")), Unintelligible)


def test_a_server_without_a_valid_certificate_receives_no_key(server):
    heard: list[bytes] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(REPOSITORY / "tests" / "cases" / "tls" / "self_signed.pem")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            connection, _ = listening.accept()
            with (
                contextlib.suppress(OSError),
                context.wrap_socket(connection, server_side=True) as tls,
            ):
                heard.append(tls.recv(65536))

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        with Billing(
            parse_address(f"https://127.0.0.1:{listening.getsockname()[1]}"), KEY, workers=1
        ) as billing:
            outcome = billing.make(CREATE)
        thread.join(10)

    assert isinstance(outcome, CertificateRefused)
    assert heard == []


def test_a_closed_port_is_no_answer():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with Billing(parse_address(f"http://127.0.0.1:{port}"), KEY, workers=1) as billing:
        outcome = billing.make(CREATE)

    assert isinstance(outcome, NoAnswer)
    assert "4f9a2c" not in repr(outcome)


def test_a_server_without_tls_is_no_answer_and_receives_no_key(server):
    server.pieces = [raw(201, ECHO)]

    with Billing(parse_address(server.url.replace("http", "https")), KEY, workers=1) as billing:
        outcome = billing.make(CREATE)

    assert isinstance(outcome, NoAnswer | CertificateRefused)
    assert b"sk_test" not in b"".join(server.heard)


def test_a_body_beyond_1_mib_is_no_answer_and_one_up_to_it_is_read(server):
    padded = ECHO + b" " * ((1 << 20) - len(ECHO))

    assert isinstance(ask(server, CREATE, raw(201, padded)), Accepted)
    assert isinstance(ask(server, CREATE, raw(201, padded + b" ")), NoAnswer)


def test_an_endless_body_is_not_read_to_its_end(server):
    head = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n\r\n"
    server.pause = 0.0001

    outcome = ask(server, CREATE, head, *itertools.repeat(b" " * 65536, 400))

    assert isinstance(outcome, NoAnswer)


def test_a_gzip_bomb_is_no_success(server):
    bomb = gzip.compress(ECHO + b" " * (50 << 20))

    outcome = ask(server, CREATE, raw(201, bomb, Content_Encoding="gzip"))

    assert isinstance(outcome, NoAnswer | Unintelligible)


def test_a_body_that_comes_too_slowly_is_no_answer(server, monkeypatch):
    monkeypatch.setattr(client_module, "SILENT_SECONDS", 0.2)
    server.pause = 3.0
    whole = raw(201, ECHO)

    outcome = ask(server, CREATE, whole[:-10], whole[-10:])

    assert isinstance(outcome, NoAnswer)


def test_a_body_that_drips_byte_by_byte_is_given_up_after_a_while_for_each_byte_alone_comes_in_time(
    server, monkeypatch
):
    # A call without an end would also keep an orderly stop from ending: winding down waits for what is in flight.
    monkeypatch.setattr(client_module, "SILENT_SECONDS", 0.2)
    monkeypatch.setattr(client_module, "LONGEST_CALL", 1.0, raising=False)
    server.pause = 0.05
    whole = raw(201, ECHO)
    head = whole[: -len(ECHO)]

    outcome = ask(
        server, CREATE, head, *(ECHO[n : n + 1] for n in range(60))
    )  # three seconds of one byte each

    assert isinstance(outcome, NoAnswer)


# redirects are never followed, whatever stands in them


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
@pytest.mark.parametrize("call", [CREATE, LOOK_UP], ids=["create", "look-up"])
def test_a_redirect_is_an_outcome_and_its_target_gets_no_request(server, elsewhere, call, status):
    elsewhere.pieces = [raw(201, ECHO)]

    outcome = ask(server, call, raw(status, Location=f"{elsewhere.url}/billing/customers"))

    assert outcome == Misaddressed(status)
    assert elsewhere.heard == []
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    "location",
    [
        "",
        "http://[",
        "http://",
        "//",
        "javascript:alert(1)",
        "http://a:99999/",
        "/" * 9000,
        "http:///x",
        "é",
        "x" * 70_000,
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_a_redirect_to_nonsense_is_a_redirect(server, location):
    assert ask(server, CREATE, raw(302, Location=location)) == Misaddressed(302)


# the environment is not trusted


def test_proxies_and_netrc_of_the_environment_are_ignored(server, elsewhere, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login trap password trap\n")
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ):
        monkeypatch.setenv(name, elsewhere.url)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    elsewhere.pieces = [raw(201, ECHO)]

    outcome = ask(server, CREATE, raw(201, ECHO))

    assert outcome == Accepted("bcus_1", replayed=False)
    assert elsewhere.heard == []
    assert server.heard[0].count(b"uthorization:") == 1
    assert b"Authorization: Bearer sk_test_4f9a2c7e81d3" in server.heard[0]


def test_a_create_is_one_request_with_its_key_and_exactly_its_bytes(server):
    ask(server, CREATE, raw(201, ECHO))

    head, _, body = server.heard[0].partition(b"\r\n\r\n")
    assert len(server.heard) == 1
    assert head.startswith(b"POST /billing/customers HTTP/1.1\r\n")
    assert b"\r\nidempotency-key: key-1" in head.lower()
    assert b"\r\ncontent-type: application/json\r\n" in head.lower() + b"\r\n"
    assert body == PAYLOAD


@pytest.mark.parametrize(
    ("reference", "path"),
    [
        ("A-1_z", "A-1_z"),
        ("a/b", "a%2Fb"),
        ("a?b#c", "a%3Fb%23c"),
        ("a%2Fb", "a%252Fb"),
        ("é ", "%C3%A9%20"),
        ("../../_sandbox/stats", "..%2F..%2F_sandbox%2Fstats"),
        ("a\r\nX: y", "a%0D%0AX%3A%20y"),
    ],
)
def test_a_reference_is_fully_quoted_in_the_path(server, reference, path):
    ask(server, Lookup(reference, PAYLOAD), raw(404, b"{}", PROBLEM))

    assert server.heard[0].split(b"\r\n")[0] == f"GET /billing/customers/{path} HTTP/1.1".encode()


@pytest.mark.parametrize("reference", [".", "..", ""])
def test_a_reference_that_would_change_the_path_is_not_looked_up(server, reference):
    try:
        outcome = ask(server, Lookup(reference, PAYLOAD), raw(200, ECHO))
    except ValueError:
        outcome = None

    assert server.heard == []
    assert not isinstance(outcome, Found | NotFound)


# Retry-After


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("120", 120),
        ("86400", 86400),
        ("10000000", 10_000_000),  # 115 days: longer than anyone waits, but no nonsense
        ("Mon, 23 Nov 2026 10:00:07 GMT", 7),
        ("Mon, 23 Nov 2026 09:59:00 GMT", 0),
        ("Mon, 23 Nov 2026 12:00:07 +0200", 7),
        ("Monday, 23-Nov-26 10:00:07 GMT", 7),
        ("Mon Nov 23 10:00:07 2026", 7),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("1e3", None),
        ("+7", None),
        ("7, 8", 8.0),
        ("7, soon", None),
        ("\u0667", None),
        ("soon", None),
        ("NaN", None),
        ("Mon, 99 Nov 2026 10:00:00 GMT", None),
        ("Mon, 23 Nov 99999999999 10:00:00 GMT", None),
        ("Mon, 99999999999999999999 Nov 2026 10:00:00 GMT", None),
        ("Mon, 23 Nov 2026 10:00:00 +999999999999", None),
        ("9" * 5000, "any"),
    ],
    ids=lambda value: ascii(str(value)[:32]),
)
def test_a_retry_after_is_seconds_or_a_date_by_the_server_s_clock_and_anything_else_is_ignored(
    server, text, seconds
):
    headers = {"Retry_After": text.encode().decode("latin-1"), "Date": DATE}

    limited = ask(server, CREATE, problem(429, "too-many-requests", **headers))
    down = ask(server, CREATE, problem(503, "unavailable", **headers))

    assert isinstance(limited, Limited)
    assert isinstance(down, ServerTrouble)
    if seconds != "any":
        assert (limited.retry_after, down.retry_after) == (seconds, seconds)


@pytest.mark.parametrize("date", ["", "nonsense", "Mon, 23 Nov 99999999999 10:00:00 GMT"])
def test_a_pause_until_a_date_without_the_server_s_own_date_is_nonsense(server, date):
    limited = ask(
        server, CREATE, problem(429, "", Retry_After="Mon, 23 Nov 2026 10:00:07 GMT", Date=date)
    )

    assert limited == Limited(replayed=False, retry_after=None)


# a header that comes twice


@pytest.mark.parametrize("second", ["text/html", "application/json"])
@pytest.mark.parametrize("parameter", ["", "; charset=utf-8"])
def test_an_answer_with_two_media_types_is_not_billing_s_own(server, second, parameter):
    refusal = json.dumps({"type": "about:blank#invalid-parameter", "status": 422}).encode()

    refused = ask(
        server, CREATE, raw(422, refusal, f"{PROBLEM}{parameter}\r\nContent-Type: {second}")
    )
    created = ask(
        server, CREATE, raw(201, ECHO, f"application/json{parameter}\r\nContent-Type: text/html")
    )

    assert isinstance(refused, Unexpected)
    assert isinstance(created, Unintelligible)


def test_a_repeated_response_header_means_the_same_as_one(server):
    refusal = json.dumps({"type": "about:blank#invalid-parameter", "status": 422}).encode()
    waits = ask(server, CREATE, problem(503, "", Retry_After="20\r\nRetry-After: 30"))

    assert isinstance(
        ask(server, CREATE, raw(422, refusal, f"{PROBLEM}\r\nContent-Type: {PROBLEM}")), RowRefused
    )
    assert waits == ServerTrouble(503, replayed=False, retry_after=30.0)


@pytest.mark.parametrize(
    "mark", ["True", "1", "?1", "true; a=b", "true\r\nIdempotent-Replayed: false", ""]
)
def test_any_mark_of_a_replay_but_false_makes_an_answer_one(server, mark):
    assert ask(server, CREATE, problem(422, "", Idempotent_Replayed=mark)).replayed is (mark != "")


# billing's clock


def test_the_clock_of_billing_follows_the_uptime_not_the_clock_of_this_machine(server, monkeypatch):
    ours, uptime = [datetime(2026, 11, 23, 10, tzinfo=UTC)], [5000.0]
    monkeypatch.setattr(client_module, "_uptime", lambda: uptime[0])
    monkeypatch.setattr(
        client_module, "datetime", type("Clock", (), {"now": staticmethod(lambda _: ours[0])})
    )
    server.pieces = [raw(201, ECHO, Date=DATE)]

    with Billing(parse_address(server.url), KEY, workers=1) as billing:
        assert billing.ahead() is None
        billing.make(CREATE)
        assert billing.ahead() == timedelta()
        ours[0] += timedelta(hours=30)
        assert billing.ahead() == timedelta(seconds=1, hours=-30)
        uptime[0] += 30 * 3600
        assert billing.ahead() == timedelta()


def test_two_different_dates_in_a_response_give_no_time(server):
    server.pieces = [raw(201, ECHO, Date=f"{DATE}\r\nDate: Tue, 24 Nov 2026 10:00:00 GMT")]

    with Billing(parse_address(server.url), KEY, workers=1) as billing:
        assert billing.make(CREATE) == Accepted("bcus_1", replayed=False)
        assert billing.ahead() is None


# statuses and problem types


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (problem(409, "request-in-progress"), Conflicting("running")),
        (problem(409, "reference-taken"), Conflicting("taken")),
        (problem(409, "something-else"), Conflicting("unknown")),
        (problem(409, ""), Conflicting("unknown")),
        (raw(409, b'{"type":7,"status":409}', PROBLEM), Conflicting("unknown")),
        (problem(409, "", Idempotent_Replayed="true"), Conflicting("unknown", replayed=True)),
        (problem(409, "", Idempotent_Replayed="true, True"), Conflicting("unknown", replayed=True)),
        (problem(409, "", Idempotent_Replayed="false"), Conflicting("unknown", replayed=False)),
        (problem(422, "idempotency-key-reused"), KeyReused()),
        (problem(422, ""), RowRefused(422, "No", replayed=False, certain=False)),
        (problem(422, "invalid-parameter"), RowRefused(422, "No", replayed=False, certain=True)),
        (problem(400, "malformed-request"), RowRefused(400, "No", replayed=False, certain=True)),
        (problem(400, ""), RowRefused(400, "No", replayed=False, certain=False)),
        (
            problem(422, "", Idempotent_Replayed="true"),
            RowRefused(422, "No", replayed=True, certain=False),
        ),
        (
            raw(422, b'{"status":422}', PROBLEM),
            RowRefused(422, "status 422", replayed=False, certain=False),
        ),
        (problem(400, "idempotency-key-missing"), RequestRefused(400, "No")),
        (problem(415, ""), RequestRefused(415, "No")),
        (problem(406, ""), RequestRefused(406, "No")),
        (problem(401, ""), CredentialRefused(401, replayed=False)),
        (problem(403, ""), CredentialRefused(403, replayed=False)),
        (problem(402, ""), CredentialRefused(402, replayed=False)),
        (problem(401, "", Idempotent_Replayed="true"), CredentialRefused(401, replayed=True)),
        (problem(404, ""), Misaddressed(404)),
        (problem(404, "", Idempotent_Replayed="true"), Misaddressed(404, replayed=True)),
        (raw(404, b"<html>", "text/html", Idempotent_Replayed="true"), Misaddressed(404)),
        (problem(406, "", Idempotent_Replayed="true"), RequestRefused(406, "No", replayed=True)),
        (problem(405, ""), Misaddressed(405)),
        (problem(408, ""), ServerTrouble(408, replayed=False)),
        (problem(425, ""), ServerTrouble(425, replayed=False)),
        (problem(500, ""), ServerTrouble(500, replayed=False)),
        (problem(500, "", Idempotent_Replayed="true"), ServerTrouble(500, replayed=True)),
        (problem(599, ""), ServerTrouble(599, replayed=False)),
        (problem(429, "", Idempotent_Replayed="TRUE"), Limited(replayed=True)),
        (problem(429, "", Idempotent_Replayed="false"), Limited(replayed=False)),
        (problem(418, ""), Unexpected(418)),
        (problem(410, ""), Unexpected(410)),
        (problem(413, ""), RowRefused(413, "too large", replayed=False, certain=True)),
        (raw(201, ECHO, Idempotent_Replayed="true"), Accepted("bcus_1", replayed=True)),
        (raw(200, ECHO), Accepted("bcus_1", replayed=False, status=200)),
    ],
    ids=lambda value: ascii(value[:45]) if isinstance(value, bytes) else type(value).__name__,
)
def test_the_answer_to_a_create_is_this_outcome(server, answer, outcome):
    assert ask(server, CREATE, answer) == outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (raw(200, ECHO), Found("bcus_1")),
        (problem(404, "not-found"), NotFound()),
        (problem(404, ""), NotFound()),
        (problem(401, ""), CredentialRefused(401, replayed=False)),
        (problem(403, ""), CredentialRefused(403, replayed=False)),
        (problem(429, "", Retry_After="3"), Limited(replayed=False, retry_after=3)),
        (problem(503, ""), ServerTrouble(503, replayed=False)),
        (problem(400, ""), Unexpected(400)),
        (problem(409, ""), Unexpected(409)),
        (problem(410, ""), Unexpected(410)),
        (problem(405, ""), Misaddressed(405)),
        (problem(406, ""), RequestRefused(406, "status 406")),
    ],
    ids=lambda value: ascii(value[:45]) if isinstance(value, bytes) else type(value).__name__,
)
def test_the_answer_to_a_lookup_is_this_outcome(server, answer, outcome):
    assert ask(server, LOOK_UP, answer) == outcome


@pytest.mark.parametrize(
    "answer",
    [
        raw(404, b"<html>no such page</html>", "text/html"),
        raw(404, b"", None),
        raw(404, b"not found", "text/plain"),
    ],
    ids=["html", "empty", "text"],
)
def test_a_404_that_is_not_billing_s_own_does_not_prove_that_the_customer_is_not_there(
    server, answer
):
    # A gateway's page says 404 for everything; taken for "not there" it leads to a second key, and a second customer.
    assert not isinstance(ask(server, LOOK_UP, answer), NotFound)


@pytest.mark.parametrize("reference", ["A-2", "a-1", "A-1 ", "A-1\\u0000", "", "bcus_1"])
def test_a_lookup_that_echoes_another_reference_has_not_found_ours(server, reference):
    other = ECHO.replace(b'"A-1"', f'"{reference}"'.encode())

    assert ask(server, LOOK_UP, raw(200, other)) == AnotherCustomer(200)
    assert ask(server, CREATE, raw(201, other)) == AnotherCustomer(201)


# only billing's own word is definite

#: Bodies of errors with the status 422, as gateways, proxies and frameworks write them.
NOT_BILLINGS = {
    "html": (b"<html>no</html>", "text/html"),
    "empty": (b"", None),
    "text": (b"Unprocessable", "text/plain"),
    "a problem in another form": (b'{"status":422,"type":"about:blank"}', "application/xml"),
    "a problem of another status": (b'{"status":499,"title":"No"}', PROBLEM),
    "a problem without a status": (b'{"title":"No"}', PROBLEM),
    "a problem whose status is a text": (b'{"status":"422"}', PROBLEM),
    "a problem whose status is no integer": (b'{"status":422.0}', PROBLEM),
    "a problem that says true": (b"true", PROBLEM),
    "a problem that is cut off": (b'{"status":422,"title":"N', PROBLEM),
    "a problem that says it twice": (b'{"status":422,"status":422}', PROBLEM),
    "a problem with a number beyond range": (b'{"status":422,"n":1e9999999999999999999}', PROBLEM),
}


@pytest.mark.parametrize("body", NOT_BILLINGS)
@pytest.mark.parametrize("status", [400, 409, 413, 414, 422, 431])
def test_a_refusal_of_a_record_by_a_gateway_is_not_final(server, body, status):
    content, content_type = NOT_BILLINGS[body]
    answer = raw(
        status,
        content.replace(b"422", str(status).encode()),
        content_type,
        Idempotent_Replayed="true",
    )

    assert ask(server, CREATE, answer) == Unexpected(
        status, f"a {status} that is not billing's own"
    )


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_a_replay_header_of_a_gateway_does_not_count(server, status):
    outcome = ask(server, CREATE, raw(status, b"<html>", "text/html", Idempotent_Replayed="true"))

    assert outcome.replayed is False


def test_plain_json_counts_as_billing_s_own_error_if_the_config_allows_it(server):
    def asked(call, answer: bytes):
        server.pieces = [answer]
        with Billing(parse_address(server.url), KEY, workers=1, errors=ErrorForm.JSON) as billing:
            return billing.make(call)

    assert asked(CREATE, raw(422, b'{"title":"No"}')) == RowRefused(
        422, "No", replayed=False, certain=False
    )
    assert asked(CREATE, problem(422, "")) == RowRefused(422, "No", replayed=False, certain=False)
    assert asked(LOOK_UP, raw(404, b'{"error":"none"}')) == NotFound()
    assert isinstance(asked(CREATE, raw(422, b'{"status":400}')), Unexpected)
    assert isinstance(asked(CREATE, raw(422, b"[]")), Unexpected)
    assert isinstance(asked(LOOK_UP, raw(404, b"<html>", "text/html")), Unexpected)
    assert isinstance(ask(server, LOOK_UP, raw(404, b'{"error":"none"}')), Unexpected)


@pytest.mark.parametrize("call", [CREATE, LOOK_UP], ids=["create", "look-up"])
def test_a_number_beyond_range_in_a_success_makes_it_unintelligible(server, call):
    echo = ECHO.replace(b'"min_amount": 1', b'"min_amount": 1e9999999999999999999')

    assert isinstance(ask(server, call, raw(200, echo)), Unintelligible)


def test_a_connection_that_answered_for_another_customer_is_not_reused():
    with (
        contextlib.contextmanager(serve_on_one_connection)() as (url, connections),
        Billing(parse_address(url), KEY, workers=1) as billing,
    ):
        assert isinstance(billing.make(CREATE), Accepted)
        assert isinstance(
            billing.make(Create("A-2", "key-2", PAYLOAD.replace(b"A-1", b"A-2"))), AnotherCustomer
        )
        billing.make(CREATE)

    assert connections == [1, 1, 2]


# the echo is compared field by field


@pytest.mark.parametrize(
    ("ours", "theirs", "differences"),
    [
        (b"", b"", []),
        (b'"balance": 1', b'"balance": true', [("balance", "1", "true")]),
        (b'"balance": 1', b'"balance": 2', [("balance", "1", "2")]),
        (b'"balance": 1', b'"balance": -1', [("balance", "1", "-1")]),
        (b'"balance": 1', b'"balance": "1"', [("balance", "1", '"1"')]),
        (b'"balance": 1', b'"balance": null', [("balance", "1", None)]),
        (b', "balance": 1', b"", [("balance", "1", None)]),
        (
            b"Thandi@Example.com",
            b"thandi@example.com",
            [],
        ),  # a declared equivalence: the same mailbox
        (
            b"Thandi@Example.com",
            b"thandi@example.co",
            [("email", '"Thandi@Example.com"', '"thandi@example.co"')],
        ),
        (b'"Thandi@Example.com"', b"1", [("email", '"Thandi@Example.com"', "1")]),
        (b"Thandi Nkosi", b"thandi nkosi", [("name", '"Thandi Nkosi"', '"thandi nkosi"')]),
        (b"Thandi Nkosi", b"Thandi  Nkosi", [("name", '"Thandi Nkosi"', '"Thandi  Nkosi"')]),
        (b', "name": "Thandi Nkosi"', b"", [("name", '"Thandi Nkosi"', None)]),
        (
            b'{"branch": "12"}',
            b'{"branch": 12}',
            [("metadata", '{"branch": "12"}', '{"branch": 12}')],
        ),
        (b'{"branch": "12"}', b"{}", [("metadata", '{"branch": "12"}', None)]),
        (b'"ZAR"', b'"zar"', [("currency", '"ZAR"', '"zar"')]),
        (b'"ZAR"', b'"ZAR", "livemode": false', []),
    ],
    ids=lambda value: ascii(value[:30]) if isinstance(value, bytes) else "",
)
def test_an_echo_that_differs_from_the_request_is_compared_field_by_field(
    server, ours, theirs, differences
):
    assert ours in ECHO

    outcome = ask(server, CREATE, raw(201, ECHO.replace(ours, theirs) if ours else ECHO))

    assert outcome == Accepted(
        "bcus_1", replayed=False, differences=tuple(Difference(*d) for d in differences)
    )


@pytest.mark.parametrize("number", [b"1.0", b"1e0", b"1.0000000000000000001", b"10e-1"])
def test_a_balance_echoed_as_another_kind_of_number_differs(server, number):
    outcome = ask(server, CREATE, raw(201, ECHO.replace(b'"balance": 1', b'"balance": ' + number)))

    assert [difference.field for difference in outcome.differences] == ["balance"]


def test_a_name_is_not_equal_to_a_number_that_is_written_like_it(server):
    payload = PAYLOAD.replace(b"Thandi Nkosi", b"decimal 1.0")
    echo = ECHO.replace(b'"Thandi Nkosi"', b"1.0")

    outcome = ask(server, Create("A-1", "key-1", payload), raw(201, echo))

    assert [difference.field for difference in outcome.differences] == ["name"]


def test_a_field_that_we_did_not_send_and_billing_made_up_differs(server):
    payload = json.dumps({"external_reference": "A-1"}).encode()
    echo = b'{"id":"bcus_1","external_reference":"A-1","name":null,"metadata":{},"currency":"ZAR"}'

    outcome = ask(server, Create("A-1", "key-1", payload), raw(201, echo))

    assert outcome.differences == (Difference("currency", None, '"ZAR"'),)


def test_a_customer_without_payment_rules_cannot_be_paid_against(server):
    without = json.dumps({"id": "bcus_1", **CUSTOMER}).encode()

    assert ask(server, CREATE, raw(201, without)) == Accepted(
        "bcus_1", replayed=False, payable=False
    )
    assert ask(server, LOOK_UP, raw(200, without)) == Found("bcus_1", payable=False)


# the pace


class Tick:
    """A clock that moves when somebody waits for it, in the place of both clock and stop signal."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False

    def is_set(self) -> bool:
        return False


def test_requests_leave_no_faster_than_the_pace():
    tick = Tick()
    pace = Pace(4, tick)

    left = [tick.now for _ in range(9) if pace.wait(tick)]

    assert left == pytest.approx(
        [n / 4 for n in range(1, 10)]
    )  # the look-up that a run begins with has just left


def test_nothing_is_sent_during_a_pause_and_a_shorter_pause_ends_no_longer_one():
    tick = Tick()
    pace = Pace(None, tick)

    pace.pause(10)
    pace.pause(1)
    pace.wait(tick)

    assert tick.now == 10


def test_turns_that_were_not_taken_while_idle_are_not_made_up_for():
    tick = Tick()
    pace = Pace(4, tick)
    pace.wait(tick)
    tick.now = 100.0

    left = [tick.now for _ in range(4) if pace.wait(tick)]

    assert left == pytest.approx([100, 100.25, 100.5, 100.75])


class Sleeper:
    """A clock that only waiting moves, and the event that is waited on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.on_wait = lambda: None

    def is_set(self) -> bool:
        return False

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.on_wait()


def test_requests_leave_at_the_pace_and_no_faster():
    sleeper = Sleeper()
    pace = Pace(10, lambda: sleeper.now)

    left = [sleeper.now for _ in range(20) if pace.wait(sleeper)]

    assert left == pytest.approx([n / 10 for n in range(1, 21)])


def test_who_waited_through_a_pause_leaves_at_the_pace_too_and_not_all_at_once():
    sleeper = Sleeper()
    pace = Pace(10, lambda: sleeper.now)
    for _ in range(5):
        pace.wait(sleeper)  # the last left at 0.5
    sleeper.on_wait = lambda: (setattr(sleeper, "on_wait", lambda: None), pace.pause(1.0))

    left = [sleeper.now for _ in range(3) if pace.wait(sleeper)]

    assert left == pytest.approx(
        [1.6, 1.7, 1.8]
    )  # its turn was at 0.6, when billing asked to wait until 1.6


def test_no_second_exceeds_the_rate_plus_one_however_late_workers_wake():
    sleeper, left = Sleeper(), []
    pace = Pace(50, lambda: sleeper.now)
    late = itertools.cycle([0.0, 0.013, 0.0, 0.0, 0.031, 0.002])

    for _ in range(500):
        sleeper.on_wait = lambda: setattr(sleeper, "now", sleeper.now + next(late))
        pace.wait(sleeper)
        left.append(sleeper.now)

    assert max(sum(at <= one < at + 1 for one in left) for at in left) <= 51


def test_a_429_halves_the_pace_once_for_all_that_left_together_and_it_grows_back():
    sleeper = Sleeper()
    pace = Pace(40, lambda: sleeper.now)
    for _ in range(8):
        pace.slow_down()
    assert pace.per_second == 20

    sleeper.now += 2
    pace.slow_down()
    slowest = pace.per_second
    while pace.per_second < 40:
        assert pace.wait(sleeper)

    assert slowest == 10
    assert 20 < sleeper.now < 40
    assert pace.per_second == 40


def test_where_no_pace_was_set_a_429_halves_the_one_that_was_kept():
    sleeper = Sleeper()
    pace = Pace(None, lambda: sleeper.now)
    for _ in range(300):
        pace.wait(sleeper)
        sleeper.now += 0.01

    pace.slow_down()

    assert pace.per_second == pytest.approx(50, rel=0.05)
    for _ in range(3_000):
        pace.wait(sleeper)
    assert pace.per_second > 100  # nothing keeps it from growing on


def test_a_stop_ends_the_wait_at_once_and_nothing_leaves():
    stopping = threading.Event()
    pace = Pace(None, time.monotonic)
    pace.pause(60)
    threading.Timer(0.05, stopping.set).start()

    may_leave = pace.wait(stopping)

    assert not may_leave
