"""What is agreed with a supplier about whole files: under which names and on which days they come, which totals with them.

Said in a config under `stream` and `control`; `receiving` holds what arrives against it before anything is sent.
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
#: What a date may be written with in a name -> the text that it matches.
_PARTS = {"%Y": "[0-9]{4}", "%m": "[0-9]{2}", "%d": "[0-9]{2}", "%y": "[0-9]{2}", "%j": "[0-9]{3}", "%H": "[0-9]{2}",
          "%M": "[0-9]{2}", "%S": "[0-9]{2}"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Delivery:
    """One file of one run, as far as a later one is compared with it. Sums in minor units, per currency."""

    name: str  #: without its folder
    sha256: str
    records: int
    columns: tuple[str, ...]
    debits: Mapping[str, int] = field(default_factory=dict)
    credits: Mapping[str, int] = field(default_factory=dict)
    run_id: str = ""
    at: datetime | None = None  #: when its run began to send; None of a file that is just arriving
    finished: bool = False  #: its run ended with nothing of it left for later

    def net(self, currency: str) -> int:
        """Debits and credits together."""
        return self.debits.get(currency, 0) + self.credits.get(currency, 0)


class Stream(Declaration):
    """Files that come one after the other, each under a name with its date."""

    name: Annotated[str, Field(min_length=1, max_length=255)] = Field(
        description="The name of each file, with {date} where its date stands: daily_{date}.csv"
    )
    date_format: Annotated[str, Field(min_length=2, max_length=40)] = Field(
        default="%Y-%m-%d", description="How the date is written there, such as %Y%m%d."
    )
    days: tuple[Weekday, ...] = Field(
        default=WEEKDAYS,
        min_length=1,
        description="The days of the week for which there is a file.",
    )
    usual_volume: Annotated[float, Field(gt=1, le=1000)] = Field(
        default=2.0,
        description="So many times more, or fewer, records than usual in the last two weeks stop the run.",
    )

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        if self.name.count(_DATE) != 1 or "/" in self.name:
            raise ValueError("name must hold {date} once, and no folder")
        unknown = [part for part in re.findall("%.?", self.date_format) if part not in _PARTS]
        if unknown or not {"%d", "%j"} & set(re.findall("%.", self.date_format)):
            raise ValueError(
                f"date_format must be written with {', '.join(_PARTS)}, and name the day"
            )
        return self

    def day_of(self, name: str) -> date | None:
        """The day in the name of a file; None where it is none of this stream."""
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
        """The days strictly between for which there should be a file."""
        day = before + timedelta(days=1)
        while day < after:
            if WEEKDAYS[day.weekday()] in self.days:
                yield day
            day += timedelta(days=1)


class Control(Declaration):
    """Totals that the supplier states beside his records: in the last lines of the file, or in a file of their own."""

    trailer: str | None = Field(
        default=None,
        min_length=1,
        description="A regular expression for one of the footer's lines, with groups: records, total, currency.",
    )
    file: str | None = Field(
        default=None,
        min_length=1,
        description="The file that states them, beside the input: {name} stands for its name, {stem} for it without its end.",
    )
    pattern: str | None = Field(
        default=None,
        min_length=1,
        description="A regular expression for that file's text, with groups: records, total, currency, sha256.",
    )
    unit: Unit | None = Field(
        default=None, description="Of the total: major or minor; without it that of the balance."
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.trailer is None) == (self.file is None):
            raise ValueError("say trailer, or file and pattern")
        if (self.file is None) != (self.pattern is None):
            raise ValueError("file and pattern go together")
        if self.file is not None and ("/" in self.file or "{" not in self.file):
            raise ValueError("file must hold {name} or {stem}, and no folder")
        groups = _groups_of(self.expression)
        if not groups & {"records", "total", "sha256"} or not groups <= {
            "records",
            "total",
            "currency",
            "sha256",
        }:
            raise ValueError(
                "the expression needs groups (?P<records>…) or (?P<total>…), and may have currency, sha256"
            )
        return self

    @property
    def expression(self) -> str:
        """The regular expression, whichever it is for."""
        return self.trailer or self.pattern or ""

    def file_beside(self, name: str) -> str | None:
        """What the control file of an input is called."""
        stem = name.partition(".")[0] or name
        return (
            None if self.file is None else self.file.replace("{name}", name).replace("{stem}", stem)
        )


def _groups_of(expression: str) -> set[str]:
    try:
        return set(re.compile(expression, re.MULTILINE).groupindex)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
