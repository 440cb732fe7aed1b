"""The lookups of a reconciliation: rate-limited, journaled to disk, and resumable after a kill.

The journal has one answer a line, in the order of the lookups. So only one block of answers is in
memory, and after a kill the lookups resume behind the last whole line.
"""

import fcntl
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from pipeline.billing import Billing, Pace
from pipeline.config import Settings, Target
from pipeline.errors import Interrupted, LedgerLocked, SubmissionStopped
from pipeline.storage.files import refuse_symlink
from pipeline.workflows.connecting import connected
from pipeline.workflows.progress import CLOCK, StopRequest, Watch
from pipeline.workflows.reconcile.asking import Asking, LookedUp

_AT_ONCE = 256


@contextmanager
def journal_of(path: Path) -> Iterator[BinaryIO]:
    """Open and lock the file of answers; raise LedgerLocked if another process has the lock."""
    refuse_symlink(path)
    path.touch(mode=0o600)
    with path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LedgerLocked(
                f"{path.parent.name} is running in another process; wait for it, or stop it"
            ) from None
        yield file


def look_up(
    wanted: Callable[[], Iterable[tuple[str, str]]],
    of: int,
    journal: BinaryIO,
    settings: Settings,
    target: Target,
    stopping: StopRequest,
    watch: Watch,
) -> Iterator[LookedUp]:
    """Look up each customer that the journal lacks, then yield all answers.

    A second pass repeats lookups that found nothing or got no usable answer, for lookups may lag.

    Args:
        wanted: yields (reference, payload) in the same order each time; called for each pass
        of: the number of customers to look up
        journal: the answers so far
        settings: rate limit, workers and the time after which an outage stops the lookups
        target: the address and credential of billing
        stopping: set to stop
        watch: shows the progress

    Raises:
        Interrupted: on a request to stop, or in an outage
        SubmissionStopped: if billing refuses customers alike, or answers no lookup usably
    """
    done = _resumed(journal, wanted, of)
    asking = Asking(
        Pace(settings.per_second, CLOCK.monotonic), _outage_of(settings), stopping.event
    )
    with (
        connected(settings, target) as billing,
        ThreadPoolExecutor(settings.workers) as pool,
    ):
        lookups = _Lookups(billing, pool, asking, journal, done, of, watch)
        if done.count < of:
            lookups.make(itertools.islice(wanted(), done.count, None), _at_once(settings))
            stopping.event.wait(settings.seconds_of_lag if done.again else 0)
        lookups.make(_second_pass(wanted, done, of), _at_once(settings))
    if done.answers and not done.determined:
        journal.truncate(0)  # the same command starts again
        raise _stopped(
            f"no lookup got a usable answer ({next(iter(done.answers.values()))})", resumable=False
        )
    yield from _answers(journal, of)


def _at_once(settings: Settings) -> int:
    # Write about one second of answers at once, so a kill loses about one second of lookups.
    if settings.per_second is None:
        return _AT_ONCE
    return max(settings.workers, min(_AT_ONCE, round(settings.per_second)))


def _second_pass(
    wanted: Callable[[], Iterable[tuple[str, str]]], done: "_Done", of: int
) -> Iterator[tuple[str, str]]:
    """The customers to look up again, without those that the journal has."""
    again = frozenset(done.again)
    customers = (one for one in wanted() if one[0] in again) if again else iter(())
    return itertools.islice(customers, max(done.count - of, 0), None)


def _stopped(reason: str, *, resumable: bool) -> Interrupted | SubmissionStopped:
    kind = Interrupted if resumable else SubmissionStopped
    return kind(f"Lookups failed: {reason}. Fix it and run the same command to resume.")


@dataclass(slots=True)
class _Done:
    """The answers of a journal so far."""

    count: int = 0  #: answers of both passes
    determined: int = 0  #: answers that show whether billing holds the customer
    #: References for the second pass, in the order of the first.
    again: list[str] = field(default_factory=list)
    #: Reference -> its newest unusable answer.
    answers: dict[str, str] = field(default_factory=dict)

    def take(self, one: LookedUp, of: int) -> None:
        """Add an answer; the first `of` answers belong to the first pass."""
        self.count += 1
        self.determined += one.is_determined
        if one.found is None and self.count <= of:
            self.again.append(one.reference)
        if one.answer:
            self.answers[one.reference] = one.answer


@dataclass(frozen=True, slots=True)
class _Lookups:
    """Looks up customers in parallel and writes the answers to the journal, in order."""

    billing: Billing
    pool: ThreadPoolExecutor
    asking: Asking
    journal: BinaryIO
    done: _Done
    of: int  #: customers of the first pass
    watch: Watch

    def make(self, todo: Iterator[tuple[str, str]], at_once: int) -> None:
        """Look up these customers; raise Interrupted or SubmissionStopped if that stops."""
        while block := list(itertools.islice(todo, at_once)):
            answers = list(self.pool.map(self._ask, block))
            for answer in itertools.takewhile(lambda one: one is not None, answers):
                if answer is not None:
                    self.journal.write(_line_of(answer))
                    self.done.take(answer, self.of)
            self.journal.flush()
            os.fsync(self.journal.fileno())
            self.watch.looking_up(self._looked_up, self.of)
            self._raise_if_stopped()

    @property
    def _looked_up(self) -> int:
        return min(self.done.count, self.of)

    def _ask(self, one: tuple[str, str]) -> LookedUp | None:
        reference, payload = one
        before = self.done.answers.get(reference, "")
        return self.asking.ask(self.billing, reference, payload, before)

    def _raise_if_stopped(self) -> None:
        stop = self.asking.stop
        if stop is not None:
            raise _stopped(stop.reason, resumable=stop.exit_code == Interrupted.exit_code)
        if self.asking.stopping.is_set():
            raise Interrupted(
                f"Stopped after {self._looked_up} of {self.of} lookups."
                " Run the same command to resume."
            )


def _answers(journal: BinaryIO, of: int) -> Iterator[LookedUp]:
    """Every final answer of a journal; those of the second pass follow all of the first."""
    with Path(journal.name).open("rb") as first, Path(journal.name).open("rb") as second:
        for _ in itertools.islice(second, of):
            pass
        for line in itertools.islice(first, of):
            one = LookedUp(*json.loads(line))
            yield one if one.found is not None else LookedUp(*json.loads(next(second)))


def _outage_of(settings: Settings) -> float:
    # A slow rate limit is not an outage.
    return max(settings.outage_seconds, 2 / settings.per_second if settings.per_second else 0.0)


def _resumed(journal: BinaryIO, wanted: Callable[[], Iterable[tuple[str, str]]], of: int) -> _Done:
    """The answers at the start of a journal that belong to these lookups.

    The rest is cut off: a partial line after a kill, or answers to other lookups.
    """
    done, whole = _Done(), 0
    # `done.again` grows while the loop reads it.
    references = itertools.chain((reference for reference, _ in wanted()), done.again)
    journal.seek(0)
    for line in journal:
        answer = _answer_of(line)
        if answer is None or answer.reference != next(references, None):
            break
        whole += len(line)
        done.take(answer, of)
    journal.truncate(whole)
    journal.seek(whole)
    return done


def _line_of(one: LookedUp) -> bytes:
    content = [one.reference, one.found, one.answer] if one.answer else [one.reference, one.found]
    return json.dumps(content, ensure_ascii=False).encode() + b"\n"


def _answer_of(line: bytes) -> LookedUp | None:
    """The answer of a line; None for a line that a kill or a power cut damaged."""
    try:
        content = json.loads(line)
        one = LookedUp(*content)
    except (ValueError, TypeError):
        return None
    if not isinstance(content, list):
        return None
    is_found = one.found is None or (isinstance(one.found, dict) and not one.answer)
    is_whole = (
        line.endswith(b"\n") and isinstance(one.reference, str) and isinstance(one.answer, str)
    )
    return one if is_whole and is_found else None
