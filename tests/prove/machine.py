"""A hypothesis state machine: actions of an operator and faults during a run, in any order.

Start it, kill it, interrupt it, move the clock, change the file, rotate the key, lose the ledger or its end; whatever the
order, once the faults stop each customer is there once, and the ledger knows.
"""

import contextlib
import json
import random
import sqlite3
import tempfile
import unittest
from collections import defaultdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from pipeline.domain.customer import create_key, payload_bytes
from pipeline.domain.fates import State
from pipeline.storage.ledger import Ledger
from pipeline.submission import Clock, Planned, RunIdentity, Runtime, StopRequest, Work, submit
from tests.prove import simulation
from tests.prove.simulation import (
    ENVIRONMENT,
    NONE,
    PATIENT,
    Billing,
    End,
    Faults,
    Killed,
    MortalLedger,
    SimulatedPool,
    World,
)

ROWS = 12
RATES = st.sampled_from([0.0, 0.0, 0.05, 0.3])
HOURS = st.sampled_from([0.0, 0.01, 1.0, 22.9, 24.1, 30.0])


class Submission(RuleBasedStateMachine):
    """One ledger, one billing, and a file that may change."""

    @initialize(
        seed=st.integers(0, 2**32),
        rates=st.fixed_dictionaries(
            dict.fromkeys(set(Faults.__dataclass_fields__) - {"gateway_413", "stale"}, RATES)
        ),
        unique=st.booleans(),
        may_lose=st.booleans(),
    )
    def begin(self, seed: int, rates: dict[str, float], *, unique: bool, may_lose: bool) -> None:
        """A file, an empty ledger, a billing with faults; where it keeps no reference unique, without those nobody survives."""
        if not unique:
            rates = rates | {"error_unstored_after": 0.0}
        self.dice = random.Random(seed)
        self.world = World(self.dice)
        self.billing = Billing(self.world, Faults(**rates), unique=unique)
        self.stack = contextlib.ExitStack()
        self.folder = Path(
            self.stack.enter_context(tempfile.TemporaryDirectory(dir=simulation.memory()))
        )
        self.credential, self.was_damaged, self.may_lose = 0, False, may_lose
        self.versions: dict[int, int] = dict.fromkeys(range(ROWS), 0)
        self.meant: dict[str, list[dict]] = defaultdict(list)
        self.note_the_file()

    @rule(
        kill=st.sampled_from([None, 0.05, 0.5, 5.0]),
        interrupt=st.sampled_from([None, None, 0.1, 3.0]),
        risk=st.sampled_from([0.0, 0.1]),
    )
    def start(self, kill: float | None, interrupt: float | None, risk: float) -> None:
        """A process starts, and ends by itself or otherwise."""
        self.live(kill, interrupt, risk)

    @rule(hours=HOURS)
    def wait(self, hours: float) -> None:
        """Time goes by; billing goes on with what it has begun."""
        self.world.advance(self.world.now + hours * 3600)

    @rule(number=st.integers(0, ROWS - 1))
    def change_a_row(self, number: int) -> None:
        """The supplier sends the file again, with another balance in one row."""
        self.versions[number] += 1
        self.note_the_file()

    @rule()
    def rotate_the_key(self) -> None:
        """Another API key from now on."""
        self.credential += 1

    @precondition(lambda self: self.may_lose)
    @rule()
    def lose_the_ledger(self) -> None:
        """The file is gone, its mark is not."""
        self.let_billing_finish()
        for path in self.folder.glob("ledger.sqlite*"):
            path.unlink()
        self.was_damaged = True

    @precondition(lambda self: self.may_lose)
    @rule(groups=st.integers(1, 3))
    def lose_the_end_of_the_ledger(self, groups: int) -> None:
        """As a damaged WAL does: the last transactions are as if they had never been."""
        self.let_billing_finish()
        self.was_damaged |= _forget(self.folder / "ledger.sqlite", groups)

    def teardown(self) -> None:
        """Once faults stop, each customer is there once and the ledger says so."""
        if not hasattr(self, "billing"):
            return
        try:
            self.billing.faults = NONE
            for pause in (700.0, 25 * 3600.0, 0.0):
                self.live(None, None, 0.0)
                self.world.advance(self.world.now + pause)
            self.ask_the_oracle()
        finally:
            self.stack.close()

    # -- how --------------------------------------------------------------------------------------------------------

    def note_the_file(self) -> None:
        """Remember what the file has ever said of each customer."""
        for row in self.plan():
            content = json.loads(row.payload)
            if content not in self.meant[row.external_reference]:
                self.meant[row.external_reference].append(content)

    def let_billing_finish(self) -> None:
        """Where references are not unique, what is under way while the ledger is lost and the row changes, nobody can see.

        No lookup finds it yet, no key is remembered for it, and the new content has another one (`UNSURVIVABLE`).
        """
        if not self.billing.unique:
            self.world.advance(self.world.now + 600)

    def plan(self) -> list[Planned]:
        """The file as it is now."""
        return [_planned(number, version) for number, version in self.versions.items()]

    def live(self, kill: float | None, interrupt: float | None, risk: float) -> None:
        """As `pipeline run`: what the file wants and the ledger does not know, and beside it what earlier processes left."""
        world, stopping = self.world, StopRequest()
        end = End(stopping)
        end.killed_at = world.now + kill if kill is not None else end.killed_at
        end.interrupted_at = world.now + interrupt if interrupt is not None else end.interrupted_at

        def pool(_make, pace, gate, _clock, event, workers):
            return SimulatedPool(world, self.billing, end, pace, gate, event, workers)

        with (
            Ledger.opened(self.folder, ENVIRONMENT, now=world.wall) as ledger,
            contextlib.suppress(Killed),
        ):
            mortal = MortalLedger(ledger, self.dice, risk)
            plan = self.plan()
            known = ledger.reader.states([row.external_reference for row in plan])
            fresh = [
                row
                for row in plan
                if (found := known.get(row.external_reference)) is None
                or found.state is State.WITHDRAWN
                or (found.state is State.UNKNOWN and found.fingerprint == row.fingerprint)
            ]
            earlier = [begun.intent.external_reference for begun in ledger.reader.open_requests()]
            submit(
                Work(iter(fresh), len(fresh), earlier=earlier),
                run=RunIdentity("run-1", ENVIRONMENT, f"credential-{self.credential}"),
                ledger=mortal,
                make=simulation.nobody,
                policy=PATIENT,
                runtime=Runtime(Clock(world.wall, lambda: world.now), self.dice.random, pool),
                stopping=stopping,
            )

    def ask_the_oracle(self) -> None:
        """Billing and the ledger are asked, and nothing that the loop says of itself."""
        with Ledger.read(self.folder) as ledger:
            rows = {row[0]: row for block in ledger.outcomes() for row in block}
            assert ledger.first_fault() is None
        settled = {State.CREATED, State.ADOPTED} | (
            {State.PRE_EXISTING, State.CONFLICT} if self.was_damaged else set()
        )
        for reference, versions in self.meant.items():
            held = self.billing.customers.get(reference, [])
            assert len(held) == 1, f"{reference}: {len(held)} customers, {rows.get(reference)}"
            content = {
                name: value
                for name, value in held[0].items()
                if name not in {"id", "payment_rules"}
            }
            assert content in versions, f"{reference}: nobody ever meant {content}"
            assert rows[reference][1] in settled, f"{reference}: {rows[reference]}"
            assert rows[reference][5] == held[0]["id"]
            if not self.billing.faults.error_unstored_after and not self.billing.unique:
                assert self.billing.effects[reference] == 1
        assert all(len(bodies) == 1 for bodies in self.billing.bodies.values())


def _planned(number: int, version: int) -> Planned:
    customer = {
        "external_reference": f"A-{number}",
        "currency": "ZAR",
        "balance": number * 100 + version,
    }
    payload = payload_bytes(customer)
    digest = sha256(payload).hexdigest()
    return Planned(f"A-{number}", digest, create_key(ENVIRONMENT, f"A-{number}", digest), payload)


def _forget(path: Path, groups: int) -> bool:
    """Undo the last transactions of a ledger, as SQLite does in silence where a WAL's tail is damaged."""
    if not path.is_file():
        return False
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as raw:
        kept = raw.execute(
            "SELECT last_seq FROM groups ORDER BY last_seq DESC LIMIT 1 OFFSET ?", (groups,)
        ).fetchone()
        last = kept[0] if kept else 0
        before = raw.execute("SELECT coalesce(max(last_seq), 0) FROM groups").fetchone()[0]
        raw.execute("BEGIN")
        raw.execute("DELETE FROM events WHERE seq > ?", (last,))
        raw.execute("DELETE FROM groups WHERE last_seq > ?", (last,))
        raw.execute(
            "DELETE FROM rows WHERE external_reference NOT IN (SELECT external_reference FROM events)"
        )
        for (reference,) in raw.execute(
            "SELECT external_reference FROM rows WHERE seq > ?", (last,)
        ).fetchall():
            _fold(raw, reference)
        raw.execute("COMMIT")
        return before > last


def _fold(raw: sqlite3.Connection, reference: str) -> None:
    """Where a reference stands by the events that are left of it."""
    told = "run_id, fingerprint, generation, key, at, credential, seq"
    intent = raw.execute(
        f"SELECT {told} FROM events WHERE external_reference = ? AND kind = 'intent' ORDER BY seq DESC LIMIT 1",
        (reference,),
    ).fetchone()
    newest = raw.execute(
        "SELECT state, billing_id, payable, detail, seq FROM events WHERE external_reference = ? ORDER BY seq DESC LIMIT 1",
        (reference,),
    ).fetchone()
    raw.execute(
        "UPDATE rows SET run_id = ?, fingerprint = ?, generation = ?, key = ?, first_sent = ?, credential = ?, state = ?,"
        " billing_id = ?, payable = ?, detail = ?, seq = ? WHERE external_reference = ?",
        (*intent[:6], *newest, reference),
    )


def machine(examples: int, steps: int, of_seed: int = 0) -> type[unittest.TestCase]:
    """The machine as a test case; the same seed gives the same examples."""
    case = Submission.TestCase
    case.settings = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, print_blob=True, database=None,
        suppress_health_check=list(HealthCheck), phases=(Phase.generate,),
    )  # fmt: skip  # a run that fails is told as it is: to shrink it takes minutes
    seed(of_seed)(case.runTest)
    return case


def block(told: tuple[int, int, int]) -> dict[str, Any]:
    """Run the machine with a seed; return a line of results."""
    of_seed, examples, steps = told
    result = unittest.TestResult()
    machine(examples, steps, of_seed)("runTest").run(result)
    failures = [text for _, text in result.failures + result.errors]
    return {
        "seeds": [of_seed, of_seed + 1],
        "examples": examples,
        "steps": steps,
        "failures": failures,
    }
