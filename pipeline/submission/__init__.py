"""Send the planned creates: record the intent, make the call, record the outcome; `protocol.py` decides the next step."""

from pipeline.submission.engine import Clock, Planned, StopRequest, Tally, submit
from pipeline.submission.giving_up import GivenUp, give_up
from pipeline.submission.protocol import Policy, Stop

__all__ = [
    "Clock",
    "GivenUp",
    "Planned",
    "Policy",
    "Stop",
    "StopRequest",
    "Tally",
    "give_up",
    "submit",
]
