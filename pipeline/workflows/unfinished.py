"""A run that fails after a send ends as resumable (exit code 5), and names the command that resumes it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pipeline.billing import Call, Create
from pipeline.domain.machine_faults import breakage
from pipeline.domain.outcomes import Outcome
from pipeline.errors import Interrupted, KeyProblem, PipelineError, SubmissionStopped

_FATAL = PipelineError.exit_code


@dataclass
class Attempt:
    """One process's attempt at a run: how far it came."""

    run_id: str
    is_begun: bool = False  #: the ledger knows the run, so that it can be resumed
    has_sent: bool = (
        False  #: something of the run has left for billing, now or in an earlier attempt
    )

    def noting(self, make: Callable[[Call], Outcome]) -> Callable[[Call], Outcome]:
        """The same calls; a create counts as sent before it leaves."""

        def make_and_note(call: Call) -> Outcome:
            self.has_sent = self.has_sent or isinstance(call, Create)
            return make(call)

        return make_and_note


@contextmanager
def attempting(run_id: str, tell: Callable[[str], None]) -> Iterator[Attempt]:
    """Tell which run is unfinished where the block fails; raise Interrupted where the surroundings failed after a send."""
    attempt = Attempt(run_id)
    try:
        yield attempt
    except BaseException as failure:
        if attempt.is_begun:
            tell(run_id)
        if attempt.has_sent and (what := _of_the_surroundings(failure)):
            raise Interrupted(
                f"{what}. Customers were sent"
            ) from failure  # `tell` has named the command that goes on
        raise


def _of_the_surroundings(failure: BaseException) -> str | None:
    """What failed, where neither billing nor this program is at fault."""
    if isinstance(failure, PipelineError):
        is_ours = failure.exit_code == _FATAL and not isinstance(
            failure, SubmissionStopped | KeyProblem
        )
        return failure.message.rstrip(".") if is_ours else None
    return breakage(failure)
