"""Why a record was set aside, as text: `STAGE.CODE`, or `STAGE.CODE:column` where one column is at fault.

A table keeps the causes of a record as a list of such texts. No code holds a colon, so the first colon ends it, whatever the
column is called. Where one cell holds all causes, a space separates them, and a column whose name holds white space, a
quote or a backslash is written as JSON writes it: `VALIDATE.METADATA_TOO_LONG:"metadata.due date"`.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import polars as pl

from pipeline.domain.outcomes import Reason

_REASONS = {reason.value: reason for reason in Reason}
_NEEDS_QUOTES = re.compile(r'[\s"\\]')


@dataclass(frozen=True, slots=True)
class Cause:
    """A reason, and the column at fault where there is one."""

    reason: Reason
    column: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """The cause that a text of a table states; raise KeyError where its code is unknown."""
        code, _, column = text.partition(":")
        return cls(_REASONS[code], column or None)

    def __str__(self) -> str:
        return self.reason.value if self.column is None else f"{self.reason.value}:{self.column}"


def in_one_cell(causes: Iterable[str]) -> str:
    """The causes of one record as one text, from which each of them can be read again."""
    return " ".join(map(_quoted, causes))


def each_in_one_cell(causes: pl.Series) -> pl.Series:
    """`in_one_cell` of every record's list; few names need quotes, so most texts stay as they are."""
    quoted = {text: _quoted(text) for text in causes.explode().drop_nulls().unique()}
    changed = {text: written for text, written in quoted.items() if text != written}
    lists = causes.list.eval(pl.element().replace(changed)) if changed else causes
    return lists.list.join(" ")


def _quoted(text: str) -> str:
    code, colon, column = text.partition(":")
    return f"{code}{colon}{json.dumps(column, ensure_ascii=False) if _NEEDS_QUOTES.search(column) else column}"
