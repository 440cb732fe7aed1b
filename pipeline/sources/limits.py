"""Limits for files of all formats, checked before memory is used.

Readers stream, so the number of records has no limit: the limits apply to one batch, row group or
part.
"""

from pipeline.errors import SourceError

MOST_COLUMNS = 16_384  #: of one table, as in a sheet of Excel
MOST_BYTES_HELD = 256 << 20  #: of cells as text in memory, after expansion
MOST_CELLS_HELD = 8 << 20  #: in memory, including empty ones; each takes at least 16 bytes
HIGHEST_RATIO = 100  #: of expanded to packed bytes; normal customer files have 5 to 20
SMALLEST_JUDGED = 1 << 20  #: expanded bytes; the ratio of smaller files is not checked


def check_limits(where: str, *, columns: int = 0, expanded: int = 0, packed: int = 0) -> None:
    """Raise SourceError if a count is over its limit; `packed` bytes became `expanded` ones."""
    if columns > MOST_COLUMNS:
        raise SourceError(
            f"{where}: {columns:,} columns; the limit is {MOST_COLUMNS:,}; nothing was sent. Export fewer columns"
        )
    if expanded > max(SMALLEST_JUDGED, HIGHEST_RATIO * packed):
        raise SourceError(
            f"{where}: expands to more than {HIGHEST_RATIO} times its size, as no file of customers does; "
            "nothing was sent. If the file is right, unpack it first"
        )
