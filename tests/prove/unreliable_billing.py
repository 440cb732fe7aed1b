"""A billing server that fails at random, as networks, gateways and servers do, and records its requests.

It is written from `billing-api.md` with nothing but the standard library. What befalls a request depends on the seed, the
reference and how many requests came for it before, so that the order in which references come changes nothing.
"""

import contextlib
import json
import random
import socket
import struct
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from tests.prove.audit import Seen, Sender, answered, asked, content_of
from tests.small_billing import Answer, send

HTML, JSON, PROBLEM = "text/html", "application/json", "application/problem+json"
GATEWAY = (
    302,
    307,
    400,
    401,
    402,
    403,
    404,
    405,
    406,
    408,
    409,
    413,
    415,
    422,
    425,
    451,
    500,
    502,
    503,
    504,
)

#: What befalls a create, and how often beside the others.
CREATES = {
    "lost_request": 3,
    "lost_reply": 4,
    "late_effect": 3,  #: the connection is closed, and the request takes effect some time later
    "error_before": 2,
    "error_after": 3,
    "gateway_before": 3,
    "gateway_after": 3,
    "of_another_before": 0.5,
    "of_another_after": 0.5,
    "limited": 2,
    "kept_failure": 2,  #: a 500 without effect is the answer to this key from now on
    "kept_failure_after": 2,  #: the same, with the effect
    "refused": 3,  #: a 422 about the record, kept under the key
    "duplicated": 4,
    "slow": 2,
    "garbled": 2,
}
LOOK_UPS = {
    "lost_reply": 2,
    "error_before": 2,
    "gateway_before": 3,
    "of_another_before": 0.5,
    "limited": 1,
    "slow": 1,
}


@dataclass(frozen=True, slots=True)
class Done:
    """What a request led to: its answer, the customer that it made, and when that was done."""

    answer: Answer | None
    effect: str = ""


@dataclass
class UnreliableBilling:
    """The server's state; what it may do to requests can be changed while it serves."""

    seed: int
    rate: float = 0.0  #: share of requests that something befalls
    lag: float = 0.0  #: seconds for which a lookup does not show a new customer
    is_unique: bool = True
    is_opaque: bool = False  #: problems have no type
    poison: dict[str, int] = field(
        default_factory=dict
    )  #: reference -> status that a gateway gives it every time
    customers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    kept: dict[str, tuple[bytes, Answer]] = field(default_factory=dict)
    running: dict[str, bytes] = field(default_factory=dict)
    history: list[Seen] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)  #: of this server itself, which must have none
    url: str = ""
    _made_at: dict[str, float] = field(default_factory=dict)
    _asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    _late: list[threading.Thread] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def hold(self, body: Mapping[str, Any]) -> None:
        """Hold a customer that somebody else made."""
        now = time.monotonic()
        customer = self._make(dict(body))
        self._made_at[customer["id"]] = 0.0
        self.history.append(
            Seen(now, now, "POST", body["external_reference"], content=content_of(body), effect=customer["id"], sender=Sender.ANOTHER)
        )  # fmt: skip

    def create(self, key: str, body: bytes) -> Answer | None:
        """Answer a create as it befalls; it is recorded with what it led to."""
        at, reference = time.monotonic(), json.loads(body)["external_reference"]
        happens, dice = self._happens("POST", reference, CREATES)
        done = self._befallen(happens, dice, key, body)
        if done is not None:
            self._note(at, key, body, done)
        return done.answer if done else None

    def look_up(self, reference: str) -> Answer | None:
        """Answer a lookup, perhaps with a fault."""
        at = time.monotonic()
        happens, dice = self._happens("GET", reference, LOOK_UPS)
        if happens == "slow":
            time.sleep(dice.uniform(0.0, 0.1))
        answer = self._instead(happens, dice, reference, self._found(reference))
        said = (
            answered(answer.status, answer.content_type, answer.body, reference) if answer else {}
        )
        with self._lock:
            self.history.append(Seen(at, time.monotonic(), "GET", reference, **said))
        return answer

    def settle(self) -> None:
        """Wait for requests that are still on their way."""
        while self._late:
            self._late.pop().join()

    def requests(self) -> int:
        """How many came."""
        return len(self.history)

    # -- what befalls a request -----------------------------------------------------------------------------------

    def _happens(
        self, method: str, reference: str, table: Mapping[str, float]
    ) -> tuple[str, random.Random]:
        with self._lock:
            self._asked[method, reference] += 1
            number = self._asked[method, reference]
        dice = random.Random(f"{self.seed} {method} {reference} {number}")
        if method == "POST" and reference in self.poison:
            happens = "poison"
        elif reference.startswith("pipeline-preflight") or dice.random() >= self.rate:
            happens = "nothing"
        else:
            happens = dice.choices([*table], [*table.values()])[0]
        with self._lock:
            self.met[happens] += 1
        return happens, dice

    def _befallen(self, happens: str, dice: random.Random, key: str, body: bytes) -> Done | None:
        """What a create led to; None where that shows later."""
        reference = json.loads(body)["external_reference"]
        if happens == "late_effect":
            self._deliver_later(dice.uniform(0.0, 0.6), key, body, Sender.US)
            return None
        if happens == "duplicated":
            self._deliver_later(dice.choice([0.0, 0.0, 0.3]), key, body, Sender.NETWORK)
        is_before = happens in {
            "lost_request",
            "error_before",
            "gateway_before",
            "of_another_before",
            "limited",
            "poison",
        }
        done = Done(None) if is_before else self._delivered(key, body, happens, dice)
        return replace(done, answer=self._instead(happens, dice, reference, done.answer))

    def _instead(
        self, happens: str, dice: random.Random, reference: str, answer: Answer | None
    ) -> Answer | None:
        """The answer that leaves in place of billing's own."""
        match happens:
            case "lost_request" | "lost_reply":
                return None
            case "error_before" | "error_after":
                return dice.choice([self._problem(503, "unavailable"), _page(502)])
            case "gateway_before" | "gateway_after":
                return _page(dice.choice(GATEWAY))
            case "poison":
                return _page(self.poison[reference])
            case "of_another_before" | "of_another_after":
                other = {"id": "bcus_other", "external_reference": f"{reference}-not"}
                return Answer(201, json.dumps(other).encode())
            case "limited":
                after = dice.choice(["0", "0", "1", ""])
                return self._problem(
                    429, "too-many-requests", **({"Retry-After": after} if after else {})
                )
            case "garbled" if answer and answer.status < 300:
                return replace(answer, body=answer.body[:-1])
            case _:
                return answer

    # -- what billing does ----------------------------------------------------------------------------------------

    def _delivered(self, key: str, body: bytes, happens: str, dice: random.Random) -> Done:
        """Once under a key; the first answer is kept."""
        with self._lock:
            if earlier := self._earlier(key, body):
                return Done(earlier)
            self.running[key] = body
        try:
            if happens == "slow":
                time.sleep(dice.uniform(0.0, 0.3))
            with self._lock:
                done = self._first(body, happens)
                assert done.answer is not None
                self.kept[key] = (body, done.answer)
                return done
        finally:
            del self.running[key]

    def _earlier(self, key: str, body: bytes) -> Answer | None:
        if key in self.kept:
            first, answer = self.kept[key]
            if first != body:
                return self._problem(422, "idempotency-key-reused")
            return replace(answer, headers=(("Idempotent-Replayed", "true"),))
        if key in self.running:
            return self._problem(409, "request-in-progress")
        return None

    def _first(self, body: bytes, happens: str) -> Done:
        fields = json.loads(body)
        if happens == "refused":
            return Done(self._problem(422, "invalid-parameter"))
        if happens == "kept_failure":
            return Done(self._problem(500, "server-error"))
        if self.is_unique and fields["external_reference"] in self.customers:
            return Done(self._problem(409, "reference-taken"))
        customer = self._make(fields)
        if happens == "kept_failure_after":
            return Done(self._problem(500, "server-error"), customer["id"])
        return Done(Answer(201, json.dumps(customer).encode()), customer["id"])

    def _make(self, fields: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            customer = {
                "id": f"bcus_{len(self._made_at)}",
                **fields,
                "payment_rules": {"min_amount": 1},
            }
            self.customers.setdefault(fields["external_reference"], []).append(customer)
            self._made_at[customer["id"]] = time.monotonic()
            return customer

    def _found(self, reference: str) -> Answer:
        with self._lock:
            for customer in self.customers.get(reference, []):
                if time.monotonic() - self._made_at[customer["id"]] >= self.lag:
                    return Answer(200, json.dumps(customer).encode())
        return self._problem(404, "not-found")

    def _problem(self, status: int, kind: str, **headers: str) -> Answer:
        address = "about:blank" if self.is_opaque else f"https://api.momentco.io/docs/errors#{kind}"
        body = {"type": address, "title": "No", "status": status}
        return Answer(status, json.dumps(body).encode(), PROBLEM, tuple(headers.items()))

    # -- the record -----------------------------------------------------------------------------------------------

    def _deliver_later(self, after: float, key: str, body: bytes, sender: Sender) -> None:
        """Deliver a request after some time; nobody hears the answer."""

        def deliver() -> None:
            at = time.monotonic()
            time.sleep(after)
            arrived = (
                at if sender is Sender.US else time.monotonic()
            )  # it left the client when it was first sent
            done = self._delivered(key, body, "nothing", random.Random())
            self._note(arrived, key, body, Done(None, done.effect), sender)

        thread = threading.Thread(target=deliver, daemon=True)
        with self._lock:
            self._late.append(thread)
        thread.start()

    def _note(
        self, at: float, key: str, body: bytes, done: Done, sender: Sender = Sender.US
    ) -> None:
        said, asks, answer = {}, asked(body), done.answer
        if answer is not None:
            said = answered(answer.status, answer.content_type, answer.body, asks["reference"])
            is_replay = ("Idempotent-Replayed", "true") in answer.headers
            said |= {"is_replay": is_replay and said.get("is_own", False)}
        with self._lock:
            self.history.append(
                Seen(
                    at,
                    time.monotonic(),
                    "POST",
                    key=key,
                    effect=done.effect,
                    sender=sender,
                    **asks,
                    **said,
                )
            )


def _page(status: int) -> Answer:
    """A gateway's page."""
    headers = (("Location", "/login"),) if 300 <= status < 400 else ()
    return Answer(status, b"<html><h1>No</h1></html>", HTML, headers)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    billing: UnreliableBilling

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(self.billing.create(self.headers.get("Idempotency-Key", ""), body))

    def do_PATCH(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        now, reference = time.monotonic(), unquote(self.path.rpartition("/")[2])
        self.billing.history.append(Seen(now, now, "PATCH", reference))
        self._answer(Answer(405))

    def do_GET(self) -> None:
        self._answer(self.billing.look_up(unquote(self.path.rpartition("/")[2])))

    def _answer(self, answer: Answer | None) -> None:
        self.close_connection = True
        if answer is None:
            with contextlib.suppress(OSError):
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
            return
        self.close_connection = False
        with contextlib.suppress(OSError):  # the client was killed
            send(self, answer)

    def log_message(self, *_args: object) -> None:
        """Nothing is logged; the history is the record."""


class _Server(ThreadingHTTPServer):
    daemon_threads, block_on_close, request_queue_size = True, False, 64

    def handle_error(self, *_args: object) -> None:
        """A client that is killed breaks its connections; anything else is a fault of this server."""
        if not isinstance(sys.exception(), OSError):
            self.RequestHandlerClass.billing.errors.append(traceback.format_exc())  # type: ignore[attr-defined]


@contextmanager
def unreliable_billing(billing: UnreliableBilling) -> Iterator[UnreliableBilling]:
    """Serve it on loopback for as long as the block lasts."""
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
            server.shutdown()
            thread.join()
            billing.settle()
