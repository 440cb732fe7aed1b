"""Progress is commentary: a terminal that goes away stops no run and hides no error."""

import errno
import io
import sys

import pytest

from pipeline.cli.progress import watching
from pipeline.submission import Tally


class Gone(io.StringIO):
    """A terminal that was hung up."""

    def isatty(self) -> bool:
        return True

    def write(self, _text: str) -> int:
        raise OSError(errno.EIO, "Input/output error")

    def flush(self) -> None:
        raise OSError(errno.EIO, "Input/output error")


def test_a_closed_terminal_hides_no_error_of_a_run(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Gone())

    def run() -> None:
        with watching(quiet=False) as watch:
            watch.reading(1)
            watch.planned()
            watch.submitting(Tally(10))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()
