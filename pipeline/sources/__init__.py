"""Reading without loss: files in, batches of records out, and every physical line accounted for.

No reader that we measured accounts for every line of a broken file, so the framing of lines into records is ours:
`framing.py` decides which lines belong together, `header.py` what the columns are, `csv_file.py` reads the bytes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.files import sha256_of
from pipeline.sources.csv_file import BATCH_BYTES, Batch, CsvFile, Lines
from pipeline.sources.header import GIVEN, unknown_columns

__all__ = ["BATCH_BYTES", "GIVEN", "Batch", "CsvFile", "Lines", "in_order", "read", "unknown_columns"]


def in_order(paths: Sequence[Path]) -> list[CsvFile]:
    """The files of a run in their order (name, then content), each under the shortest name that is unique in the run."""
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
    ordered = sorted(unique, key=lambda path: (path.name, sha256_of(path) if path.name in twins else "", str(path)))
    return [CsvFile(path, _short_name(path, unique)) for path in ordered]


def read(files: Sequence[CsvFile], batch_bytes: int = BATCH_BYTES) -> Iterator[Batch]:
    """Yield the records of all files in order; refuse a file whose header is not that of the first."""
    position = 0
    for file in files:
        for batch in file.batches(first_position=position, batch_bytes=batch_bytes):
            position += batch.records.height
            _same_header(files[0], file)
            yield batch
        _same_header(files[0], file)


def _same_header(first: CsvFile, file: CsvFile) -> None:
    if file.header is not None and first.header is not None and file.columns != first.columns:
        raise SourceError(
            f"{file.path}: its columns ({', '.join(file.columns)}) are not those of {first.path} "
            f"({', '.join(first.columns)}); the files of one run share one header"
        )


def _is_text(name: str) -> bool:
    """Whether a file name can be written down; a name in another encoding reaches Python with surrogates in it."""
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
