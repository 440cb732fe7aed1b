"""Recognise faults of the machine in an exception: disk, memory, a library's native code.

Python's own errors state the fault. Libraries wrap it in other types with texts that may quote
cells, so only the system's own message is repeated. Types are recognised by name, without an
import.
"""

import errno
import re

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
#: The system's messages, which appear in the texts of libraries.
_SYSTEM = {
    "No space left on device": errno.ENOSPC,
    "Disk quota exceeded": errno.EDQUOT,
    "File too large": errno.EFBIG,
    "Read-only file system": errno.EROFS,
    "Input/output error": errno.EIO,
    "Too many open files in system": errno.ENFILE,
    "Too many open files": errno.EMFILE,
    "Cannot allocate memory": errno.ENOMEM,
    "Permission denied": errno.EACCES,
    "Operation not permitted": errno.EPERM,
    "No such file or directory": errno.ENOENT,
    "Resource temporarily unavailable": errno.EAGAIN,
}
_WORDS = {number: message for message, number in _SYSTEM.items()}
#: The advice for each error number.
_ADVICE = {
    **dict.fromkeys(NO_ROOM, "make room on the disk, or raise the limit on the size of files"),
    errno.EISDIR: "a folder is in the place of the file: move it away, then run the same command again",
    errno.EROFS: "make the folder writable, or choose another with --home or --reports",
    errno.EACCES: "give this user access, or choose another place",
    errno.EPERM: "give this user access, or choose another place",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "raise the limit on open files (ulimit -n)",
    errno.ENOMEM: "free memory, or raise the limit on it",
    errno.EAGAIN: "raise the limits on processes and memory",
}
_OF_THE_MACHINE = {*NO_ROOM, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}
_LIMITS = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}
_FIX = "fix it, then run the same command again"
#: Errors of native code after which a library may be broken: type -> library.
_NATIVE = {
    ("pyo3_runtime", "PanicException"): "a library in Rust",
    ("polars.exceptions", "PanicException"): "polars",
    ("_duckdb", "InternalException"): "DuckDB",
    ("_duckdb", "FatalException"): "DuckDB",
    ("duckdb", "InternalException"): "DuckDB",
    ("duckdb", "FatalException"): "DuckDB",
}
_LIBRARIES = ("polars", "_duckdb", "duckdb", "pyarrow")
_OUT_OF_MEMORY = re.compile(
    r"out of memory|memory allocation|bad_alloc|can't allocate|failed to map segment", re.IGNORECASE
)
_IN_OR_OUT = re.compile(r"\bI/?O error|transport error", re.IGNORECASE)
_SQLITE_OF_THE_MACHINE = re.compile(
    r"disk I/O error|disk is full|unable to open|readonly database|out of memory"
)
_IN_RUST = re.compile(r"\(os error [0-9]+\)")  #: Rust's form of an error of the system
_NO_THREAD = "can't start new thread"


def breakage(error: BaseException) -> str | None:
    """What failed and what to do, without cell content; None if this program is at fault."""
    return _system(error) or _memory(error) or _native_code(error)


def is_of_the_machine(error: BaseException) -> bool:
    """Whether the machine is at fault (disk, memory, descriptors), not the file being read."""
    if type(error).__module__ == "sqlite3" and _SQLITE_OF_THE_MACHINE.search(str(error)):
        return True
    number = (error.errno if isinstance(error, OSError) else None) or _number_in(str(error))
    return number in _OF_THE_MACHINE or _memory(error) is not None


def _system(error: BaseException) -> str | None:
    """Faults that the operating system reported."""
    if not isinstance(error, OSError) and error.args and isinstance(error.args[0], OSError):
        return _system(error.args[0])  # as XlsxWriter wraps it
    if isinstance(error, OSError):
        number = error.errno or _number_in(str(error))
        text = error.strerror or _WORDS.get(number or 0, "no reason given")
        return f"{error.filename or 'the system'}: {text}; {_ADVICE.get(number or 0, _FIX)}"
    if type(error).__module__ == "sqlite3" and type(error).__name__ in {
        "OperationalError",
        "DatabaseError",
    }:
        return f"SQLite: {error}; check that the disk has room and the file is ours to write"
    if isinstance(error, ImportError) or _is_of_a_library(error) or _IN_RUST.search(str(error)):
        if number := _number_in(str(error)):
            what = "a system limit was reached" if number in _LIMITS else _what_failed(error)
            return f"{what}: {_WORDS[number]}; {_ADVICE.get(number, _FIX)}"
        if _IN_OR_OUT.search(str(error)):
            return f"{_what_failed(error)}; check that the disk has room and is writable"
    return None


def _memory(error: BaseException) -> str | None:
    """Lack of memory or threads."""
    is_library = isinstance(error, ImportError) or _is_of_a_library(error)
    is_duckdbs = any(kind.__name__ == "OutOfMemoryException" for kind in type(error).__mro__)
    if (
        isinstance(error, MemoryError)
        or is_duckdbs
        or (is_library and _OUT_OF_MEMORY.search(str(error)))
    ):
        return f"out of memory; {_ADVICE[errno.ENOMEM]}"
    if isinstance(error, RuntimeError) and _NO_THREAD in str(error):
        return f"the system starts no more threads; {_ADVICE[errno.EAGAIN]}"
    return None


def _native_code(error: BaseException) -> str | None:
    """A panic, or an error after which a library cannot continue."""
    for kind in type(error).__mro__:
        if library := _NATIVE.get((kind.__module__, kind.__name__)):
            return (
                f"{library} failed in its native code (its text is hidden, it may contain personal data)."
                " Please report it, with the format of the input file"
            )
    return None


def _is_of_a_library(error: BaseException) -> bool:
    """Whether a library raised it, including panics for lack of memory or threads."""
    return any((kind.__module__, kind.__name__) in _NATIVE for kind in type(error).__mro__) or any(
        kind.__module__.partition(".")[0] in _LIBRARIES for kind in type(error).__mro__
    )


def _what_failed(error: BaseException) -> str:
    return (
        "a library cannot be loaded"
        if isinstance(error, ImportError)
        else "a file cannot be written or read"
    )


def _number_in(text: str) -> int | None:
    """The system error number in a library's text."""
    return next((number for message, number in _SYSTEM.items() if message in text), None)
