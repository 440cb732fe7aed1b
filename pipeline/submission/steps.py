"""The values of the protocol: the policy of a run, the progress of a row, and the steps that may follow. Pure."""

import math
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from pipeline.domain.fates import State
from pipeline.domain.responses import Accepted, Difference, RowRefused


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a request is repeated, in seconds."""

    base: float = 0.5
    cap: float = 30.0
    limited_base: float = 1.0  #: after a 429 without a Retry-After
    limited_cap: float = 60.0
    longest_retry_after: float = 600.0  #: billing may ask for a longer wait; the run stops then


@dataclass(frozen=True, slots=True)
class RefusalRates:
    """How many rows billing refuses."""

    usual: float = 0.005  #: share of the rows of a normal run
    alarming: float = 0.30  #: share at which a run shall stop within 60 rows


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits of a run; times in seconds unless the name says otherwise."""

    workers: int = 8
    per_second: float | None = None  #: requests per second; None: no limit
    sends: int = 6  #: of one row, the last of them by the sweep at the end of the run
    row_seconds: float = 120.0  #: of its own time; half of it is kept for the sweep
    backoff: Backoff = Backoff()
    refusals: RefusalRates = RefusalRates()
    lookup_lag: float = 30.0  #: how long a lookup may show an earlier state of billing
    outage_seconds: float = 300.0  #: without any success: stop, resumable
    canary: int = 0  #: rows that are created, looked up and compared before the others are sent
    stop_at: datetime | None = None  #: when to stop, resumable
    generations: int = 3
    young_hours: float = 23.0  #: a key lives 24 hours at billing; from here on it counts as old


class Why(StrEnum):
    """Why a customer is looked up; it decides what "not found" means."""

    OLD_KEY = "old_key"
    OTHER_CREDENTIAL = "other_credential"
    REPLAYED_FAILURE = "replayed_failure"
    TAKEN = "taken"
    UNKNOWN_CONFLICT = "unknown_conflict"
    REFUSED = "refused"
    UNREADABLE = "no_sense"
    FOR_THE_RECORD = "for_the_record"
    KEY_REUSED = "key_reused"
    CANARY = "canary"
    SWEEP = "sweep"


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a row was tried in this process."""

    sends: int = 0
    lookups: int = 0  #: since the last send
    running: int = 0  #: answers that the first request still runs
    unreadable: int = 0  #: 2xx answers that cannot be read


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of one row in this process; whatever must survive the process is in the ledger."""

    is_in_doubt: bool = False  #: an earlier send of ours may have taken effect
    tries: Tries = Tries()
    why: Why | None = None
    refusal: RowRefused | None = None
    generation: int = 1
    is_canary: bool = False  #: it is looked up and compared before it counts as created
    accepted: Accepted | None = None  #: the answer that a canary's lookup is compared with
    #: Billing may forget the key between two deliveries of the same request.
    is_key_old: bool = False
    may_be_sent: bool = True  #: False if another send could do harm: then the sweep only looks up
    #: Seconds from the last send or lookup to the moment when the present lookup left.
    since_last_call: float = math.inf
    last_answer: str = ""  #: the answer that left the record in doubt
    is_last: bool = False  #: the sweep handles it: at most one more send

    def counting(self, *, sends: int = 0, lookups: int = 0) -> Self:
        """The same progress with more tries."""
        tries = replace(
            self.tries, sends=self.tries.sends + sends, lookups=self.tries.lookups + lookups
        )
        return replace(self, tries=tries)


@dataclass(frozen=True, slots=True)
class Final:
    """The row is final."""

    state: State
    billing_id: str | None = None
    payable: bool | None = None
    differences: tuple[Difference, ...] = ()
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class SendAgain:
    """Send the same bytes under the same key, after some seconds."""

    after: float
    progress: Progress
    pause_all: float = 0.0  #: seconds for which no call of any row leaves


@dataclass(frozen=True, slots=True)
class LookupNext:
    """Look up what billing holds, after some seconds."""

    after: float
    progress: Progress
    pause_all: float = 0.0
    rests: bool = False  #: it waits out the lookup lag, which occupies no place and uses no budget


@dataclass(frozen=True, slots=True)
class NextGeneration:
    """A new key, recorded as a new intent before it is sent."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class LeaveInDoubt:
    """Nothing more can be found out now. The sweep at the end tries again, and the next run resumes the row."""

    why: str
    is_refusal: bool = False  #: billing's answers contradict each other or cannot be read
    may_be_sent: bool = True
    names_another: bool = False  #: the answer named another customer, so answers may be mixed up


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """Refused before billing read the record, perhaps by a gateway.

    The answers to other records show whether the record is at fault.
    """

    status: int
    progress: Progress
    stop: "Stop"  #: the reason to stop if other records are refused alike
    why: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing more may be sent in this run; the row itself stays in doubt unless `final` is given."""

    reason: str
    exit_code: int = 4
    final: Final | None = None


Step = Final | SendAgain | LookupNext | NextGeneration | LeaveInDoubt | TurnedAway | Stop
