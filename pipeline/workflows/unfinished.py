"""A run that fails after a send ends as resumable (exit 5) and names the command to resume."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.billing import Call, Create
from pipeline.domain.machine_faults import breakage
from pipeline.domain.responses import Outcome
from pipeline.errors import Interrupted, KeyProblem, PipelineError, SubmissionStopped

_FATAL = PipelineError.exit_code


@dataclass
class Attempt:
    """The attempt of one process at a run, and how far it got."""

    run_id: str
    is_begun: bool = False  #: the ledger knows the run, so that it can be resumed
    has_sent: bool = False  #: a create of the run was sent, now or in an earlier attempt

    def noting(self, make: Callable[[Call], Outcome]) -> Callable[[Call], Outcome]:
        """The same calls, which set `has_sent` before a create leaves."""

        def make_and_note(call: Call) -> Outcome:
            self.has_sent = self.has_sent or isinstance(call, Create)
            return make(call)

        return make_and_note


@contextmanager
def attempting(run_id: str, on_unfinished: Callable[[str], None]) -> Iterator[Attempt]:
    """Report the run if the block fails; raise Interrupted if the machine failed after a send."""
    attempt = Attempt(run_id)
    try:
        yield attempt
    except BaseException as failure:
        if attempt.is_begun:
            on_unfinished(run_id)
        if attempt.has_sent and (cause := _external_cause(failure)):
            # `on_unfinished` has printed the command that resumes the run.
            raise Interrupted(f"{cause}. Customers were sent") from failure
        raise


def _external_cause(failure: BaseException) -> str | None:
    """What failed, if neither billing nor this program is at fault."""
    if isinstance(failure, PipelineError):
        is_ours = failure.exit_code == _FATAL and not isinstance(
            failure, SubmissionStopped | KeyProblem
        )
        return failure.message.rstrip(".") if is_ours else None
    return breakage(failure)
