"""The cause of a problem with a record, as text: `STAGE.CODE` or `STAGE.CODE:column`.

A table keeps the causes of a record as a list of such texts. No code contains a colon, so the first
colon ends the code. In a cell with all causes, a space separates them. A column name with white
space, a quote or a backslash is then written as JSON: `VALIDATE.METADATA_TOO_LONG:"metadata.due
date"`.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import polars as pl

from pipeline.domain.reasons import Reason

_REASONS = {reason.value: reason for reason in Reason}
_NEEDS_QUOTES = re.compile(r'[\s"\\]')


@dataclass(frozen=True, slots=True)
class Cause:
    """A reason, and the column that caused it, if any."""

    reason: Reason
    column: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a cause; raise KeyError if its code is unknown."""
        code, _, column = text.partition(":")
        return cls(_REASONS[code], column or None)

    def __str__(self) -> str:
        return self.reason.value if self.column is None else f"{self.reason.value}:{self.column}"


def in_one_cell(causes: Iterable[str]) -> str:
    """The causes of one record as one text that can be parsed again."""
    return " ".join(map(_quoted, causes))


def each_in_one_cell(causes: pl.Series) -> pl.Series:
    """`in_one_cell` for the list of every record; few column names need quotes."""
    quoted = {text: _quoted(text) for text in causes.explode().drop_nulls().unique()}
    changed = {text: written for text, written in quoted.items() if text != written}
    lists = causes.list.eval(pl.element().replace(changed)) if changed else causes
    return lists.list.join(" ")


def _quoted(text: str) -> str:
    code, colon, column = text.partition(":")
    if _NEEDS_QUOTES.search(column):
        column = json.dumps(column, ensure_ascii=False)
    return f"{code}{colon}{column}"
