"""Which record of which input each row id names, for whole columns of ids."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.domain.plan_file import InputFile
from pipeline.verifier.column_faults import require


class Span(NamedTuple):
    """Neighbouring rows of one input."""

    file: int  #: index in the manifest
    start: int  #: of the rows at hand
    numbers: Any  #: line or row number of each


class Places:
    """The rows of a run in the order of the input, each place once."""

    def __init__(self, inputs: Sequence[InputFile]) -> None:
        names = [file.name for file in inputs]
        require(len({*names}) == len(names))
        self._patterns = [_pattern(file) for file in inputs]
        self._at = 0  #: the input of the last row
        self._last = -1

    def spans(self, row_ids: Any) -> Iterator[Span]:
        """Split rows by input; NotInColumns if a place is unknown, out of order or there twice."""
        start = 0
        while start < len(row_ids):
            require(self._at < len(self._patterns))
            of_file = pc.match_substring_regex(row_ids.slice(start), self._patterns[self._at])
            other = pc.index(of_file, pa.scalar(False)).as_py()
            count = len(of_file) if other < 0 else other
            if count:
                numbers = _numbers(row_ids.slice(start, count))
                before = pa.concat_arrays([pa.array([self._last], pa.int64()), numbers[:-1]])
                require(pc.all(pc.greater(numbers, before)).as_py())
                self._last = numbers[-1].as_py()
                yield Span(self._at, start, numbers)
                start += count
            if start < len(row_ids):
                self._at, self._last = self._at + 1, -1


def _pattern(file: InputFile) -> str:
    sheet = "(?:!(?s:.*))?" if file.format == "excel" else ""
    return (
        rf"\A{re.escape(file.name)}{sheet}{'#' if file.format == 'parquet' else ':'}[0-9]{{1,18}}\z"
    )


def _numbers(row_ids: Any) -> Any:
    return pc.replace_substring_regex(row_ids, r"\A(?s:.*)[#:]", "").cast(pa.int64())
