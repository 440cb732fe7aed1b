"""The story of looking customers up: at the configured pace, each answer on the disk before it counts, resumable after a kill.

The answers stand in one file, a line each, in the order in which customers are asked for. So nothing but a block of them is ever
in memory, and what a kill left behind is a beginning.
"""

import collections
import fcntl
import itertools
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.billing import Billing, LookUp, Pace, as_billing_holds_it
from pipeline.config import Settings, Target
from pipeline.errors import Interrupted, LedgerLocked, SubmissionStopped
from pipeline.files import refuse_symlink
from pipeline.outcomes import Found, Limited, NoAnswer, NotFound, ServerTrouble
from pipeline.verbs.connecting import connected
from pipeline.verbs.watch import CLOCK, StopRequest, Watch

_LONGEST_WAIT = 30.0  #: seconds between two tries
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
            raise LedgerLocked(f"{path.parent.name} goes on in another process; wait for it, or stop it") from None
        yield file


def look_up(
    wanted: Callable[[], Iterable[tuple[str, str]]],
    of: int,
    journal: BinaryIO,
    settings: Settings,
    target: Target,
    stopping: StopRequest,
    watch: Watch,
) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Ask billing for each (reference, payload) that the journal does not hold yet, and yield every answer in the end.

    An answer is the customer as billing holds it, or None. `wanted`: asked anew for each pass, always in the same order. Who was
    not found is asked for once more when all others are: look-ups may lag behind. Raise Interrupted where it was asked to
    stop, SubmissionStopped where billing gives an answer that no retry mends.
    """
    done, missing = _take_up(journal, wanted, of)
    # About a second of answers, so that at a slow pace a kill costs no more than at a fast one.
    at_once = (
        _AT_ONCE if settings.per_second is None else max(settings.workers, min(_AT_ONCE, round(settings.per_second)))
    )
    asking = _Asking(Pace(settings.per_second, CLOCK.monotonic), _outage_of(settings), stopping.event)
    with (
        connected(settings, target) as billing,
        ThreadPoolExecutor(settings.workers) as pool,
    ):

        def go_on(left: Iterator[tuple[str, str]], done: int) -> Iterator[str]:
            while block := list(itertools.islice(left, at_once)):
                answers = list(pool.map(lambda asked: asking.ask(billing, *asked), block))
                whole = [answer for answer in itertools.takewhile(lambda one: one is not None, answers) if answer]
                for (reference, _), answer in zip(block, whole, strict=False):
                    journal.write(json.dumps([reference, answer["found"]], ensure_ascii=False).encode() + b"\n")
                    if answer["found"] is None:
                        yield reference
                journal.flush()
                os.fsync(journal.fileno())
                done += len(whole)
                watch.looking_up(min(done, of), of)
                if asking.refused:
                    stopped = Interrupted if asking.is_silent else SubmissionStopped
                    raise stopped(f"billing cannot be asked: {asking.refused}; mend that and say it again to go on")
                if stopping.event.is_set():
                    raise Interrupted(f"stopped after {min(done, of)} of {of} look-ups; say it again to go on")

        if done < of:
            missing += go_on(itertools.islice(wanted(), done, None), done)
            stopping.event.wait(settings.seconds_of_lag if missing else 0)
        again = frozenset(missing)
        left = (asked for asked in wanted() if asked[0] in again) if again else iter(())
        collections.deque(go_on(itertools.islice(left, max(done - of, 0), None), max(done, of)), maxlen=0)
    yield from _answers(journal, of)


def _answers(journal: BinaryIO, of: int) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Every answer of a journal: for those who were not found at first the second one, which stands behind all the first ones."""
    with Path(journal.name).open("rb") as first, Path(journal.name).open("rb") as second:
        for _ in itertools.islice(second, of):
            pass
        for line in itertools.islice(first, of):
            reference, found = json.loads(line)
            yield reference, found if found is not None else json.loads(next(second))[1]


def _outage_of(settings: Settings) -> float:
    return max(settings.outage_seconds, 2 / settings.per_second if settings.per_second else 0.0)  # a slow pace is none


@dataclass(slots=True)
class _Asking:
    pace: Pace
    outage_seconds: float
    stop: threading.Event
    heard_at: float = field(default_factory=CLOCK.monotonic)
    refused: str = ""
    is_silent: bool = False  #: billing gave no answer at all: an outage, and no fault of what was asked

    def ask(self, billing: Billing, reference: str, payload: str) -> dict[str, Any] | None:
        """What billing says of a reference, under `found`; None where it was stopped, or billing will not be asked."""
        for tried in itertools.count():
            if self.refused or not self.pace.wait(self.stop):
                break
            answer = billing.make(LookUp(reference, payload.encode()))
            now = CLOCK.monotonic()
            if not isinstance(answer, ServerTrouble | NoAnswer):
                self.heard_at = now
            match answer:
                case Found():
                    return {"found": as_billing_holds_it(payload, answer)}
                case NotFound():
                    return {"found": None}
                case Limited():
                    self.pace.slow_down()
                    self.pace.pause(min(answer.retry_after or 2.0 ** min(tried, 9), _LONGEST_WAIT))
                case ServerTrouble() | NoAnswer():
                    if now - self.heard_at > self.outage_seconds:
                        self.refused, self.is_silent = f"no answer for {self.outage_seconds:g} seconds", True
                    else:
                        self.stop.wait(min(0.5 * 2.0 ** min(tried, 9), _LONGEST_WAIT))
                case _:
                    self.refused = f"{type(answer).__name__} for a look-up"
        return None


def _take_up(journal: BinaryIO, wanted: Callable[[], Iterable[tuple[str, str]]], of: int) -> tuple[int, list[str]]:
    """How many answers a journal begins with that are to those who are asked for, and who of the first pass was not found.

    What comes behind them is taken away: a line that a kill cut off, answers to another question.
    """
    missing = list[str]()
    asked = itertools.chain((reference for reference, _ in wanted()), missing)  # grows while it is read
    whole = done = 0
    journal.seek(0)
    for line in journal:
        answer = _answer_of(line)
        if answer is None or answer[0] != next(asked, None):
            break
        whole, done = whole + len(line), done + 1
        if answer[1] is None and done <= of:
            missing.append(answer[0])
    journal.truncate(whole)
    journal.seek(whole)
    return done, missing


def _answer_of(line: bytes) -> tuple[str, dict[str, Any] | None] | None:
    """Reference and answer of a line; None where it is none, as a kill or a power cut may leave it."""
    try:
        reference, found = json.loads(line)
    except (ValueError, TypeError):
        return None
    is_whole = line.endswith(b"\n") and isinstance(reference, str) and (found is None or isinstance(found, dict))
    return (reference, found) if is_whole else None
