"""Read files without loss: batches of records, and every physical line or row accounted for.

No reader that we measured accounts for every line of a broken file, so we frame lines into records:
`dialect.py` holds the declared dialect, `framing.py` decides which lines belong together,
`csv_file.py` reads the bytes. `parquet_file.py` reads tables (`arrow_text.py` writes their values
exactly as text).
`excel_file.py` reads the sheets of workbooks: `workbook.py` and `sheet_rows.py` parse them,
`workbook_parts.py` finds their parts, `number_format.py` parses formats, `number_text.py` and
`amount_text.py` write the text of a cell. `header.py` decides about the columns, `file_access.py`
checks the file, `raw_lines.py` shows single lines to people.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.domain.column_mapping import Layout
from pipeline.errors import SourceError
from pipeline.sources.csv_file import CsvFile
from pipeline.sources.dialect import Declared, Dialect, is_mark
from pipeline.sources.excel_file import ExcelFile
from pipeline.sources.file_access import (
    PARQUET,
    ZIP,
    beside,
    first_bytes,
    is_list_of_ours,
    is_utf8,
    known_format,
)
from pipeline.sources.header import unknown_columns
from pipeline.sources.other_spreadsheets import refuse_other_spreadsheet
from pipeline.sources.parquet_file import ParquetFile
from pipeline.sources.raw_lines import lines_of
from pipeline.sources.source_file import BATCH_BYTES, GIVEN, Batch, Lines, SourceFile, came_back
from pipeline.storage.files import sha256_of

AS_SPREADSHEETS_SAVE = "cp1252"  #: their default encoding

__all__ = [
    "BATCH_BYTES", "GIVEN", "Batch", "CsvFile", "Declared", "Dialect", "Lines", "ParquetFile", "SourceFile", "beside", "came_back", "in_order", "is_mark",
    "lines_of", "read", "unknown_columns",
]  # fmt: skip


def in_order(
    paths: Sequence[Path],
    declared: Declared | None = None,
    layout: Layout | None = None,
    *,
    any_columns: bool = False,
) -> list[SourceFile]:
    """The files of a run in order (name, then content), each under its shortest unique name.

    The first bytes identify Parquet. `declared` is the dialect of the others, `layout` the meaning
    of the columns (None: our own names; `any_columns`: any names, to inspect a file).
    """
    if missing := [str(path) for path in paths if not path.is_file()]:
        raise SourceError(f"not found, or not a regular file: {', '.join(missing)}")
    if unnameable := [ascii(str(path)) for path in paths if not _is_text(str(path))]:
        raise SourceError(
            f"{', '.join(unnameable)}: the name is not UTF-8 text, so no report could name its rows; rename it"
        )
    unique = list(dict.fromkeys(path.parent.resolve() / path.name for path in paths))
    if len(unique) != len(paths):
        raise SourceError("a file is named twice; name each file of a run once")
    twins = {path.name for path in unique if sum(other.name == path.name for other in unique) > 1}
    ordered = sorted(
        unique,
        key=lambda path: (path.name, sha256_of(path) if path.name in twins else "", str(path)),
    )
    return [
        _source_file(path, _short_name(path, unique), declared, layout, any_columns=any_columns)
        for path in ordered
    ]


def read(
    files: Sequence[SourceFile], batch_bytes: int = BATCH_BYTES
) -> Iterator[tuple[SourceFile, Batch]]:
    """Yield the records of all files in order; refuse a file with another header."""
    position = 0
    for file in files:
        for batch in file.batches(first_position=position, batch_bytes=batch_bytes):
            position += batch.records.height
            _same_header(files[0], file)
            yield file, batch
        _same_header(files[0], file)


def _source_file(
    path: Path, name: str, declared: Declared | None, layout: Layout | None, *, any_columns: bool
) -> SourceFile:
    head = first_bytes(path)
    if head == PARQUET:
        return ParquetFile(path, name, layout, any_columns=any_columns)
    if path.suffix.casefold() == ".parquet":
        what = known_format(head) or ("text of some kind" if head else "an empty file")
        raise SourceError(
            f"{path}: this is no Parquet file, whatever its name says, but {what}; give it its right name"
        )
    refuse_other_spreadsheet(path)
    if head == ZIP:
        return ExcelFile(path, name, declared, layout, any_columns=any_columns)
    if is_list_of_ours(path):
        # A list of ours has commas and UTF-8, or what a spreadsheet made of them.
        declared = Declared(encoding=None if is_utf8(path) else AS_SPREADSHEETS_SAVE)
    return CsvFile(path, name, declared, layout, any_columns=any_columns)


def _same_header(first: SourceFile, file: SourceFile) -> None:
    if file.header is not None and first.header is not None and file.columns != first.columns:
        raise SourceError(
            f"{file.path}: its columns ({', '.join(file.columns)}) are not those of {first.path} "
            f"({', '.join(first.columns)}); the files of one run share one header"
        )


def _is_text(name: str) -> bool:
    """Whether a file name is valid UTF-8; a name in another encoding contains surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short_name(path: Path, paths: Sequence[Path]) -> str:
    parts = path.parts
    for count in range(1, len(parts) + 1):
        if sum(other.parts[-count:] == parts[-count:] for other in paths) == 1:
            return "/".join(parts[-count:])
    return str(path)
