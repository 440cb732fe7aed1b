"""The options with which a command finds the folders of a run, for what people read outside of a terminal."""

from pathlib import Path

from pipeline.config import Settings

_USUAL = Settings()


def place_options(home: Path, reports: Path) -> list[str]:
    """The words that name home and reports; none for those that a command finds by itself."""
    return ["--home", str(home)] * (home != _USUAL.home) + ["--reports", str(reports)] * (reports != _USUAL.reports)
