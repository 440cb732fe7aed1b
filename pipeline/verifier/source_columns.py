"""The records of a CSV input as columns, if their text is plain; the others go line by line.

The row ids state the line on which each record begins. So the text of a record is known without
reading it: from its first line to the line before the next record. A plain text is one record of
the RFC 4180 grammar, with a line end. On such texts every CSV reader agrees. Everything else, such
as unreadable records and blank lines between records, is left to `source_lines`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from pipeline.domain.characters import INVISIBLE
from pipeline.domain.plan_file import InputFile
from pipeline.verifier.column_faults import NotInColumns, require
from pipeline.verifier.csv_form import Columns, CsvForm
from pipeline.verifier.line_source import LineSource
from pipeline.verifier.list_columns import text_of_csv, texts_only
from pipeline.verifier.source_lines import Lines


class SourceColumns:
    """A CSV input, taken some records at a time."""

    def __init__(self, path: Path, described: InputFile, before: int, behind: int) -> None:
        self._source = LineSource(path, described.dialect)
        self.lines = Lines.over(self._source, described, before, behind)
        self._plain = _PlainRecords.of(self.lines.form)

    @property
    def places(self) -> Columns:
        """The positions of the columns; NotInColumns without a header."""
        if self.lines.places is None:
            raise NotInColumns
        return self.lines.places

    def texts(self, numbers: Any, end: int) -> "Texts":
        """The texts of the records that begin on these lines; the last one ends before `end`."""
        first = numbers[0].as_py()
        if self.lines.number < first - 1:
            require(self.lines.skip_to(first) is None)
        require(self.lines.number == first - 1)
        content = self._source.whole_lines(end - first)
        self.lines.number = end - 1
        ends = _line_ends(content)
        require(len(ends) == end - first)
        before = pc.subtract(numbers, first)
        starts = pc.take(pa.concat_arrays([pa.array([0], pa.int32()), ends]), before)
        offsets = pa.concat_arrays([starts, pa.array([len(content)], pa.int32())])
        texts = pa.BinaryArray.from_buffers(
            pa.binary(), len(numbers), [None, offsets.buffers()[1], pa.py_buffer(content)]
        )
        nexts = pa.concat_arrays([numbers.slice(1), pa.array([end], pa.int64())])
        return Texts(texts, numbers, nexts)

    def is_plain(self, texts: "Texts") -> Any:
        """Whether each text is one record of the grammar."""
        return self._plain.fits(texts)

    def cells(self, texts: Any) -> list[Any]:
        """The listed columns of plain texts, in the order of the list."""
        if not len(texts):
            return [pa.array([], pa.string()) for _ in self.places.listed]
        form, places = self.lines.form, self.places
        width = places.width + form.has_trailing_delimiter
        names = [str(at) for at in range(width)]
        table = arrow_csv.read_csv(
            pa.BufferReader(_joined(texts)),
            arrow_csv.ReadOptions(block_size=_joined(texts).size + 1, column_names=names),
            text_of_csv(form.delimiter, form.quote, can_break=True),
            texts_only(names),
        ).combine_chunks()
        require(table.num_rows == len(texts))
        for at in (*places.ignored, *range(places.width, width)):
            others = table.column(at).unique().to_pylist()
            require(
                not any(cell.strip(INVISIBLE) if at < places.width else cell for cell in others)
            )
        return [table.column(at).combine_chunks() for at in places.listed]


class Texts:
    """The texts of some records, with the line on which each and its follower begins."""

    def __init__(self, texts: Any, numbers: Any, nexts: Any) -> None:
        self.texts, self.numbers, self.nexts = texts, numbers, nexts

    @classmethod
    def none(cls) -> "Texts":
        """No texts."""
        numbers = pa.array([], pa.int64())
        return cls(pa.array([], pa.binary()), numbers, numbers)

    def filter(self, mask: Any) -> "Texts":
        """The texts for which the mask is true."""
        return Texts(*(one.filter(mask) for one in (self.texts, self.numbers, self.nexts)))

    def lines(self, at: int) -> Iterator[str]:
        """The lines of one text; bytes that are invalid in UTF-8 are escaped."""
        lines = self.texts[at].as_py().split(b"\n")[:-1]
        return (line.decode("utf-8", errors="backslashreplace") for line in lines)


class _PlainRecords:
    """The grammar of plain records of one format."""

    def __init__(self, quoted: str | None, special: str) -> None:
        self._quoted, self._special = quoted, special

    @classmethod
    def of(cls, form: CsvForm) -> "_PlainRecords":
        """The grammar of a format; a delimiter beyond ASCII has none."""
        if not form.delimiter.isascii() or not form.quote.isascii():
            return cls(None, "")
        escape = re.escape(form.escape)
        special = rf"[\x00{escape}]"
        mark, quote = re.escape(form.delimiter), re.escape(form.quote)
        bare = rf"[^{quote}{mark}\r\n]*"
        breaks = "" if not form.ends_with_cr else r"\r"
        field = (
            rf"(?:{bare}|{quote}(?:[^{quote}{breaks}]|{quote}{quote})*{quote})" if quote else bare
        )
        return cls(rf"\A{field}(?:{mark}{field})*\r?\n\z", special)

    def fits(self, texts: Texts) -> Any:
        """Whether each text is one record of this grammar; an empty line is not."""
        content = texts.texts
        if self._quoted is None:
            return pa.array([False] * len(content), pa.bool_())
        fits = pc.match_substring_regex(content, self._quoted)
        special = pc.match_substring_regex(content, self._special)
        empty = pc.match_substring_regex(content, r"\A\r?\n\z")
        return pc.and_(fits, pc.invert(pc.or_(special, empty)))


def _line_ends(content: bytes) -> Any:
    """The offset after each line feed."""
    lines = pc.split_pattern(pa.array([content], pa.binary()), "\n").flatten()
    lengths = pc.add(pc.binary_length(lines), pa.scalar(1, pa.int32()))
    return pc.cumulative_sum(lengths).slice(0, len(lines) - 1)


def _joined(texts: Any) -> Any:
    """The bytes of texts that follow each other in one buffer."""
    _, offsets, content = texts.buffers()
    at = memoryview(offsets).cast("i")
    first, last = at[texts.offset], at[texts.offset + len(texts)]
    return content.slice(first, last - first)
