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
from pyarrow import parquet

from pipeline.customer import is_import_column
from pipeline.errors import SourceError
from pipeline.layout import BILLING_ID, Layout, is_canonical
from pipeline.outcomes import Finding
from pipeline.sources.arrow_text import has_exact_text, is_float, text_of
from pipeline.sources.cell_table import reason_of, text_of_unreadable
from pipeline.sources.header import check_names, with_control_characters
from pipeline.sources.names import Names
from pipeline.sources.opening import opened_unchanged
from pipeline.sources.source_file import BATCH_BYTES, GIVEN, MOST_RECORDS, Batch, Lines, origins

_ROWS_AT_ONCE = 8192  #: read before their size is asked: what stands in few pages may be long when it is written out
_READ_BYTES = 1 << 18  #: of each column; without it a whole row group is fetched at once

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

    @property
    def written(self) -> dict[str, str]:
        """A Parquet file says by itself how it is written."""
        return {}

    @property
    def why(self) -> dict[str, str]:
        """Nothing had to be found out."""
        return {}

    @property
    def columns(self) -> list[str]:
        """The columns that are the supplier's: without those that an earlier run of ours added."""
        return [name for name in self.header or () if not is_import_column(name)]

    @property
    def findings(self) -> list[Finding]:
        """What a person should know of the whole file, once it was read."""
        return self.names.findings(self.name, ())

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
            content = parquet.ParquetFile(file, buffer_size=_READ_BYTES, page_checksum_verification=True)
            footer, schema = content.metadata, content.schema_arrow
        self._take_columns(schema)
        self.lines = Lines(physical=footer.num_rows)
        waiting: list[pa.RecordBatch] = []
        size = rows = 0
        with _damage_told(self.path):
            for piece in content.iter_batches(batch_size=_rows_at_once(footer, batch_bytes)):
                waiting.append(piece)
                size, rows = size + piece.nbytes, rows + piece.num_rows
                if size >= batch_bytes or rows >= MOST_RECORDS:
                    yield pa.Table.from_batches(waiting)
                    waiting, size, rows = [], 0, 0
        if waiting:
            yield pa.Table.from_batches(waiting)

    def _take_columns(self, schema: pa.Schema) -> None:
        """Refuse the file, with all its faults at once, where a column cannot be called by its name or has no exact text."""
        if unprintable := with_control_characters(schema.names):
            raise SourceError(
                f"{self.path}: its columns cannot be used: a control character stands in the name of column {unprintable}"
            )
        faults = [] if self.any_columns else [fault for field in schema for fault in _type_faults(field, self.layout)]
        if all(is_import_column(name) for name in schema.names):
            faults.append("there is none")
        self.names = check_names(
            schema.names, str(self.path), self.layout, noun="its columns", more=faults, any_columns=self.any_columns
        )
        self.header = self.names.used

    def _records(self, rows: pa.Table, position: int) -> pl.DataFrame:
        """The records of these rows; those before them are counted in `lines`."""
        rows = rows.rename_columns(list(self.header or ()))
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
                raise SourceError(
                    f"{self.path}: column {name!r} holds a {rows.schema.field(name).type} that no text says"
                ) from None
            cells[GIVEN + name] = texts.text
            undecoded |= texts.undecoded
        return pl.DataFrame({**cells, "undecoded": undecoded})


def _rows_at_once(footer: parquet.FileMetaData, batch_bytes: int) -> int:
    size: int = sum(footer.row_group(index).total_byte_size for index in range(footer.num_row_groups))
    return max(1, min(_ROWS_AT_ONCE, batch_bytes * int(footer.num_rows) // max(1, size)))


def _type_faults(field: pa.Field, layout: Layout | None) -> Iterator[str]:
    """Why a column cannot become the fields that it is mapped to; a column that is not sent may be of any type."""
    fields = _mapped_to(field.name, layout)
    if not fields or has_exact_text(field.type):
        return
    meant = f" (mapped to {', '.join(fields)})" if layout else ""
    if not is_float(field.type):
        yield f"column {field.name!r}{meant} is {field.type}: a text, a number or a date is expected"
        return
    held = " or ".join(dict.fromkeys(_HELD[name] for name in fields if name in _HELD))
    what = f"floats cannot hold {held} exactly" if held else "the text of a float is not exact"
    yield f"column {field.name!r}{meant} is {field.type}: {what}; write it as decimal or text"


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
