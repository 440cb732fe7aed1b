"""Check over the whole file what was detected from its first bytes.

A declared dialect is not checked here: its invalid lines are set aside one by one.
"""

from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from pipeline.domain.reasons import Reason
from pipeline.errors import NotUtf8, SourceError
from pipeline.sources.dialect import Dialect
from pipeline.sources.encodings import suggested_encoding

_EXAMPLES = 200  #: lines that are not UTF-8, for the suggestion of an encoding
_ENOUGH_RECORDS = 10  #: records needed for a decision
_OTHER_WIDTH = [Reason.READ_TOO_FEW_FIELDS.value, Reason.READ_TOO_MANY_FIELDS.value]
UNDECODED = [Reason.READ_NOT_UTF8.value, Reason.READ_UNDECODABLE.value]


@dataclass(slots=True)
class Widths:
    """Count records with the header's number of fields; if they are few, the delimiter is wrong."""

    records: int = 0
    others: int = 0

    def add(self, reasons: pl.Series) -> None:
        """Count the records of one batch by their reasons."""
        self.records += len(reasons)
        self.others += int(reasons.is_in(_OTHER_WIDTH).sum())

    def judge(self, path: Path, dialect: Dialect, width: int) -> None:
        """Refuse the file if the detected delimiter does not fit most of it."""
        if (
            "delimiter" in dialect.found
            and self.records >= _ENOUGH_RECORDS
            and 2 * self.others > self.records
        ):
            raise SourceError(
                f"{path}: {self.others:,} of {self.records:,} records do not have the header's {width} field{'s' * (width != 1)}, taking "
                f"{dialect.delimiter!r} as the delimiter; nothing was sent. Declare the right one in the config: source.delimiter "
                f"(inspect and init: --delimiter). To reject only those records, declare {dialect.delimiter!r}"
            )


@dataclass(slots=True)
class Spelling:
    """Lines that are not UTF-8 without a declared encoding: a few, or all beyond ASCII."""

    good: int = 0  #: lines with letters beyond ASCII that are UTF-8
    bad: int = 0
    first: int = 0  #: the offset of the first bad byte
    examples: list[bytes] = field(default_factory=list)
    seen: int = 0
    undecoded: int = 0  #: records in another encoding than the file

    def add(self, whole: bytes, lines: pl.DataFrame) -> None:
        """Count the physical lines of one block, as bytes and decoded."""
        beyond_ascii = pl.col("raw").str.len_bytes() != pl.col("raw").str.len_chars()
        self.good += lines.select((beyond_ascii & ~pl.col("undecoded")).sum()).item()
        bad = lines["undecoded"].arg_true().to_list()
        if not bad:
            return
        parts = whole.split(b"\n")
        if not self.bad:
            self.first = (
                self.seen
                + sum(len(part) + 1 for part in parts[: bad[0]])
                + _first_bad_byte(parts[bad[0]])
            )
        self.bad += len(bad)
        self.examples += [parts[index] for index in bad[: max(_EXAMPLES - len(self.examples), 0)]]

    @property
    def way_out(self) -> str:
        """The declaration that may help."""
        encoding = suggested_encoding(self.examples)
        return (
            f"It may be {encoding}; if so, declare source.encoding: {encoding} in the config (inspect and init: "
            f"--encoding {encoding})"
        )

    @property
    def why(self) -> str:
        """The reason for the encoding if some records are not UTF-8."""
        are = "1 record is not" if self.undecoded == 1 else f"{self.undecoded:,} records are not"
        may_be = f", and may be {suggested_encoding(self.examples)}" if self.examples else ""
        return f"every other line is UTF-8; {are}{may_be}"

    def judge(self, path: Path) -> None:
        """Refuse a file in another encoding; a few bad lines do not count."""
        if self.bad > 1 and self.bad > self.good:
            raise NotUtf8(
                f"{path}: not UTF-8: {self.bad:,} lines hold other bytes, the first at byte {self.first:,}, and "
                f"{self.good or 'no'} line{'s' * (self.good != 1)} with letters beyond ASCII {'is' if self.good == 1 else 'are'} UTF-8; nothing was sent. "
                f"{self.way_out}. To reject only those lines, declare source.encoding: utf-8",
                suggested_encoding(self.examples),
            )


def _first_bad_byte(line: bytes) -> int:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0
