"""The one loop with effects: journal the intent, make the call, journal the outcome; `deciding.py` says what comes next."""

from pipeline.submission.deciding import Policy, Stop
from pipeline.submission.giving_up import GivenUp, give_up
from pipeline.submission.loop import Clock, Planned, StopRequest, Tally, submit

__all__ = ["Clock", "GivenUp", "Planned", "Policy", "Stop", "StopRequest", "Tally", "give_up", "submit"]
