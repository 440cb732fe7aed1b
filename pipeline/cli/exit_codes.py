"""One handler at the top: every way to end becomes one of the documented exit codes, and no message holds a secret.

Nothing but the standard library is imported here: a library that cannot be loaded, for want of memory, is a failure like any other.
"""

import contextlib
import errno
import gc
import io
import os
import re
import sys
import threading
import traceback
from typing import Any, NoReturn

from pipeline.domain.machine_faults import breakage
from pipeline.errors import PipelineError

USAGE, FATAL, OWN_FAULT, STOPPED_TWICE = 2, 4, 70, 130
_SECRETS = re.compile(
    r"\b[sp]k_[A-Za-z0-9_-]+|(?i:bearer)\s+\S+|(?i:authorization)\S*\s*[:=]\s*\S+"
)
_COMPLETING = "_PIPELINE_COMPLETE"  #: a shell sets it to ask how a word goes on
_STREAMS = ("stdin", "stdout", "stderr")


def main() -> NoReturn:
    """Run the command line and end the process with the code that says how it went."""
    code = FATAL
    try:
        code = _started()
    finally:
        # All is written, closed and flushed. Taking half a million objects of the libraries apart first would take 0.3 s.
        # Whatever else is raised meanwhile, Python would end with 1, which says that a run finished.
        os._exit(code)


def _started() -> int:
    """Run the command line in a process of its own, whatever streams it was given."""
    missing = _fill_missing_streams()
    if "stdout" in missing:
        _say(
            "Error: stdout is closed, so the result cannot be shown. Nothing was done. Redirect stdout, for example > /dev/null"
        )
        return FATAL
    _keep_native_code_silent()
    os.environ.pop(
        "SSLKEYLOGFILE", None
    )  # Arrow's own curl makes this file as soon as it is loaded
    return run()


def run() -> int:
    """Run the command line; the exit code that says how it went."""
    os.umask(0o077)  # everything that we leave behind is for its owner
    # Half a million objects of the libraries stay, and rows are in columns: looking for garbage among them every 700 new
    # ones, as Python does, is a tenth of the start and finds none.
    gc.set_threshold(100_000)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(
                errors="backslashreplace"
            )  # a terminal that knows ASCII only changes no exit code
    code = _guarded()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (
            OSError
        ):  # whoever read it went away; what we did stays as it is, and so does the code
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code


def scrubbed(text: str) -> str:
    """A text without anything that looks like a key."""
    return _SECRETS.sub("[redacted]", text)


def _fill_missing_streams() -> set[str]:
    """Open the null device in place of each stream that is closed, or the first file that we open would take its number."""
    missing = {name for name in _STREAMS if getattr(sys, name) is None}
    for number, name in enumerate(_STREAMS):
        if name in missing:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w", encoding="utf-8"))
    return missing


def _keep_native_code_silent() -> None:
    """Let only Python write to stderr: a library's native code writes there what it panicked about, which may be a cell."""
    own = os.fdopen(
        os.dup(2), "w", encoding=sys.stderr.encoding, errors="backslashreplace", buffering=1
    )
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    sys.stderr = own
    threading.excepthook = lambda _failed: _say(
        "Internal error (a bug): a thread failed. Please report it."
    )
    sys.unraisablehook = lambda _ignored: None


def _guarded() -> int:
    given: dict[str, Any] = {}  # the parameters of the command, for what a message suggests
    try:
        return _ended(given)
    except PipelineError as broken:
        _say(_with_suggestion(given, f"Error: {broken.message}", broken))
        return broken.exit_code
    except KeyboardInterrupt:
        _say("stopped at once; requests in flight are in doubt until their run is resumed")
        return STOPPED_TWICE
    except BaseException as fault:  # noqa: BLE001 - the last line: a panic of native code is no Exception
        if cause := breakage(fault):
            _say(f"Error: {cause}")
            return FATAL
        _tell_own_fault(fault)
        return OWN_FAULT


def _ended(given: dict[str, Any]) -> int:
    """Parse and call; what click raises is an exit code already."""
    import click

    from pipeline.cli.commands import cli

    try:
        code = cli.main(prog_name="pipeline", standalone_mode=False, obj=given)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.Abort:
        raise KeyboardInterrupt from None
    except click.UsageError as wrong:
        usage = f"{wrong.ctx.get_usage()}\n" if wrong.ctx else ""
        _say(f"{usage}Error: {wrong.format_message()}")  # click would repeat a key that slipped in
        return USAGE
    except click.ClickException as wrong:
        _say(f"Error: {wrong.format_message()}")
        return FATAL
    except SystemExit as ended:  # so click ends a completion, and with 1 a command whose pipe broke
        code = ended.code if isinstance(ended.code, int) else 0
        if given:
            raise BrokenPipeError(errno.EPIPE, "a pipe broke") from None
        return code if _COMPLETING in os.environ else 0  # nobody read the help


def _say(text: str) -> None:
    """A line of commentary without secrets, also where not even that can be loaded which makes it printable."""
    try:
        from pipeline.cli.output import say

        say(scrubbed(text))
    except Exception:  # noqa: BLE001 - memory is used up
        with contextlib.suppress(OSError, ValueError):
            os.write(sys.stderr.fileno(), f"{scrubbed(text)}\n".encode(errors="backslashreplace"))


def _with_suggestion(given: dict[str, Any], message: str, broken: PipelineError) -> str:
    from pipeline.cli.suggestions import with_suggestion

    return with_suggestion(given, message, broken.suggests)


def _tell_own_fault(fault: BaseException) -> None:
    """Where it happened, without what it was about: messages and locals may hold people's data."""
    frames = "".join(traceback.format_list(traceback.extract_tb(fault.__traceback__)))
    _say(f"{frames}{type(fault).__name__} (its text is withheld: it may hold people's data)")
    _say("Internal error (a bug). Please report it with the lines above.")
