"""What is left to send of a plan: its creates without those that are final or given up."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from pipeline.domain.fates import SENDING
from pipeline.storage.aligned_parts import aligned_parts
from pipeline.storage.ledger import Ledger
from pipeline.storage.run_folder import RunFolder
from pipeline.submission import Planned

_READ_AT_ONCE = 50_000  #: creates of a plan
_SENDING = [action.value for action in SENDING]


def final_rows(ledger: Ledger, run_id: str) -> pl.DataFrame:
    """The rows of a run that are final: external_reference, state, billing_id.

    As columns, because a list of texts would take five times the memory.
    """
    return pl.concat([_final([]), *map(_final, ledger.reader.runs.final_states(run_id))])


def given_up_requests(folder: RunFolder, ledger: Ledger) -> pl.DataFrame:
    """The requests that were given up after the plan of a run: external_reference, fingerprint."""
    found = ledger.reader.given_up_after(folder.read_plan()["ledger_event"])
    schema = dict.fromkeys(("external_reference", "fingerprint"), pl.String)
    return pl.DataFrame(found, schema=schema, orient="row")


def planned_creates(
    folder: RunFolder, done: pl.DataFrame, given_up: pl.DataFrame
) -> Iterator[Planned]:
    """The creates of a plan without those that are done or given up, streamed in the order of the input."""
    normalization = folder.read_plan()["normalization"]
    for aligned in aligned_parts(folder, "records", "plan"):
        records, part = aligned.paths["records"], aligned.paths["plan"]
        for block in _blocks_left(part, done, given_up):
            for reference, fingerprint, key, payload in _with_payloads(block, records, part):
                yield Planned(reference, fingerprint, key, payload.encode(), normalization)


def _blocks_left(part: Path, done: pl.DataFrame, given_up: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Which creates of a part are left, in blocks of a bounded size: position, external_reference."""
    creates = pl.scan_parquet(part, glob=False).filter(pl.col("action").is_in(_SENDING))
    left = creates.select("position", "external_reference", "fingerprint").collect()
    left = left.join(done, on="external_reference", how="anti", maintain_order="left")
    left = left.join(given_up, on=given_up.columns, how="anti", maintain_order="left")
    left = left.drop("fingerprint")
    for first in range(0, left.height, _READ_AT_ONCE):
        yield left.slice(first, _READ_AT_ONCE)


def _with_payloads(
    block: pl.DataFrame, records: Path, part: Path
) -> Iterator[tuple[str, str, str, str]]:
    """Reference, fingerprint, key and payload of each create of a block."""
    span = pl.col("position").is_between(block["position"][0], block["position"][-1])
    plan = pl.scan_parquet(part, glob=False).filter(span)
    keys = plan.select("position", "fingerprint", "key").collect()
    payloads = (
        pl.scan_parquet(records, glob=False).filter(span).select("position", "payload").collect()
    )
    rows = block.join(keys, on="position", maintain_order="left")
    rows = rows.join(payloads, on="position", maintain_order="left")
    yield from rows.drop("position").iter_rows()


def _final(rows: Sequence[tuple[str, str, str | None]]) -> pl.DataFrame:
    schema = dict.fromkeys(("external_reference", "state", "billing_id"), pl.String)
    return pl.DataFrame(rows, schema=schema, orient="row")
