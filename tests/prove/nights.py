"""Simulated nights: references return with the same or other content, and a person gives up requests.

The same played billing, network and time as in `simulation.py`. Each night plans by the rules of the planning table, from the
ledger alone, and dies or stops on the way. Half of the seeds are played without unique references.
"""

import random
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from pipeline.billing.client import Call
from pipeline.billing.responses import read_lookup
from pipeline.domain.customer import create_key, payload_bytes
from pipeline.domain.fates import State
from pipeline.domain.responses import NoAnswer, Outcome
from pipeline.storage.ledger import Ledger
from pipeline.submission import Clock, Planned, give_up
from tests.prove import simulation
from tests.prove.simulation import (
    ENVIRONMENT,
    KEY_LIFE,
    LATENCY,
    NONE,
    PATIENT,
    Billing,
    Scenario,
    Verdict,
    World,
)

REFERENCES = 30
NIGHTS = 5
_PAUSES = (5.0, 3600.0, 20 * 3600.0, 30 * 3600.0, 50 * 3600.0)
_DONE = {State.CREATED, State.CREATED_DIFFERENT, State.ADOPTED, State.PRE_EXISTING, State.CONFLICT}


def content(number: int, version: int, *, is_refused: bool = False) -> Planned:
    """A record: each version of it has other content."""
    customer: dict[str, object] = {
        "external_reference": f"A-{number}",
        "currency": "ZAR",
        "balance": number * 100 + version,
    }
    if is_refused:
        customer["email"] = "refused"
    payload = payload_bytes(customer)
    digest = sha256(payload).hexdigest()
    return Planned(f"A-{number}", digest, create_key(ENVIRONMENT, f"A-{number}", digest), payload)


@dataclass
class _Supplier:
    """What stands in tonight's file: with probability one half what stood there last, else other content."""

    dice: random.Random
    newest: dict[int, Planned]
    version: int = 0

    def file(self) -> list[Planned]:
        rows = []
        for number in range(REFERENCES):
            if self.dice.random() < 0.2:
                continue
            if number not in self.newest or self.dice.random() < 0.5:
                self.version += 1
                self.newest[number] = content(
                    number, self.version, is_refused=self.dice.random() < 0.1
                )
            rows.append(self.newest[number])
        return rows


def survivable(seed: int) -> Scenario:
    """A seed's faults; every other seed is played without unique references."""
    told = simulation.scenario(seed, rows=REFERENCES)
    faults = replace(told.faults, stale=0.0, error_unstored_after=0.0)
    return replace(told, faults=faults, unique=bool(seed % 2), loses_ledger=False)


def run(told: Scenario) -> Verdict:
    """Play some nights, then nights without faults until nothing more can be settled, and ask the oracle."""
    dice = random.Random(f"nights {told.seed}")
    world = World(random.Random(told.seed))
    billing = Billing(world, told.faults, told.opaque, told.unique, told.outage)
    supplier, planned = _Supplier(dice, {}), defaultdict[str, set[str]](set)
    faults: list[str] = []
    with simulation.temporary_home() as home:
        for night in range(NIGHTS):
            plan = _plan(home, supplier.file(), planned)
            credential = f"credential-{night if told.rotates_key else 0}"
            for _ in range(dice.randint(1, 2)):  # a run, and perhaps its resume
                simulation.process(
                    world,
                    billing,
                    plan,
                    home,
                    told,
                    credential,
                    run_id=f"run-{night}",
                    earlier=_left(home, f"run-{night}"),
                )
                world.advance(world.now + dice.choice(_PAUSES))
            _give_up_some(world, billing, home, dice)
        billing.faults = NONE
        quiet = replace(told, mortality=0.0)
        for night in range(NIGHTS, NIGHTS + 4):
            plan = _plan(home, list(supplier.newest.values()), planned)
            earlier = _left(home, f"run-{night}")
            simulation.process(
                world,
                billing,
                plan,
                home,
                quiet,
                "credential-9",
                kill=False,
                run_id=f"run-{night}",
                earlier=earlier,
            )
            world.advance(world.now + 2 * KEY_LIFE + 3600)
            with Ledger.opened(home, ENVIRONMENT, now=world.wall) as ledger:
                given_up = [name for name, one in _states(ledger).items() if one is State.GIVEN_UP]
                _give_up(world, billing, ledger, given_up)
        faults += _oracle(billing, home, planned)
    return Verdict(faults, billing.requests, NIGHTS, world.now)


def block(seeds: range) -> dict:
    """Play these seeds and count what came of them."""
    began, failures, requests = time.perf_counter(), {}, 0
    for seed in seeds:
        verdict = run(survivable(seed))
        requests += verdict.requests
        if verdict.faults:
            failures[seed] = verdict.faults[:5]
    return {
        "seeds": [seeds.start, seeds.stop],
        "failures": failures,
        "requests": requests,
        "seconds": round(time.perf_counter() - began, 1),
    }


def _plan(home: Path, rows: list[Planned], planned: dict[str, set[str]]) -> list[Planned]:
    """What the planning table lets through: what is there, refused alike, or given up with other content is not sent."""
    with Ledger.read(home) as ledger:
        known = {} if ledger is None else ledger.states([row.external_reference for row in rows])
        begun = (
            {}
            if ledger is None
            else {
                one.intent.external_reference: one.intent.key
                for one in ledger.open_requests(list(known))
            }
        )
    taken = []
    for row in rows:
        one = known.get(row.external_reference)
        is_same = one is not None and one.fingerprint == row.fingerprint
        if one is not None and speaks_against(one.state, is_same=is_same):
            continue
        planned[row.external_reference].add(row.fingerprint)
        taken.append(
            replace(row, key=begun[row.external_reference])
            if is_same and row.external_reference in begun
            else row
        )
    return taken


def speaks_against(state: State, *, is_same: bool) -> bool:
    """Whether the planning table skips or holds a record for what the ledger knows of its reference."""
    return (
        state in _DONE
        or (state is State.REFUSED and is_same)
        or (state is State.GIVEN_UP and not is_same)
    )


def _left(home: Path, run_id: str) -> list[str]:
    with Ledger.read(home) as ledger:
        return (
            []
            if ledger is None
            else [name for name, owner, _ in ledger.requests_in_doubt() if owner != run_id]
        )


def _states(ledger: Ledger) -> dict[str, State]:
    return {row[0]: State(row[1]) for block in ledger.reader.outcomes() for row in block}


def _give_up_some(world: World, billing: Billing, home: Path, dice: random.Random) -> None:
    with Ledger.opened(home, ENVIRONMENT, now=world.wall) as ledger:
        unsettled = {State.UNKNOWN, State.GIVEN_UP}
        chosen = [
            name
            for name, one in _states(ledger).items()
            if one in unsettled and dice.random() < 0.5
        ]
        _give_up(world, billing, ledger, chosen)


def _give_up(world: World, billing: Billing, ledger: Ledger, references: list[str]) -> None:
    """A person gives these up; time goes on while billing is asked."""

    def make(call: Call) -> Outcome:
        world.advance(world.now + LATENCY)
        if billing.is_away():
            return NoAnswer("ConnectError")
        response = billing.look_up(call.external_reference)
        return NoAnswer("ReadError") if response is None else read_lookup(response, call.payload)

    def wait(seconds: float) -> bool:
        world.advance(world.now + seconds)
        return False

    if references:
        clock = Clock(world.wall, lambda: world.now)
        give_up(
            ledger.reader.open_requests(references),
            ledger=ledger,
            make=make,
            wait=wait,
            clock=clock,
            lookup_lag=PATIENT.lookup_lag,
            note="given up",
        )


def _oracle(billing: Billing, home: Path, planned: dict[str, set[str]]) -> Iterator[str]:
    """What must hold after the end, by billing's customers and the ledger's rows."""
    with Ledger.read(home) as ledger:
        rows = {row[0]: row for block in ledger.outcomes() for row in block}
        if broken := ledger.first_fault():
            yield f"the chain: {broken}"
    for reference, held in billing.customers.items():
        if len(held) > 1:
            yield f"{reference}: {len(held)} customers"
    for reference, wanted in planned.items():
        held, row = billing.customers.get(reference, []), rows.get(reference)
        state = State(row[1]) if row else None
        sent = {_digest(customer) for customer in held}
        if not sent <= wanted:
            yield f"{reference}: billing holds what was never planned"
        if state in {State.CREATED, State.ADOPTED} and row[3] not in sent:
            yield f"{reference}: {state}, and billing does not hold this content"
        if state in {State.NEVER_CREATED, State.REFUSED} and held:
            yield f"{reference}: {state}, and yet billing holds it"
    for key, bodies in billing.bodies.items():
        if len(bodies) > 1:
            yield f"key {key} was sent with {len(bodies)} bodies"


def _digest(customer: dict) -> str:
    return sha256(
        payload_bytes(
            {name: value for name, value in customer.items() if name not in {"id", "payment_rules"}}
        )
    ).hexdigest()
