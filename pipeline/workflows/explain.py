"""`pipeline explain`: what a reason code means, with an example and how to correct the row."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.domain.file_issues import FileIssue
from pipeline.domain.reason_help import EXPLANATIONS
from pipeline.domain.reasons import Reason
from pipeline.errors import UnknownCode

EVERY_CODE: tuple[Reason | FileIssue, ...] = (*Reason, *FileIssue)


@dataclass(frozen=True, slots=True)
class Explanation:
    """The explanation of a code, for a person who corrects a row."""

    code: str
    meaning: str
    example: str
    mend: str
    bears_on_it: tuple[str, ...]  #: options of the command line, and keys of the config


def explain(codes: Sequence[str] = ()) -> list[Explanation]:
    """Explain these codes, or all; raise UnknownCode for an unknown one, with the nearest.

    Takes a code as in a list (`VALIDATE.PHONE_SEVERAL:phone`), in any case, and without its stage.
    """
    found = [_reason(code) for code in codes] if codes else list(EVERY_CODE)
    unknown = [code for code, reason in zip(codes, found, strict=False) if reason is None]
    if unknown:
        raise UnknownCode(
            "; ".join(f"{code!r} is not a code{_nearest(code)}" for code in unknown),
            suggests=("explain",),
        )
    return [_explained(reason) for reason in found if reason is not None]


def _explained(reason: Reason | FileIssue) -> Explanation:
    text = EXPLANATIONS[reason]
    return Explanation(reason.value, reason.sentence, text.shown, text.mend, text.bears_on_it)


def _reason(code: str) -> Reason | FileIssue | None:
    wanted = code.partition(":")[0].strip().upper()
    return next((reason for reason in EVERY_CODE if wanted in {reason.value, _bare(reason)}), None)


def _bare(reason: Reason | FileIssue) -> str:
    return reason.value.partition(".")[2]


def _nearest(code: str) -> str:
    wanted = code.partition(":")[0].upper()
    names = {_bare(code): code.value for code in EVERY_CODE} | {
        code.value: code.value for code in EVERY_CODE
    }
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.5)
    return f", did you mean {names[near[0]]}?" if near else ""
