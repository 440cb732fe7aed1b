"""One handler at the top: every way to end becomes one of the documented exit codes, and no message holds a secret."""

import gc
import io
import os
import re
import sys
import traceback
from typing import Any, NoReturn

import click

from pipeline.cli.printing import say
from pipeline.cli.suggestions import with_suggestion
from pipeline.errors import PipelineError

USAGE, FATAL, OWN_FAULT, STOPPED_TWICE = 2, 4, 70, 130
_SECRETS = re.compile(r"\b[sp]k_[A-Za-z0-9_-]+|(?i:bearer)\s+\S+|(?i:authorization)\S*\s*[:=]\s*\S+")


def main() -> NoReturn:
    """Run the command line and end the process with the code that says how it went."""
    # All is written, closed and flushed. Taking half a million objects of the libraries apart first would take 0.3 s.
    os._exit(run())


def run() -> int:
    """Run the command line; the exit code that says how it went."""
    os.umask(0o077)  # everything that we leave behind is for its owner
    # Half a million objects of the libraries stay, and rows are in columns: looking for garbage among them every 700 new
    # ones, as Python does, is a tenth of the start and finds none.
    gc.set_threshold(100_000)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows ASCII only changes no exit code
    code = _guarded()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # whoever read it went away; what we did stays as it is, and so does the code
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code


def scrubbed(text: str) -> str:
    """A text without anything that looks like a key."""
    return _SECRETS.sub("[redacted]", text)


def _guarded() -> int:
    from pipeline.cli.commands import cli

    given: dict[str, Any] = {}  # the parameters of the command, for what a message suggests
    try:
        code = cli.main(prog_name="pipeline", standalone_mode=False, obj=given)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.UsageError as wrong:
        usage = f"{wrong.ctx.get_usage()}\n" if wrong.ctx else ""
        say(scrubbed(f"{usage}Error: {wrong.format_message()}"))  # click would repeat a key that slipped in
        return USAGE
    except click.ClickException as wrong:
        say(scrubbed(f"Error: {wrong.format_message()}"))
        return FATAL
    except PipelineError as broken:
        say(scrubbed(with_suggestion(given, f"Error: {broken.message}", broken.suggests)))
        return broken.exit_code
    except (KeyboardInterrupt, click.Abort):
        say("stopped at once; requests in flight are in doubt until their run is resumed")
        return STOPPED_TWICE
    except OSError as broken:  # a full disk, a folder that is not ours
        say(scrubbed(f"{broken.filename or 'the system'}: {broken.strerror or type(broken).__name__}; fix it first"))
        return FATAL
    except Exception as fault:  # noqa: BLE001 - the last line: our own fault gets a code of its own
        _tell_own_fault(fault)
        return OWN_FAULT


def _tell_own_fault(fault: BaseException) -> None:
    """Where it happened, without what it was about: messages and locals may hold people's data."""
    frames = "".join(traceback.format_list(traceback.extract_tb(fault.__traceback__)))
    say(scrubbed(f"{frames}{type(fault).__name__} (its text is withheld: it may hold people's data)"))
    say("Internal error (a bug). Please report it with the lines above.")
