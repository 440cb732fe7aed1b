"""One Parquet file: every row a record, every value as exact text, under the same contract as a CSV file."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pyarrow as pa

from pipeline.customer import is_import_column
from pipeline.errors import SourceError
from pipeline.layout import BILLING_ID, Layout, is_canonical
from pipeline.outcomes import Alarm, Finding
from pipeline.sources.arrow_text import (
    bare_type,
    has_exact_text,
    has_text,
    is_bytes,
    is_float,
    is_plain_text,
    text_of,
    without_text,
)
from pipeline.sources.cell_table import reason_of, text_of_unreadable
from pipeline.sources.header import check_names, with_control_characters
from pipeline.sources.limits import check_limits
from pipeline.sources.names import Names, take_names
from pipeline.sources.opening import opened_unchanged
from pipeline.sources.parquet_rows import ParquetRows
from pipeline.sources.source_file import BATCH_BYTES, GIVEN, Batch, Lines, origins

_LONGEST_TYPE = 120  #: characters of a type that a message shows
#: What a float would lose, by the field that it was to become.
_HELD = {"balance": "money", "external_reference": "references", BILLING_ID: "references"}


class ParquetFile:
    """A Parquet file being read; `lines` and `sha256` are true of the whole file once `batches` has ended."""

    format = "parquet"

    def __init__(self, path: Path, name: str, layout: Layout | None = None, *, any_columns: bool = False) -> None:
        self.path = path
        self.name = name
        self.layout = layout
        self.any_columns = any_columns
        self.lines = Lines()
        self.sha256 = ""
        self.size = 0
        self.header: tuple[str, ...] | None = None
        self.names = Names(())
        self.footer: tuple[str, ...] = ()
        self._stored: dict[str, str] = {}  #: what the file itself calls the columns of the header
        self.not_kept: dict[str, str] = {}  #: columns that are left out, with their types

    @property
    def written(self) -> dict[str, str]:
        """A Parquet file says by itself how it is written."""
        return {}

    @property
    def why(self) -> dict[str, str]:
        """Nothing had to be found out."""
        return {}

    @property
    def findings(self) -> list[Finding]:
        """What a person should know of the whole file, once its columns were read."""
        found = self.names.findings(self.name, ())
        if self.not_kept:
            columns = ", ".join(f"{name!r} ({kind})" for name, kind in self.not_kept.items())
            found.append(Finding(Alarm.COLUMNS_NOT_KEPT, f"{self.name}: not kept: {columns}"))
        return found

    @property
    def columns(self) -> list[str]:
        """The columns that are the supplier's: without those that an earlier run of ours added."""
        return [name for name in self.header or () if not is_import_column(name)]

    def batches(self, *, first_position: int = 0, batch_bytes: int = BATCH_BYTES) -> Iterator[Batch]:
        """Yield the records; raise SourceError where the file is damaged, its columns cannot be used, or it changes."""
        with opened_unchanged(self.path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            self.lines = Lines()
            for rows in self._tables(file, batch_bytes):
                records = self._records(rows, first_position + self.lines.records)
                self.lines = replace(self.lines, records=self.lines.records + records.height)
                yield Batch(records)
            size = os.fstat(file.fileno()).st_size
        self.sha256 = digest
        self.size = size

    def _tables(self, file: BinaryIO, batch_bytes: int) -> Iterator[pa.Table]:
        """Rows in their order, some `batch_bytes` of memory at a time, and no more than MOST_RECORDS."""
        with _damage_told(self.path):
            rows = ParquetRows(file, str(self.path), os.fstat(file.fileno()).st_size)
            check_limits(str(self.path), columns=len(rows.schema))
            self.not_kept = self._without_text(rows, batch_bytes)
        self._take_columns(rows.schema)
        self.lines = Lines(physical=rows.stated)
        with _damage_told(self.path):
            yield from rows.tables([self._stored[name] for name in self.columns], batch_bytes)

    def _without_text(self, rows: ParquetRows, batch_bytes: int) -> dict[str, str]:
        """Columns whose values are no text, with their types: nested ones, and bytes that are not all UTF-8."""
        found = {}
        for field in rows.schema:
            is_text = has_text(field.type)
            if is_bytes(bare_type(field.type)):
                tables = rows.tables([field.name], batch_bytes)
                is_text = all(is_plain_text(table.column(0)) for table in tables)
            if not is_text:
                kind = str(field.type)  # of a struct it names all of its fields
                found[field.name] = kind if len(kind) <= _LONGEST_TYPE else f"{kind[:_LONGEST_TYPE]}…"
        return found

    def _take_columns(self, schema: pa.Schema) -> None:
        """Refuse the file, with all its faults at once, where a column cannot be called by its name or has no exact text.

        Columns without a text that nobody maps are left out.
        """
        if unprintable := with_control_characters(schema.names):
            raise SourceError(
                f"{self.path}: its columns cannot be used: a control character stands in the name of column {unprintable}"
            )
        used = take_names(schema.names, self.layout.columns if self.layout else ()).used
        faults = [
            fault
            for name, field in zip(used, schema, strict=True)
            for fault in self._type_faults(name, field)
            if not self.any_columns
        ]
        if all(is_import_column(name) for name in schema.names):
            faults.append("there is none")
        self.names = check_names(
            schema.names, str(self.path), self.layout, noun="its columns", more=faults, any_columns=self.any_columns
        )
        columns = dict(zip(self.names.used, schema.names, strict=True))
        self._stored = {name: stored for name, stored in columns.items() if stored not in self.not_kept}
        self.header = tuple(self._stored)

    def _type_faults(self, name: str, field: pa.Field) -> Iterator[str]:
        """Why a column cannot become the fields that it is mapped to; a column that is not sent may be of any type."""
        fields = _mapped_to(name, self.layout)
        has_exact = has_exact_text(field.type) or is_bytes(bare_type(field.type))
        if not fields or (has_exact and field.name not in self.not_kept):
            return
        meant = f" (mapped to {', '.join(fields)})" if self.layout else ""
        if not is_float(field.type):
            why = " that are not all UTF-8" if is_bytes(bare_type(field.type)) else ""
            yield f"column {name!r}{meant} is {field.type}{why}: a text, a number or a date is expected"
            return
        held = " or ".join(dict.fromkeys(_HELD[field_name] for field_name in fields if field_name in _HELD))
        what = f"floats cannot hold {held} exactly" if held else "the text of a float is not exact"
        yield f"column {name!r}{meant} is {field.type}: {what}; write it as decimal or text"

    def _records(self, rows: pa.Table, position: int) -> pl.DataFrame:
        """The records of these rows; those before them are counted in `lines`."""
        rows = rows.rename_columns(self.columns)
        number = pl.int_range(pl.len(), dtype=pl.Int64) + self.lines.records + 1
        cells = [pl.col(GIVEN + name) for name in self.columns]
        table = self._cells(rows).with_columns(reason=reason_of(cells))
        return table.select(
            position=pl.int_range(pl.len(), dtype=pl.Int64) + position,
            row_id=pl.format("{}#{}", pl.lit(self.name), number),
            line=number,
            line_count=pl.lit(1, pl.Int64),
            reason=pl.col("reason"),
            text=text_of_unreadable(table, cells),
            **origins(()),  # no list of ours is written as Parquet
            **{GIVEN + name: pl.when(pl.col("reason").is_null()).then(pl.col(GIVEN + name)) for name in self.columns},
        )

    def _cells(self, rows: pa.Table) -> pl.DataFrame:
        """Every cell as text, and `undecoded` for the rows in which one is not UTF-8."""
        cells: dict[str, pl.Series] = {}
        undecoded = pl.repeat(value=False, n=rows.num_rows, eager=True, dtype=pl.Boolean)
        for name in self.columns:
            try:
                texts = text_of(rows.column(name))
            except pa.ArrowException:
                raise without_text(str(self.path), name, rows.schema.field(name).type) from None
            cells[GIVEN + name] = texts.text
            undecoded |= texts.undecoded
        return pl.DataFrame({**cells, "undecoded": undecoded})


def _mapped_to(column: str, layout: Layout | None) -> list[str]:
    if layout is None:
        return [column] if is_canonical(column) else []
    return [field for field, source in layout.sources() if source == column]


@contextlib.contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """What Arrow says of a damaged file, as a SourceError; its own words may repeat what stands in the file."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{path}: the Parquet file is damaged, or not wholly written, or in a form that is not read "
            f"({type(error).__name__}); nothing was sent. Fetch or write it again"
        ) from None
