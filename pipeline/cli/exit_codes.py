"""The handler at the top: it maps every result and error to an exit code and hides secrets.

It imports only the standard library, so that it can report a library that does not load.
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
from pipeline.errors import ExitCode, PipelineError

_SECRETS = re.compile(
    r"\b[sp]k_[A-Za-z0-9_-]+|(?i:bearer)\s+\S+|(?i:authorization)\S*\s*[:=]\s*\S+"
)
_COMPLETING = "_PIPELINE_COMPLETE"  #: a shell sets it to ask for completions
_STREAMS = ("stdin", "stdout", "stderr")


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    code: int = ExitCode.FATAL
    try:
        code = _started()
    finally:
        # All files are written, closed and flushed. An ordinary exit would spend 0.3 s on freeing
        # the objects of the libraries. Python would also exit with 1 on an error here, and 1 means
        # that a run finished.
        os._exit(code)


def _started() -> int:
    """Run the command line in its own process, with or without open streams."""
    missing = _fill_missing_streams()
    if "stdout" in missing:
        _say(
            "Error: stdout is closed, so the result cannot be shown. Nothing was done."
            " Redirect stdout, for example > /dev/null"
        )
        return ExitCode.FATAL
    _keep_native_code_silent()
    # Arrow's curl creates this file as soon as it is loaded.
    os.environ.pop("SSLKEYLOGFILE", None)
    return run()


def run() -> int:
    """Run the command line and return its exit code."""
    os.umask(0o077)  # only the owner may read the files that we create
    # The libraries hold half a million objects that stay. Searching them for garbage after every
    # 700 new objects, as Python does, takes a tenth of the start and finds none.
    gc.set_threshold(100_000)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # An ASCII terminal must not change the exit code.
            stream.reconfigure(errors="backslashreplace")
    code = _guarded()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # the reader is gone; the exit code stays the same
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code


def scrubbed(text: str) -> str:
    """The text with everything that looks like a key redacted."""
    return _SECRETS.sub("[redacted]", text)


def _fill_missing_streams() -> set[str]:
    """Open the null device for each closed stream, so that no file gets its number."""
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
    """Let only Python write to stderr: a panic of native code may print the content of a cell."""
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
    given: dict[str, Any] = {}  # the parameters of the command, for suggested commands
    try:
        return _exit_code(given)
    except PipelineError as broken:
        _say(_with_suggestion(given, f"Error: {broken.message}", broken))
        return broken.exit_code
    except KeyboardInterrupt:
        _say("stopped at once; requests in flight are in doubt until their run is resumed")
        return ExitCode.STOPPED_AT_ONCE
    except BaseException as fault:  # noqa: BLE001 - a panic of native code is no Exception
        if cause := breakage(fault):
            _say(f"Error: {cause}")
            return ExitCode.FATAL
        _report_bug(fault)
        return ExitCode.INTERNAL_ERROR


def _exit_code(given: dict[str, Any]) -> int:
    """Parse the command line and call the command; map what click raises to an exit code."""
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
        _say(f"{usage}Error: {wrong.format_message()}")  # click itself would print a key
        return ExitCode.USAGE
    except click.ClickException as wrong:
        _say(f"Error: {wrong.format_message()}")
        return ExitCode.FATAL
    except SystemExit as ended:  # click ends so after a completion or a broken pipe
        code = ended.code if isinstance(ended.code, int) else 0
        if given:
            raise BrokenPipeError(errno.EPIPE, "a pipe broke") from None
        return code if _COMPLETING in os.environ else 0  # the reader of the help is gone


def _say(text: str) -> None:
    """Print a line without secrets to stderr, even if `output` cannot be loaded."""
    try:
        from pipeline.cli.output.terminal import say

        say(scrubbed(text))
    except Exception:  # noqa: BLE001 - memory is used up
        with contextlib.suppress(OSError, ValueError):
            os.write(sys.stderr.fileno(), f"{scrubbed(text)}\n".encode(errors="backslashreplace"))


def _with_suggestion(given: dict[str, Any], message: str, broken: PipelineError) -> str:
    from pipeline.cli.suggestions import with_suggestion

    return with_suggestion(given, message, broken.suggests)


def _report_bug(fault: BaseException) -> None:
    """Print where it happened, without the error's text: it may hold personal data."""
    frames = "".join(traceback.format_list(traceback.extract_tb(fault.__traceback__)))
    _say(f"{frames}{type(fault).__name__} (its text is withheld: it may hold personal data)")
    _say("Internal error (a bug). Please report it with the lines above.")
