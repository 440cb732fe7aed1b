"""Random nights of imports against a server that fails at random; the auditor reads what the server saw.

Each record reuses a remembered reference with probability one half, with the same body or another one. Most nights run
within this process, because a process of its own costs more than all the rest; some run in one, and some of those die.
"""

import contextlib
import csv
import random
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pipeline.workflows import write_results
from tests.conftest import KEY, Command, Inside
from tests.prove import audit
from tests.prove.audit import Books, Claimed
from tests.prove.books import ledger_of, lists_of
from tests.prove.gathering import RESULTS
from tests.prove.unreliable_billing import GATEWAY, UnreliableBilling, unreliable_billing

LAG = 0.3  #: seconds that our side allows for lookups to show what was done
OPTIONS = (
    "--lookup-lag",
    str(LAG),
    "--workers",
    "3",
    "--outage-seconds",
    "20",
    "--config",
    "job.yaml",
)
#: Faults are frequent here, and refusals are no reason to stop.
JOB = "environment: sandbox\nmerchant: sandbox\nthresholds: {usual_refusals: 0.4, alarming_refusals: 0.95}\n"
OTHER_KEY = "sk_test_other0000000000000000000"
HEADER = ("external_reference", "name", "email", "currency", "balance")
FINISHED = frozenset({0, 1})
_TRIES = 3


@dataclass
class Journey:
    """What some nights came to; `faults` is empty where the auditor has nothing to say."""

    seed: int
    nights: list[str] = field(default_factory=list)  #: how each went, and its exit code
    requests: int = 0
    effects: int = 0
    left_in_doubt: int = 0
    credited: int = 0  #: customers of others that say what we sent, and count as ours because an answer was lost
    met: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


#: What is written after a run; in this process without page and workbook, which cost half of a small run and prove nothing here.
STEPS = tuple(step for step in write_results.STEPS if step.__name__ != "_write_pages")


class Nights:
    """Some nights in a folder of their own, against one server."""

    def __init__(
        self, seed: int, folder: Path, billing: UnreliableBilling, *, may_start_processes: bool
    ) -> None:
        self.dice, self.found, self.billing = random.Random(seed), Journey(seed), billing
        self.inside, self.outside = Inside(folder), Command(folder)
        self.may_start_processes = may_start_processes
        self.planned: defaultdict[str, set[str]] = defaultdict(set)
        self.bodies: dict[
            str, list[dict[str, Any]]
        ] = {}  #: remembered references, and what was said of them
        self.runs: dict[str, int] = {}  #: run id -> its last exit code
        self.ends: list[float] = []  #: when each process of ours ended, by the clock of the server
        self.key = KEY
        (folder / "job.yaml").write_text(JOB)

    def go(self, count: int) -> None:
        """The nights, then what is left once nothing fails any more."""
        self._customers_of_others()
        rate = self.billing.rate
        for number in range(count):
            self.billing.rate = rate * self.dice.choice([0.0, 1.0, 1.0, 2.0])
            self._night(number)
        self.billing.rate, self.billing.poison = 0.0, {}
        self.billing.settle()
        self._finish()

    def books(self) -> list[Books]:
        """What the ledger and the lists of all runs claim."""
        return [ledger_of(self.inside.folder), lists_of(self.inside.folder)]

    def _customers_of_others(self) -> None:
        """Some references are taken before the first night; not where nothing keeps them unique."""
        for number in range(self.dice.randint(0, 3) if self.billing.is_unique else 0):
            body = self._body(f"other-{number}")
            self.bodies[body["external_reference"]] = [body]
            self.billing.hold(body)

    def _night(self, number: int) -> None:
        rows = [self._record() for _ in range(self.dice.randint(6, 20))]
        path = self.inside.folder / f"night{number}.csv"
        with path.open("w", newline="") as file:
            table = csv.DictWriter(file, HEADER, lineterminator="\n")
            table.writeheader()
            table.writerows(rows)
        self._poison([row["external_reference"] for row in rows])
        if self.dice.random() < 0.15:
            self.key = OTHER_KEY if self.key == KEY else KEY
        self._run("run", path.name, "--base-url", self.billing.url, "--yes")
        if self.dice.random() < 0.3:
            self._run("resume", self.inside.newest().name)

    def _record(self) -> dict[str, Any]:
        if self.bodies and self.dice.random() < 0.5:
            reference = self.dice.choice([*self.bodies])
            said = self.bodies[reference]
            body = self.dice.choice(said) if self.dice.random() < 0.5 else self._body(reference)
        else:
            body = self._body(f"ref-{len(self.bodies)}")
        said = self.bodies.setdefault(body["external_reference"], [])
        said += [body] if body not in said else []
        self.planned[body["external_reference"]].add(audit.content_of(body))
        return body

    def _body(self, reference: str) -> dict[str, Any]:
        return {
            "external_reference": reference,
            "name": self.dice.choice(["Ann", "Bob", "Cleo"]) + f" {reference}",
            "email": f"{reference}@example.com",
            "currency": "ZAR",
            "balance": self.dice.randint(0, 3),
        }

    def _poison(self, references: list[str]) -> None:
        """A gateway that dislikes one or two records, all night."""
        some = (
            self.dice.sample(references, self.dice.choice([0, 0, 0, 1, 2]))
            if self.billing.rate
            else []
        )
        self.billing.poison = {reference: self.dice.choice(GATEWAY) for reference in some}

    def _run(self, *words: str) -> None:
        how = (
            self.dice.choice(["inside"] * 6 + ["process", "killed"])
            if self.may_start_processes
            else "inside"
        )
        after = self.billing.requests() + self.dice.randint(1, 12)
        environment = {"BILLING_API_KEY": self.key}
        words = (*words, *OPTIONS)
        if how == "killed":
            code = self._killed(self.outside.start(*words, environment=environment), after)
            said = ""
        else:
            ended = (
                self._inside(*words)
                if how == "inside"
                else self.outside(*words, environment=environment)
            )
            code, said = ended.returncode, ended.stderr
        self.ends.append(time.monotonic())
        self.runs[self.inside.newest().name if words[0] == "run" else words[1]] = code
        self.found.nights.append(f"{words[0]} {how}: {code}")
        if code not in {0, 1, 3, 4, 5, -9}:
            self.found.faults.append(f"{words[0]} ended with {code}: {said[-300:]}")

    def _inside(self, *words: str) -> subprocess.CompletedProcess[str]:
        with patch.object(write_results, "STEPS", STEPS):
            return self.inside(*words, environment={"BILLING_API_KEY": self.key})

    def _killed(self, process: subprocess.Popen[str], after: int) -> int:
        """Kill a process after this many requests at the server."""
        while process.poll() is None and self.billing.requests() < after:
            time.sleep(0.02)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.dice.uniform(0, 0.02))
        process.kill()
        process.communicate(timeout=120)
        return process.returncode

    def _finish(self) -> None:
        """Resume what did not end, now that nothing fails; each run must end."""
        for run, code in self.runs.items():
            last, said = code, ""
            for _ in range(_TRIES):
                if last in FINISHED:
                    break
                ended = self._inside("resume", run, *OPTIONS)
                last, said = ended.returncode, ended.stderr
                self.ends.append(time.monotonic())
                self.found.nights.append(f"finish: {last}")
            if last not in FINISHED:
                self.found.faults.append(
                    f"{run} does not end, though nothing fails any more: {last}: {said[-300:]}"
                )


def journey(seed: int, *, nights: int | None = None, may_start_processes: bool = True) -> Journey:
    """Some nights, audited."""
    return recorded(seed, nights=nights, may_start_processes=may_start_processes)[0]


def recorded(
    seed: int, *, nights: int | None = None, may_start_processes: bool = True
) -> tuple[Journey, list[audit.Seen]]:
    """Some nights, audited, and the history that the server recorded."""
    dice = random.Random(f"server {seed}")
    server = UnreliableBilling(
        seed,
        rate=dice.choice([0.05, 0.15, 0.3]),
        lag=dice.choice([0.0, 0.1, 0.2]),
        is_unique=dice.random() < 0.8,
        is_opaque=dice.random() < 0.3,
    )
    with tempfile.TemporaryDirectory() as name:
        with unreliable_billing(server) as billing:
            some = Nights(seed, Path(name), billing, may_start_processes=may_start_processes)
            some.go(nights or dice.choice([2, 2, 2, 2, 3, 3, 4, 5]))
        books, found = some.books(), some.found
    planned = {reference: frozenset(contents) for reference, contents in some.planned.items()}
    found.faults += server.errors
    found.faults += [
        f"{one.reference}: {one.sentence} ({one.rule})"
        for one in audit.audit(server.history, planned, books, lag=server.lag, ends=some.ends)
    ]
    found.requests, found.met = len(server.history), dict(server.met)
    found.effects = sum(bool(one.effect) for one in server.history)
    of_others = {one.effect for one in server.history if one.sender is audit.Sender.ANOTHER}
    found.credited = sum(
        one.claimed is Claimed.CREATED and one.customer in of_others for one in books[0].claims
    )
    found.left_in_doubt = sum(one.claimed is Claimed.IN_DOUBT for one in books[0].claims)
    return found, server.history


def block(seeds: range) -> dict[str, Any]:
    """Some histories as a line of results; one with a violation is kept beside them."""
    found: list[Journey] = []
    for seed in seeds:
        one, history = recorded(seed)
        found.append(one)
        if one.faults:
            kept = RESULTS / "audit_failures"
            kept.mkdir(parents=True, exist_ok=True)
            (kept / f"{seed}.jsonl").write_text(audit.as_lines(history))
    met: Counter[str] = Counter()
    for one in found:
        met.update(one.met)
    return {
        "seeds": [seeds.start, seeds.stop],
        "requests": sum(one.requests for one in found),
        "effects": sum(one.effects for one in found),
        "left_in_doubt": sum(one.left_in_doubt for one in found),
        "credited": sum(one.credited for one in found),
        "nights": dict(Counter(night for one in found for night in one.nights).most_common()),
        "met": dict(met.most_common()),
        "failures": {one.seed: [*one.faults, ", ".join(one.nights)] for one in found if one.faults},
    }
