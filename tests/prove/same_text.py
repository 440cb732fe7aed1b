"""Compare our text of a cell with a second reader's: equal, different by a named rule, or unexplained."""

import datetime as dt
import math
import re
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

import pyarrow as pa

_SECONDS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FIRST_DAY = dt.datetime(1899, 12, 30)  # noqa: DTZ001 - the dates of a sheet have no zone
_HALF = dt.timedelta(microseconds=500_000)


class Rule(StrEnum):
    """Why a text of ours may differ from the second reader's."""

    ALONE = (
        "the second reader lost the line at a quote that closes nowhere; the record alone is equal"
    )
    CONVERTED = "a moment of the old annotation alone, TIMESTAMP_MILLIS or TIMESTAMP_MICROS, is in UTC, as the format says"
    DATE = "a date or a time is ISO 8601, of a workbook to the second"
    ESCAPED = "_x000D_ in a workbook is the character that it names"
    FLOAT = "a float is another text of the same number"
    HEXADECIMAL = "bytes that are no text are hexadecimal"
    INLINE = "the text of an inline cell that is stored as its value is read, which openpyxl does not look for"
    NAME = "a column name has no spaces around it and no line breaks"
    NO_TEXT = "a cell whose text cannot be known is named in brackets"
    POSITION = "a column without a name, or of a table without a header, is called by its position"
    SHOWN = "a number has the words, signs, percent and scaling that its format shows, and all of its digits"
    NUMBER = (
        "a number has the zeros of its format, and at most the 15 digits that a spreadsheet keeps"
    )


Verdict = (
    Rule | bool
)  #: True where the texts are equal, False where no rule explains the difference


def of_name(ours: str, written: str, place: int) -> Verdict:
    """Whether our name of a column is the one that the second reader finds at this place, counted from 0."""
    if ours == written:
        return True
    if ours == f"column_{place + 1}":
        return Rule.POSITION
    return ours == " ".join(written.split()) and Rule.NAME


def of_workbook(ours: str, value: Any, code: str = "General") -> Verdict:
    """Whether our text says what openpyxl gives of a cell; `code` is its number format."""
    if ours == _written(value):
        return True
    if re.fullmatch(r"\[[^\]]+\]", ours):
        return Rule.NO_TEXT
    if isinstance(value, str):
        return ours == _unescaped(value) and Rule.ESCAPED
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (_is_number(ours, value) and Rule.NUMBER) or (
            _shows(ours, value, code) and Rule.SHOWN
        )
    return ours in _iso_texts(value) and Rule.DATE


def _written(value: Any) -> str:
    if value is None:
        return ""
    return str(value).upper() if isinstance(value, bool) else str(value)


def _unescaped(text: str) -> str:
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), text)


def _is_number(text: str, value: float) -> bool:
    try:
        return Decimal(text) in {Decimal(str(value)), Decimal(f"{Decimal(value):.14E}")}
    except InvalidOperation:
        return False


def _shows(text: str, value: float, code: str) -> bool:
    """Whether a text has the digits of a number: percent and scaling only move the point, and nothing is rounded.

    A fraction is the number, and words without digits are the format's.
    """
    if code.casefold() == "general" or "\n" in text:
        return False
    for literal in re.findall(r'"([^"]*)"|\\\\(.)', code):
        text = text.replace("".join(literal), " ") if re.search("[0-9]", "".join(literal)) else text
    if found := re.search(r"(?:([0-9]+) )?([0-9]+)/([0-9]+)", text):
        whole, over, under = (int(part or 0) for part in found.groups())
        return math.isclose(whole + over / under, abs(value))
    if re.match("[0-9]{4}-[0-9]{2}-[0-9]{2}", text) and 0 <= value < 2_958_466:
        return text in _iso_texts(_FIRST_DAY + dt.timedelta(days=value + (value < 60)))
    if re.fullmatch("[0-9]+:[0-9.:]+", text):
        return text in _elapsed(dt.timedelta(days=value))
    digits = re.sub("[^0-9]", "", re.sub(r"E[+-]?[0-9]+", "", text)).strip("0")
    return not re.search("[0-9]", text) or digits == re.sub(
        "[^0-9]", "", f"{abs(value):.14e}"[:16]
    ).strip("0")


def _iso_texts(value: Any) -> set[str]:
    """A date, a time or a duration of a workbook as ISO 8601, to the second."""
    match value:
        case dt.datetime():
            moment = _to_the_second(value)
            day = {moment.date().isoformat()} if moment.time() == dt.time() else set()
            return {moment.isoformat(), *day, value.isoformat(timespec="milliseconds")}
        case dt.date():
            return {value.isoformat()}
        case dt.time():
            return {
                _to_the_second(dt.datetime.combine(_FIRST_DAY, value)).time().isoformat(),
                value.isoformat(timespec="milliseconds"),
            }
        case dt.timedelta():
            return _elapsed(value)
    return set()


def _elapsed(duration: dt.timedelta) -> set[str]:
    """255:10:10: hours beyond a day are hours; to the second, or to the millisecond."""
    texts = set()
    for unit in (1000, 1):
        seconds, rest = divmod(round(duration.total_seconds() * 1000 / unit) * unit, 1000)
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        texts.add(f"{clock}.{rest:03}" if rest else clock)
    return texts


def _to_the_second(moment: dt.datetime) -> dt.datetime:
    return (moment + _HALF).replace(microsecond=0)


def of_parquet(ours: str, value: Any, dtype: pa.DataType, *, is_converted: bool = False) -> Verdict:
    """Whether our text says what DuckDB or pyarrow gives of a value of this type.

    `is_converted`: the file states the type by the old annotation alone.
    """
    if is_converted and isinstance(value, dt.datetime) and value.tzinfo is None:
        return _microseconds(ours) == _microseconds(f"{value.isoformat()}Z") and Rule.CONVERTED
    match value:
        case None:
            return not ours
        case bool():
            return ours == str(value).lower()
        case float():
            return ours == str(value) or (_is_float(ours, value, dtype) and Rule.FLOAT)
        case Decimal():
            return ours == f"{value:f}"
        case str() | int():
            return ours == str(value)
        case bytes():
            return ours == value.decode(errors="replace") or (
                ours == value.hex() and Rule.HEXADECIMAL
            )
        case dt.timedelta():
            return _is_duration(ours, value) and Rule.DATE
        case dt.date() | dt.time():
            return _microseconds(ours) == _microseconds(_moment(value)) and Rule.DATE
    return ours == str(value)


def _is_float(text: str, value: float, dtype: pa.DataType) -> bool:
    """Whether a text is this number in the width of its column."""
    try:
        given = pa.scalar(float(text), pa.float64()).cast(dtype).as_py()
    except (ValueError, pa.ArrowException):
        return False
    return bool(given == value or (math.isnan(given) and math.isnan(value)))


def _is_duration(text: str, value: dt.timedelta) -> bool:
    found = re.fullmatch(r"(-?\d+)(s|ms|us|ns)", text)
    return found is not None and int(found[1]) * 10**6 // _SECONDS[
        found[2]
    ] == value // dt.timedelta(microseconds=1)


def _moment(value: dt.datetime | dt.date | dt.time) -> str:
    """The text of a moment in UTC, of a day, or of a time of day, whose zone DuckDB adds."""
    if isinstance(value, dt.datetime) and value.tzinfo:
        return f"{value.astimezone(dt.UTC).replace(tzinfo=None).isoformat()}Z"
    return (
        value.replace(tzinfo=None).isoformat() if isinstance(value, dt.time) else value.isoformat()
    )


def _microseconds(text: str) -> str:
    """A moment to the microsecond, without zeros at the end of its fraction."""
    whole, point, fraction = text.removesuffix("Z").partition(".")
    digits = fraction[:6].rstrip("0")
    return f"{whole}{point if digits else ''}{digits}{'Z' if text.endswith('Z') else ''}"
