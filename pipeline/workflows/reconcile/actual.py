"""Stage billing's side, from an export or from lookups, as one table of canonical customers."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path

import polars as pl
from pydantic import JsonValue

from pipeline.config import Settings
from pipeline.domain.column_mapping import Layout
from pipeline.domain.customer import E164_PATTERN, METADATA_PREFIX
from pipeline.domain.plan_file import LineCounts
from pipeline.domain.reconciliation import BY_EXPORT, BY_LOOKUPS, ExportFile, Method
from pipeline.errors import SourceError
from pipeline.reconciling import column_of
from pipeline.sources import BATCH_BYTES, Declared, SourceFile, in_order, read
from pipeline.storage.run_folder import RunFolder
from pipeline.transforming.mapping import map_columns
from pipeline.transforming.normalize import Defaults, normalize
from pipeline.workflows.background import one_ahead, one_behind
from pipeline.workflows.progress import CLOCK, Watch
from pipeline.workflows.reconcile.asking import Answer, LookedUp
from pipeline.workflows.row_stages import layout_of

CHANGED_AT = "changed_at"
_FIELDS = ("name", "email", "phone", "billing_id")
Cell = str | int | None
_FIRST = 5
_LARGEST = 2**63 - 1
#: A config key in a message about a file.
_SOURCE_KEY = re.compile(rf"\bsource\.(?=(?:{'|'.join(one.name for one in fields(Declared))})\b)")
_A_DAY = 86_400_000_000  #: microseconds; clocks and time zones do not differ by more


@dataclass(frozen=True, slots=True)
class BillingSide:
    """How billing's side was read, and what it states."""

    method: Method
    fields: list[str]
    has_times: bool
    unreadable_times: int = 0  #: times of change that are invalid, in the future, or without offset
    unusable: int = 0  #: records of an export without a usable external reference
    unusable_rows: tuple[str, ...] = ()  #: the first of them
    inputs: tuple[ExportFile, ...] = ()

    @property
    def is_by_lookups(self) -> bool:
        """Whether each customer was looked up, so no export was read."""
        return self.method == BY_LOOKUPS


def stage_export(
    folder: RunFolder, exports: Sequence[Path], settings: Settings, watch: Watch
) -> BillingSide:
    """Read an export like an input file: account for each record, map and normalize it."""
    try:
        return _staged_export(folder, exports, settings, watch)
    except SourceError as error:  # the config key of an export is not that of an input
        raise SourceError(_SOURCE_KEY.sub("reconcile.source.", str(error))) from error


@dataclass(slots=True)
class _ExportCounts:
    """What is counted while an export is read."""

    records: int = 0
    unusable: int = 0
    first_unusable: list[str] = field(default_factory=list)
    times: int = 0  #: readable times of change
    unreadable_times: int = 0

    def add_records(self, customers: pl.DataFrame, is_usable: pl.Expr) -> None:
        """Count the records of a batch; remember the first unusable ones."""
        described = pl.concat_str("row_id", pl.concat_str(pl.lit(" "), "reason").fill_null(""))
        unusable = customers.filter(~is_usable)
        first = unusable.head(_FIRST - len(self.first_unusable)).select(described)
        self.records += customers.height
        self.unusable += unusable.height
        self.first_unusable += first.to_series().to_list()

    def add_times(self, given: pl.Series, changed_at: pl.Series) -> None:
        """Count the times of change as they were `given`, and those that could be read."""
        texts, readable = given.str.strip_chars().replace("", None).count(), changed_at.count()
        self.times += readable
        self.unreadable_times += texts - readable


def _staged_export(
    folder: RunFolder, exports: Sequence[Path], settings: Settings, watch: Watch
) -> BillingSide:
    config = settings.reconcile
    source = Declared(**config.source.model_dump()) if config.source else None
    files = in_order(list(exports), source, config.mapping)
    counts = _ExportCounts()
    layout: Layout | None = None
    latest = round(CLOCK.now().timestamp() * 1e6) + _A_DAY
    is_usable = pl.col("reason").is_null() & pl.col("external_reference").is_not_null()
    with one_behind(partial(_stage, folder)) as stage_behind:
        for number, (file, batch) in enumerate(one_ahead(read(files, BATCH_BYTES))):
            layout = layout_of(config.mapping, file.columns, file.format)
            _refuse_without_amounts(file.path, layout)
            changed_at = _time_column(file.path, file.columns, config.changed_at)
            mapped = map_columns(batch.records, layout)
            customers = _normalized(
                mapped, layout, Defaults(settings.region), is_declared=config.mapping is not None
            )
            counts.add_records(customers, is_usable)
            usable = customers.filter(is_usable)
            their_rows = _their_rows(usable, layout, changed_at, latest)
            if changed_at is not None:
                counts.add_times(usable[f"given.{changed_at}"], their_rows["changed_at"])
            stage_behind((f"their_rows-{number:05}.parquet", their_rows))
            watch.reading(counts.records)
    if layout is None:
        raise SourceError(
            f"{', '.join(map(str, exports))}: 0 records; an export without customers proves nothing"
        )
    folder.stage("unanswered-00000.parquet", _unanswered(()))
    return _export_side(files, layout, counts)


def _export_side(files: Sequence[SourceFile], layout: Layout, counts: _ExportCounts) -> BillingSide:
    stated = [
        name for name, _ in layout.texts() if name in _FIELDS or name.startswith(METADATA_PREFIX)
    ]
    return BillingSide(
        BY_EXPORT,
        stated,
        has_times=counts.times > 0,
        unreadable_times=counts.unreadable_times,
        unusable=counts.unusable,
        unusable_rows=tuple(counts.first_unusable),
        inputs=tuple(
            ExportFile(name=file.name, sha256=file.sha256, lines=LineCounts(**asdict(file.lines)))
            for file in files
        ),
    )


def stage_lookups(
    folder: RunFolder, answers: Iterable[list[LookedUp]], sent: frozenset[str]
) -> BillingSide:
    """Stage the customers that lookups found like those of an export, and the rest as `unanswered`.

    `sent`: the fields that we may have sent. So metadata that billing lost is compared too.
    """
    metadata = {name for name in sent if name.startswith(METADATA_PREFIX)}
    place = 0
    for number, block in enumerate(answers):
        rows: list[dict[str, Cell]] = []
        for one in block:
            if one.found is not None:
                rows.append(
                    {"external_reference": one.reference, "place": place, **_cells(one.found)}
                )
                metadata |= {name for name in rows[-1] if name.startswith(METADATA_PREFIX)}
            place += 1
        folder.stage(f"their_rows-{number:05}.parquet", _as_table(rows))
        folder.stage(
            f"unanswered-{number:05}.parquet",
            _unanswered(one for one in block if not one.is_determined),
        )
    names = sorted(metadata)
    for part in folder.parts("their_rows"):  # a block lacks the keys of later blocks
        table = pl.read_parquet(part, glob=False)
        missing = [
            pl.lit(None, pl.String).alias(column_of(name))
            for name in names
            if column_of(name) not in table.columns
        ]
        if missing:
            folder.stage(part.name, table.with_columns(missing))
    if not folder.parts("their_rows"):
        folder.stage(
            "their_rows-00000.parquet",
            _as_table([]).with_columns(
                pl.lit(None, pl.String).alias(column_of(name)) for name in names
            ),
        )
        folder.stage("unanswered-00000.parquet", _unanswered(()))
    return BillingSide(BY_LOOKUPS, [*_FIELDS, *names], has_times=False)


def _time_column(path: Path, columns: Sequence[str], declared: str | None) -> str | None:
    if declared is not None and declared not in columns:
        raise SourceError(
            f"{path}: no column {declared!r} (reconcile.changed_at); found: {', '.join(columns)}"
        )
    return declared or (CHANGED_AT if CHANGED_AT in columns else None)


def _refuse_without_amounts(path: Path, layout: Layout) -> None:
    stated = {name for name, _ in layout.texts()} | ({"balance"} if layout.balance else set())
    if missing := [
        name for name in ("external_reference", "currency", "balance") if name not in stated
    ]:
        raise SourceError(
            f"{path}: no column for {' or '.join(missing)}, which a reconciliation needs."
            " Map the columns of the export in reconcile.mapping"
        )


def _normalized(
    mapped: pl.DataFrame, layout: Layout, defaults: Defaults, *, is_declared: bool
) -> pl.DataFrame:
    """Normalize texts as for sending, but keep emails and phones, which billing keeps as sent.

    A phone in a national format is normalized only if the job declares a mapping.
    """
    if not is_declared or "mapped.phone" not in mapped.columns:
        return normalize(mapped, layout, defaults, as_written=("email", "phone"))
    is_sent = pl.col("mapped.phone").str.contains(E164_PATTERN)
    others = mapped.with_columns(pl.when(~is_sent).then("mapped.phone").alias("mapped.phone"))
    return normalize(others, layout, defaults, as_written=("email",)).with_columns(
        pl.coalesce("phone", mapped["mapped.phone"]).alias("phone")
    )


def _stage(folder: RunFolder, named: tuple[str, pl.DataFrame]) -> None:
    folder.stage(*named)


def _their_rows(
    customers: pl.DataFrame, layout: Layout, changed_at: str | None, latest: int
) -> pl.DataFrame:
    """Each text in its canonical form, or unchanged without one; times after `latest` are null."""
    stated = {name for name, _ in layout.texts()}
    texts = {
        name: pl.coalesce(name, f"mapped.{name}")
        for name in (*_FIELDS, "currency")
        if name in stated
    }
    time = microseconds(pl.col(f"given.{changed_at}") if changed_at else pl.lit(None, pl.String))
    balance_text = (
        pl.when(pl.col("balance").is_null()).then("mapped.balance")
        if layout.balance
        else pl.lit(None, pl.String)
    )
    return customers.select(
        "external_reference",
        "row_id",
        *(
            pl.col(name).alias(column_of(name))
            for name in customers.columns
            if name.startswith(METADATA_PREFIX)
        ),
        place=pl.col("position"),
        **{name: texts.get(name, pl.lit(None, pl.String)) for name in (*_FIELDS, "currency")},
        balance=pl.col("balance"),
        balance_text=balance_text,
        changed_at=pl.when(time <= latest).then(time),
    )


def microseconds(text: pl.Expr) -> pl.Expr:
    """ISO 8601 with an offset from UTC (Z, +02, +02:00, UTC) -> microseconds since 1970, or null.

    A time without an offset is null. It may be wrong by half a day, which decides whether billing
    changed a customer after us.
    """
    whole = text.str.strip_chars().str.to_uppercase().str.replace(r"^(\d{4}-\d\d-\d\d) ", "${1}T")
    whole = whole.str.replace(r" ?(?:Z|UTC)$", "+00:00").str.replace(
        r"([+-]\d\d)(\d\d)?$", "${1}:${2}"
    )
    whole = whole.str.replace(r":$", ":00").str.replace(r"T(\d\d:\d\d)([+-])", "T${1}:00${2}")
    return whole.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", strict=False).dt.epoch(
        "us"
    )


def _cells(found: Answer) -> dict[str, Cell]:
    """The cells of a customer of billing; values that are neither texts nor amounts become JSON."""
    balance, metadata = found.get("balance"), found.get("metadata")
    amount = _amount(balance)
    extra = metadata if isinstance(metadata, dict) else {}
    return {
        "row_id": "lookup",
        **{name: _text(found.get(name)) for name in (*_FIELDS, "currency")},
        **{METADATA_PREFIX + key: _text(value) for key, value in extra.items()},
        "balance": amount,
        "balance_text": None
        if balance is None or amount is not None
        else json.dumps(balance, ensure_ascii=False),
    }


def _amount(balance: JsonValue) -> int | None:
    """A balance in minor units that fits into a table; None for any other value."""
    if not isinstance(balance, int) or isinstance(balance, bool):
        return None
    return balance if abs(balance) <= _LARGEST else None


def _text(value: JsonValue) -> str | None:
    return (
        value
        if value is None or isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, sort_keys=True)
    )


def _as_table(rows: Sequence[Mapping[str, Cell]]) -> pl.DataFrame:
    metadata = sorted({name for row in rows for name in row if name.startswith(METADATA_PREFIX)})
    texts = ["external_reference", "row_id", *_FIELDS, "currency", "balance_text", *metadata]
    schema = {
        **dict.fromkeys(texts, pl.String),
        **dict.fromkeys(("place", "balance", "changed_at"), pl.Int64),
    }
    return pl.DataFrame(rows, schema=schema).rename({name: column_of(name) for name in metadata})


def _unanswered(answers: Iterable[LookedUp]) -> pl.DataFrame:
    rows = [(one.reference, one.answer) for one in answers]
    return pl.DataFrame(
        rows, schema=dict.fromkeys(("external_reference", "answer"), pl.String), orient="row"
    )


def blocks(answers: Iterable[LookedUp], rows: int = 100_000) -> Iterator[list[LookedUp]]:
    """Group answers into blocks that fit into memory."""
    block: list[LookedUp] = []
    for answer in answers:
        block.append(answer)
        if len(block) == rows:
            yield block
            block = []
    if block:
        yield block
