"""`pipeline resume --give-up REFERENCE`: stop work on a record that stays in doubt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.billing import Billing
from pipeline.errors import NothingToGiveUp
from pipeline.storage.ledger import Begun, Ledger, LedgerReader
from pipeline.submission import Clock, GivenUp, StopRequest, give_up

__all__ = ["GivenUp", "GivingUp", "give_up_requests", "refuse_unless_unsettled"]


@dataclass(frozen=True, slots=True)
class GivingUp:
    """Which external references a person gives up, and why."""

    references: tuple[str, ...]
    note: str
    on_result: Callable[[GivenUp], None] = lambda _: None


def refuse_unless_unsettled(wanted: GivingUp, ledger: LedgerReader, run_id: str) -> None:
    """Raise NothingToGiveUp unless each reference has an unsettled request of this run."""
    begun, known = _begun(wanted, ledger), ledger.states(wanted.references)
    for reference in wanted.references:
        if reference not in known:
            raise NothingToGiveUp(
                f"--give-up: the ledger has no request for {reference!r};"
                " use the external reference as billing has it"
            )
        if reference not in begun:
            raise NothingToGiveUp(
                f"--give-up: the request for {reference!r} is settled"
                f" ({known[reference].state.value.replace('_', ' ')}),"
                " so there is nothing to give up"
            )
        if (owner := begun[reference].run_id) != run_id:
            raise NothingToGiveUp(
                f"--give-up: the request for {reference!r} belongs to run {owner};"
                " to give it up there",
                suggests=("resume", owner, "--give-up", reference, "--note", wanted.note),
            )


def give_up_requests(
    wanted: GivingUp,
    ledger: Ledger,
    billing: Billing,
    clock: Clock,
    stopping: StopRequest,
    *,
    lookup_lag: float,
    by: str,
) -> None:
    """Look the requests up and record each result; `wanted.on_result` gets it."""
    found = give_up(
        list(_begun(wanted, ledger.reader).values()),
        ledger=ledger,
        make=billing.make,
        wait=stopping.event.wait,
        clock=clock,
        lookup_lag=lookup_lag,
        note=f"given up by {by}: {wanted.note}",
    )
    for one in found:
        wanted.on_result(one)


def _begun(wanted: GivingUp, ledger: LedgerReader) -> dict[str, Begun]:
    references: Sequence[str] = list(dict.fromkeys(wanted.references))
    return {one.intent.external_reference: one for one in ledger.open_requests(references)}
