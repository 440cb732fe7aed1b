"""Billing's side of a reconciliation, as one table: what an export says, read as every file is, or what look-ups answered."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.ahead import one_ahead, one_behind
from pipeline.config import Settings
from pipeline.customer import E164_PATTERN, METADATA_PREFIX
from pipeline.errors import SourceError
from pipeline.layout import Layout, canonical_layout
from pipeline.mapping import map_columns
from pipeline.normalizing import Defaults, normalize
from pipeline.run_folder import RunFolder
from pipeline.sources import BATCH_BYTES, Declared, in_order, read
from pipeline.verbs.reconcile.look_ups import LookedUp
from pipeline.verbs.watch import Watch

CHANGED_AT = "changed_at"  #: the column of an export that says when a customer was changed, where a job names no other
_FIELDS = ("name", "email", "phone", "billing_id")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Billed:
    """How billing's side was found, and what it states."""

    method: str  #: "export" or "look-ups"
    fields: list[str]
    has_times: bool
    unusable: int = 0  #: records of an export that name no customer
    unusable_rows: tuple[str, ...] = ()  #: the first of them
    inputs: tuple[dict[str, Any], ...] = ()


def stage_export(folder: RunFolder, exports: Sequence[Path], settings: Settings, watch: Watch) -> Billed:
    """An export, read as everything is: each record accounted for, mapped, normalized."""
    said = settings.reconcile
    files = in_order(list(exports), Declared(**said.source.model_dump()) if said.source else None, said.mapping)
    unusable, first_unusable, read_so_far = 0, list[str](), 0
    layout: Layout | None = None
    changed_at: str | None = None
    with one_behind(partial(_put_away, folder)) as put_behind:
        for number, (file, batch) in enumerate(one_ahead(read(files, BATCH_BYTES))):
            layout = said.mapping or canonical_layout(file.columns)
            _refuse_without_amounts(file.path, layout)
            changed_at = said.changed_at or (CHANGED_AT if CHANGED_AT in file.columns else None)
            if changed_at is not None and changed_at not in file.columns:
                raise SourceError(
                    f"{file.path}: no column {changed_at!r} (reconcile.changed_at); found: {', '.join(file.columns)}"
                )
            customers = _normalized(map_columns(batch.records, layout), layout, Defaults(settings.region))
            names_one = pl.col("reason").is_null() & pl.col("external_reference").is_not_null()
            kept = customers.filter(names_one)
            unusable += customers.height - kept.height
            room = _SHOWN - len(first_unusable)
            first_unusable += customers.filter(~names_one)["row_id"].head(room).to_list()
            put_behind((f"billed-{number:05}.parquet", _as_billed(kept, layout, changed_at)))
            read_so_far += customers.height
            watch.reading(read_so_far)
    if layout is None:
        raise SourceError(f"{', '.join(map(str, exports))}: 0 records; an export without customers proves nothing")
    stated = [name for name, _ in layout.texts() if name in _FIELDS or name.startswith(METADATA_PREFIX)]
    inputs = tuple({"name": file.name, "sha256": file.sha256, "lines": asdict(file.lines)} for file in files)
    return Billed("export", stated, changed_at is not None, unusable, tuple(first_unusable), inputs)


def _refuse_without_amounts(path: Path, layout: Layout) -> None:
    stated = {name for name, _ in layout.texts()} | ({"balance"} if layout.balance else set())
    if missing := [name for name in ("external_reference", "currency", "balance") if name not in stated]:
        raise SourceError(
            f"{path}: states no {' and no '.join(missing)}, so nothing can be held against it to the cent; "
            f"say in reconcile.mapping where they stand"
        )


def _normalized(mapped: pl.DataFrame, layout: Layout, defaults: Defaults) -> pl.DataFrame:
    """Texts as we would have sent them; a phone that stands there as billing takes it is what billing holds, and no question."""
    if "mapped.phone" not in mapped.columns:
        return normalize(mapped, layout, defaults)
    is_sent = pl.col("mapped.phone").str.contains(E164_PATTERN)
    others = mapped.with_columns(pl.when(~is_sent).then("mapped.phone").alias("mapped.phone"))
    return normalize(others, layout, defaults).with_columns(mapped["mapped.phone"])


def _put_away(folder: RunFolder, named: tuple[str, pl.DataFrame]) -> None:
    folder.stage(*named)


def _as_billed(customers: pl.DataFrame, layout: Layout, changed_at: str | None) -> pl.DataFrame:
    """Canonical texts where a text has a canonical form, else the text as the export writes it."""
    stated = {name for name, _ in layout.texts()}
    texts = {name: pl.coalesce(name, f"mapped.{name}") for name in (*_FIELDS, "currency") if name in stated}
    time = pl.col(f"given.{changed_at}").str.strip_chars() if changed_at else pl.lit(None, pl.String)
    balance_text = (
        pl.when(pl.col("balance").is_null()).then("mapped.balance") if layout.balance else pl.lit(None, pl.String)
    )
    return customers.select(
        "external_reference",
        "row_id",
        *(name for name in customers.columns if name.startswith(METADATA_PREFIX)),
        place=pl.col("position"),
        **{name: texts.get(name, pl.lit(None, pl.String)) for name in (*_FIELDS, "currency")},
        balance=pl.col("balance"),
        balance_text=balance_text,
        changed_at=_microseconds(time),
    )


def _microseconds(text: pl.Expr) -> pl.Expr:
    """ISO 8601 -> microseconds since 1970 (Int64), UTC where no offset is written; null where it is no time."""
    bare = text.str.replace(" ", "T", literal=True).str.replace("Z$", "+00:00")
    with_offset = bare.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", strict=False)
    without = bare.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
    return pl.coalesce(with_offset.dt.epoch("us"), without.dt.epoch("us"))


def stage_look_ups(folder: RunFolder, answers: Iterable[LookedUp]) -> Billed:
    """What billing said to look-ups, as the same table that an export makes."""
    rows: list[dict[str, Any]] = []
    metadata: set[str] = set()
    for place, answer in enumerate(answers):
        if answer.fields is None:
            continue
        balance = answer.fields.get("balance")
        extra = {f"{METADATA_PREFIX}{key}": value for key, value in (answer.fields.get("metadata") or {}).items()}
        metadata |= extra.keys()
        rows.append(
            {
                "external_reference": answer.external_reference, "row_id": "look-up", "place": place,
                **{name: answer.fields.get(name) for name in (*_FIELDS, "currency")}, **extra,
                "balance": balance if type(balance) is int else None,
                "balance_text": None if balance is None or type(balance) is int else str(balance), "changed_at": None,
            }
        )  # fmt: skip
    texts = ["external_reference", "row_id", *_FIELDS, "currency", "balance_text", *sorted(metadata)]
    schema = {**dict.fromkeys(texts, pl.String), **dict.fromkeys(("place", "balance", "changed_at"), pl.Int64)}
    folder.stage("billed-00000.parquet", pl.DataFrame(rows, schema=schema))
    return Billed("look-ups", [*_FIELDS, *sorted(metadata)], has_times=False)
