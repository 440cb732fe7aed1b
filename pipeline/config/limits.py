"""The part of a config that limits a run: its rate, and when it stops before the end."""

import difflib
import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Self
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from pipeline.domain import defaults
from pipeline.domain.declaration import Declaration

_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]+)?) ?%")
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")


def _checked_time(text: str) -> str:
    clock, _, zone = text.partition(" ")
    if _TIME.fullmatch(clock) is None:
        try:
            is_moment = datetime.fromisoformat(text).tzinfo is not None
        except ValueError:
            is_moment = False
        if not is_moment:
            raise ValueError(
                "write it as 05:30, 05:30 Africa/Johannesburg or 2026-11-23T05:30:00+02:00"
            )
    elif zone and zone not in available_timezones():
        near = difflib.get_close_matches(zone, available_timezones(), n=1)
        raise ValueError(
            f"{zone!r} is not a time zone{f'; did you mean {near[0]!r}?' if near else ''}"
        )
    return text


def _parsed_limit(given: object) -> str | int:
    """A number of records, or a share of them such as `15%`."""
    share = _SHARE.fullmatch(given) if isinstance(given, str) else None
    if share is not None and Decimal(share[1]) <= 100:
        return f"{share[1]}%"
    number = int(given) if isinstance(given, str) and given.isascii() and given.isdigit() else given
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError(
            "use a share of the records, such as 15%, or a number of records, such as 150"
        )
    return number


_LIMIT_SCHEMA = {
    "anyOf": [{"type": "string", "pattern": _SHARE.pattern}, {"type": "integer", "minimum": 0}]
}
Limit = Annotated[str | int, BeforeValidator(_parsed_limit), WithJsonSchema(_LIMIT_SCHEMA)]
Moment = Annotated[str, AfterValidator(_checked_time)]
Workers = Annotated[int, Field(ge=1, le=64)]
PerSecond = Annotated[float, Field(gt=0, le=100_000)]
OutageSeconds = Annotated[float, Field(gt=0, le=86_400)]
CanarySize = Annotated[int, Field(ge=0, le=1_000)]


class Pace(Declaration):
    """How fast customers are sent."""

    workers: Workers = Field(default=defaults.WORKERS, description="Parallel requests.")
    per_second: PerSecond | None = Field(
        default=None,
        description="Maximum requests a second. Default: unlimited.",
    )


class Thresholds(Declaration):
    """When to stop before the end."""

    max_creates: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="A plan that creates more is not applied (exit 3)."
    )
    max_rejected: Limit | None = Field(
        default=None,
        description="A plan that rejects more records is not applied (exit 3): a share such"
        f" as 15%, or a number. Default: {defaults.MOST_REJECTED}, from"
        f" {defaults.FEWEST_FOR_MOST_REJECTED} records on. Resubmitted lists do not count.",
    )
    outage_seconds: OutageSeconds = Field(
        default=defaults.OUTAGE_SECONDS,
        description="Stop (resumable) after this many seconds without an answer.",
    )
    usual_refusals: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=defaults.USUAL_REFUSALS,
        description="Share of records that billing usually refuses.",
    )
    alarming_refusals: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=defaults.ALARMING_REFUSALS,
        description="Share of refusals at which the run stops within about 60 records (exit 3).",
    )
    canary: CanarySize | None = Field(
        default=None,
        description="Number of records to create, look up and compare before the rest. Default:"
        f" {defaults.CANARY_IF_LIVE} if mode is live.",
    )
    stop_by: Moment | None = Field(
        default=None, description="Stop (resumable) at this time: 05:30, 05:30 Africa/Johannesburg."
    )

    @model_validator(mode="after")
    def _rates_are_ordered(self) -> Self:
        if self.usual_refusals >= self.alarming_refusals:
            raise ValueError("usual_refusals must be less than alarming_refusals")
        return self


def stop_at(text: str | None, now: datetime) -> datetime | None:
    """The next moment of a time to stop by, after `now` (with a time zone); None without one."""
    if text is None:
        return None
    clock, _, zone = text.partition(" ")
    if _TIME.fullmatch(clock) is None:
        return datetime.fromisoformat(text)
    local = now.astimezone(ZoneInfo(zone) if zone else None)
    hour, minute = map(int, clock.split(":"))
    moment = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return moment if moment > local else _a_day_later(moment)


def _a_day_later(moment: datetime) -> datetime:
    return moment + timedelta(days=1)  # the same time of day, also when daylight saving changes
