"""The fates that the ledger gives to records in doubt and to those never sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import polars as pl

from pipeline.domain.fates import Fate, State
from pipeline.reporting.current_fates.tables import KEY, SETTLING, WAITING, Current, superseded

_FATE_OF_STATE = {
    State.CREATED: Fate.CREATED,
    State.ADOPTED: Fate.CREATED,
    State.CREATED_DIFFERENT: Fate.CREATED_DIFFERENT,
    State.PRE_EXISTING: Fate.ALREADY_EXISTS_SAME,
    State.CONFLICT: Fate.ALREADY_EXISTS_DIFFERENT,
    State.REFUSED: Fate.REFUSED,
}


@dataclass(frozen=True, slots=True)
class End:
    """The final state of a request in the ledger, the run that reached it, and the content."""

    state: State
    run_id: str
    fingerprint: str


def settled_by_ledger(
    current: Current,
    newest: Mapping[str, End],
    own: Mapping[tuple[str, str], End] = MappingProxyType({}),
) -> Current:
    """Apply the states of the ledger to records that were in doubt or not attempted.

    `newest`: external reference -> its newest request. `own`: (reference, fingerprint) -> the
    request with this content, if a newer request has other content. The request with a record's own
    content decides its fate; a customer with other content only prevents the record from being
    sent.
    """
    keys = current.records.filter(
        pl.col("fate").is_in(WAITING) & pl.col("external_reference").is_in(list(newest))
    )
    found = [
        (file, place, *settled)
        for file, place, fate, reference, fingerprint in keys.select(
            *KEY, "fate", "external_reference", "fingerprint"
        ).rows()
        if (
            settled := _fate_by(
                fate, newest.get(reference), own.get((reference, fingerprint)), fingerprint
            )
        )
        is not None
    ]
    names = (*KEY, "ledger_fate", "ledger_run")
    table = pl.DataFrame(found, schema=dict.fromkeys(names, pl.String), orient="row")
    is_settled = pl.col("ledger_fate").is_not_null()
    records = current.records.join(table, on=KEY, how="left", maintain_order="left").with_columns(
        fate=pl.coalesce("ledger_fate", "fate"),
        run_id=pl.coalesce("ledger_run", "run_id"),
        is_met=is_settled,
        met_by="run_id",
    )
    settling = (
        records.filter(pl.col("is_met") & pl.col("fate").is_in(SETTLING))
        .select("external_reference", by_row="row_id", by_run="run_id", until_run="met_by")
        .unique("external_reference", keep="first", maintain_order=True)
    )
    return Current(superseded(records, settling), current.returns, current.files)


def _fate_by(
    fate: str, newest: End | None, own: End | None, fingerprint: str | None
) -> tuple[str, str] | None:
    """The fate of one record by the ledger and the run that settled it; None if still open."""
    if newest is None:
        return None
    if own is None and fingerprint in {None, newest.fingerprint}:
        own = newest
    if own is None:  # never sent: a request with other content blocks it, or did
        kept = {State.GIVEN_UP: Fate.NEEDS_REVIEW, State.REFUSED: None, State.NEVER_CREATED: None}
        held = Fate.ALREADY_EXISTS_DIFFERENT if newest.state in _FATE_OF_STATE else None
        now = kept.get(newest.state, held)
    elif own.state in {State.GIVEN_UP, State.NEVER_CREATED}:
        now = Fate.GIVEN_UP if fate == Fate.IN_DOUBT.value else None
    else:
        now = _FATE_OF_STATE.get(own.state)
    end = own or newest
    return None if now is None else (now.value, end.run_id)
