"""What can go wrong with the world. Bad data is never here: a bad row is a value with a reason (`Reason`).

PipelineError                what, where, and what to do; carries the exit code that the command ends with
├── ConfigError         4    settings that cannot hold, all of them at once
│   └── OptionRefused   2    values that options cannot have
├── KeyProblem          4    the API key is missing, malformed, of the wrong kind, or refused by billing
├── AddressRefused      4    the billing address is not one that a key may be sent to
├── SourceError         4    a file whose structure cannot be trusted
├── OutputRefused       4    a place that we will not write to
├── ResultNotShown      4    stdout takes no result
├── LedgerError         4    the ledger cannot be opened, read or written, or belongs to another environment
├── ReferencesError     4    the file of known customers cannot be read, or is being loaded by somebody else
├── SandboxError        4    the state of the sandbox in this process cannot be opened
├── RunNotFound         4    no run of that name in the reports folder
├── RunDamaged         4    a file of this run's folder cannot be read (in `run_damage`)
├── PersonalDataFound  4    what was to be handed on names people; it was not made
├── UnknownCode         2    nothing is called by that code
├── NothingToGiveUp     2    a request that is to be given up is settled, unknown, or another run's
├── ThresholdExceeded   3    the job says that so much is too much; nothing was sent
├── SubmissionStopped   4    billing gave an answer after which nothing more may be sent
├── Interrupted         5    stopped by a signal, an outage, or a disk that failed after a send; resumable
├── PlanStale           6    what the plan was made from has moved
├── NotApproved         6    nobody said yes
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
    """Something about the world that a person has to mend; the message says what, where and what to do.

    `suggests`: the words of the command that goes on from here, such as ("resume", RUN_ID). Whoever shows the error adds the
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
    """Settings that cannot hold together; every fault is named."""


class OptionRefused(ConfigError):
    """Values that options cannot have: a usage error. `faults`: each option or setting, and what is wrong with it."""

    exit_code = ExitCode.USAGE

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{name}: {what}" for name, what in faults))
        self.faults = tuple(faults)


class KeyProblem(PipelineError):
    """The API key cannot be used; the message never holds the key."""


class AddressRefused(PipelineError):
    """The billing address is not one that a key may be sent to."""


class SourceError(PipelineError):
    """A file whose structure cannot be trusted; nothing was sent."""


class NotUtf8(SourceError):
    """A file that is in another encoding, which nobody has declared; `suggested` is the likeliest, and a guess."""

    def __init__(self, message: str, suggested: str) -> None:
        super().__init__(message)
        self.suggested = suggested


class NoHeader(SourceError):
    """A line that looks like a record where the names of columns are expected; the message repeats nothing of it."""


class OutputRefused(PipelineError):
    """A place that we will not write to, such as a symbolic link."""


class ResultNotShown(PipelineError):
    """Stdout takes no result: its disk is full, its terminal has gone away, or it is closed."""


class LedgerError(PipelineError):
    """The ledger cannot be opened, read or written, or belongs to another environment."""


class HomeIsNew(LedgerError):
    """The ledger is new, and the reports folder knows another one of the same environment."""


class ReferencesError(PipelineError):
    """The file of known customers cannot be read, or somebody else is loading it."""


class SandboxError(PipelineError):
    """The state of the sandbox in this process cannot be opened."""


class RunNotFound(PipelineError):
    """No run of that name in the reports folder."""


class PersonalDataFound(PipelineError):
    """What was to be handed on would name people; it was not made. The message says whose row it is, and not what it says."""


class UnknownCode(PipelineError):
    """Nothing is called by that code; the message names the nearest."""

    exit_code = ExitCode.USAGE


class ThresholdExceeded(PipelineError):
    """A threshold of the job is crossed; nothing was sent, and a person decides."""

    exit_code = ExitCode.THRESHOLD


class SubmissionStopped(PipelineError):
    """Billing gave an answer after which nothing more may be sent in this run."""


class Interrupted(PipelineError):
    """Stopped before the end by a signal, an outage, or a disk that failed after a send; nothing is lost, and the run can be resumed."""

    exit_code = ExitCode.INTERRUPTED


class PlanStale(PipelineError):
    """What the plan was made from has moved since; make a new plan."""

    exit_code = ExitCode.STALE


class NotApproved(PipelineError):
    """The plan waits for a yes that was not given."""

    exit_code = ExitCode.STALE


class NothingToGiveUp(PipelineError):
    """A request that is to be given up is settled, unknown, or another run's."""

    exit_code = ExitCode.USAGE


class OutOfBalance(PipelineError):
    """Counts or sums do not add up: the conservation law is broken."""

    exit_code = ExitCode.OUT_OF_BALANCE


class LedgerLocked(PipelineError):
    """Another run holds the lock of this environment."""

    exit_code = ExitCode.LOCKED
