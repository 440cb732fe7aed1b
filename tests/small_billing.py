"""A billing server of the tests' own, apart from our sandbox, that behaves badly for the references that it is told.

It is written from `billing-api.md` with nothing but the standard library, so that a mistake which client and sandbox share
does not hide here. Each request is recorded as it arrives and as it is answered.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

HTML = "text/html"
PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Answer:
    """What is sent back; `status` 0: nothing at all, for as long as the server lives."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Asked:
    """One request, and what it was answered."""

    at: float  #: monotonic, in seconds
    method: str
    reference: str
    key: str
    status: int


def page(status: int) -> Answer:
    """A gateway's page."""
    return Answer(status, b"<html><h1>No</h1></html>", HTML)


def problem(status: int, kind: str, **headers: str) -> Answer:
    """An error in billing's own words."""
    body = {"type": f"https://api.momentco.io/docs/errors#{kind}", "title": "No", "status": status}
    return Answer(status, json.dumps(body).encode(), PROBLEM, tuple(headers.items()))


SILENCE = Answer(0)


@dataclass
class SmallBilling:
    """The server's state. `creates` and `lookups`: reference -> the answer that stands in front of billing for it.

    Of a create it may depend on the body: then None lets the request through.
    """

    creates: dict[str, Answer | Callable[[bytes], Answer | None]] = field(default_factory=dict)
    lookups: dict[str, Answer] = field(default_factory=dict)
    seconds: float = 0.0  #: that a create takes
    tells_time: bool = True  #: whether its answers carry a `Date`
    unique: bool = True  #: whether it refuses a second customer under a reference
    lag: float = 0.0  #: seconds for which a look-up does not show a new customer
    customers: dict[str, dict[str, Any]] = field(default_factory=dict)
    created_at: dict[str, float] = field(default_factory=dict)
    kept: dict[str, tuple[bytes, Answer]] = field(default_factory=dict)
    effects: Counter[str] = field(default_factory=Counter)
    asked: list[Asked] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def create(self, key: str, body: bytes) -> Answer:
        """Once under a key; a reference only once."""
        reference = json.loads(body)["external_reference"]
        instead = self.creates.get(reference)
        if (instead := instead(body) if callable(instead) else instead) is not None:
            return instead
        if self.seconds:
            time.sleep(self.seconds)
        with self.lock:
            if key in self.kept:
                first, answer = self.kept[key]
                if first != body:
                    return problem(422, "idempotency-key-reused")
                return Answer(
                    answer.status,
                    answer.body,
                    answer.content_type,
                    (("Idempotent-Replayed", "true"),),
                )
            if reference in self.customers and self.unique:
                answer = problem(409, "reference-taken")
            else:
                held = {
                    "id": f"bcus_{len(self.customers)}",
                    **json.loads(body),
                    "payment_rules": {"min_amount": 1},
                }
                self.customers[reference] = held
                self.created_at[reference] = time.monotonic()
                self.effects[reference] += 1
                answer = Answer(201, json.dumps(held).encode())
            self.kept[key] = (body, answer)
            return answer

    def look_up(self, reference: str) -> Answer:
        """What is held under a reference, as far as it shows yet."""
        if (instead := self.lookups.get(reference)) is not None:
            return instead
        held = self.customers.get(reference)
        if held is None or time.monotonic() - self.created_at[reference] < self.lag:
            return problem(404, "not-found")
        return Answer(200, json.dumps(held).encode())

    def state(self) -> dict[str, Any]:
        """What it holds and was asked, to begin another with: see `go_on_from`."""
        names = ("creates", "lookups", "customers", "created_at", "kept", "effects", "asked")
        return deepcopy({name: getattr(self, name) for name in names})

    def go_on_from(self, state: dict[str, Any]) -> None:
        """Take over what another held when its `state` was kept."""
        vars(self).update(deepcopy(state))

    def of(self, reference: str, method: str = "POST") -> list[Asked]:
        """The requests about a reference."""
        return [one for one in self.asked if one.reference == reference and one.method == method]


def send(handler: BaseHTTPRequestHandler, answer: Answer, *, tells_time: bool = True) -> None:
    """Write an answer to a client."""
    handler.send_response_only(answer.status)
    if tells_time:
        handler.send_header("Date", handler.date_time_string())
    handler.send_header("Content-Type", answer.content_type)
    handler.send_header("Content-Length", str(len(answer.body)))
    for name, value in answer.headers:
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(answer.body)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    billing: SmallBilling

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        key = self.headers.get("Idempotency-Key", "")
        reference = json.loads(body)["external_reference"]
        self._answer("POST", reference, key, self.billing.create(key, body))

    def do_GET(self) -> None:
        reference = unquote(self.path.rpartition("/")[2])
        self._answer("GET", reference, "", self.billing.look_up(reference))

    def _answer(self, method: str, reference: str, key: str, answer: Answer) -> None:
        self.billing.asked.append(Asked(time.monotonic(), method, reference, key, answer.status))
        if answer.status == 0:
            self.billing.closing.wait()
            self.close_connection = True
            return
        send(self, answer, tells_time=self.billing.tells_time)

    def log_message(self, *_told: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads, block_on_close, request_queue_size = True, False, 64

    def handle_error(self, *_told: object) -> None:
        """Say nothing of a client that died."""


@contextmanager
def small_billing(**told: Any) -> Iterator[SmallBilling]:
    """A server on loopback for as long as the block lasts."""
    billing = SmallBilling(**told)
    handler = type("Handler", (_Handler,), {"billing": billing})
    with _Server(("127.0.0.1", 0), handler) as server:
        billing.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        thread.start()
        try:
            yield billing
        finally:
            billing.closing.set()
            server.shutdown()
            thread.join()
