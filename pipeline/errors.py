"""Failures of the surroundings. Bad data is not among them: a bad row is a value with a reason (`Reason`).

PipelineError                what failed, why, and what to do; carries the exit code of the command
├── ConfigError         4    invalid settings, all of them at once
│   └── OptionRefused   2    invalid values of options
├── KeyProblem          4    the API key is missing, malformed, of the wrong kind, or refused by billing
├── AddressRefused      4    the billing address may not receive a key
├── SourceError         4    the structure of a file is not reliable
├── OutputRefused       4    we do not write to this place
├── ResultNotShown      4    stdout does not accept the result
├── LedgerError         4    the ledger cannot be opened, read or written, or belongs to another environment
├── ReferencesError     4    the known customers cannot be read, or another process is loading them
├── SandboxError        4    the state of the sandbox in this process cannot be opened
├── RunNotFound         4    the reports folder has no run of that name
├── RunDamaged          4    a file of this run's folder cannot be read (in `run_damage`)
├── PersonalDataFound   4    a file for others would contain personal data; it was not made
├── UnknownCode         2    no reason or issue has that code
├── NothingToGiveUp     2    the request to give up is final, unknown, or of another run
├── ThresholdExceeded   3    a threshold of the job is exceeded; nothing was sent
├── SubmissionStopped   4    after this answer of billing nothing more may be sent
├── Interrupted         5    stopped by a signal, an outage, or a disk that failed after a send; resumable
├── PlanStale           6    something that the plan depends on has changed
├── NotApproved         6    a person did not approve
├── OutOfBalance        7    counts or sums do not add up
└── LedgerLocked       75    another run is writing
"""

import shlex
from collections.abc import Sequence
from enum import IntEnum
from typing import ClassVar, Self


class ExitCode(IntEnum):
    """How a command ended, for scripts; each member carries a sentence that explains it."""

    sentence: str

    def __new__(cls, value: int, sentence: str) -> Self:
        """Make the member of a number and its sentence."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member

    CLEAN = 0, "Everything succeeded, and nothing needs a person."
    FINISHED_WITH_TROUBLE = (
        1,
        "Finished, and some records were rejected, refused, held, in doubt or undetermined.",
    )
    USAGE = 2, "Wrong use of the command line: an unknown option, value, code or request."
    THRESHOLD = 3, "Stopped by a threshold or a file issue; nothing more was sent."
    FATAL = (
        4,
        "A fault that a person has to fix, such as a wrong key or config; nothing more is sent.",
    )
    INTERRUPTED = (
        5,
        "Stopped before the end, by a signal or an outage; `resume` finishes the run.",
    )
    STALE = 6, "The plan is stale or was not approved; nothing was sent."
    OUT_OF_BALANCE = (
        7,
        "Counts or sums do not add up, or billing does not hold what the run meant to create.",
    )
    INTERNAL_ERROR = 70, "An internal error (a bug). Please report it."
    LOCKED = 75, "Another process holds the lock of this environment."
    STOPPED_AT_ONCE = (
        130,
        "A second Ctrl-C. Requests in flight are in doubt until `resume`.",
    )


class PipelineError(Exception):
    """A failure that a person has to fix; the message states what failed, where, and what to do.

    `suggests`: the words of the next command, such as ("resume", RUN_ID). The command line adds the
    options that this command needs.
    """

    exit_code: ClassVar[int] = ExitCode.FATAL

    def __init__(self, message: str, *, suggests: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.suggests = tuple(suggests)

    def __str__(self) -> str:
        """The message, and the suggested command without options."""
        return (
            f"{self.message}: {shlex.join(('pipeline', *self.suggests))}"
            if self.suggests
            else self.message
        )


class ConfigError(PipelineError):
    """Invalid settings; the message names every fault."""


class OptionRefused(ConfigError):
    """Invalid values of options: a usage error. `faults`: each option or setting, and its fault."""

    exit_code = ExitCode.USAGE

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{name}: {what}" for name, what in faults))
        self.faults = tuple(faults)


class KeyProblem(PipelineError):
    """The API key cannot be used; the message never contains the key."""


class AddressRefused(PipelineError):
    """The billing address may not receive a key."""


class SourceError(PipelineError):
    """The structure of a file is not reliable; nothing was sent."""


class NotUtf8(SourceError):
    """A file in an undeclared encoding other than UTF-8. `suggested`: the most likely one, a guess."""

    def __init__(self, message: str, suggested: str) -> None:
        super().__init__(message)
        self.suggested = suggested


class NoHeader(SourceError):
    """A line that looks like a record in place of the header; the message repeats nothing of it."""


class OutputRefused(PipelineError):
    """A place to which we do not write, such as a symbolic link."""


class ResultNotShown(PipelineError):
    """Stdout does not accept the result: its disk is full, its terminal is gone, or it is closed."""


class LedgerError(PipelineError):
    """The ledger cannot be opened, read or written, or belongs to another environment."""


class HomeIsNew(LedgerError):
    """The ledger is new, but the reports folder knows another one of the same environment."""


class ReferencesError(PipelineError):
    """The known customers cannot be read, or another process is loading them."""


class SandboxError(PipelineError):
    """The state of the sandbox in this process cannot be opened."""


class RunNotFound(PipelineError):
    """The reports folder has no run of that name."""


class PersonalDataFound(PipelineError):
    """A file for others would contain personal data; it was not made. The message names the row only."""


class UnknownCode(PipelineError):
    """No reason or issue has that code; the message names the nearest."""

    exit_code = ExitCode.USAGE


class ThresholdExceeded(PipelineError):
    """A threshold of the job is exceeded; nothing was sent, and a person decides."""

    exit_code = ExitCode.THRESHOLD


class SubmissionStopped(PipelineError):
    """Billing gave an answer after which nothing more may be sent in this run."""


class Interrupted(PipelineError):
    """Stopped by a signal, an outage, or a disk that failed after a send; the run can be resumed."""

    exit_code = ExitCode.INTERRUPTED


class PlanStale(PipelineError):
    """Something that the plan depends on has changed; make a new plan."""

    exit_code = ExitCode.STALE


class NotApproved(PipelineError):
    """A person did not approve the plan."""

    exit_code = ExitCode.STALE


class NothingToGiveUp(PipelineError):
    """The request to give up is final, unknown, or of another run."""

    exit_code = ExitCode.USAGE


class OutOfBalance(PipelineError):
    """Counts or sums do not add up."""

    exit_code = ExitCode.OUT_OF_BALANCE


class LedgerLocked(PipelineError):
    """Another run holds the lock of this environment."""

    exit_code = ExitCode.LOCKED
