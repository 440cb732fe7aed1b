"""What a file in `configs/` may say about a job, and the reading of it: every fault at once, as file:line:column."""

import difflib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails

from pipeline.billing.address import parse_address
from pipeline.config.places import checked_place
from pipeline.config.yaml_file import LARGEST, Document, Fault, read_yaml, shown
from pipeline.domain.column_mapping import Layout
from pipeline.domain.customer import FIELDS, METADATA_PREFIX
from pipeline.domain.declaration import Declaration
from pipeline.domain.file_expectations import Control, Stream
from pipeline.errors import AddressRefused, ConfigError
from pipeline.storage.files import read_regular

SANDBOX = "sandbox"
_KEY = re.compile(r"\b[sp]k_[A-Za-z0-9]")
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]+)?) ?%")
_TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


def _a_region(code: str) -> str:
    from phonenumbers import SUPPORTED_REGIONS

    if code not in SUPPORTED_REGIONS:
        raise ValueError(
            f"{code!r} is no region that has phone numbers; use an ISO 3166 code such as ZA"
        )
    return code


def _an_address(text: str) -> str:
    if text != SANDBOX:
        try:
            parse_address(text)
        except AddressRefused as refused:
            raise ValueError(str(refused)) from None
    return text


def _a_time(text: str) -> str:
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
            f"{zone!r} is no time zone{f'; did you mean {near[0]!r}?' if near else ''}"
        )
    return text


def _an_encoding(name: str) -> str:
    from pipeline.sources import Declared

    try:
        Declared(encoding=name)
    except ConfigError as refused:
        raise ValueError(str(refused)) from None
    return name


def _a_mark(text: str) -> str:
    from pipeline.sources import is_mark

    if not is_mark(text):
        raise ValueError(
            f"{text!r} cannot be read; write one ASCII punctuation character that separates no fields"
        )
    return text


def _a_quote(text: str) -> str:
    return text if text == "none" else _a_mark(text)


def _a_limit(given: Any) -> str | int:
    """A number of records, or a share of them such as `20%`."""
    share = _SHARE.fullmatch(given) if isinstance(given, str) else None
    if share is not None and Decimal(share[1]) <= 100:
        return f"{share[1]}%"
    number = int(given) if isinstance(given, str) and given.isascii() and given.isdigit() else given
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError(
            "write a share of the records, at most 100%, as 20%, or a number of records as 150"
        )
    return number


_LIMIT_SCHEMA = {
    "anyOf": [{"type": "string", "pattern": _SHARE.pattern}, {"type": "integer", "minimum": 0}]
}
Limit = Annotated[str | int, BeforeValidator(_a_limit), WithJsonSchema(_LIMIT_SCHEMA)]
Region = Annotated[str, AfterValidator(_a_region)]
Moment = Annotated[str, AfterValidator(_a_time)]
Place = Annotated[str, AfterValidator(checked_place)]
_MARKS = r"[!-+\-./:<-@\[-`{}~]"  #: what `_a_mark` takes, for editors
Mark = Annotated[
    str, AfterValidator(_a_mark), WithJsonSchema({"type": "string", "pattern": f"^{_MARKS}$"})
]
Quote = Annotated[
    str,
    AfterValidator(_a_quote),
    WithJsonSchema({"type": "string", "pattern": f"^({_MARKS}|none)$"}),
]
_TAB = BeforeValidator(lambda given: "\t" if given in {"tab", "\\t"} else given)


class Source(Declaration):
    """How CSV files are written, where that is to be declared; what is not is found, and shown. Parquet says so itself."""

    delimiter: Annotated[Literal[",", ";", "\t", "|"], _TAB] | None = Field(
        default=None, description="What parts the fields; without it what the header shows."
    )
    encoding: Annotated[str, AfterValidator(_an_encoding)] | None = Field(
        default=None,
        description="utf-8, utf-16, cp1252, latin-1 …; without it UTF-8, and a file that is not is refused.",
    )
    trailing_delimiter: bool | None = Field(
        default=None, description="Whether each record ends with a surplus delimiter."
    )
    header: Literal["none", "first_line"] | None = Field(
        default=None,
        description="none: there is no header, and columns are called column_1, column_2, …; first_line: it is one, "
        "whatever it looks like. Without it a first line that looks like a record is refused.",
    )
    quote: Quote = Field(default='"', description="The character that quotes fields, or none.")
    escape: Mark | None = Field(
        default=None,
        description="The character that escapes the next one, such as a backslash; without it none does.",
    )
    skip_lines: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=0, description="So many lines before the header are no part of the table."
    )
    footer_lines: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=0,
        description="So many lines at the end are no part of the table; blank ones are not counted.",
    )
    sheet: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        default=None,
        description="The sheet of a workbook; without it the only one that is not hidden.",
    )

    @model_validator(mode="after")
    def _quotes_and_escapes_apart(self) -> Self:
        if self.escape == self.quote:
            raise ValueError(
                f"quote and escape are both {self.escape!r}; doubled quotes need no escape"
            )
        return self


class Pace(Declaration):
    """How fast customers are sent."""

    workers: Annotated[int, Field(ge=1, le=64, description="Requests at the same time.")] = 8
    per_second: Annotated[float, Field(gt=0, le=100_000)] | None = Field(
        default=None,
        description="At most so many requests a second; without it as fast as answers come.",
    )


class Thresholds(Declaration):
    """When to stop before the end."""

    max_creates: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="A plan that creates more is not applied (exit 3)."
    )
    max_rejected: Limit | None = Field(
        default=None,
        description="A plan that rejects more of the records read is not applied (exit 3): a share such as 20%, or a number."
        " Without it 20%, from 50 records on. Lists that came back do not count.",
    )
    outage_seconds: Annotated[float, Field(gt=0, le=86_400)] = Field(
        default=300.0, description="Stop, resumable, after so long without an answer."
    )
    usual_refusals: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.005,
        description="Share of rows that billing may refuse without anybody wondering.",
    )
    alarming_refusals: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.30,
        description="Share of refusals at which the run shall stop within some 60 rows (exit 3).",
    )
    canary: Annotated[int, Field(ge=0, le=1_000)] | None = Field(
        default=None,
        description="So many rows are created, looked up and compared before the rest goes; without it 3 where mode is live.",
    )
    stop_by: Moment | None = Field(
        default=None, description="Stop, resumable, at this time: 05:30, 05:30 Africa/Johannesburg."
    )

    @model_validator(mode="after")
    def _rates_are_apart(self) -> Self:
        if self.usual_refusals >= self.alarming_refusals:
            raise ValueError("usual_refusals must be less than alarming_refusals")
        return self


class BillingApi(Declaration):
    """How billing answers, where it is not as its documentation says."""

    errors: Literal["problem", "json"] = Field(
        default="problem",
        description="What its own errors are: application/problem+json that repeats the HTTP status, or JSON of any kind. "
        "Anything else comes from a gateway, and settles nothing.",
    )
    lookup_lag: Annotated[float, Field(ge=0, le=3_600)] | None = Field(
        default=None,
        description="Seconds for which a lookup may still show what was before; without it 30, and 0 for the sandbox.",
    )


class KnownCustomers(Declaration):
    """How the file of known customers is read, and what a row is worth whose person they know under another reference."""

    same_identity: Literal["flag", "hold", "skip"] = Field(
        default="flag",
        description="A new reference whose email, phone or billing id belongs to another: send and flag it, hold, or skip.",
    )
    source: Source | None = Field(
        default=None, description="As `source`, which is taken where this is not said."
    )
    mapping: Layout | None = Field(
        default=None, description="As `mapping`, which is taken where this is not said."
    )


def _a_tolerance(given: str | int) -> str | int:
    if isinstance(given, int) and given < 0:
        raise ValueError("a tolerance is not negative")
    return given


class Reconciliation(Declaration):
    """How an export of billing is read, and what may differ between it and what we meant."""

    source: Source | None = Field(
        default=None, description="As `source`; without it UTF-8, its delimiter found."
    )
    mapping: Layout | None = Field(
        default=None,
        description="What the export's columns mean; without it the canonical names are expected.",
    )
    changed_at: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="The column that says when billing changed a customer last (ISO 8601); without it `changed_at` where there is one.",
    )
    tolerances: dict[
        Annotated[str, Field(min_length=1)],
        Annotated[Literal["case", "spaces"] | int, AfterValidator(_a_tolerance)],
    ] = Field(
        default_factory=dict,
        description="What may differ: of balance so many minor units, of a text its letters' case or its spaces. Nothing, unless it is said.",
    )

    @model_validator(mode="after")
    def _fits_its_fields(self) -> Self:
        for name, allowed in self.tolerances.items():
            if (name == "balance") != isinstance(allowed, int):
                raise ValueError(
                    f"{name}: balances differ by minor units (a number), texts by case or spaces"
                )
            if name not in {*FIELDS, "billing_id"} and not name.startswith(METADATA_PREFIX):
                raise ValueError(f"{name} is no field that is compared")
            if name == "currency":
                raise ValueError(
                    "a currency is the same or another one: an amount beside it is one of something else"
                )
        return self


class Job(Declaration):
    """One import job."""

    environment: Name = Field(
        description="A name of its own for each place where customers are created."
    )
    merchant: Name = Field(description="The merchant account; part of every idempotency key.")
    mode: Literal["test", "live"] = Field(default="test", description="live: customers are real.")
    address: Annotated[str, AfterValidator(_an_address)] | None = Field(
        default=None,
        description='Where billing is, or "sandbox"; without it, say --sandbox or --base-url.',
    )
    home: Place | None = Field(
        default=None,
        description="Folder of ledgers, absolute or relative to this file; without it .pipeline in the working folder.",
    )
    reports: Place | None = Field(
        default=None,
        description="Folder of run folders, absolute or relative to this file; without it reports in the working folder.",
    )
    source: Source = Source()
    region: Region = Field(
        default="ZA",
        description="Region of phone numbers in national form, where no column says it.",
    )
    pace: Pace = Pace()
    thresholds: Thresholds = Thresholds()
    billing: BillingApi = BillingApi()
    mapping: Layout | None = Field(
        default=None,
        description="What the file's columns mean; without it the canonical names are expected.",
    )
    references: KnownCustomers = KnownCustomers()
    reconcile: Reconciliation = Reconciliation()
    stream: Stream | None = Field(
        default=None,
        description="Files come one after the other, under names with a date; what is unusual stops the run.",
    )
    control: Control | None = Field(
        default=None,
        description="Totals that the supplier states; where they are not met nothing is sent (exit 3).",
    )
    retry_refused: bool = Field(
        default=False, description="Send rows again that billing refused before, unchanged."
    )
    allow_empty: bool = Field(
        default=False, description="Take a file without records for what it says."
    )

    @model_validator(mode="after")
    def _is_itself(self) -> Self:
        if self.environment == SANDBOX and self.address not in {None, SANDBOX}:
            raise ValueError(
                "the environment 'sandbox' is for this machine; give another address a name of its own"
            )
        if (
            self.control is not None
            and self.control.trailer is not None
            and not self.source.footer_lines
        ):
            raise ValueError(
                "control.trailer is looked for in the footer; say how long that is: source.footer_lines: 1"
            )
        return self


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A config that was read: where from, the bytes it had, and what it says."""

    path: str
    sha256: str
    job: Job


def load_config(path: Path) -> ConfigFile:
    """Read a config; raise ConfigError with every fault of it, each as file:line:column."""
    content = _bytes_of(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from None
    if secret := _KEY.search(text):
        line = text.count("\n", 0, secret.start()) + 1
        raise ConfigError(
            f"{path}:{line}: this looks like an API key; keys come from BILLING_API_KEY, never from a config"
        )
    document = read_yaml(text)
    faults = list(document.faults)
    job = None
    if not faults or document.data is not None:
        try:
            job = Job.model_validate(document.data if document.data is not None else {})
        except ValidationError as invalid:
            faults += [_fault(error, document) for error in invalid.errors()]
    if faults or job is None:
        ordered = sorted(faults, key=lambda fault: (fault.line, fault.column))
        told = [f"{path}:{fault.line}:{fault.column}: {fault.what}" for fault in ordered]
        raise ConfigError(
            "\n".join(
                [f"{len(told)} fault{'s' * (len(told) > 1)} in the config; nothing was sent", *told]
            )
        )
    return ConfigFile(str(path.absolute()), hashlib.sha256(content).hexdigest(), job)


def stop_at(text: str | None, now: datetime) -> datetime | None:
    """The next moment at which a clock shows the time to stop by; `now` is aware."""
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
    from datetime import timedelta

    return moment + timedelta(
        days=1
    )  # the same time on the next day's clock, whatever daylight saving does


def _bytes_of(path: Path) -> bytes:
    try:
        content = read_regular(path, LARGEST + 1)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror or type(error).__name__})"
        ) from None
    if len(content) > LARGEST:
        raise ConfigError(f"{path}: larger than 1 MiB; this is no config")
    return content


def _fault(error: ErrorDetails, document: Document) -> Fault:
    """A fault that pydantic found, in our words, at its place."""
    path = tuple(part for part in error["loc"] if part != "[key]")
    where = shown(path)
    match error["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(str(path[-1]), _names_beside(path), n=1, cutoff=0.5)
            hint = (
                f"; did you mean {near[0]!r}?"
                if near
                else f"; known here: {', '.join(_names_beside(path))}"
            )
            return Fault(*document.place_of(path, key=True), f"unknown key {where!r}{hint}")
        case "missing":
            return Fault(*document.place_of(path), f"{where} is missing")
        case "string_type" if error["input"] is None:
            return Fault(
                *document.place_of(path),
                f"{where} says nothing; put the text in quotes if it is meant so",
            )
        case _:
            where = shown(
                document.nearest(path)
            )  # a shorthand has no place of its own for what it stands for
            told = (
                error["msg"].removeprefix("Value error, ").replace("Input should be", "should be")
            )
            return Fault(
                *document.place_of(path),
                f"{where}: {told[:1].lower()}{told[1:]}" if where else told,
            )


def _names_beside(path: tuple[str | int, ...]) -> list[str]:
    """The names that the model around a key knows."""
    models: list[type[BaseModel]] = [Job]
    for part in path[:-1]:
        found = [model for known in models for model in _models_under(known, part)]
        models = found or models  # inside a dict of texts the part is a key of the supplier's
    return [name for model in models for name in model.model_fields]


def _models_under(model: type[BaseModel], part: str | int) -> Iterator[type[BaseModel]]:
    if part in model.model_fields:
        yield from _models_in(model.model_fields[str(part)].annotation)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
