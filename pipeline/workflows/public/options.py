"""The keyword options of the public functions: names and meanings are those of the command line.

An option that is absent or None has the value of the config, else the default of `Settings`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict


class PlacesOptions(TypedDict, total=False):
    """Where ledgers and runs are."""

    config: str | Path | None  #: YAML file of the job
    home: str | Path | None  #: folder of the ledgers
    reports: str | Path | None  #: folder of the runs


class DestinationOptions(TypedDict, total=False):
    """Where customers are created; the API key comes from BILLING_API_KEY(_FILE)."""

    sandbox: bool  #: send to a sandbox inside this process; it keeps its state in the home
    base_url: str | None  #: send to this billing address
    environment: str | None  #: name of the environment; required for another machine
    merchant: str | None  #: name of the merchant account; required for another machine
    live: bool  #: allow a live key: it creates real customers


class LookupOptions(TypedDict, total=False):
    """How fast to send requests."""

    workers: int | None  #: parallel requests
    pace: float | None  #: maximum requests a second
    outage_seconds: float | None  #: stop (resumable) after this long without an answer
    lookup_lag: float | None  #: seconds for which a lookup may be out of date


class SendingOptions(LookupOptions, total=False):
    """How to send, and when to stop."""

    max_creates: int | None  #: refuse to create more than this many
    canary: int | None  #: create this many first, look them up and compare
    stop_by: str | None  #: stop (resumable) at this time: 05:30 or "05:30 Africa/Johannesburg"


class PlanningOptions(TypedDict, total=False):
    """The options that belong to a plan: with other values it is another plan."""

    default_region: str | None  #: region of national phone numbers, such as ZA
    retry_refused: bool | None  #: send rows again that billing refused before
    limit: int | None  #: create at most this many customers
    where: str | None  #: create only rows that meet this SQL condition


class AcceptOptions(TypedDict, total=False):
    """The file issues to accept."""

    accept: Sequence[str]  #: codes, such as STREAM.MISSING_DAY


class ReadingOptions(TypedDict, total=False):
    """How to read files, and what to require of them."""

    sheet: str | None  #: sheet of a workbook
    allow_empty: bool | None  #: accept a file without records
    expect: Sequence[str]  #: control totals: records=2000, ZAR=12345.67
    max_rejected: str | int | None  #: refuse if more are rejected: "20%" or a number of records
    planner: str | None  #: planner's name for the report


class RunOptions(
    PlacesOptions,
    DestinationOptions,
    SendingOptions,
    PlanningOptions,
    AcceptOptions,
    ReadingOptions,
    total=False,
):
    """The options of `plan_import` and `run_import`."""


class ResumeOptions(PlacesOptions, DestinationOptions, SendingOptions, AcceptOptions, total=False):
    """The options of `resume_run`."""


class ApplyOptions(ResumeOptions, PlanningOptions, total=False):
    """The options of `apply_plan`."""


class LoadOptions(PlacesOptions, DestinationOptions, total=False):
    """The options of `load_known_customers`."""

    default_region: str | None  #: region of national phone numbers, such as ZA


class ReviewOptions(PlacesOptions, total=False):
    """The options of `make_report` and `report_period`."""

    reviewer: str | None  #: reviewer's name for the report


class ReconcileOptions(ReviewOptions, DestinationOptions, LookupOptions, total=False):
    """The options of `reconcile`."""


class SignOptions(PlacesOptions, total=False):
    """The options of `sign`."""

    name: str | None  #: name of the signer


class BundleOptions(PlacesOptions, total=False):
    """The options of `make_bundle`."""

    maker: str | None  #: name of the person who makes it
