"""Agreements with a supplier about whole files: names, days and control totals.

A config declares them under `stream` and `control`; the plan checks each input before anything is
sent.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.domain.amount import Unit
from pipeline.domain.declaration import Declaration

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DATE = "{date}"
#: Date directives allowed in a name -> the text they match.
_PARTS = {"%Y": "[0-9]{4}", "%m": "[0-9]{2}", "%d": "[0-9]{2}", "%y": "[0-9]{2}", "%j": "[0-9]{3}", "%H": "[0-9]{2}",
          "%M": "[0-9]{2}", "%S": "[0-9]{2}"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Delivery:
    """One file of one run, for comparison with later files. Sums in minor units, per currency."""

    name: str  #: without its folder
    sha256: str
    records: int
    columns: tuple[str, ...]
    debits: Mapping[str, int] = field(default_factory=dict)
    credits: Mapping[str, int] = field(default_factory=dict)
    run_id: str = ""
    at: datetime | None = None  #: the first send of its run; None for a new file
    finished: bool = False  #: its run left no record of it for later

    def net(self, currency: str) -> int:
        """Debits and credits together."""
        return self.debits.get(currency, 0) + self.credits.get(currency, 0)


class Stream(Declaration):
    """A series of files, each with its date in the name."""

    name: Annotated[str, Field(min_length=1, max_length=255)] = Field(
        description="The name of each file, with {date} for its date: daily_{date}.csv"
    )
    date_format: Annotated[str, Field(min_length=2, max_length=40)] = Field(
        default="%Y-%m-%d", description="The format of that date, such as %Y%m%d."
    )
    days: tuple[Weekday, ...] = Field(
        default=WEEKDAYS,
        min_length=1,
        description="The weekdays that have a file.",
    )
    usual_volume: Annotated[float, Field(gt=1, le=1000)] = Field(
        default=2.0,
        description="Stop the run if it has this many times more, or fewer, records than usual in the"
        " last two weeks.",
    )

    @model_validator(mode="after")
    def _check_name_and_date(self) -> Self:
        if self.name.count(_DATE) != 1 or "/" in self.name:
            raise ValueError("name must contain {date} once, and no folder")
        unknown = [part for part in re.findall("%.?", self.date_format) if part not in _PARTS]
        if unknown or not {"%d", "%j"} & set(re.findall("%.", self.date_format)):
            raise ValueError(
                f"date_format may only use {', '.join(_PARTS)}, and must include the day"
            )
        return self

    def day_of(self, name: str) -> date | None:
        """The day in the name of a file; None if the file is not of this stream."""
        before, after = self.name.split(_DATE)
        written = "".join(
            _PARTS.get(part, re.escape(part)) for part in re.split("(%.)", self.date_format) if part
        )
        found = re.fullmatch(f"{re.escape(before)}({written}){re.escape(after)}", name)
        if found is None:
            return None
        try:
            return datetime.strptime(found[1], self.date_format).date()  # noqa: DTZ007 - a day of the supplier's calendar
        except ValueError:
            return None

    def days_between(self, before: date, after: date) -> Iterator[date]:
        """The days strictly between two days that should have a file."""
        day = before + timedelta(days=1)
        while day < after:
            if WEEKDAYS[day.weekday()] in self.days:
                yield day
            day += timedelta(days=1)


class Control(Declaration):
    """Totals that the supplier states: in the last lines of the file, or in a file of their own."""

    trailer: str | None = Field(
        default=None,
        min_length=1,
        description="A regular expression for one footer line, with groups: records, total, currency.",
    )
    file: str | None = Field(
        default=None,
        min_length=1,
        description="The file with the totals, beside the input: {name} is the input's name, {stem} the"
        " name up to its first dot.",
    )
    pattern: str | None = Field(
        default=None,
        min_length=1,
        description="A regular expression for that file's text, with groups: records, total, currency, sha256.",
    )
    unit: Unit | None = Field(
        default=None,
        description="The unit of the total: major or minor; default: the unit of the balance.",
    )

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        if (self.trailer is None) == (self.file is None):
            raise ValueError("set trailer, or file and pattern")
        if (self.file is None) != (self.pattern is None):
            raise ValueError("file and pattern need each other")
        if self.file is not None and ("/" in self.file or "{" not in self.file):
            raise ValueError("file must contain {name} or {stem}, and no folder")
        groups = _groups_of(self.expression)
        if not groups & {"records", "total", "sha256"} or not groups <= {
            "records",
            "total",
            "currency",
            "sha256",
        }:
            raise ValueError(
                "the expression needs a group (?P<records>…) or (?P<total>…);"
                " groups currency and sha256 are optional"
            )
        return self

    @property
    def expression(self) -> str:
        """The regular expression of the trailer or of the file."""
        return self.trailer or self.pattern or ""

    def file_beside(self, name: str) -> str | None:
        """The name of the control file of an input."""
        stem = name.partition(".")[0] or name
        return (
            None if self.file is None else self.file.replace("{name}", name).replace("{stem}", stem)
        )


def _groups_of(expression: str) -> set[str]:
    try:
        return set(re.compile(expression, re.MULTILINE).groupindex)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
