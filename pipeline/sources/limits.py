"""The most that a file of any format may hold or expand to; readers check it before they take the memory.

Readers stream, so the number of records has no limit: these bounds are for one batch, one row group or one part at a time.
"""

from pipeline.errors import SourceError

MOST_COLUMNS = 16_384  #: of one table, as in a sheet of Excel
MOST_BYTES_HELD = 256 << 20  #: of cells as text in memory at once, after expansion
MOST_CELLS_HELD = 8 << 20  #: in memory at once, empty ones included; each costs 16 bytes and more
HIGHEST_RATIO = 100  #: of expanded to packed bytes; honest files of customers have 5 to 20
SMALLEST_JUDGED = 1 << 20  #: expanded bytes from which the ratio counts


def check_limits(where: str, *, columns: int = 0, expanded: int = 0, packed: int = 0) -> None:
    """Raise SourceError where a count is over its limit; `expanded` bytes came out of `packed` ones."""
    if columns > MOST_COLUMNS:
        raise SourceError(
            f"{where}: {columns:,} columns; the limit is {MOST_COLUMNS:,}; nothing was sent. Export fewer columns"
        )
    if expanded > max(SMALLEST_JUDGED, HIGHEST_RATIO * packed):
        raise SourceError(
            f"{where}: expands to more than {HIGHEST_RATIO} times its size, as no file of customers does; "
            "nothing was sent. If the file is right, unpack it first"
        )
