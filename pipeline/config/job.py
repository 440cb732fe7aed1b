"""The model of a config and its loader, which reports every fault at once as file:line:column."""

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


def _checked_region(code: str) -> str:
    from phonenumbers import SUPPORTED_REGIONS

    if code not in SUPPORTED_REGIONS:
        raise ValueError(
            f"{code!r} is not a region with phone numbers; use an ISO 3166 code such as ZA"
        )
    return code


def _checked_address(text: str) -> str:
    if text != SANDBOX:
        try:
            parse_address(text)
        except AddressRefused as refused:
            raise ValueError(str(refused)) from None
    return text


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


def _checked_encoding(name: str) -> str:
    from pipeline.sources import Declared

    try:
        Declared(encoding=name)
    except ConfigError as refused:
        raise ValueError(str(refused)) from None
    return name


def _checked_mark(text: str) -> str:
    from pipeline.sources import is_mark

    if not is_mark(text):
        raise ValueError(
            f"{text!r} is not supported;"
            " use one ASCII punctuation character that is not a delimiter"
        )
    return text


def _checked_quote(text: str) -> str:
    return text if text == "none" else _checked_mark(text)


def _parsed_limit(given: Any) -> str | int:
    """A number of records, or a share of them such as `20%`."""
    share = _SHARE.fullmatch(given) if isinstance(given, str) else None
    if share is not None and Decimal(share[1]) <= 100:
        return f"{share[1]}%"
    number = int(given) if isinstance(given, str) and given.isascii() and given.isdigit() else given
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError(
            "use a share of the records, such as 20%, or a number of records, such as 150"
        )
    return number


_LIMIT_SCHEMA = {
    "anyOf": [{"type": "string", "pattern": _SHARE.pattern}, {"type": "integer", "minimum": 0}]
}
Limit = Annotated[str | int, BeforeValidator(_parsed_limit), WithJsonSchema(_LIMIT_SCHEMA)]
Region = Annotated[str, AfterValidator(_checked_region)]
Moment = Annotated[str, AfterValidator(_checked_time)]
Place = Annotated[str, AfterValidator(checked_place)]
_MARKS = r"[!-+\-./:<-@\[-`{}~]"  #: what `_checked_mark` accepts, for editors
Mark = Annotated[
    str, AfterValidator(_checked_mark), WithJsonSchema({"type": "string", "pattern": f"^{_MARKS}$"})
]
Quote = Annotated[
    str,
    AfterValidator(_checked_quote),
    WithJsonSchema({"type": "string", "pattern": f"^({_MARKS}|none)$"}),
]
_TAB = BeforeValidator(lambda given: "\t" if given in {"tab", "\\t"} else given)


class Source(Declaration):
    """The form of CSV files; what is not declared is detected and shown. Parquet needs none."""

    delimiter: Annotated[Literal[",", ";", "\t", "|"], _TAB] | None = Field(
        default=None, description="Delimiter of the fields. Default: detected from the header."
    )
    encoding: Annotated[str, AfterValidator(_checked_encoding)] | None = Field(
        default=None,
        description="utf-8, utf-16, cp1252, latin-1 and others. Default: UTF-8; other files"
        " are refused.",
    )
    trailing_delimiter: bool | None = Field(
        default=None, description="Whether each record ends with a surplus delimiter."
    )
    header: Literal["none", "first_line"] | None = Field(
        default=None,
        description="none: no header, columns are column_1, column_2 and so on; first_line:"
        " always a header. Default: a first line that looks like a record is refused.",
    )
    quote: Quote = Field(default='"', description="The character that quotes fields, or none.")
    escape: Mark | None = Field(
        default=None,
        description="The character that escapes the next one, such as a backslash. Default: none.",
    )
    skip_lines: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=0, description="Number of lines before the header to skip."
    )
    footer_lines: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=0,
        description="Number of lines at the end to skip; blank lines do not count.",
    )
    sheet: Annotated[str, Field(min_length=1, max_length=255)] | None = Field(
        default=None,
        description="Sheet of a workbook. Default: the only one that is not hidden.",
    )

    @model_validator(mode="after")
    def _quote_is_not_escape(self) -> Self:
        if self.escape == self.quote:
            raise ValueError(
                f"quote and escape are both {self.escape!r}; doubled quotes need no escape"
            )
        return self


class Pace(Declaration):
    """How fast customers are sent."""

    workers: Annotated[int, Field(ge=1, le=64, description="Parallel requests.")] = 8
    per_second: Annotated[float, Field(gt=0, le=100_000)] | None = Field(
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
        " as 20%, or a number. Default: 20%, from 50 records on. Resubmitted lists do not count.",
    )
    outage_seconds: Annotated[float, Field(gt=0, le=86_400)] = Field(
        default=300.0, description="Stop (resumable) after this many seconds without an answer."
    )
    usual_refusals: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.005,
        description="Share of rows that billing usually refuses.",
    )
    alarming_refusals: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.30,
        description="Share of refusals at which the run stops within about 60 rows (exit 3).",
    )
    canary: Annotated[int, Field(ge=0, le=1_000)] | None = Field(
        default=None,
        description="Number of rows to create, look up and compare before the rest. Default:"
        " 3 if mode is live.",
    )
    stop_by: Moment | None = Field(
        default=None, description="Stop (resumable) at this time: 05:30, 05:30 Africa/Johannesburg."
    )

    @model_validator(mode="after")
    def _rates_are_ordered(self) -> Self:
        if self.usual_refusals >= self.alarming_refusals:
            raise ValueError("usual_refusals must be less than alarming_refusals")
        return self


class BillingApi(Declaration):
    """How billing answers, if it differs from its documentation."""

    errors: Literal["problem", "json"] = Field(
        default="problem",
        description="Form of billing's own errors: application/problem+json that repeats the"
        " HTTP status, or any JSON. Anything else comes from a gateway and settles nothing.",
    )
    lookup_lag: Annotated[float, Field(ge=0, le=3_600)] | None = Field(
        default=None,
        description="Seconds for which a lookup may be out of date. Default: 30; 0 for the"
        " sandbox.",
    )


class KnownCustomers(Declaration):
    """How the file of known customers is read, and what to do with a known person's new reference."""

    same_identity: Literal["flag", "hold", "skip"] = Field(
        default="flag",
        description="What to do with a new reference whose email, phone or billing id"
        " belongs to another customer.",
    )
    source: Source | None = Field(
        default=None, description="As `source`. Default: that of the job."
    )
    mapping: Layout | None = Field(
        default=None, description="As `mapping`. Default: that of the job."
    )


def _checked_tolerance(given: str | int) -> str | int:
    if isinstance(given, int) and given < 0:
        raise ValueError("a tolerance must not be negative")
    return given


class Reconciliation(Declaration):
    """How an export of billing is read, and which differences are tolerated."""

    source: Source | None = Field(
        default=None, description="As `source`. Default: UTF-8, delimiter detected."
    )
    mapping: Layout | None = Field(
        default=None,
        description="What the export's columns mean. Default: the canonical names.",
    )
    changed_at: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="The column with the time of billing's last change (ISO 8601). Default:"
        " `changed_at`, if it exists.",
    )
    tolerances: dict[
        Annotated[str, Field(min_length=1)],
        Annotated[Literal["case", "spaces"] | int, AfterValidator(_checked_tolerance)],
    ] = Field(
        default_factory=dict,
        description="Tolerated differences: minor units of balance; case or spaces of a"
        " text. Default: none.",
    )

    @model_validator(mode="after")
    def _tolerances_fit_fields(self) -> Self:
        for name, allowed in self.tolerances.items():
            if (name == "balance") != isinstance(allowed, int):
                raise ValueError(
                    f"{name}: use minor units (a number) for balance, case or spaces for texts"
                )
            if name not in {*FIELDS, "billing_id"} and not name.startswith(METADATA_PREFIX):
                raise ValueError(f"{name} is not a compared field")
            if name == "currency":
                raise ValueError(
                    "a currency has no tolerance:"
                    " in another currency the amount means something else"
                )
        return self


class Job(Declaration):
    """One import job."""

    environment: Name = Field(
        description="A unique name for each place where customers are created."
    )
    merchant: Name = Field(description="The merchant account; part of every idempotency key.")
    mode: Literal["test", "live"] = Field(default="test", description="live: customers are real.")
    address: Annotated[str, AfterValidator(_checked_address)] | None = Field(
        default=None,
        description='Address of billing, or "sandbox". Without it, use --sandbox or --base-url.',
    )
    home: Place | None = Field(
        default=None,
        description="Folder of ledgers, absolute or relative to this file. Default:"
        " .pipeline in the working folder.",
    )
    reports: Place | None = Field(
        default=None,
        description="Folder of runs, absolute or relative to this file. Default: reports in"
        " the working folder.",
    )
    source: Source = Source()
    region: Region = Field(
        default="ZA",
        description="Region of national phone numbers without a region column.",
    )
    pace: Pace = Pace()
    thresholds: Thresholds = Thresholds()
    billing: BillingApi = BillingApi()
    mapping: Layout | None = Field(
        default=None,
        description="What the file's columns mean. Default: the canonical names.",
    )
    references: KnownCustomers = KnownCustomers()
    reconcile: Reconciliation = Reconciliation()
    stream: Stream | None = Field(
        default=None,
        description="Files arrive regularly, with a date in the name; an unusual one stops"
        " the run.",
    )
    control: Control | None = Field(
        default=None,
        description="Totals that the supplier states. If they do not match, nothing is sent"
        " (exit 3).",
    )
    retry_refused: bool = Field(
        default=False, description="Send unchanged rows again that billing refused before."
    )
    allow_empty: bool = Field(default=False, description="Accept a file without records.")

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.environment == SANDBOX and self.address not in {None, SANDBOX}:
            raise ValueError(
                "the environment 'sandbox' is for this machine; give another address another name"
            )
        if (
            self.control is not None
            and self.control.trailer is not None
            and not self.source.footer_lines
        ):
            raise ValueError(
                "control.trailer needs the number of lines in the footer,"
                " such as source.footer_lines: 1"
            )
        return self


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A config that was read: its path, the hash of its bytes, and its content."""

    path: str
    sha256: str
    job: Job


def load_config(path: Path) -> ConfigFile:
    """Read a config; raise ConfigError with all of its faults, each as `file:line:column`."""
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
            f"{path}:{line}: this looks like an API key; set BILLING_API_KEY instead,"
            " keys are not allowed in a config"
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
        lines = [f"{path}:{fault.line}:{fault.column}: {fault.what}" for fault in ordered]
        count = f"{len(lines)} fault{'s' * (len(lines) > 1)}"
        raise ConfigError("\n".join([f"{count} in the config; nothing was sent", *lines]))
    return ConfigFile(str(path.absolute()), hashlib.sha256(content).hexdigest(), job)


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
    from datetime import timedelta

    return moment + timedelta(days=1)  # the same time of day, also when daylight saving changes


def _bytes_of(path: Path) -> bytes:
    try:
        content = read_regular(path, LARGEST + 1)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read ({error.strerror or type(error).__name__})"
        ) from None
    if len(content) > LARGEST:
        raise ConfigError(f"{path}: larger than 1 MiB, so this is not a config")
    return content


def _fault(error: ErrorDetails, document: Document) -> Fault:
    """A fault that pydantic found, with its position and in plain words."""
    path = tuple(part for part in error["loc"] if part != "[key]")
    where = shown(path)
    match error["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(str(path[-1]), _known_names(path), n=1, cutoff=0.5)
            hint = (
                f"; did you mean {near[0]!r}?"
                if near
                else f"; allowed here: {', '.join(_known_names(path))}"
            )
            return Fault(*document.place_of(path, key=True), f"unknown key {where!r}{hint}")
        case "missing":
            return Fault(*document.place_of(path), f"{where} is missing")
        case "string_type" if error["input"] is None:
            return Fault(
                *document.place_of(path),
                f"{where} is empty; put the text in quotes if it is meant literally",
            )
        case _:
            where = shown(document.nearest(path))  # a shorthand lacks the inner keys
            text = error["msg"].removeprefix("Value error, ")
            text = text.replace("Input should be", "should be")
            message = f"{where}: {text[:1].lower()}{text[1:]}" if where else text
            return Fault(*document.place_of(path), message)


def _known_names(path: tuple[str | int, ...]) -> list[str]:
    """The names that the model of a key allows."""
    models: list[type[BaseModel]] = [Job]
    for part in path[:-1]:
        inner = [model for known in models for model in _models_under(known, part)]
        models = inner or models  # inside a dict of texts the part is a key of the supplier
    return [name for model in models for name in model.model_fields]


def _models_under(model: type[BaseModel], part: str | int) -> Iterator[type[BaseModel]]:
    if part in model.model_fields:
        yield from _models_in(model.model_fields[str(part)].annotation)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
