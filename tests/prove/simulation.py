"""Deterministic simulation: the real engine, protocol, responses and ledger; simulated billing, network and time.

A seed is a plan of 100 customers, a billing with faults of its own, and processes that die and are started again until
the faults stop and nothing is left. Nothing waits: time is a number. The same seed is the same run, event for event.

Billing here is written from `billing-api.md` a second time, apart from the sandbox: it can do what a sandbox on a real
clock cannot, such as take effect an hour after the client gave up, or receive a request twice.
"""

import heapq
import itertools
import json
import random
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path

from pipeline.billing.client import Call, Create
from pipeline.billing.responses import Response, read_create, read_lookup
from pipeline.domain.customer import Environment, create_key, payload_bytes
from pipeline.domain.fates import State
from pipeline.domain.responses import NoAnswer, Outcome
from pipeline.storage.ledger import Ledger
from pipeline.submission import (
    Clock,
    Planned,
    Policy,
    RunIdentity,
    Runtime,
    Stop,
    StopRequest,
    Work,
    submit,
)
from pipeline.submission.gate import Gate
from pipeline.submission.pool import Pool, Result, kind_of
from pipeline.submission.protocol import OLD_KEY_WAITS, is_turned_away
from pipeline.submission.steps import RefusalRates

ENVIRONMENT = Environment("sandbox", "sandbox", "test", "loopback")
ROWS = 100
EPOCH = datetime(2026, 11, 23, tzinfo=UTC)
KEY_LIFE = 24 * 3600.0
PATIENT = Policy(workers=8, refusals=RefusalRates(usual=0.3, alarming=0.9))
PATIENCE = 60.0  #: seconds that a client waits for an answer
LATENCY = 0.02
_TYPES = "https://api.momentco.io/docs/errors#"


class Killed(BaseException):
    """The process is gone: nothing of it runs on."""


@dataclass(frozen=True)
class Faults:
    """The probability of each fault of a create; from `stale` on, of a lookup."""

    lost_request: float = 0.0
    lost_reply: float = 0.0
    duplicated: float = 0.0  #: the network delivers the request a second time, up to an hour later
    slow: float = 0.0  #: billing works on it for up to ten minutes, longer than the client waits
    error_before: float = 0.0  #: 503, nothing done, nothing stored
    error_stored: float = 0.0  #: 500, nothing done, stored
    error_after: float = 0.0  #: done and stored, but this answer is a 502
    error_stored_after: float = 0.0  #: done, but a 500 is stored
    error_unstored_after: float = (
        0.0  #: done, answered 500, and nothing is stored: the same key begins anew
    )
    rate_limited: float = 0.0
    limited_stored: float = 0.0  #: 429 that is stored and replayed
    timeout_408: float = 0.0  #: a gateway loses its patience; in half of the cases billing goes on
    gateway_413: float = 0.0  #: a gateway finds the request too large, now and then
    garbled: float = 0.0
    page_before: float = 0.0  #: a gateway in front of billing answers with a page of its own, and billing hears nothing
    page_after: float = 0.0  #: the same after billing has created the customer
    another: float = (
        0.0  #: the answer is that of another customer's create; ours took effect, or did not
    )
    stale: float = 0.0  #: "not found", whatever is there
    lagging: float = 0.0  #: a lookup shows what was up to 29 seconds ago
    page_for_look_up: float = 0.0  #: a gateway's 404
    another_found: float = 0.0  #: a lookup is answered with another customer
    lost_look_up: float = 0.0


NONE = Faults()
#: What a gateway may say for itself, in HTML.
_PAGES = (302, 400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429, 451, 500, 502, 503)
#: What makes a second attempt nobody's fault of ours, so that the unique reference alone keeps the customer single: a
#: lookup that does not tell what is there, and an effect of which billing keeps no answer.
_BEYOND_THE_CLIENT = {"stale", "error_unstored_after"}


@dataclass
class World:
    """Time, and what is going to happen."""

    dice: random.Random
    now: float = 0.0
    set_back: timedelta = timedelta()  #: by which the machine's clock is behind
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._numbers), what))

    def advance(self, until: float, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Let happen what happens until then, or until `stop` says so."""
        while self._events and self._events[0][0] <= until and not stop():
            self.now, _, what = heapq.heappop(self._events)
            what()
        if not stop():
            self.now = max(self.now, until)

    def wall(self) -> datetime:
        return EPOCH + timedelta(seconds=self.now)


@dataclass
class Billing:
    """The server's side."""

    world: World
    faults: Faults
    opaque: bool = False
    unique: bool = True
    outage: tuple[float, float] = (0.0, 0.0)  #: from and until when nothing comes through
    customers: dict[str, list[dict]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[str, tuple[str, Response, float]] = field(default_factory=dict)
    running: dict[str, str] = field(default_factory=dict)
    since: dict[str, float] = field(default_factory=dict)
    poison: dict[str, str] = field(
        default_factory=dict
    )  #: reference -> how it is always answered, see `poison.py`
    effects: Counter = field(default_factory=Counter)
    bodies: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    requests: int = 0

    def create(self, key: str, payload: bytes, reply: Callable[[Response | None], None]) -> None:
        """A request arrives."""
        if (how := self.poison.get(json.loads(payload)["external_reference"])) is not None:
            return self._answer_poison(how, json.loads(payload)["external_reference"], reply)
        if self._hit("gateway_413"):
            return reply(self._problem(413, "too-large"))
        if self._hit("page_before"):
            return reply(self._page())
        if self._hit("another") and (
            other := self._another(json.loads(payload)["external_reference"])
        ):
            return reply(other)
        self.requests += 1
        digest = sha256(payload).hexdigest()
        self.bodies[key].add(digest)
        stored = self.answers.get(key)
        if stored and self.world.now - stored[2] < KEY_LIFE:
            if stored[0] != digest:
                return reply(self._problem(422, "idempotency-key-reused"))
            return reply(
                replace(stored[1], headers={**stored[1].headers, "idempotent-replayed": "true"})
            )
        if key in self.running:
            kind = (
                "request-in-progress" if self.running[key] == digest else "idempotency-key-reused"
            )
            return reply(self._problem(409 if self.running[key] == digest else 422, kind))
        hit = self._hit
        if hit("error_before"):
            return reply(self._problem(503, "unavailable"))
        if hit("timeout_408"):
            reply(self._problem(408, "timeout"))
            if self.world.dice.random() < 0.5:
                return None
            reply = _to_nobody
        if hit("rate_limited"):
            told = self.world.dice.choice([{}, {"retry-after": "2"}, {"retry-after": "soon"}])
            return reply(self._problem(429, "too-many-requests", **told))
        self.running[key] = digest
        received = self.world.now
        takes = self.world.dice.uniform(1, 600) if hit("slow") else LATENCY
        self.world.later(takes, lambda: self._carry_out(key, digest, payload, received, reply))
        return None

    def _carry_out(
        self, key: str, digest: str, payload: bytes, received: float, reply: Callable
    ) -> None:
        del self.running[key]
        hit, shown = self._hit, None
        if hit("error_stored"):
            answer = self._problem(500, "server-error")
        elif hit("limited_stored"):
            answer = self._problem(429, "too-many-requests")
        else:
            answer = self._effect(json.loads(payload))
            if answer.status == 201:
                if hit("error_stored_after"):
                    answer = self._problem(500, "server-error")
                elif hit("error_unstored_after"):
                    return reply(self._problem(500, "server-error"))
                elif hit("error_after"):
                    shown = self._problem(502, "bad-gateway")
                elif hit("garbled"):
                    shown = replace(answer, body=answer.body[:-1])
                elif hit("page_after"):
                    shown = self._page()
                elif hit("another"):
                    shown = self._another(json.loads(payload)["external_reference"])
        self.answers[key] = (digest, answer, received)
        return reply(None if hit("lost_reply") else shown or answer)

    def _effect(self, customer: dict) -> Response:
        reference = customer["external_reference"]
        if customer.get("email") == "refused":
            return self._problem(422, "invalid-parameter")
        self.effects[reference] += 1
        if self.unique and self.customers[reference]:
            return self._problem(409, "reference-taken")
        held = {
            "id": f"bcus_{len(self.customers)}x{len(self.customers[reference])}",
            **customer,
            "payment_rules": {"a": 1},
        }
        self.customers[reference].append(held)
        self.since.setdefault(reference, self.world.now)
        return self._json(201, held)

    def is_away(self) -> bool:
        """Whether nothing comes through now."""
        return self.outage[0] <= self.world.now < self.outage[1]

    def look_up(self, reference: str) -> Response | None:
        self.requests += 1
        if self._hit("lost_look_up"):
            return None
        if self._hit("page_for_look_up"):
            return self._page(404)
        if self._hit("another_found") and (other := self._another(reference)):
            return other
        held = self.customers.get(reference)
        if not held or self._hit("stale"):
            return self._problem(404, "not-found")
        if self._hit("lagging") and self.world.now - self.since[
            reference
        ] < self.world.dice.uniform(0, 29):
            return self._problem(404, "not-found")
        return self._json(200, held[0])

    def _answer_poison(
        self, how: str, reference: str, reply: Callable[[Response | None], None]
    ) -> None:
        self.requests += 1
        match how:
            case "never":
                return None
            case "running":
                return reply(self._problem(409, "request-in-progress"))
            case "another":
                return reply(self._another(reference) or self._page(502))
            case page:
                return reply(self._page(int(page)))

    def _page(self, status: int | None = None) -> Response:
        """A gateway's page, now and then with a header that it copied from billing."""
        headers = self._headers("text/html")
        if self.world.dice.random() < 0.2:
            headers["idempotent-replayed"] = "true"
        return Response(status or self.world.dice.choice(_PAGES), headers, b"<html>no</html>")

    def _another(self, reference: str) -> Response | None:
        """The answer that belongs to another customer, if there is one."""
        others = [held for name, held in self.customers.items() if held and name != reference]
        return self._json(200, self.world.dice.choice(others)[0]) if others else None

    def _hit(self, fault: str) -> bool:
        return self.world.dice.random() < getattr(self.faults, fault)

    def _json(self, status: int, content: dict) -> Response:
        return Response(status, self._headers("application/json"), json.dumps(content).encode())

    def _problem(self, status: int, kind: str, **headers: str) -> Response:
        content = {
            "type": "about:blank" if self.opaque else _TYPES + kind,
            "title": "No",
            "status": status,
        }
        told = self._headers("application/problem+json") | {
            name.replace("_", "-"): v for name, v in headers.items()
        }
        return Response(status, told, json.dumps(content).encode())

    def _headers(self, content_type: str) -> dict[str, str]:
        return {
            "content-type": content_type,
            "date": format_datetime(self.world.wall(), usegmt=True),
        }


def _to_nobody(_response: Response | None) -> None:
    """Nobody hears this answer."""


@dataclass
class End:
    """How a process ends before its work does, if at all."""

    stopping: StopRequest
    killed_at: float = float("inf")
    interrupted_at: float = float("inf")


class SimulatedPool(Pool):
    """Workers for whom waiting is a number; a kill ends them between two events."""

    def __init__(
        self, world: World, billing: Billing, end: "End", pace, gate: Gate, stopping, workers: int
    ) -> None:
        self.world, self.billing, self.pace, self.stopping = world, billing, pace, stopping
        self.gate = gate
        self.free, self.end = workers, end
        self.waiting: list[tuple[str, Call]] = []
        self.ready: list[Result] = []
        self.in_hand = 0
        self.is_alive = True

    def hand_out(self, reference: str, call: Call) -> None:
        self.in_hand += 1
        self.waiting.append((reference, call))
        self._let_leave()

    def next_result(self, timeout: float) -> Result | None:
        self._let_leave()
        if not self.ready:
            until = self.world.now + timeout
            self.world.advance(min(until, self.end.killed_at), stop=lambda: bool(self.ready))
            if self.world.now >= self.end.killed_at:
                self.is_alive = False
                raise Killed
            if self.world.now >= self.end.interrupted_at:
                self.end.stopping.interrupt("SIGINT")
        if not self.ready:
            return None
        self.in_hand -= 1
        return self.ready.pop(0)

    def close(self) -> None:
        self.is_alive = False

    def _let_leave(self) -> None:
        while self.waiting and self.free:
            if self.stopping.is_set():
                self.ready += [Result(reference, None) for reference, _ in self.waiting]
                self.waiting = []
                return
            entered = (
                at
                for at, (_, call) in enumerate(self.waiting)
                if self.gate.try_enter(kind_of(call))
            )
            if (at := next(entered, None)) is None:
                return
            reference, call = self.waiting[at]
            if (wait := self.pace.leave()) > 0:
                self.gate.leave(kind_of(call))
                self.world.later(wait, lambda: None)
                return
            del self.waiting[at]
            self.free -= 1
            self._send(reference, call)

    def _send(self, reference: str, call: Call) -> None:
        world, left_at, done = self.world, self.world.now, False

        def answered(outcome: Outcome) -> None:
            nonlocal done
            if done or not self.is_alive:
                return  # the client gave up, or is gone: nobody hears it
            done = True
            self.free += 1
            if is_turned_away(outcome):
                self.gate.shut(kind_of(call))
            self.gate.leave(kind_of(call))
            self.ready.append(Result(reference, outcome, left_at))
            self._let_leave()

        def reply(response: Response | None) -> None:
            if response is None:
                return answered(NoAnswer("ReadError"))
            read = read_create if isinstance(call, Create) else read_lookup
            return world.later(LATENCY, lambda: answered(read(response, call.payload)))

        world.later(PATIENCE, lambda: answered(NoAnswer("ReadTimeout")))
        if self.billing.is_away():
            return world.later(LATENCY, lambda: answered(NoAnswer("ConnectError")))
        if not isinstance(call, Create):
            return world.later(
                LATENCY, lambda: reply(self.billing.look_up(call.external_reference))
            )
        if self.billing._hit("lost_request"):
            return world.later(LATENCY, lambda: answered(NoAnswer("ConnectError")))
        arrive = lambda: self.billing.create(call.key, call.payload, reply)  # noqa: E731
        world.later(LATENCY, arrive)
        if self.billing._hit("duplicated"):
            world.later(
                world.dice.uniform(0, 3600),
                lambda: self.billing.create(call.key, call.payload, _to_nobody),
            )
        return None


class MortalLedger:
    """A ledger whose process may die just before or just after any of its transactions."""

    def __init__(self, ledger: Ledger, dice: random.Random, risk: float) -> None:
        self._ledger, self._dice, self._risk = ledger, dice, risk
        self.is_dead = False

    def __getattr__(self, name: str):
        return getattr(self._ledger, name)

    def record_intents(self, *told) -> None:
        self._around(self._ledger.record_intents, *told)

    def record(self, *told) -> None:
        self._around(self._ledger.record, *told)

    def _around(self, act, *told) -> None:
        if self.is_dead or self._dice.random() < self._risk:
            self.is_dead = True
            raise Killed
        act(*told)
        if self._dice.random() < self._risk:
            self.is_dead = True
            raise Killed


@dataclass(frozen=True)
class Scenario:
    """What a seed means."""

    seed: int
    faults: Faults
    opaque: bool
    refused: int  #: rows that billing refuses
    lives: int  #: processes that are started while the faults last
    mortality: float  #: of each transaction
    pauses: tuple[float, ...]  #: seconds between one process and the next
    rotates_key: bool
    loses_ledger: bool
    outage: tuple[float, float] = (0.0, 0.0)
    unique: bool = True
    set_back: float = 0.0  #: seconds by which the machine's clock is set back after each life; billing tells no time then

    @property
    def counts_effects(self) -> bool:
        """Whether a second attempt, even one that the unique reference stops, would be our fault."""
        return not any(getattr(self.faults, name) for name in _BEYOND_THE_CLIENT)


def scenario(seed: int, rows: int = ROWS) -> Scenario:
    """A seed's faults: most are off, some are on, a few are everywhere."""
    dice = random.Random(f"scenario {seed}")
    rates = {
        name: dice.choice([0, 0, 0, 0.02, 0.1, 0.3]) * dice.random()
        for name in Faults.__dataclass_fields__
    }
    # A first request that still runs may take effect after a gateway's refusal and a lookup that found nothing, and a lookup
    # may not show what is there: nobody survives that (UNSURVIVABLE in mutants.py), so it is one or the other.
    for name in ("slow", "duplicated", "stale") if dice.random() < 0.2 else ("gateway_413",):
        rates[name] = 0.0
    lives = dice.randint(1, 5)
    return Scenario(
        seed=seed,
        faults=Faults(**rates),
        opaque=dice.random() < 0.3,
        refused=dice.choice([0, 0, 1, 3]) if rows >= ROWS else 0,
        lives=lives,
        mortality=dice.choice([0.0, 0.02, 0.1]),
        pauses=tuple(dice.choice([0.0, 5.0, 3600.0, 22.9 * 3600, 30 * 3600]) for _ in range(lives)),
        rotates_key=dice.random() < 0.2,
        loses_ledger=dice.random() < 0.1,
        outage=(began := dice.expovariate(1 / 5), began + dice.choice([0, 0, 30, 290, 600])),
    )


@dataclass
class Verdict:
    """What the oracle says of a run; `faults` is empty where all is well."""

    faults: list[str]
    requests: int
    processes: int
    seconds: float  #: simulated


def planned(number: int, refused: int) -> Planned:
    customer: dict[str, object] = {
        "external_reference": f"A-{number}",
        "currency": "ZAR" if number % 2 else "KWD",
        "balance": number * 100 - 250,
    }
    if number < refused:
        customer["email"] = "refused"
    payload = payload_bytes(customer)
    digest = sha256(payload).hexdigest()
    return Planned(f"A-{number}", digest, create_key(ENVIRONMENT, f"A-{number}", digest), payload)


def run(told: Scenario, rows: int = ROWS) -> Verdict:
    """Play a scenario to its end and ask the oracle."""
    dice = random.Random(told.seed)
    world = World(dice)
    billing = Billing(world, told.faults, told.opaque, told.unique, told.outage)
    plan = [planned(number, told.refused) for number in range(rows)]
    faults: list[str] = []
    with temporary_home() as folder:
        for life in range(told.lives):
            process(
                world, billing, plan, folder, told, f"credential-{life if told.rotates_key else 0}"
            )
            if told.loses_ledger and life == 0:
                for path in folder.glob("ledger.sqlite*"):
                    path.unlink()
            world.advance(world.now + told.pauses[life])
            world.set_back += timedelta(seconds=told.set_back)
        billing.faults = NONE
        # Once faults stop: at once; when what still ran at billing has come to its end; when it has forgotten its keys, for
        # a failure that it stored under all three keys of a row is replayed for a day.
        stuck: set[str] = set()
        for pause in (700.0, KEY_LIFE + 3600, 0.0):
            before, stuck = stuck, set()
            process(
                world,
                billing,
                plan,
                folder,
                replace(told, mortality=0.0),
                "credential-9",
                kill=False,
            )
            waiting = _unsettled(folder)
            if not waiting:
                break
            stuck |= {reference for reference, must_wait in waiting if not must_wait}
            if pause > 700:
                faults += [
                    f"{reference}: in doubt with keys to spare"
                    for reference in sorted(before & stuck)
                ]
            world.advance(world.now + pause)
        faults += _oracle(billing, plan, folder, told)
    return Verdict(faults, billing.requests, told.lives + 1, world.now)


def block(seeds: range) -> dict:
    """Play these seeds and count what came of them."""
    began, failures, requests, processes, played = time.perf_counter(), {}, 0, 0, 0.0
    for seed in seeds:
        verdict = run(scenario(seed))
        requests, processes, played = (
            requests + verdict.requests,
            processes + verdict.processes,
            played + verdict.seconds,
        )
        if verdict.faults:
            failures[seed] = verdict.faults[:5]
    return {
        "seeds": [seeds.start, seeds.stop],
        "failures": failures,
        "requests": requests,
        "processes": processes,
        "simulated_hours": round(played / 3600),
        "seconds": round(time.perf_counter() - began, 1),
    }


def process(
    world: World,
    billing: Billing,
    plan: list[Planned],
    folder: Path,
    told: Scenario,
    credential: str,
    *,
    kill: bool = True,
    policy: Policy = PATIENT,
    run_id: str = "run-1",
    earlier: Sequence[str] = (),
) -> Stop | None:
    """One process from start to its end, good or bad; why it stopped, if it did."""
    dice = world.dice
    ahead = tells_no_time if told.set_back else timedelta
    clock = Clock(lambda: world.wall() - world.set_back, lambda: world.now, ahead)
    stopping = StopRequest()
    end, when = End(stopping), world.now + dice.expovariate(1 / dice.choice([0.3, 2, 20]))
    match dice.random() if kill else 1.0:
        case chance if chance < 0.5:
            end.killed_at = when
        case chance if chance < 0.8:
            end.interrupted_at = when

    def pool(_make, pace, gate, _clock, event, workers):
        return SimulatedPool(world, billing, end, pace, gate, event, workers)

    with Ledger.opened(folder, ENVIRONMENT, now=world.wall) as ledger:
        mortal = MortalLedger(ledger, dice, told.mortality if kill else 0.0)
        with suppress(Killed):
            submit(
                Work(iter(plan), len(plan), earlier=earlier),
                run=RunIdentity(run_id, ENVIRONMENT, credential),
                ledger=mortal,
                make=nobody,
                policy=policy,
                runtime=Runtime(clock, dice.random, pool),
                stopping=stopping,
            )
    return stopping.stop


def tells_no_time() -> None:
    """Billing's clock, where its answers carry no `Date`."""


def nobody(_call: Call) -> Outcome:
    """In the place of a client."""
    raise AssertionError("a simulated pool makes its own calls")


def _unsettled(folder: Path) -> list[tuple[str, bool]]:
    """References in doubt, and whether nothing but the end of a key's life can settle them.

    That is so where a failure is stored under the last key, or under an old one: beside that, no new key is safe.
    """
    with Ledger.read(folder) as ledger:
        details = {row[0]: row[7] or "" for block in ledger.outcomes() for row in block}
        return [
            (
                begun.intent.external_reference,
                begun.intent.generation == Policy().generations
                or OLD_KEY_WAITS in details[begun.intent.external_reference],
            )
            for begun in ledger.open_requests()
        ]


def _oracle(billing: Billing, plan: list[Planned], folder: Path, told: Scenario) -> Iterator[str]:
    """What must hold after the end; it asks billing and the ledger, and nothing that the loop says of itself."""
    with Ledger.read(folder) as ledger:
        rows = {row[0]: row for block in ledger.outcomes() for row in block}
        broken = ledger.first_fault()
    if broken:
        yield f"the chain: {broken}"
    refused = {row.external_reference for row in plan[: told.refused]}
    for row in plan:
        reference = row.external_reference
        held, state = (
            billing.customers.get(reference, []),
            rows[reference][1] if reference in rows else "never begun",
        )
        if reference in refused:
            if held or state != State.REFUSED:
                yield f"{reference}: refused, and yet {state} with {len(held)} customers"
            continue
        if told.faults.gateway_413 and state == State.REFUSED and not held:
            continue  # a refusal is a refusal: a person mends the row, or says --retry-refused
        ours = {State.CREATED, State.ADOPTED} | (
            {State.PRE_EXISTING} if told.loses_ledger else set()
        )
        if len(held) != 1:
            yield f"{reference}: {len(held)} customers ({state})"
        elif state not in ours:
            yield f"{reference}: there, and the ledger says {state}"
        elif rows[reference][5] != held[0]["id"]:
            yield f"{reference}: the ledger knows another id"
        if billing.effects[reference] > 1 and told.counts_effects:
            yield f"{reference}: {billing.effects[reference]} effects"
    for key, bodies in billing.bodies.items():
        if len(bodies) > 1:
            yield f"key {key} was sent with {len(bodies)} bodies"


def memory() -> Path | None:
    """Keep ledgers in memory: the simulation tests the order of events, not the disk."""
    return found if (found := Path("/dev/shm")).is_dir() else None


@contextmanager
def temporary_home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=memory()) as name:
        yield Path(name)
