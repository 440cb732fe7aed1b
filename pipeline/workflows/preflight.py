"""Checks before the first send: billing answers lookups, and the account is that of this environment."""

from pipeline.billing import Billing, preflight
from pipeline.domain.responses import (
    AnotherCustomer,
    CertificateRefused,
    CredentialRefused,
    Found,
    Misaddressed,
    NoAnswer,
    Outcome,
    RequestRefused,
    Unexpected,
    Unintelligible,
)
from pipeline.submission import Stop
from pipeline.workflows.accepting import accepted_by
from pipeline.workflows.account import CHANGED, Account, check_account, keep_account, kept_account
from pipeline.workflows.open_run import OpenRun

_WAITS = (0.5, 1.0, 2.0, 0.0)  #: seconds after each lookup that gets no answer


def check_before_sending(run: OpenRun, billing: Billing) -> Account | None:
    """Ask the run to stop if billing cannot be used; None if the account was not checked."""
    _check_address_and_key(run, billing)
    if run.stopping.event.is_set() or run.is_practice:
        return None
    return _check_account(run, billing)


def _check_address_and_key(run: OpenRun, billing: Billing) -> None:
    """Make one lookup: it finds a refused key or a wrong address while nothing is in doubt."""
    silence = ""
    for wait in _WAITS:
        outcome = billing.make(preflight())
        if not isinstance(outcome, NoAnswer):
            if (stop := _unusable(outcome)) is not None:
                run.stopping.ask(stop)
            return
        silence = outcome.why
        if run.stopping.event.wait(wait):
            return
    reason = f"billing does not answer ({silence}); nothing was sent: resume when it is back"
    run.stopping.ask(Stop(reason, exit_code=5))


def _unusable(outcome: Outcome) -> Stop | None:
    """The reason not to send anything, by the answer to a lookup of a customer that does not exist."""
    match outcome:
        case CredentialRefused(status=status):
            return Stop(
                f"billing refuses the API key ({status}); nothing was sent: fix it, then resume"
            )
        case CertificateRefused():
            return Stop("billing's certificate does not prove who it is; nothing was sent")
        case Found() | AnotherCustomer():
            return Stop(
                "a lookup of a customer that does not exist found one;"
                " this is not billing; nothing was sent"
            )
        case (
            Misaddressed(status=status)
            | Unintelligible(status=status)
            | Unexpected(status=status)
            | RequestRefused(status=status)
        ):
            return Stop(f"status {status}: this is not the billing API's address; nothing was sent")
        case _:
            return None


def _check_account(run: OpenRun, billing: Billing) -> Account:
    """The result of the check; that of the first process of the run, if this key is known by now."""
    folder, settings, target = run.folder, run.settings, run.target
    account, stop = check_account(
        run.ledger.reader,
        settings.home / target.environment.name,
        target.api_key.fingerprint,
        billing.make,
        is_accepted=CHANGED in {*accepted_by(folder, folder.read_plan()), *settings.accept},
        is_here=target.address.is_loopback,
    )
    if stop is not None:
        run.stopping.ask(stop)
    if account.is_known and (before := kept_account(folder)) is not None:
        return before
    keep_account(folder, account)
    return account
