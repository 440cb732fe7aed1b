"""One Parquet file: every row a record, every value as exact text, as from a CSV file."""

import contextlib
import hashlib
import os
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pyarrow as pa

from pipeline.domain.column_mapping import BILLING_ID, Layout, is_canonical
from pipeline.domain.customer import is_import_column
from pipeline.domain.file_issues import FileIssue, Finding
from pipeline.errors import SourceError
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
from pipeline.sources.cells import reason_of, text_of_unreadable
from pipeline.sources.file_access import opened_unchanged
from pipeline.sources.header import Wording, check_names, with_control_characters
from pipeline.sources.limits import check_limits
from pipeline.sources.names import Names, take_names
from pipeline.sources.parquet_rows import ParquetRows
from pipeline.sources.source_file import BATCH_BYTES, GIVEN, Batch, Lines, empty_columns, origins

_LONGEST_TYPE = 120  #: characters of a type that a message shows
#: The loss of a float, by its field.
_HELD = {"balance": "money", "external_reference": "references", BILLING_ID: "references"}


class ParquetFile:
    """A Parquet file being read; `lines` and `sha256` are complete after `batches`."""

    format = "parquet"

    def __init__(
        self, path: Path, name: str, layout: Layout | None = None, *, any_columns: bool = False
    ) -> None:
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
        self.ignored: tuple[str, ...] = ()  #: empty columns without a name
        self.unsendable: dict[str, str] = {}  #: columns without an exact text -> the reason
        self._not_kept: dict[str, str] = {}  #: those that are left out -> their types
        self._places: dict[str, int] = {}  #: column -> position in the schema

    @property
    def written(self) -> dict[str, str]:
        """What was changed or ignored; the format itself is in the file."""
        return {name: fact for name, fact in self.names.facts(self.ignored).items() if fact}

    @property
    def why(self) -> dict[str, str]:
        """Nothing was detected."""
        return {}

    @property
    def findings(self) -> list[Finding]:
        """Warnings about the whole file, after its columns were read."""
        found = self.names.findings(self.name, self.ignored)
        if self._not_kept:
            columns = ", ".join(f"{name!r} ({kind})" for name, kind in self._not_kept.items())
            found.append(Finding(FileIssue.COLUMNS_NOT_KEPT, f"{self.name}: not kept: {columns}"))
        return found

    @property
    def columns(self) -> list[str]:
        """The supplier's columns, without our own and empty ones."""
        ignored = set(self.ignored)
        return [
            name for name in self.header or () if not is_import_column(name) and name not in ignored
        ]

    def batches(
        self, *, first_position: int = 0, batch_bytes: int = BATCH_BYTES
    ) -> Iterator[Batch]:
        """Yield the records; raise SourceError if the file is damaged, unusable or changes."""
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
        """Rows in order, about `batch_bytes` of memory and at most MOST_RECORDS at a time."""
        with _without_content(self.path):
            rows = ParquetRows(file, str(self.path), os.fstat(file.fileno()).st_size)
            check_limits(str(self.path), columns=len(rows.schema))
            without_text = self._without_text(rows, batch_bytes)
        self._take_columns(rows.schema, without_text)
        self.lines = Lines(physical=rows.stated)
        with _without_content(self.path):
            self.ignored = self._empty_unnamed(rows, batch_bytes)
            if not self.columns:
                raise SourceError(
                    f"{self.path}: no column of it holds texts, numbers or dates; nothing was sent"
                )
            yield from rows.tables([self._places[name] for name in self.columns], batch_bytes)

    def _without_text(self, rows: ParquetRows, batch_bytes: int) -> frozenset[int]:
        """The positions of columns without text: nested ones, and bytes that are not UTF-8."""
        return frozenset(
            at
            for at, field in enumerate(rows.schema)
            if not self._is_text(rows, at, field.type, batch_bytes)
        )

    def _is_text(self, rows: ParquetRows, at: int, dtype: pa.DataType, batch_bytes: int) -> bool:
        if is_bytes(bare_type(dtype)):
            return all(is_plain_text(table.column(0)) for table in rows.tables([at], batch_bytes))
        return has_text(dtype)

    def _empty_unnamed(self, rows: ParquetRows, batch_bytes: int) -> tuple[str, ...]:
        """The unnamed columns that are empty in every record."""
        unnamed = [name for name in self.names.of_unnamed if name in self._places]
        if not unnamed:
            return ()
        tables = rows.tables([self._places[name] for name in unnamed], batch_bytes)
        return empty_columns(
            (Batch(self._cells(table.rename_columns(unnamed))) for table in tables), unnamed
        )

    def _take_columns(self, schema: pa.Schema, without_text: Collection[int]) -> None:
        """Refuse the file, with all faults, if a column has an invalid name or no exact text.

        Unmapped columns without a text are left out.
        """
        if unprintable := with_control_characters(schema.names):
            raise SourceError(
                f"{self.path}: its columns cannot be used: a control character stands in the name of column {unprintable}"
            )
        used = take_names(schema.names, self.layout.columns if self.layout else ()).used
        fields = list(enumerate(zip(used, schema, strict=True)))
        faults = [
            fault
            for at, (name, field) in fields
            for fault in self._type_faults(name, field.type, has_text=at not in without_text)
            if not self.any_columns
        ]
        if all(is_import_column(name) for name in schema.names):
            faults.append("there is none")
        self.names = check_names(
            schema.names,
            Wording(str(self.path), noun="its columns"),
            self.layout,
            more=faults,
            any_columns=self.any_columns,
        )
        self._not_kept = {
            name: _shown_type(field.type) for at, (name, field) in fields if at in without_text
        }
        self.unsendable = {
            name: f"{_shown_type(field.type)}: {_why_unsendable(field.type)}"
            for at, (name, field) in fields
            if at in without_text or not _has_exact_text(field.type)
        }
        self._places = {name: at for at, (name, _) in fields if at not in without_text}
        self.header = tuple(self._places)

    def _type_faults(self, name: str, dtype: pa.DataType, *, has_text: bool) -> Iterator[str]:
        """Why a column cannot become its field; a column that is not sent may have any type."""
        fields = _mapped_to(name, self.layout)
        if not fields or (has_text and _has_exact_text(dtype)):
            return
        mapped_to = f" (mapped to {', '.join(fields)})" if self.layout else ""
        if not is_float(dtype):
            why = " that are not all UTF-8" if is_bytes(bare_type(dtype)) else ""
            yield f"column {name!r}{mapped_to} is {dtype}{why}: a text, a number or a date is expected"
            return
        held = " or ".join(
            dict.fromkeys(_HELD[field_name] for field_name in fields if field_name in _HELD)
        )
        what = f"floats cannot hold {held} exactly" if held else "the text of a float is not exact"
        yield f"column {name!r}{mapped_to} is {dtype}: {what}; write it as decimal or text"

    def _records(self, rows: pa.Table, position: int) -> pl.DataFrame:
        """The records of these rows; `lines` counts the rows before them."""
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
            **{
                GIVEN + name: pl.when(pl.col("reason").is_null()).then(pl.col(GIVEN + name))
                for name in self.columns
            },
        )

    def _cells(self, rows: pa.Table) -> pl.DataFrame:
        """Every cell as text, and `undecoded` for rows with a cell that is not UTF-8."""
        cells: dict[str, pl.Series] = {}
        undecoded = pl.repeat(value=False, n=rows.num_rows, eager=True, dtype=pl.Boolean)
        for name in rows.column_names:
            try:
                texts = text_of(rows.column(name))
            except pa.ArrowException:
                raise without_text(str(self.path), name, rows.schema.field(name).type) from None
            cells[GIVEN + name] = texts.text
            undecoded |= texts.undecoded
        return pl.DataFrame({**cells, "undecoded": undecoded})


def _has_exact_text(dtype: pa.DataType) -> bool:
    """Whether values of this type can be sent; bytes can if they are UTF-8."""
    return has_exact_text(dtype) or is_bytes(bare_type(dtype))


def _why_unsendable(dtype: pa.DataType) -> str:
    if is_float(dtype):
        return "the text of a float is not exact; write it as decimal or text"
    return "not all UTF-8" if is_bytes(bare_type(dtype)) else "not a text, a number or a date"


def _shown_type(dtype: pa.DataType) -> str:
    kind = str(dtype)  # of a struct it lists all fields
    return kind if len(kind) <= _LONGEST_TYPE else f"{kind[:_LONGEST_TYPE]}…"


def _mapped_to(column: str, layout: Layout | None) -> list[str]:
    if layout is None:
        return [column] if is_canonical(column) else []
    return [field for field, source in layout.sources() if source == column]


@contextlib.contextmanager
def _without_content(path: Path) -> Iterator[None]:
    """Turn errors of Arrow for a damaged file into SourceError without its content."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{path}: the Parquet file is damaged, or not wholly written, or in a form that is not read "
            f"({type(error).__name__}); nothing was sent. Fetch or write it again"
        ) from None
