"""The workers of a run: a fixed number of threads that make calls from a queue."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.billing import Call, Lookup, Pace
from pipeline.domain.responses import Outcome
from pipeline.submission.circuit_breaker import Kind
from pipeline.submission.gate import Gate


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a call that was handed out."""

    reference: str
    outcome: (
        Outcome | BaseException | None
    )  #: None: the call never left, because the run stops or the call was queued too long
    left_at: float = 0.0


def kind_of(call: Call) -> Kind:
    """The kind of a call."""
    return Kind.LOOKUP if isinstance(call, Lookup) else Kind.CREATE


class Pool:
    """A fixed number of workers that make calls from a queue; daemon threads, so that none outlives the process."""

    def __init__(
        self,
        make: Callable[[Call], Outcome | None],
        pace: Pace,
        gate: Gate,
        clock: Callable[[], float],
        stopping: threading.Event,
        workers: int,
    ) -> None:
        self._make = make
        self._clock = clock
        self._pace = pace
        self._gate = gate
        self._stopping = stopping
        self._calls: queue.SimpleQueue[tuple[str, Call] | None] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"worker-{n}", daemon=True)
            for n in range(workers)
        ]
        self.in_hand = 0
        self._is_closed = False
        for thread in self._threads:
            thread.start()

    def hand_out(self, reference: str, call: Call) -> None:
        """Queue a call for the workers."""
        self.in_hand += 1
        self._calls.put((reference, call))

    def next_result(self, timeout: float) -> Result | None:
        """The next result, or None if none comes within `timeout` seconds."""
        try:
            result = self._results.get(timeout=timeout) if timeout else self._results.get_nowait()
        except queue.Empty:
            return None
        self.in_hand -= 1
        return result

    def close(self) -> None:
        """End the workers and send nothing more; workers in a call end with the process."""
        self._is_closed = True
        for _ in self._threads:
            self._calls.put(None)

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            reference, call = item
            outcome: Outcome | BaseException | None = None
            left_at = 0.0
            kind = kind_of(call)
            if not self._is_closed and self._gate.enter(kind, self._stopping):
                try:
                    if self._pace.wait(self._stopping):
                        left_at = self._clock()
                        outcome = self._make(call)
                except BaseException as error:  # noqa: BLE001 - the deciding thread raises it
                    outcome = error
                finally:
                    self._gate.leave(kind)
            self._results.put(Result(reference, outcome, left_at))
