"""The story of looking customers up: at the configured pace, each answer on the disk before it counts, resumable after a kill."""

import json
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.billing import Billing, LookUp, Pace
from pipeline.config import Settings, Target
from pipeline.errors import Interrupted, SubmissionStopped
from pipeline.outcomes import Found, Limited, NoAnswer, NotFound, ServerTrouble
from pipeline.verbs.watch import CLOCK, StopRequest, Watch

_TRIES = 6
_LONGEST_WAIT = 30.0  #: seconds between two tries
_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What billing holds under a reference; `fields` is None where it holds nothing."""

    external_reference: str
    fields: dict[str, Any] | None  #: billing_id and what the payload says, with billing's word where it differs


def look_up(
    wanted: Iterable[tuple[str, str]],
    journal: Path,
    settings: Settings,
    target: Target,
    stopping: StopRequest,
    watch: Watch,
) -> Iterator[LookedUp]:
    """Ask billing for each (reference, payload) that the journal does not hold yet, and yield all of them in the end.

    Raise Interrupted where it was asked to stop, SubmissionStopped where billing gives an answer that no retry mends.
    """
    payloads = dict(wanted)
    with os.fdopen(os.open(journal, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a+b") as file:
        known = dict(_read(file))
        left = [reference for reference in payloads if reference not in known]
        pace = Pace(settings.per_second, CLOCK.monotonic)
        with (
            Billing(target.address, target.api_key, workers=settings.workers) as billing,
            ThreadPoolExecutor(settings.workers) as pool,
        ):
            asking = _Asking(billing, pace, stopping.event)
            for first in range(0, len(left), _AT_ONCE):
                block = left[first : first + _AT_ONCE]
                answers = list(pool.map(asking.ask, block, [payloads[reference].encode() for reference in block]))
                answered = {reference: answer for reference, answer in zip(block, answers, strict=True) if answer}
                for reference, answer in answered.items():
                    file.write(json.dumps([reference, answer["found"]], ensure_ascii=False).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
                known |= {reference: answer["found"] for reference, answer in answered.items()}
                watch.looking_up(len(known), len(payloads))
                if asking.refused:
                    raise SubmissionStopped(f"billing cannot be asked: {asking.refused}; mend that and say it again")
                if stopping.event.is_set():
                    raise Interrupted(f"stopped after {len(known)} of {len(payloads)} look-ups; say it again to go on")
    for reference, payload in payloads.items():
        yield LookedUp(reference, _as_billing_holds_it(payload, known[reference]))


@dataclass(slots=True)
class _Asking:
    billing: Billing
    pace: Pace
    stop: threading.Event
    refused: str = ""

    def ask(self, reference: str, payload: bytes) -> dict[str, Any] | None:
        """What billing says of a reference; None where it was stopped, or billing will not be asked."""
        for tried in range(_TRIES):
            if self.refused or not self.pace.wait(self.stop):
                return None
            match answer := self.billing.make(LookUp(reference, payload)):
                case Found():
                    differing = {one.field: one.theirs for one in answer.differences}
                    return {"found": {"billing_id": answer.billing_id, "differing": differing}}
                case NotFound():
                    return {"found": None}
                case Limited():
                    self.pace.slow_down()
                    self.pace.pause(min(answer.retry_after or 2.0**tried, _LONGEST_WAIT))
                case ServerTrouble() | NoAnswer():
                    self.stop.wait(min(0.5 * 2.0**tried, _LONGEST_WAIT))
                case _:
                    self.refused = f"{type(answer).__name__} for a look-up"
                    return None
        self.refused = f"no answer to {_TRIES} look-ups of one customer"
        return None


def _read(file: BinaryIO) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """What was looked up before; a last line that a kill cut off is taken away again."""
    file.seek(0)
    whole = 0
    for line in file:
        if not line.endswith(b"\n"):
            break
        whole += len(line)
        reference, found = json.loads(line)
        yield reference, found
    file.truncate(whole)
    file.seek(whole)


def _as_billing_holds_it(payload: str, found: dict[str, Any] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    told = {field: None if text is None else json.loads(text) for field, text in found["differing"].items()}
    return {**json.loads(payload), **told, "billing_id": found["billing_id"]}
