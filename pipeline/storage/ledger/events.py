"""The events of a ledger: intents before a send, outcomes after it, and how each becomes a row."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from pipeline.domain.fates import State
from pipeline.domain.responses import Difference
from pipeline.storage.ledger.hash_chain import digest

#: The columns of an event in the order in which they are hashed; `detail` is covered by its hash.
EVENT_COLUMNS = (
    "seq", "run_id", "at", "kind", "external_reference", "fingerprint", "generation", "key", "state", "call", "outcome",
    "status", "replayed", "billing_id", "payable", "detail_sha256", "credential", "normalization",
)  # fmt: skip
#: Columns of `RunReader.extract`.
EXTRACT_COLUMNS = (
    "seq", "at", "kind", "external_reference", "fingerprint", "generation", "key", "state", "call", "outcome", "status",
    "replayed", "billing_id", "payable", "detail", "detail_sha256", "credential",
)  # fmt: skip
#: The columns of `OutcomeRow`.
OUTCOME_COLUMNS = (
    "external_reference",
    "state",
    "run_id",
    "fingerprint",
    "key",
    "billing_id",
    "payable",
    "detail",
)
Value = str | int | None
#: Rows that become tables by the hundred thousand: plain tuples, which are faster than objects.
OutcomeRow = tuple[str, str, str, str, str, str | None, int | None, str | None]
HistoryRow = tuple[str, str, str, str, int | None]

_NOT_FINAL = frozenset({State.UNKNOWN, State.GIVEN_UP})


@dataclass(frozen=True, slots=True)
class Intent:
    """This payload will be sent under this key; recorded before the first byte leaves."""

    external_reference: str
    fingerprint: str
    key: str
    payload: bytes
    generation: int = 1
    #: The version of the rules that made the payload; unknown in old ledgers.
    normalization: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """The state and the content of a reference, and the run that moved it there."""

    state: State
    fingerprint: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A request without a final outcome, as the ledger has it."""

    intent: Intent
    #: No later than its first send: the earlier of its intent, by billing's clock, and the start of its run, by ours.
    first_sent: datetime
    credential: str  #: the fingerprint of the API key it was begun with
    run_id: str
    statuses: frozenset[int] = frozenset()  #: HTTP statuses of its outcomes


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one call; it is final if `state` is neither UNKNOWN nor GIVEN_UP."""

    intent: Intent
    state: State
    call: str  #: "create" or "look_up"
    outcome: str
    status: int | None = None
    replayed: bool | None = None
    billing_id: str | None = None
    payable: bool | None = None
    detail: str | None = None
    differences: tuple[Difference, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """An intent that an orderly stop withdraws: nothing was sent under its key."""

    intent: Intent


class RecordedEvent(NamedTuple):
    """One event of a reference."""

    seq: int
    at: str
    run_id: str
    kind: str
    state: str
    generation: int
    call: str | None
    outcome: str | None
    status: int | None
    replayed: int | None
    key: str
    billing_id: str | None


class InDoubt(NamedTuple):
    """A request whose outcome is unknown."""

    external_reference: str
    run_id: str
    detail: str  #: the text of its last outcome


def intent_rows(
    run_id: str, at: datetime, intents: Iterable[Intent], credential: str
) -> list[list[Value]]:
    """Events of intents: `EVENT_COLUMNS` with 0 as the number, then the detail."""
    when = at.isoformat()
    return [
        _event(run_id, when, "intent", intent, State.UNKNOWN, credential=credential)
        for intent in intents
    ]


def outcome_rows(
    run_id: str, at: datetime, entries: Iterable[Answer | Withdrawal]
) -> list[list[Value]]:
    """Events of outcomes and withdrawals: `EVENT_COLUMNS` with 0 as the number, then the detail."""
    when = at.isoformat()
    events = []
    for entry in entries:
        if isinstance(entry, Withdrawal):
            events.append(_event(run_id, when, "withdrawn", entry.intent, State.WITHDRAWN))
        else:
            kind = "answer" if entry.state in _NOT_FINAL else "settled"
            events.append(_event(run_id, when, kind, entry.intent, entry.state, answer=entry))
    return events


def _event(
    run_id: str,
    at: str,
    kind: str,
    intent: Intent,
    state: State,
    *,
    answer: Answer | None = None,
    credential: str | None = None,
) -> list[Value]:
    columns = (None,) * 6 if answer is None else _answer_columns(answer)
    detail = None if answer is None else _detail(answer)
    return [
        0,
        run_id,
        at,
        kind,
        intent.external_reference,
        intent.fingerprint,
        intent.generation,
        intent.key,
        state.value,
        *columns,
        None if detail is None else digest(detail),
        credential,
        intent.normalization if kind == "intent" else None,
        detail,
    ]


def _answer_columns(answer: Answer) -> Sequence[Value]:
    return (
        answer.call,
        answer.outcome,
        answer.status,
        None if answer.replayed is None else int(answer.replayed),
        answer.billing_id,
        None if answer.payable is None else int(answer.payable),
    )


def _detail(answer: Answer) -> str | None:
    if answer.differences:
        return json.dumps(
            [[d.field, d.ours, d.theirs] for d in answer.differences], ensure_ascii=False
        )
    return answer.detail
