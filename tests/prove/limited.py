"""Run a function in its own process under a limit of CPU time or memory; return how it ended.

Processes are forked from a server that has imported the whole product and done nothing else, so each starts at once.
"""

import functools
import json
import multiprocessing
import os
import pkgutil
import re
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import pipeline

CPU_SECONDS, PEAK_MIB = 10, 1024
WALL_SECONDS = 600  #: a process that takes so long hangs, however busy the machine is
_ADDRESSES = 64 << 30  #: bytes of address space; what a process really uses is watched
_LOOK_SECONDS = 0.02

Work = Callable[[Sequence[str]], int]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended; a signal is a negative exit code."""

    exit_code: int
    cpu: float  #: seconds
    peak: int  #: MiB
    limit: str = ""  #: cpu, memory or wall: which limit ended it
    message: str = ""  #: what it wrote to stderr, without the names and numbers of this file
    frames: str = ""  #: of an internal error: where it was raised


@functools.cache
def server() -> ForkServerContext:
    """The context whose processes have the whole product imported."""
    context = multiprocessing.get_context("forkserver")
    modules = [found.name for found in pkgutil.walk_packages(pipeline.__path__, "pipeline.")]
    context.set_forkserver_preload(
        [name for name in modules if "__main__" not in name and "sample_data" not in name]
        + ["tests.prove.second_readers"]
    )
    return context


def limited(work: Work, arguments: Sequence[str], folder: Path, *, cpu: int = CPU_SECONDS, peak: int = PEAK_MIB) -> Ended:  # fmt: skip
    """Run `work` in `folder`, where it may leave files, and end it at `cpu` seconds or `peak` MiB."""
    used, errors = folder / "used.json", folder / "stderr.txt"
    used.unlink(missing_ok=True)
    process = server().Process(target=_work, args=(work, arguments, str(folder), cpu))
    process.start()
    highest, limit = _watch(process, peak)
    code = process.exitcode if process.exitcode is not None else -signal.SIGKILL
    seconds, peak_seen = json.loads(used.read_text()) if used.exists() else (float(cpu), highest)
    if not limit and code in {-signal.SIGXCPU, -signal.SIGKILL}:
        limit = "cpu"
    if not limit and peak_seen > peak:
        limit = "memory"
    text = errors.read_text(encoding="utf-8", errors="replace") if errors.exists() else ""
    frames = _frames(text) if code not in range(7) else ""
    return Ended(
        code, round(seconds, 2), max(peak_seen, highest), limit, kind_of_message(text), frames
    )


def _watch(process: BaseProcess, peak: int) -> tuple[int, str]:
    """The most memory that the process was seen to have, and the limit that ended it."""
    highest, limit, began = 0, "", time.monotonic()
    while process.is_alive():
        process.join(_LOOK_SECONDS)
        highest = max(highest, _resident(process.pid))
        if highest > peak:
            limit = "memory"
        elif time.monotonic() - began > WALL_SECONDS:
            limit = "wall"
        if limit:
            process.kill()
            process.join()
    return highest, limit


def _resident(pid: int | None) -> int:
    """The highest resident memory of a process so far, in MiB; 0 where it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) >> 10 if found else 0


def _work(work: Work, arguments: Sequence[str], folder: str, cpu: int) -> None:
    os.chdir(folder)
    for name in [name for name in os.environ if name.startswith(("BILLING_", "PIPELINE_"))]:
        del os.environ[name]
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 2))
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for number, name in ((1, "stdout.txt"), (2, "stderr.txt")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    code = work(arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    used = resource.getrusage(resource.RUSAGE_SELF)
    Path("used.json").write_text(
        json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss >> 10]), encoding="utf-8"
    )
    os._exit(code)


def kind_of_message(errors: str) -> str:
    """The first two lines of an error, without the names and numbers of this file, so that equal kinds are equal."""
    lines = [line for line in errors.splitlines() if line.strip()]
    first = next((number for number, line in enumerate(lines) if "Error:" in line), 0)
    line = " ".join(lines[first : first + 2]).partition(". Found:")[0].partition("; column ")[0]
    line = re.sub(
        r"(^|: )\S[^:]*?\.(?:csv|tsv|xls[xmb]?|parq(?:uet)?)(?:\.gz|\.zst)?: ", r"\1", line, count=1
    )
    line = re.sub(r"'[^']*'|\"[^\"]*\"", "…", line)
    return re.sub(r"\d+(?:,\d+)*", "N", line)[:200]


def _frames(errors: str) -> str:
    """The three innermost places of ours in a traceback, and the kind of the error."""
    places = re.findall(r'File "[^"]*?((?:pipeline|tests)/[^"]*)", line (\d+), in (\S+)', errors)
    kinds = re.findall(r"^(\S*(?:Error|Exception|Panic|Abort)\S*)", errors, re.MULTILINE)
    inner = " > ".join(f"{file}:{line} {name}" for file, line, name in places[-3:])
    return f"{inner} {kinds[-1] if kinds else errors[-200:]}"
