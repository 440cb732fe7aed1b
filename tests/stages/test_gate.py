"""How many calls of a kind leave: as many as there are workers, one at a time, or none."""

import threading

from pipeline.submission.circuit_breaker import Kind
from pipeline.submission.gate import Gate


def entered(gate: Gate, kind: Kind = Kind.CREATE, tries: int = 5) -> int:
    return sum(gate.try_enter(kind) for _ in range(tries))


def test_a_closed_gate_lets_only_calls_of_the_other_kind_through():
    gate = Gate()
    assert entered(gate) == 5

    gate.shut(Kind.CREATE)

    assert entered(gate) == 0
    assert entered(gate, Kind.LOOKUP) == 5


def test_while_a_refusal_is_judged_records_are_sent_one_at_a_time():
    gate = Gate()
    entered(gate, tries=2)
    gate.narrow(Kind.CREATE)
    assert entered(gate) == 0

    gate.leave(Kind.CREATE)
    gate.leave(Kind.CREATE)
    assert entered(gate) == 1

    gate.widen(Kind.CREATE)
    assert entered(gate) == 5


def test_a_worker_that_waits_enters_when_the_gate_opens_and_not_where_the_run_stops():
    gate, stopping, went = Gate(), threading.Event(), list[bool]()
    gate.shut(Kind.CREATE)
    workers = [
        threading.Thread(target=lambda: went.append(gate.enter(Kind.CREATE, stopping)))
        for _ in range(2)
    ]
    workers[0].start()
    gate.widen(Kind.CREATE)
    workers[0].join(10)
    gate.shut(Kind.CREATE)
    workers[1].start()
    stopping.set()
    workers[1].join(10)

    assert went == [True, False]
