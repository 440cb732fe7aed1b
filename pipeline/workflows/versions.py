"""The versions that a run or a bundle was made with, so that it can be reproduced."""

import platform
import sqlite3
from importlib.metadata import version

from pipeline import __version__

_LIBRARIES = (
    "polars",
    "duckdb",
    "pandera",
    "pyarrow",
    "phonenumbers",
    "email-validator",
    "iso4217",
    "pyreqwest",
)


def tools() -> dict[str, str]:
    """Name -> version, of the program and of every library that affects a row."""
    return {
        "pipeline": __version__,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in _LIBRARIES},
    }
