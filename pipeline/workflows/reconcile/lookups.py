"""The lookups of a reconciliation: at the configured pace, each answer on the disk before it counts, resumable after a kill.

The answers stand in one file, a line each, in the order in which customers are asked for. So nothing but a block of them is ever
in memory, and what a kill left behind is a beginning.
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

from pipeline.billing import Pace
from pipeline.config import Settings, Target
from pipeline.errors import Interrupted, LedgerLocked, SubmissionStopped
from pipeline.storage.files import refuse_symlink
from pipeline.workflows.connecting import connected
from pipeline.workflows.progress import CLOCK, StopRequest, Watch
from pipeline.workflows.reconcile.asking import Asking, LookedUp

_AT_ONCE = 256


@contextmanager
def journal_of(path: Path) -> Iterator[BinaryIO]:
    """The file of answers, held by this process alone; raise LedgerLocked where another one holds it."""
    refuse_symlink(path)
    path.touch(mode=0o600)
    with path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LedgerLocked(
                f"{path.parent.name} goes on in another process; wait for it, or stop it"
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
    """Ask billing for each (reference, payload) that the journal does not hold yet, and yield every answer in the end.

    `wanted`: asked anew for each pass, always in the same order. Who was not found, or got no usable answer, is asked for once
    more when all others are: lookups may lag behind. Raise Interrupted where it was asked to stop or billing is silent,
    SubmissionStopped where billing refuses records alike or answers for nobody.
    """
    done = _take_up(journal, wanted, of)
    # About a second of answers, so that at a slow pace a kill costs no more than at a fast one.
    at_once = (
        _AT_ONCE
        if settings.per_second is None
        else max(settings.workers, min(_AT_ONCE, round(settings.per_second)))
    )
    asking = Asking(
        Pace(settings.per_second, CLOCK.monotonic), _outage_of(settings), stopping.event
    )
    with (
        connected(settings, target) as billing,
        ThreadPoolExecutor(settings.workers) as pool,
    ):

        def ask(one: tuple[str, str]) -> LookedUp | None:
            reference, payload = one
            return asking.ask(billing, reference, payload, done.answers.get(reference, ""))

        def go_on(left: Iterator[tuple[str, str]]) -> None:
            while block := list(itertools.islice(left, at_once)):
                answers = list(pool.map(ask, block))
                for answer in itertools.takewhile(lambda one: one is not None, answers):
                    if answer is not None:
                        journal.write(_line_of(answer))
                        done.take(answer, of)
                journal.flush()
                os.fsync(journal.fileno())
                watch.looking_up(min(done.count, of), of)
                if asking.stop is not None:
                    raise _stopped(
                        asking.stop.reason, resumable=asking.stop.exit_code == Interrupted.exit_code
                    )
                if stopping.event.is_set():
                    raise Interrupted(
                        f"Stopped after {min(done.count, of)} of {of} lookups. Run the same command to resume."
                    )

        if done.count < of:
            go_on(itertools.islice(wanted(), done.count, None))
            stopping.event.wait(settings.seconds_of_lag if done.again else 0)
        again = frozenset(done.again)
        left = (asked for asked in wanted() if asked[0] in again) if again else iter(())
        go_on(itertools.islice(left, max(done.count - of, 0), None))
    if done.answers and not done.determined:
        journal.truncate(0)  # so that the same command asks anew
        raise _stopped(
            f"no lookup got a usable answer ({next(iter(done.answers.values()))})", resumable=False
        )
    yield from _answers(journal, of)


def _stopped(reason: str, *, resumable: bool) -> Interrupted | SubmissionStopped:
    kind = Interrupted if resumable else SubmissionStopped
    return kind(f"Lookups failed: {reason}. Fix it and run the same command to resume.")


@dataclass(slots=True)
class _Done:
    """What a journal holds so far."""

    count: int = 0  #: answers of both passes
    determined: int = 0  #: of them those that say whether billing holds the customer
    again: list[str] = field(
        default_factory=list
    )  #: who is asked for once more, in the order of the first pass
    answers: dict[str, str] = field(
        default_factory=dict
    )  #: reference -> the newest answer that settles nothing

    def take(self, one: LookedUp, of: int) -> None:
        """One answer more; the first `of` of them are those of the first pass."""
        self.count += 1
        self.determined += one.is_determined
        if one.found is None and self.count <= of:
            self.again.append(one.reference)
        if one.answer:
            self.answers[one.reference] = one.answer


def _answers(journal: BinaryIO, of: int) -> Iterator[LookedUp]:
    """Every answer of a journal: for those who were asked for once more the second one, which stands behind all the first ones."""
    with Path(journal.name).open("rb") as first, Path(journal.name).open("rb") as second:
        for _ in itertools.islice(second, of):
            pass
        for line in itertools.islice(first, of):
            one = LookedUp(*json.loads(line))
            yield one if one.found is not None else LookedUp(*json.loads(next(second)))


def _outage_of(settings: Settings) -> float:
    return max(
        settings.outage_seconds, 2 / settings.per_second if settings.per_second else 0.0
    )  # a slow pace is none


def _take_up(journal: BinaryIO, wanted: Callable[[], Iterable[tuple[str, str]]], of: int) -> _Done:
    """The answers that a journal begins with and that are to those who are asked for.

    What comes behind them is taken away: a line that a kill cut off, answers to another question.
    """
    done, whole = _Done(), 0
    asked = itertools.chain(
        (reference for reference, _ in wanted()), done.again
    )  # grows while it is read
    journal.seek(0)
    for line in journal:
        answer = _answer_of(line)
        if answer is None or answer.reference != next(asked, None):
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
    """The answer of a line; None where it is none, as a kill or a power cut may leave it."""
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
