"""Colours are for terminals: a pipe, NO_COLOR and a dumb terminal get plain text."""

import os
import pty
import re
import subprocess
import sys

import pytest

from tests.conftest import Inside, customers_csv, environment_of_ours

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Inside:
    """A folder with a file of three customers."""
    inside = Inside(tmp_path_factory.mktemp("colours"))
    customers_csv(inside.folder / "c.csv", 3)
    return inside


def on_a_terminal(here: Inside, *arguments: str, **variables: str) -> str:
    """What a command prints to a terminal."""
    ours, theirs = pty.openpty()
    environment = {**environment_of_ours(None), "TERM": "xterm-256color", **variables}
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *arguments],
        cwd=here.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    printed = b""
    try:
        while block := os.read(ours, 1 << 16):
            printed += block
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
    process.wait(timeout=60)
    return printed.decode().replace("\r\n", "\n")


PLAN = ("plan", "c.csv", "--sandbox", "--expect", "records=4")


@pytest.fixture(scope="module")
def coloured(here) -> str:
    """What `PLAN` prints to a terminal."""
    return on_a_terminal(here, *PLAN)


def test_a_terminal_shows_the_verdict_the_fates_and_a_refusal_in_colours(coloured):
    assert "\x1b[31m  Planned: of 3 records" in coloured
    assert "\x1b[31mSTOPS: " in coloured
    assert "\x1b[2mnot_attempted" in coloured
    assert "\x1b[32mall " in coloured


@pytest.mark.parametrize(
    "variables", [{"NO_COLOR": "1"}, pytest.param({"TERM": "dumb"}, marks=pytest.mark.long)]
)
def test_a_terminal_that_wants_no_colours_gets_none(here, variables):
    printed = on_a_terminal(here, *PLAN, **variables)

    assert "Planned: of 3 records" in printed
    assert not COLOUR.search(printed)


def test_a_pipe_gets_no_colours_and_the_same_text(here, coloured):
    piped = here(*PLAN).stdout

    assert "\x1b" not in piped
    assert lines_of(piped)[:3] == lines_of(COLOUR.sub("", coloured))[:3]


def lines_of(printed: str) -> list[str]:
    return [line.rstrip() for line in printed.splitlines()]


def test_a_refusal_stands_right_after_the_verdict(here):
    verdict, refusal, *_ = here(*PLAN).stdout.splitlines()

    assert verdict.startswith("TEST  Planned: of 3 records")
    assert refusal.startswith("STOPS: ")


def test_the_name_of_a_file_cannot_colour_a_terminal(here):
    (here.folder / "a\x1b[31mb.csv").write_text((here.folder / "c.csv").read_text())

    printed = on_a_terminal(here, "plan", "a\x1b[31mb.csv", "--sandbox")

    assert "create  a\ufffd[31mb.csv:2" in printed
    assert "\x1b[31mb" not in printed


def test_verify_and_status_colour_their_verdicts(here):
    here("run", "c.csv", "--sandbox", "--yes")

    assert "\x1b[32mholds  \x1b[0m" in on_a_terminal(here, "verify", "latest")
    assert "\x1b[32m3 of 3 records were created" in on_a_terminal(here, "status", "latest")
    assert not COLOUR.search(on_a_terminal(here, "status", "latest", NO_COLOR="1"))
