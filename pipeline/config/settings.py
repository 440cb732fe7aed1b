"""The settings of a run: the job of a config, overridden by options."""

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
from pipeline.domain.file_issues import FileIssue
from pipeline.errors import OptionRefused


def _checked_issue(code: str) -> str:
    codes = [issue.value for issue in FileIssue]
    if code.upper() not in codes:
        near = difflib.get_close_matches(code.upper(), codes, n=1, cutoff=0.5)
        raise ValueError(
            f"{code!r} is not a file issue{f', did you mean {near[0]}?' if near else ''}"
        )
    return code.upper()


_LOOKUP_LAG = 30.0  #: seconds


class Settings(BaseModel):
    """The settings of a run; each has a safe default."""

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
    #: codes of accepted issues
    accept: tuple[Annotated[str, AfterValidator(_checked_issue)], ...] = ()
    retry_refused: bool = False
    allow_empty: bool = False
    limit: Annotated[int, Field(ge=1)] | None = None  #: the most creates in this run
    #: which rows this run creates: an SQL condition on the file's columns
    where: Annotated[str, Field(min_length=1)] | None = None
    workers: Annotated[int, Field(ge=1, le=64)] = 8
    per_second: Annotated[float, Field(gt=0, le=100_000)] | None = None
    outage_seconds: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    billing_errors: Literal["problem", "json"] = "problem"  #: what billing's own errors look like
    #: None: 30 seconds, and 0 for the sandbox
    lookup_lag: Annotated[float, Field(ge=0, le=3_600)] | None = None
    max_creates: Annotated[int, Field(ge=0)] | None = None
    max_rejected: Limit | None = None  #: None: 20%, from 50 records on
    usual_refusals: float = 0.005
    alarming_refusals: float = 0.30
    canary: Annotated[int, Field(ge=0, le=1_000)] | None = None  #: None: 3 with a live key, else 0
    stop_by: Moment | None = None
    planner: Annotated[str, Field(min_length=1, max_length=100)] = "unknown"

    @classmethod
    def of(
        cls, config: ConfigFile | None = None, *, environment: str | None = None, **given: Any
    ) -> Self:
        """Settings from a config and options; raise OptionRefused with every fault.

        `environment`: the name from an option; None takes that of the config. Raise ConfigError if
        neither names a home while a ledger of this environment is next to the config.
        """
        known = {
            **_config_settings(config),
            **{name: value for name, value in given.items() if value is not None},
        }
        try:
            settings = cls(**known)
        except ValidationError as invalid:
            # A config was checked when it was read, so only options can be wrong.
            raise OptionRefused([_fault(error) for error in invalid.errors()]) from None
        if config is not None and "home" not in known:
            naming = Naming.from_options(
                settings.destination, job=config.job, environment=environment
            )
            refuse_other_ledger(config.path, settings.home, naming.environment or SANDBOX)
        return settings

    def unused_ledger(self, environment: str) -> str | None:
        """A warning if the config names the home and the working folder has a ledger of it too."""
        if self.config is None or self.config.job.home is None:
            return None
        is_of_config = self.home == place_of(self.config.path, self.config.job.home)
        return unused_ledger(self.home, environment) if is_of_config else None

    @property
    def seconds_of_lag(self) -> float:
        """How long a lookup may be out of date; the sandbox in this process is never."""
        if self.lookup_lag is not None:
            return self.lookup_lag
        return 0.0 if self.destination == SANDBOX else _LOOKUP_LAG

    @property
    def planning(self) -> dict[str, Any]:
        """The settings that belong to a plan: with other values it is another plan."""
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
        """Whether identity numbers are compared, by tokens."""
        return self.mapping is not None and self.mapping.identity is not None

    @property
    def same_identity(self) -> Literal["flag", "hold", "skip"]:
        """What to do with a new reference of a person who is known under another."""
        return self.references.same_identity


def _config_settings(config: ConfigFile | None) -> dict[str, Any]:
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
    message = error["msg"].removeprefix("Value error, ")
    return ".".join(map(str, error["loc"])), f"{message[:1].lower()}{message[1:]}"
