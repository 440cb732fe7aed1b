"""What `submit` takes: the work, the run, the world around it, and callbacks."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline.domain.customer import Environment
from pipeline.domain.fates import State
from pipeline.storage.ledger import Answer, Withdrawal
from pipeline.submission.pool import Pool
from pipeline.submission.steps import Stop


@dataclass(frozen=True, slots=True)
class Planned:
    """A planned create; it waits while the ledger has other content in doubt for its reference."""

    external_reference: str
    fingerprint: str
    key: str
    payload: bytes
    normalization: int | None = None  #: the version of the rules that made the payload


@dataclass(frozen=True, slots=True)
class Work:
    """The creates of a run, and the requests of earlier runs that are still in doubt."""

    planned: Iterator[Planned]
    total: int  #: planned creates, with those that this run finished before
    passed_over: int = 0  #: of the total: finished before, and not in `planned`
    earlier: Iterable[str] = ()  #: references whose request another run began and left in doubt
    #: This run has created customers before; a record that is refused again is set aside at once.
    has_created: bool = False


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """The run that sends, where, and with which credential."""

    run_id: str
    environment: Environment
    credential: str  #: the fingerprint of the API key


@dataclass(slots=True)
class Tally:
    """The progress of a submission."""

    total: int
    states: Counter[State] = field(default_factory=Counter)
    passed_over: int = 0  #: planned creates that the ledger shows as final without a request
    in_doubt: int = 0
    earlier: int = 0  #: requests of earlier runs that this run has made final

    @property
    def done(self) -> int:
        """The number of rows that this run has finished."""
        return self.states.total() + self.passed_over + self.in_doubt


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Called on the deciding thread; by default they do nothing."""

    on_progress: Callable[[Tally], None] = lambda _: None
    #: Gets every outcome once the ledger holds it.
    on_recorded: Callable[[Iterable[Answer | Withdrawal]], None] = lambda _: None


class StopRequest:
    """Asks a running submission to stop in an orderly way; the first reason counts."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.stop: Stop | None = None

    def interrupt(self, signal_name: str) -> None:
        """Stop because of a signal: resumable."""
        self.ask(Stop(f"interrupted ({signal_name}); resume when you are ready", exit_code=5))

    def ask(self, stop: Stop) -> None:
        """Send nothing new from now on; calls under way are awaited and recorded."""
        if self.stop is None:
            self.stop = stop
        self.event.set()


@dataclass(frozen=True, slots=True)
class Clock:
    """Time as an argument: `now` (aware, UTC) is recorded, `monotonic` (seconds) measures waits."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    #: How far billing's clock is ahead of ours, by the dates of its answers; keys age by its clock.
    #: None: its answers have no date.
    billing_ahead: Callable[[], timedelta | None] = timedelta

    def at_billing(self) -> datetime:
        """Now, by billing's clock; by ours if its answers have no date."""
        return self.now() + (self.billing_ahead() or timedelta())

    def latest(self) -> datetime:
        """Now, by the clock that is ahead, so that no key seems younger than it is."""
        return max(self.now(), self.at_billing())


@dataclass(frozen=True, slots=True)
class Runtime:
    """Clock, randomness and workers; a simulation replaces them."""

    clock: Clock
    dice: Callable[[], float] = random.random  #: uniform in [0, 1)
    make_pool: Callable[..., Pool] = Pool
