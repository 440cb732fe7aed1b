"""The answers that stop a run, and what the person who resumes it has to do. Pure."""

from pipeline.domain.fates import State
from pipeline.domain.responses import (
    Accepted,
    CertificateRefused,
    CredentialRefused,
    Found,
    Misaddressed,
    NotFound,
    Outcome,
    RequestRefused,
)
from pipeline.submission.steps import Final, Step, Stop


def stop_for(outcome: Outcome) -> Stop:
    """The stop for an answer that no record is the cause of."""
    match outcome:
        case CertificateRefused():
            return Stop(
                "billing's certificate does not prove who it is; check the address and the machine's clock"
            )
        case CredentialRefused(status=402):
            return Stop("billing asks for payment first (402)")
        case CredentialRefused():
            return Stop(
                f"billing refuses the API key ({outcome.status}); fix BILLING_API_KEY, then resume"
            )
        case Misaddressed():
            return Stop(
                f"status {outcome.status}: this is not the billing API's address; redirects are never followed"
            )
        case RequestRefused():
            return Stop(
                f"billing refuses the form of our request ({outcome.status}); please report this"
            )
        case _:
            return Stop(f"unexpected outcome {type(outcome).__name__}", exit_code=70)


def stop_for_reused_key(outcome: Outcome) -> Stop:
    """The stop after a reused key was looked up: report what billing holds, and conclude nothing from it."""
    match outcome:
        case Found(differences=()):
            held = "it holds this customer as we would have sent it"
        case Found():
            held = "it holds this customer with other content"
        case NotFound():
            held = "it does not hold this customer"
        case _:
            held = "what it holds could not be found out"
    return Stop(
        f"billing knows an idempotency key with another payload, so ledger and server disagree; {held}"
    )


def step_for_canary(found: Found, accepted: Accepted) -> Step:
    """The step after a canary's lookup: billing must hold what it answered and what was sent."""
    if found.billing_id != accepted.billing_id:
        return Stop(
            "a customer that was just created has another id in billing; nothing more was sent"
        )
    if found.differences:
        final = Final(State.CREATED_DIFFERENT, found.billing_id, found.payable, found.differences)
        fields = ", ".join(sorted({difference.field for difference in found.differences}))
        return Stop(
            f"billing keeps another {fields} than was sent; nothing more was sent", final=final
        )
    return Final(State.CREATED, accepted.billing_id, accepted.payable)
