"""What a plan does with a record, what the ledger knows of it, and where it ends: its fate."""

from collections.abc import Mapping
from enum import StrEnum

from pipeline.domain.closed_list import ClosedList


class Action(StrEnum):
    """What a plan does with an accepted row."""

    CREATE = "create"
    SKIP = "skip"
    HOLD = "hold"
    REFUSE = (
        "refuse"  #: billing refused this very row before; it is listed as refused again, unsent
    )
    DEFER = "defer"  #: left for a later run
    WAIT = "wait"  #: an earlier request for its reference is unsettled; it is decided again after that is settled


#: Actions whose records may be sent.
SENDING = (Action.CREATE, Action.WAIT)


def sends(actions: Mapping[Action, int] | Mapping[str, int]) -> int:
    """How many records a plan may send, by its counts of actions; plans of earlier versions have no waiting ones."""
    return sum(int(actions.get(action, 0)) for action in SENDING)


class Fate(ClosedList):
    """Where a record ended: exactly one of these, and by it exactly one list."""

    CREATED = "created", "billing holds it because of us"
    CREATED_DIFFERENT = (
        "created_different",
        "billing took it, and its echo differs from what was sent",
    )
    ALREADY_EXISTS_SAME = "already_exists_same", "was there before, with equal content"
    ALREADY_EXISTS_DIFFERENT = (
        "already_exists_different",
        "was there before, with other content; a person decides",
    )
    DUPLICATE_IN_FILE = "duplicate_in_file", "repeats an earlier row of this run"
    DUPLICATE_OF_REFERENCE = "duplicate_of_reference", "is another reference's customer"
    NEEDS_REVIEW = "needs_review", "held for a person"
    UNREADABLE = "unreadable", "could not be read as a record"
    INVALID = "invalid", "breaks a rule of the billing API"
    REFUSED = "refused", "billing refused it for good"
    IN_DOUBT = "in_doubt", "may or may not be in billing; resume finds out"
    GIVEN_UP = (
        "given_up",
        "may be in billing; a person gave it up, and only the same content in a new file is sent again",
    )
    NOT_ATTEMPTED = "not_attempted", "planned, never sent"


#: The six lists are a partition of the records: every fate is written to exactly one of them.
LISTS: dict[str, tuple[Fate, ...]] = {
    "created": (Fate.CREATED, Fate.CREATED_DIFFERENT),
    "skipped": (Fate.ALREADY_EXISTS_SAME, Fate.DUPLICATE_IN_FILE, Fate.DUPLICATE_OF_REFERENCE),
    "held": (Fate.ALREADY_EXISTS_DIFFERENT, Fate.NEEDS_REVIEW),
    "in_doubt": (Fate.IN_DOUBT, Fate.GIVEN_UP),
    "rejected": (Fate.UNREADABLE, Fate.INVALID, Fate.REFUSED),
    "unprocessed": (Fate.NOT_ATTEMPTED,),
}


def list_of(fate: Fate) -> str:
    """The name of the list that has the records of a fate."""
    return next(name for name, fates in LISTS.items() if fate in fates)


#: What an open record has become when a later run took another row of its external reference; no run ends a record so.
SUPERSEDED = "superseded"


SUPERSEDED_MEANS = "settled by another row of the same external reference"


#: Fates that a clean run does not have: any record with one of them makes the exit code 1.
TROUBLED_FATES = frozenset(
    {*LISTS["held"], *LISTS["in_doubt"], *LISTS["rejected"], Fate.CREATED_DIFFERENT}
)


class State(StrEnum):
    """What the ledger knows of one reference; the moves are drawn in `ledger/schema.sql`."""

    UNKNOWN = (
        "unknown"  #: an intent is journaled and no answer settles it: may or may not exist there
    )
    WITHDRAWN = "withdrawn"  #: an intent that an orderly stop took back, never sent
    CREATED = "created"
    CREATED_DIFFERENT = "created_different"
    ADOPTED = "adopted"  #: found by lookup after an unsettled send of ours: ours
    PRE_EXISTING = (
        "pre_existing"  #: found by lookup, equal, before any send of ours could have made it
    )
    CONFLICT = "conflict"  #: found by lookup, with other content
    REFUSED = "refused"
    GIVEN_UP = "given_up"  #: as unknown, but a person gave it up: only the same content may go on, under the same key
    NEVER_CREATED = "never_created"  #: given up after two days and two lookups: other content may be sent under its own key
