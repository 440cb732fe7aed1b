"""The story of a code that stands beside a row: what it means, an example, how to mend it."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.domain.outcomes import Alarm, Reason
from pipeline.domain.reason_help import EXPLANATIONS
from pipeline.errors import UnknownCode

EVERY_CODE: tuple[Reason | Alarm, ...] = (*Reason, *Alarm)


@dataclass(frozen=True, slots=True)
class Explained:
    """A reason, as a person who has to mend a row wants to read it."""

    code: str
    meaning: str
    example: str
    mend: str
    bears_on_it: tuple[str, ...]  #: options of the command line, and keys of the config


def explain(codes: Sequence[str] = ()) -> list[Explained]:
    """Explain these codes, all of them where none is named; raise UnknownCode for those that are none, with the nearest.

    A code may stand as it does in a list (`VALIDATE.PHONE_SEVERAL:phone`), in any case, and without its stage.
    """
    found = [_reason(code) for code in codes] if codes else list(EVERY_CODE)
    unknown = [code for code, reason in zip(codes, found, strict=False) if reason is None]
    if unknown:
        raise UnknownCode(
            "; ".join(f"{code!r} is no code{_nearest(code)}" for code in unknown),
            suggests=("explain",),
        )
    return [_explained(reason) for reason in found if reason is not None]


def _explained(reason: Reason | Alarm) -> Explained:
    told = EXPLANATIONS[reason]
    return Explained(reason.value, reason.sentence, told.shown, told.mend, told.bears_on_it)


def _reason(code: str) -> Reason | Alarm | None:
    wanted = code.partition(":")[0].strip().upper()
    return next((reason for reason in EVERY_CODE if wanted in {reason.value, _bare(reason)}), None)


def _bare(reason: Reason | Alarm) -> str:
    return reason.value.partition(".")[2]


def _nearest(code: str) -> str:
    wanted = code.partition(":")[0].upper()
    names = {_bare(code): code.value for code in EVERY_CODE} | {
        code.value: code.value for code in EVERY_CODE
    }
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
    return f", did you mean {names[near[0]]}?" if near else ""
