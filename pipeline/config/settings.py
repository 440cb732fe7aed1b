"""What a run is told: the job of a config, overruled by the options of a command; every fault at once."""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from pipeline.config.job import (
    SANDBOX,
    ConfigFile,
    KnownCustomers,
    Limit,
    Moment,
    Reconciliation,
    Region,
    Source,
)
from pipeline.config.places import HOME, REPORTS, place_of, refuse_other_ledger, unused_ledger
from pipeline.config.target import Naming
from pipeline.domain.column_mapping import Layout
from pipeline.domain.file_expectations import Control, Stream
from pipeline.domain.outcomes import Alarm
from pipeline.errors import OptionRefused


def _an_alarm(code: str) -> str:
    codes = [alarm.value for alarm in Alarm]
    if code.upper() not in codes:
        near = difflib.get_close_matches(code.upper(), codes, n=1, cutoff=0.5)
        raise ValueError(f"{code!r} is no alarm{f', did you mean {near[0]}?' if near else ''}")
    return code.upper()


_LOOKUP_LAG = 30.0  #: seconds


class Settings(BaseModel):
    """Everything has a default that is safe to leave alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    destination: str = SANDBOX  #: "sandbox" for the one in this process, else the billing address
    home: Path = Path(HOME)
    reports: Path = Path(REPORTS)
    config: ConfigFile | None = None
    source: Source = Source()
    mapping: Layout | None = None  #: None: the file writes the canonical names
    references: KnownCustomers = KnownCustomers()
    reconcile: Reconciliation = Reconciliation()
    region: Region = "ZA"
    stream: Stream | None = None
    control: Control | None = None
    expect: tuple[str, ...] = ()  #: control totals: records=2000, ZAR=1234567 (minor units)
    accept: tuple[
        Annotated[str, AfterValidator(_an_alarm)], ...
    ] = ()  #: codes of alarms that somebody has looked at
    retry_refused: bool = False
    allow_empty: bool = False
    limit: Annotated[int, Field(ge=1)] | None = None  #: creates of this wave
    where: Annotated[str, Field(min_length=1)] | None = (
        None  #: which rows are in this wave, as SQL on the file's columns
    )
    workers: Annotated[int, Field(ge=1, le=64)] = 8
    per_second: Annotated[float, Field(gt=0, le=100_000)] | None = None
    outage_seconds: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    billing_errors: Literal["problem", "json"] = "problem"  #: what billing's own errors look like
    lookup_lag: Annotated[float, Field(ge=0, le=3_600)] | None = (
        None  #: None: 30 seconds, and 0 for the sandbox
    )
    max_creates: Annotated[int, Field(ge=0)] | None = None
    max_rejected: Limit | None = None  #: None: 20%, from 50 records on
    usual_refusals: float = 0.005
    alarming_refusals: float = 0.30
    canary: Annotated[int, Field(ge=0, le=1_000)] | None = (
        None  #: None: 3 with a live key, else none
    )
    stop_by: Moment | None = None
    planner: Annotated[str, Field(min_length=1, max_length=100)] = "unknown"

    @classmethod
    def of(
        cls, config: ConfigFile | None = None, *, environment: str | None = None, **given: Any
    ) -> Self:
        """Settings from a config and from what was given beside it (None = not given); raise OptionRefused with every fault.

        `environment`: the name that an option gives, else that of the config. Where neither says which home to use, and
        a ledger of this environment is beside the config, the default is refused.
        """
        known = {
            **_said_by(config),
            **{name: value for name, value in given.items() if value is not None},
        }
        try:
            settings = cls(**known)
        except ValidationError as invalid:
            raise OptionRefused(
                [_fault(error) for error in invalid.errors()]
            ) from None  # a config was checked when read
        if config is not None and "home" not in known:
            naming = Naming.said(settings.destination, job=config.job, environment=environment)
            refuse_other_ledger(config.path, settings.home, naming.environment or SANDBOX)
        return settings

    def unused_ledger(self, environment: str) -> str | None:
        """A warning where the config says which home is used, and the working folder has a ledger of this environment too."""
        if self.config is None or self.config.job.home is None:
            return None
        is_of_config = self.home == place_of(self.config.path, self.config.job.home)
        return unused_ledger(self.home, environment) if is_of_config else None

    @property
    def seconds_of_lag(self) -> float:
        """For how long a lookup may show what was before; the sandbox within this process shows what is."""
        if self.lookup_lag is not None:
            return self.lookup_lag
        return 0.0 if self.destination == SANDBOX else _LOOKUP_LAG

    @property
    def planning(self) -> dict[str, Any]:
        """What takes part in a plan: with another value of any of these it would be another plan."""
        return {
            "region": self.region,
            "retry_refused": self.retry_refused,
            "same_identity": self.same_identity,
            "limit": self.limit,
            "where": self.where,
            "expect": list(self.expect) or None,
        }

    @property
    def wants_tokens(self) -> bool:
        """Whether identity numbers are to be told apart."""
        return self.mapping is not None and self.mapping.identity is not None

    @property
    def same_identity(self) -> Literal["flag", "hold", "skip"]:
        """What becomes of a new reference whose person is known under another."""
        return self.references.same_identity


def _said_by(config: ConfigFile | None) -> dict[str, Any]:
    if config is None:
        return {}
    job = config.job
    return {
        "config": config,
        "source": job.source,
        "mapping": job.mapping,
        "references": job.references,
        "reconcile": job.reconcile,
        "stream": job.stream,
        "control": job.control,
        "region": job.region,
        "retry_refused": job.retry_refused,
        "allow_empty": job.allow_empty,
        "workers": job.pace.workers,
        "per_second": job.pace.per_second,
        "outage_seconds": job.thresholds.outage_seconds,
        "billing_errors": job.billing.errors,
        **({} if job.billing.lookup_lag is None else {"lookup_lag": job.billing.lookup_lag}),
        "max_creates": job.thresholds.max_creates,
        "max_rejected": job.thresholds.max_rejected,
        "usual_refusals": job.thresholds.usual_refusals,
        "alarming_refusals": job.thresholds.alarming_refusals,
        "canary": job.thresholds.canary,
        "stop_by": job.thresholds.stop_by,
        **({"destination": job.address} if job.address else {}),
        **({"home": place_of(config.path, job.home)} if job.home else {}),
        **({"reports": place_of(config.path, job.reports)} if job.reports else {}),
    }


def _fault(error: ErrorDetails) -> tuple[str, str]:
    """The setting, and what is wrong with it."""
    what = error["msg"].removeprefix("Value error, ")
    return ".".join(map(str, error["loc"])), f"{what[:1].lower()}{what[1:]}"
