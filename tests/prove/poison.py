"""Measure in simulated time what five records that never succeed cost the others.

The times are those of the simulated clock, so they are the same on every machine.
"""

import random
import tempfile
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.storage.ledger import Ledger
from pipeline.submission import Stop
from tests.prove import simulation
from tests.prove.simulation import NONE, Billing, World

POISON = {"A-17": "403", "A-400": "never", "A-801": "running", "A-1203": "422", "A-1604": "another"}


@dataclass(frozen=True)
class Night:
    """One run, in simulated seconds."""

    seconds: float  #: until it ended
    created_after: float  #: until the last of the others was created
    stop: Stop | None
    left: dict[str, str]  #: reference -> the last answer


def nights(rows: int, poison: dict[str, str], nights: int = 2) -> list[Night]:
    """A run of this many new customers each night; the first has the poison records."""
    world = World(random.Random(1))
    billing = Billing(world, NONE, poison=poison)
    told = replace(simulation.scenario(1), mortality=0.0)
    found = []
    with tempfile.TemporaryDirectory(dir=simulation.memory()) as name:
        for night in range(nights):
            plan = [
                simulation.planned(number, 0) for number in range(night * rows, (night + 1) * rows)
            ]
            began = world.now
            with Ledger.opened(Path(name), simulation.ENVIRONMENT, now=world.wall) as ledger:
                earlier = [reference for reference, _, _ in ledger.reader.requests_in_doubt()]
            stop = simulation.process(
                world,
                billing,
                plan,
                Path(name),
                told,
                "credential",
                kill=False,
                run_id=f"run-{night}",
                earlier=earlier,
            )
            with Ledger.read(Path(name)) as ledger:
                left = {reference: why for reference, _, why in ledger.requests_in_doubt()}
            mine = {row.external_reference for row in plan}
            last = max(at for reference, at in billing.since.items() if reference in mine)
            found.append(Night(world.now - began, last - began, stop, left))
            world.advance(world.now + 24 * 3600 - (world.now - began))
    assert Counter(map(len, billing.customers.values())).keys() <= {0, 1}
    return found
