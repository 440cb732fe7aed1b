"""The model of a config: one import job. `source_form.py` and `limits.py` have two of its parts."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pipeline.billing.address import parse_address
from pipeline.config.limits import Pace, Thresholds
from pipeline.config.places import checked_place
from pipeline.config.source_form import Source
from pipeline.domain import defaults
from pipeline.domain.column_mapping import Layout
from pipeline.domain.customer import FIELDS, METADATA_PREFIX
from pipeline.domain.declaration import Declaration
from pipeline.domain.file_expectations import Control, Stream
from pipeline.errors import AddressRefused

SANDBOX = "sandbox"

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


Region = Annotated[str, AfterValidator(_checked_region)]
Place = Annotated[str, AfterValidator(checked_place)]
LookupLag = Annotated[float, Field(ge=0, le=3_600)]


class BillingApi(Declaration):
    """How billing answers, if it differs from its documentation."""

    errors: Literal["problem", "json"] = Field(
        default="problem",
        description="Form of billing's own errors: application/problem+json that repeats the"
        " HTTP status, or any JSON. Anything else comes from a gateway and settles nothing.",
    )
    lookup_lag: LookupLag | None = Field(
        default=None,
        description="Seconds for which a lookup may be out of date. Default:"
        f" {defaults.LOOKUP_LAG:g}; 0 for the sandbox.",
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
        f" {defaults.HOME} in the working folder.",
    )
    reports: Place | None = Field(
        default=None,
        description="Folder of runs, absolute or relative to this file. Default:"
        f" {defaults.REPORTS} in the working folder.",
    )
    source: Source = Source()
    region: Region = Field(
        default=defaults.REGION,
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
