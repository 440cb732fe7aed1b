"""The name of the person who plans, sends, reviews or signs."""

import getpass
import os
from collections.abc import Mapping

PLANNER_VARIABLE = "PIPELINE_PLANNER"


def person_from(variables: Mapping[str, str] = os.environ) -> str:
    """The name from PIPELINE_PLANNER, else the user's name."""
    return variables.get(PLANNER_VARIABLE) or _user()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"
