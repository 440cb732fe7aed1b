"""Print lines, text and JSON: results to stdout, commentary to stderr.

Neither may hold a control character, which could move the cursor or hide text.
"""

import contextlib
import json
import sys
import unicodedata
from collections.abc import Mapping, Sequence

from pipeline.errors import ResultNotShown

WIDTH_OFF_A_TERMINAL = 120
MOST_COLUMNS = 40  #: unsent columns that are listed; the others are only counted


def say(text: str) -> None:
    """Print a line of commentary to stderr; a closed stderr is no error."""
    with contextlib.suppress(OSError):
        print(printable(text), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Text without escape sequences, control and bidirectional characters: names may hold them."""
    return "".join("\ufffd" if _is_hidden(c) else c for c in text)


def show_json(content: Mapping[str, object] | Sequence[object]) -> None:
    """Print JSON for programs, with control characters as escapes."""
    text = json.dumps(content, indent=2, ensure_ascii=not _speaks_unicode())
    _out("".join(json.dumps(c)[1:-1] if _is_hidden(c) else c for c in text))


def show_line(text: str) -> None:
    """Print a line of the result."""
    _out(text)


def show_text(text: str) -> None:
    """Print a result unchanged, with its own line ends."""
    _out(text, end="")


def show_rendered(text: str) -> None:
    """Print a result whose texts are printable already, with its colours and line ends."""
    _print(text)


def on_one_line(value: Mapping[str, object]) -> str:
    """Keys with their values, such as `column amount, unit major`; ? for an open value."""
    return ", ".join(
        f"{key} {'?' if inner is None else _pairs(inner)}" for key, inner in value.items()
    )


def _pairs(value: object) -> str:
    """A value of a config: a list as `a + b`, a map as `{R: ZAR}`."""
    if isinstance(value, list):
        return " + ".join(value)
    if not isinstance(value, dict):
        return str(value)
    return f"{{{', '.join(f'{key}: {inner}' for key, inner in value.items())}}}"


def _out(text: str, end: str = "\n") -> None:
    """Print a result without control characters."""
    _print(printable(text) + end)


def _print(text: str) -> None:
    """Print a result. A broken pipe is no error; raise ResultNotShown for anything else."""
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        pass
    except OSError as error:
        raise ResultNotShown(
            f"The result cannot be written to stdout ({error.strerror or 'unknown cause'})."
            " Redirect it to a disk with free space, or to /dev/null"
        ) from error


def _speaks_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") in {"utf8", "utf16", "utf32"}


def _is_hidden(character: str) -> bool:
    return character != "\n" and unicodedata.category(character) in {"Cc", "Cf", "Cs"}
