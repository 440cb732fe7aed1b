"""The result of one check, and the time limit of all checks."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from pipeline.workflows.progress import CLOCK

T = TypeVar("T")


class Verdict(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check, with what was seen and what to do about it."""

    what: str
    verdict: Verdict
    detail: str
    remedy: str | None = None
    suggests: tuple[str, ...] = ()  #: the words of a command that helps, such as ("resume",)

    def content(self) -> dict[str, str | tuple[str, ...] | None]:
        """The finding for programs."""
        return {
            "what": self.what,
            "verdict": self.verdict,
            "detail": self.detail,
            "remedy": self.remedy,
            "suggests": self.suggests,
        }


@dataclass(frozen=True, slots=True)
class Deadline:
    """One time limit for all checks."""

    ends: float  #: monotonic

    def wait_for(self, work: Callable[[], T], late: T) -> T:
        """What `work` returns or raises, or `late` after the time limit."""
        done: list[T] = []
        raised: list[BaseException] = []

        def run() -> None:
            try:
                done.append(work())
            except BaseException as error:  # noqa: BLE001 - raised again by the waiting thread
                raised.append(error)

        thread = threading.Thread(target=run, name="check", daemon=True)
        thread.start()
        thread.join(max(0.0, self.ends - CLOCK.monotonic()))
        if raised:
            raise raised[0]
        return done[0] if done else late


def fault(what: str, detail: str, remedy: str, *suggests: str) -> Finding:
    """A failed check; `suggests`: the words of a command that helps."""
    return Finding(what, Verdict.FAULT, detail, remedy, suggests)


def late(what: str, folder: Path) -> Finding:
    """A check of a folder that did not end within the time limit."""
    return fault(
        what,
        f"{folder} does not answer in time",
        "check that its disk responds, or choose another folder",
    )
