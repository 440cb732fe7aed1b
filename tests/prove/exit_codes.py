"""Run every command as a process under every fault of the machine; check its exit code.

A cell is one command under one pressure, such as a full disk or a closed stdout. A rule judges it, not a list of codes: the command
must not hang, show a traceback or end with 70. It ends with 0 or 1 only where its work is done as without pressure, with 5 only where
something was sent, and otherwise with 4 and a message. Then the same work succeeds without pressure, and billing holds each customer once.
"""

import contextlib
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.workflows import write_results
from tests.conftest import HEADER, KEY, Inside, environment_of_ours
from tests.prove.pressures import Pressure, Process, pressures
from tests.prove.stranded import FULL, failing
from tests.small_billing import SmallBilling, small_billing

SECONDS = 90  #: a command that takes longer hangs
_SERVES = 6  #: seconds after which a command that serves is ended
_SENT = ("run", "apply", "resume")
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-([A-Za-z0-9_]+)-[0-9a-f]{6}")
_HEX = re.compile(r"\b[0-9a-f]{8,64}\b")
#: Files besides the results that may change: SQLite's journals, locks, and the witnesses.
_PASSING = re.compile(r"(-wal|-shm|/lock|\.part)$|/spill/")
OWN_FAULT, STOPPED, FAILED, DONE = 70, 5, 4, (0, 1)
BY_THE_LOADER = 127  #: so the C library ends a process that has no memory for the data of another thread; nobody can catch it


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    hangs: bool = False


@dataclass
class Cell:
    """One command under one pressure: the code, the first line of its message, and what the rule says against it."""

    command: str
    pressure: str
    code: int
    message: str
    sent: int  #: creates that arrived at billing
    faults: list[str]


# -- the world -------------------------------------------------------------------------------------------------------


@dataclass
class World:
    """A folder with runs in every state and a billing server; each cell starts from the same files and customers."""

    folder: Path  #: where commands run
    kept: Path  #: how it was
    billing: SmallBilling
    customers: dict[str, Any]
    names: dict[str, str]

    def commands(self) -> dict[str, list[str]]:
        """The words of every command by its name."""
        old, to = self.names["old"], ["--base-url", self.billing.url, "--lookup-lag", "0.1"]
        known = ["--base-url", self.billing.url]
        return {
            "plan": ["plan", "new.csv", *known],
            "plan --json": ["plan", "new.csv", *known, "--json"],
            "run": ["run", "new.csv", *to, "--yes"],
            "run --json": ["run", "new.csv", *to, "--yes", "--json"],
            "run --config": ["run", "new.csv", *to, "--yes", "--config", "job.yaml"],
            "run --sandbox": ["run", "new.csv", "--sandbox", "--yes", "--home", "practice"],
            "apply": ["apply", self.names["planned"], *to],
            "resume": ["resume", self.names["interrupted"], *to],
            "status": ["status"],
            "status --json": ["status", "--json"],
            "runs": ["runs"],
            "trace": ["trace", "old-1"],
            "trace --now": ["trace", "old-1", "--now", *known],
            "report": ["report", old],
            "report --since": ["report", "--since", "2020-01-01"],
            "reconcile": ["reconcile", old, *to],
            "verify": ["verify", old],
            "verify ARCHIVE": ["verify", "evidence.zip"],
            "sign": ["sign", old, "--note", "seen"],
            "bundle": ["bundle", old, "--output", "again.zip"],
            "audit verify": ["audit", "verify"],
            "check": ["check", *known],
            "inspect": ["inspect", "new.csv"],
            "inspect --output": ["inspect", "new.csv", "--output", "table.csv"],
            "init": ["init", "new.csv", "--output", "draft.yaml"],
            "references load": ["references", "load", "known.csv", "--sandbox"],
            "references list": ["references", "list"],
            "schema": ["schema"],
            "schema --template": ["schema", "--template", "--output", "template.xlsx"],
            "explain": ["explain"],
            "demo": ["demo"],
            "sandbox": ["sandbox", "--state", "state.sqlite"],
            "--help": ["--help"],
        }

    def restore(self) -> None:
        """Bring files and customers back to how they were."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.kept, self.folder, dirs_exist_ok=True)
        self.billing.customers = dict(self.customers)
        self.billing.created_at = dict.fromkeys(self.customers, 0.0)
        self.billing.effects.clear()
        self.billing.kept.clear()
        self.billing.asked.clear()

    @property
    def sent(self) -> int:
        """Creates that arrived since the files were restored."""
        return sum(one.method == "POST" for one in self.billing.asked)

    def files(self) -> set[str]:
        """The names of all files, without what differs from run to run."""
        found = (
            path.relative_to(self.folder).as_posix()
            for path in self.folder.rglob("*")
            if path.is_file()
        )
        return {
            _HEX.sub("HASH", _RUN_ID.sub(r"RUN-\1", name))
            for name in found
            if not _PASSING.search(f"/{name}")
        }


def write_customers(path: Path, prefix: str, count: int) -> None:
    """A clean file of customers."""
    rows = [
        f"{prefix}-{n},Person {n},{prefix}{n}@example.com,0821{n:06d},ZAR,{n}00,gold"
        for n in range(count)
    ]
    path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")


@contextlib.contextmanager
def made_world() -> Iterator[World]:
    """A world with a reviewed run, a plan, a run whose results were interrupted, known customers and an archive."""
    with tempfile.TemporaryDirectory(prefix="exits-") as name, small_billing() as billing:
        folder, kept = Path(name) / "place", Path(name) / "kept"
        folder.mkdir()
        pipeline = Inside(folder)
        to, key = ("--base-url", billing.url), {"BILLING_API_KEY": KEY}

        def new(*words: str) -> str:
            before = (
                set((folder / "reports").glob("*-*")) if (folder / "reports").is_dir() else set()
            )
            ended = pipeline(*words, *to, environment=key)
            assert ended.returncode in DONE, (words, ended.stderr)
            (made,) = set((folder / "reports").glob("*-*")) - before
            return made.name

        for prefix, count in (("old", 6), ("new", 40), ("planned", 40), ("interrupted", 40)):
            write_customers(folder / f"{prefix}.csv", prefix, count)
        known = "external_reference,name,email,phone,currency,balance,billing_id\nknown-1,Ann,,,ZAR,1,bcus_known\n"
        (folder / "known.csv").write_text(known)
        (folder / "job.yaml").write_text(
            "environment: test\nmerchant: acme\naddress: https://api.momentco.io\nmapping: {external_reference: external_reference,"
            " name: name, email: email, phone: phone, currency: {column: currency}, balance: {column: balance, unit: minor}}\n"
        )
        names = {"old": new("run", "old.csv", "--yes")}
        pipeline("references", "load", "known.csv", "--sandbox")
        new("reconcile", names["old"])
        pipeline("bundle", names["old"], "--output", "evidence.zip")
        names["interrupted"] = new("plan", "interrupted.csv")
        with failing((write_results, "STEPS", 0), FULL):
            pipeline("apply", names["interrupted"], *to, environment=key)
        names["planned"] = new("plan", "planned.csv")
        assert (folder / "evidence.zip").is_file()
        shutil.copytree(folder, kept)
        yield World(folder, kept, billing, dict(billing.customers), names)


# -- a cell ----------------------------------------------------------------------------------------------------------


def start(world: World, words: Sequence[str], how: Process) -> Ended:
    """Run a command as a process of its own."""
    process = subprocess.Popen(
        how.line(words),
        cwd=world.folder,
        env=environment_of_ours({"BILLING_API_KEY": KEY, "COLUMNS": "80", **how.environment}),
        stdin=subprocess.DEVNULL,
        stdout=how.out,
        stderr=how.err,
    )
    how.meanwhile()
    serves = words[0] == "sandbox"
    try:
        out, err = process.communicate(timeout=_SERVES if serves else SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM if serves else signal.SIGKILL)
        try:
            out, err = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            serves = False
        # Where it had not begun to serve, the signal ended it: that is as good.
        code = 0 if serves and process.returncode == -signal.SIGTERM else process.returncode
        return Ended(code, _text(out), _text(err), hangs=not serves)
    return Ended(process.returncode, _text(out), _text(err))


def _text(stream: bytes | None) -> str:
    return (stream or b"").decode(errors="replace")


@dataclass(frozen=True)
class Unhurt:
    """What a command comes to without pressure."""

    code: int
    says: bool  #: something on stdout
    files: set[str]
    customers: set[str]


def unhurt(world: World, words: Sequence[str]) -> Unhurt:
    """Play a command without pressure."""
    world.restore()
    if words[0] == "sandbox":
        ended = start(world, words, Process())
    else:
        done = Inside(world.folder)(*words, environment={"BILLING_API_KEY": KEY})
        ended = Ended(done.returncode, done.stdout, done.stderr)
    assert ended.code in DONE, (words, ended)
    return Unhurt(ended.code, bool(ended.out), world.files(), set(world.billing.customers))


def cell(world: World, name: str, pressure: Pressure, wanted: Unhurt) -> Cell:
    """One command under one pressure, and the same work afterwards without it."""
    world.restore()
    words = world.commands()[name]
    with pressure.applied(world.folder) as how:
        ended = start(world, words, how)
    sent = world.sent
    found = Cell(name, pressure.name, ended.code, _first_line(ended), sent, [])
    found.faults += _wrong(world, words, pressure, wanted, ended)
    if words[0] in _SENT or ended.code != wanted.code:
        found.faults += _not_recovered(world, words, wanted)
    return found


def _first_line(ended: Ended) -> str:
    lines = [line for line in ended.err.splitlines() if line.strip()] or ended.out.splitlines()[:1]
    line = next((line for line in lines if "Error" in line), lines[0] if lines else "")
    return _RUN_ID.sub("RUN", re.sub(r"/\S*/exits-\w+/", "", line))[:160]


def _wrong(
    world: World, words: Sequence[str], pressure: Pressure, wanted: Unhurt, ended: Ended
) -> Iterator[str]:
    """What the rule says against the end of a command."""
    if ended.hangs:
        yield f"it hangs for {SECONDS} s"
        return
    shown = ended.out + ended.err
    if ended.code == OWN_FAULT or "Traceback" in shown or "panicked" in shown:
        yield f"an internal error: {shown[-700:]}"
    if ended.code == wanted.code:
        yield from _unfinished(world, pressure, wanted)
    elif ended.code in DONE:
        yield f"it ends with {ended.code}, and with {wanted.code} without pressure"
    elif ended.code < 0 or ended.code == BY_THE_LOADER:
        if not pressure.may_kill:
            yield f"signal {-ended.code} ended it: {shown[-300:]}"
    elif ended.code == STOPPED:
        if not (
            world.sent or words[0] == "resume" or "--sandbox" in words
        ):  # whose sandbox is inside the process
            yield "5, and nothing was sent"
    elif ended.code == FAILED:
        if world.sent:
            yield f"4, and {world.sent} creates were sent"
        if not pressure.hides_errors and not ended.err.strip() and words[0] != "check":
            yield "4 without a message"
    elif ended.code != OWN_FAULT:
        yield f"exit code {ended.code}: {shown[-300:]}"


def _unfinished(world: World, pressure: Pressure, wanted: Unhurt) -> Iterator[str]:
    """What is missing where a command says that all is done."""
    if pressure.loses_result and wanted.says and wanted.code in DONE:
        yield "its result went nowhere, and it says that all is done"
    if missing := wanted.files - world.files():
        yield f"done, and {sorted(missing)[:3]} are missing"
    if wanted.customers != set(world.billing.customers):
        yield f"done, and {len(wanted.customers - set(world.billing.customers))} customers are missing"


def _not_recovered(world: World, words: Sequence[str], wanted: Unhurt) -> Iterator[str]:
    """What is wrong after the same work without pressure."""
    if words[0] in {"sandbox", "demo", "--help", "schema", "explain"}:
        return
    pipeline, key = Inside(world.folder), {"BILLING_API_KEY": KEY}
    (world.folder / "draft.yaml").unlink(missing_ok=True)
    (world.folder / "again.zip").unlink(missing_ok=True)
    if words[0] in _SENT:
        pipeline("resume", "--base-url", world.billing.url, environment=key)
    if words[0] == "sign":
        pipeline("report", words[1])  # as its message says, where it failed while it made the pages
    ended = pipeline(*words, environment=key)
    done = {wanted.code, 6} if words[0] == "apply" else {wanted.code}  # 6: it is applied already
    if ended.returncode not in done:
        yield f"afterwards it ends with {ended.returncode}: {ended.stderr[-300:]}"
    if words[0] in _SENT and wanted.customers != set(world.billing.customers):
        yield f"afterwards {len(wanted.customers ^ set(world.billing.customers))} customers are missing or too many"
    if max(world.billing.effects.values(), default=0) > 1:
        yield "a customer was created twice"


def cells(world: World, name: str, among: Sequence[str] | None = None) -> Iterator[Cell]:
    """Every cell of a command; `among`: the names of pressures."""
    words = world.commands()[name]
    wanted = unhurt(world, words)
    for pressure in pressures():
        if pressure.presses(words) and (among is None or pressure.name in among):
            yield cell(world, name, pressure, wanted)


def lines(known: set[str], part: int = 0, parts: int = 1) -> Iterator[dict[str, Any]]:
    """The cells of one command after the other, but of those that are known, as lines of results; of one part of the commands."""
    with made_world() as world:
        for name in list(world.commands())[part::parts]:
            if name not in known:
                found = list(cells(world, name))
                yield {
                    "command": name,
                    "cells": [[one.pressure, one.code, one.sent, one.message] for one in found],
                    "failures": {one.pressure: one.faults for one in found if one.faults},
                }


def table(found: Sequence[dict[str, Any]]) -> str:
    """The matrix as Markdown: a row for each pressure, a column for each command, the exit code in the cell."""
    codes = {
        (line["command"], pressure): code
        for line in found
        for pressure, code, _, _ in line["cells"]
    }
    messages: dict[str, str] = {}
    for line in found:
        for pressure, code, _, message in line["cells"]:
            if code in {FAILED, STOPPED}:
                messages.setdefault(pressure, message)
    commands = [line["command"] for line in found]
    pressed = list(dict.fromkeys(pressure for line in found for pressure, *_ in line["cells"]))
    failed = sum(len(line["failures"]) for line in found)
    return "\n".join(
        [
            "# Exit codes under pressure",
            "",
            (
                f"{len(codes):,} cells: {len(commands)} commands under {len(pressed)} pressures, each a real process; {failed} break the rule"
                " of `tests/prove/exit_codes.py`. Written by `python -m tests.prove exits`."
            ),
            "",
            (
                "0 and 1: the work is done, with the same files and customers as without pressure. 4: refused or failed, with a message."
                " 5: failed after something was sent; `resume` finishes the run. Negative: the signal that ended it (127: the C library, for want of memory). Empty: not tried."
                " After each cell the same work succeeded without pressure, and billing held each customer once."
            ),
            "",
            f"| pressure | {' | '.join(commands)} |",
            f"|---|{'---:|' * len(commands)}",
            *(
                f"| {pressure} | {' | '.join(str(codes.get((command, pressure), '')) for command in commands)} |"
                for pressure in pressed
            ),
            "",
            "What the first command that failed says:",
            "",
            "| pressure | message |",
            "|---|---|",
            *(
                f"| {pressure} | {_in_a_cell(message)} |"
                for pressure, message in messages.items()
                if message
            ),
            "",
        ]
    )


def _in_a_cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
