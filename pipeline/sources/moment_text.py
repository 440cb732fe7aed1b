"""Dates and times in ISO 8601: 2026-11-22, 2026-11-22T12:00:00, 06:00:00, 36:00:00."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from pipeline.sources.number_format import Kind, Section

_1900, _1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001 - a sheet's dates have no zone
_FEBRUARY_29_1900 = 60  #: 1900-02-29, which did not exist: Lotus treated 1900 as a leap year, as do all spreadsheets
_DAY = 86_400_000  #: milliseconds; spreadsheets show no finer times
_AFTER_9999 = 2_958_466


def moment_text(section: Section, days: Decimal, *, from_1904: bool) -> str | None:
    """The moment of a serial day number; None if outside the calendar."""
    if not 0 <= days < _AFTER_9999:
        return None
    milliseconds = int((days * _DAY).to_integral_value())
    if Kind.ELAPSED in section.kinds:
        return _clock(milliseconds)
    if days < 1 and not (from_1904 and _has_date(section)):
        return None if _has_date(section) else _clock(milliseconds)
    begin = _1904 if from_1904 else _1900
    if not from_1904 and int(days) <= _FEBRUARY_29_1900:
        if int(days) == _FEBRUARY_29_1900:
            return None
        begin += timedelta(days=1)
    try:
        return iso_text(begin + timedelta(milliseconds=milliseconds))
    except OverflowError:
        return None


def iso_text(moment: datetime) -> str:
    """A date, with its time unless that is midnight."""
    since = moment - datetime.combine(moment.date(), datetime.min.time())
    return _date(moment.date()) + (
        f"T{_clock(since // timedelta(milliseconds=1))}" if since else ""
    )


def _date(day: date) -> str:
    return f"{day:%Y-%m-%d}"


def _clock(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{clock}.{rest:03}" if rest else clock


def _has_date(section: Section) -> bool:
    """Whether a date is shown; an m without hours and seconds is a month."""
    return Kind.DATE in section.kinds or not section.kinds & {Kind.TIME, Kind.ELAPSED}
