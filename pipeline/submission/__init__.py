"""Send the planned creates: record the intent, make the call, record the outcome; `protocol` decides the next step."""

from pipeline.submission.engine import submit
from pipeline.submission.giving_up import GivenUp, give_up
from pipeline.submission.inputs import (
    Callbacks,
    Clock,
    Planned,
    RunIdentity,
    Runtime,
    StopRequest,
    Tally,
    Work,
)
from pipeline.submission.steps import Backoff, Policy, RefusalRates, Stop

__all__ = [
    "Backoff",
    "Callbacks",
    "Clock",
    "GivenUp",
    "Planned",
    "Policy",
    "RefusalRates",
    "RunIdentity",
    "Runtime",
    "Stop",
    "StopRequest",
    "Tally",
    "Work",
    "give_up",
    "submit",
]
