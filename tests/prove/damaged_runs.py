"""One damaged run folder among good ones: every command works as it does without that folder.

A world has a reports folder with an old run, its reconciliation, two good runs, a plan and a run whose results were interrupted.
Each case damages the old run or the reconciliation, or adds a folder with an odd name, and plays commands in order. The exit
codes are those of a world without the old run, and the results of the new runs are whole.
"""

import contextlib
import json
import os
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.verifier import verify
from pipeline.workflows import write_results
from tests.conftest import HEADER, Inside
from tests.prove.stranded import FULL, failing

_GARBAGE = random.Random(1)
_ODD_FOLDERS = (
    "20269999T999999Z-x-aaaaaa", "20261122T060000Z-x-zzzzzz", "00000000T000000Z-x-aaaaaa", "20261122T250000Z-x-aaaaaa",
    "20200101T000000Z-reconcile-aaaaaa", "20200101T000000Z-since-aaaaaa", "20200101T000000Z-[x]-aaaaaa", "x" * 200, "a\nb",
    "20200101T000000Z-x-aaaaaa",
)  # fmt: skip
COMMANDS = (
    "plan", "apply", "resume", "run", "verify", "runs", "runs --json", "status", "status --json", "trace", "report", "report --json",
    "report --since", "reconcile", "reconcile --since", "bundle", "returned",
)  # fmt: skip
#: Commands that are asked for the damaged run itself: they may refuse, and never with an internal error.
ASKED = ("status", "report", "reconcile", "bundle", "verify", "resume", "apply", "sign")
#: Commands that read the reconciliation of a run beside the run: where only that is damaged, they may not end otherwise.
ASKED_BESIDE = ("status", "report", "resume")
_WITH_A_FORM = {"plan.json", "summary.json"}  #: files that state the version of their form
_SINCE = "2020-01-01"
_OURS = re.compile(
    r"\d{8}T\d{6}Z-(a|b|mended|i|p|new|again)-[0-9a-f]{6}"
)  #: the good runs of a world
_CREATES = 3  #: customers of each new run
FULL_CODE = 5  #: what a command ends with where the disk is full after something was sent


def _missing(path: Path) -> None:
    path.unlink()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _garbage(path: Path) -> None:
    path.write_bytes(_GARBAGE.randbytes(max(path.stat().st_size, 64)))


def _flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for at in range(len(content) // 4, len(content) // 2):
        content[at] ^= 0x55
    path.write_bytes(content)


def _list(path: Path) -> None:
    path.write_text("[1, 2]\n")


def _number(path: Path) -> None:
    path.write_text("7\n")


def _bare(path: Path) -> None:
    path.write_text("{}\n")


def _hollow(path: Path) -> None:
    """The same keys with values of another type."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        content = None
    path.write_text(
        json.dumps(dict.fromkeys(content, 3) if isinstance(content, dict) else {"status": None})
    )


def _older(path: Path) -> None:
    """The form of an earlier version of this program."""
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "schema": content["schema"] - 1, "version": "0.0.9"}))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("x")


def _loop(path: Path) -> None:
    """A file that no user can open."""
    path.unlink()
    path.symlink_to(path.name)


def _forbidden(path: Path) -> None:
    path.chmod(0)


WAYS: dict[str, Callable[[Path], None]] = {
    "missing": _missing, "empty": _empty, "cut": _cut, "garbage": _garbage, "flipped": _flipped, "list": _list, "number": _number,
    "bare": _bare, "hollow": _hollow, "older": _older, "folder": _folder, "loop": _loop,
    **({"forbidden": _forbidden} if os.geteuid() else {}),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Damage:
    """A file of the old run, or of its reconciliation, and a way to damage it; or the name of a folder to add."""

    of: str  #: old, reconciliation or folder
    name: str
    way: str = ""

    def __str__(self) -> str:
        return f"{self.of} {self.name} {self.way}".strip()


@dataclass
class Cells:
    """What some cases came to; a cell is one command in a world with one damage."""

    cells: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class World:
    """A finished world, to be copied for each case."""

    folder: Path
    old: str
    reconciliation: str
    planned: str
    interrupted: str

    @classmethod
    def made(cls, folder: Path, *, is_whole: bool = True) -> "World":
        """Play all commands that lead there; a world that is not whole has neither good runs nor a plan."""
        pipeline = Inside(folder)

        def new(words: Sequence[str]) -> str:
            before = set(_names(folder))
            ended = pipeline(*words)
            assert ended.returncode in {0, 1}, (words, ended.stderr)
            (made,) = set(_names(folder)) - before
            return made

        for name, references in (("old", range(4)), ("a", range(4, 8)), ("b", range(8, 12)), ("p", range(12, 15)),
                                 ("i", range(15, 18)), ("new", range(18, 21))):  # fmt: skip
            rows = [f"ref-{n},Person {n},p{n}@example.com,,ZAR,{n + 1}00,gold" for n in references]
            bad = f"bad {name},Nobody,,,ZAR,1,gold"
            (folder / f"{name}.csv").write_text("\n".join([HEADER, *rows, bad]) + "\n")
        sent = ("--sandbox", "--yes")
        old = new(("run", "old.csv", *sent))
        reconciliation = new(("reconcile", old))
        if is_whole:
            first = new(("run", "a.csv", *sent))
            mended = (
                (folder / "reports" / old / "rejected.csv").read_text().replace("bad old", "ref-30")
            )
            (folder / "mended.csv").write_text(mended)
            (folder / "again.csv").write_text(
                (folder / "reports" / first / "rejected.csv").read_text()
            )
            new(("run", "mended.csv", *sent))
            new(("run", "b.csv", *sent))
        interrupted = new(("plan", "i.csv", "--sandbox"))
        with failing((write_results, "STEPS", 0), FULL):
            assert pipeline("apply", interrupted).returncode == FULL_CODE
        planned = new(("plan", "p.csv", "--sandbox")) if is_whole else ""
        return cls(folder, old, reconciliation, planned, interrupted)

    def without_old(self, commands: Sequence[str] = COMMANDS) -> dict[str, int]:
        """The exit code of each command, played in order, where the old run and its reconciliation are not there."""
        with _copy(self) as folder:
            for name in (self.old, self.reconciliation):
                shutil.rmtree(folder / "reports" / name)
            return {name: ended.returncode for name, ended in self.play(folder, commands)}

    def damages(self) -> list[Damage]:
        """Every damage of every file, and every odd name."""
        files = [
            (of, path.relative_to(self.folder / "reports" / name).as_posix())
            for of, name in (("old", self.old), ("reconciliation", self.reconciliation))
            for path in sorted((self.folder / "reports" / name).rglob("*"))
            if path.is_file()
        ]
        odd = [Damage("folder", name) for name in _ODD_FOLDERS]
        every = [Damage(of, name, way) for way in WAYS for of, name in files]
        return odd + [one for one in every if one.way != "older" or one.name in _WITH_A_FORM]

    def damage(self, folder: Path, damage: Damage) -> None:
        """Damage a copy."""
        reports = folder / "reports"
        if damage.of == "folder":
            shutil.copytree(reports / self.old, reports / damage.name)
        else:
            WAYS[damage.way](
                reports
                / (self.old if damage.of == "old" else self.reconciliation)
                / Path(damage.name)
            )

    def words(self, folder: Path, command: str) -> list[str]:
        """The words of a command."""
        sent = ["--sandbox", "--yes"]
        newest = _newest_applied(folder) if command in {"verify", "bundle"} else ""
        return {
            "plan": ["plan", "new.csv", "--sandbox"],
            "apply": ["apply", self.planned],
            "resume": ["resume"],
            "run": ["run", "new.csv", *sent],
            "verify": ["verify", newest],
            "trace": ["trace", "ref-9"],
            "report --since": ["report", "--since", _SINCE],
            "reconcile --since": ["reconcile", "--since", _SINCE],
            "bundle": ["bundle", newest, "--replace"],
            "returned": ["run", "again.csv", *sent],
        }.get(command, command.split())

    def play(self, folder: Path, commands: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """Each command in a copy, and how it ended."""
        pipeline = Inside(folder)
        for command in commands:
            yield command, pipeline(*self.words(folder, command))


def cells(
    world: World,
    without_old: dict[str, int],
    damage: Damage,
    commands: Sequence[str] = COMMANDS,
    asked: Sequence[str] = ASKED,
) -> Cells:
    """One damage: these commands on the good runs, then on the damaged one; `without_old`: the exit codes they should have."""
    found, expected = Cells(), dict(without_old)
    if str(damage) == "old plan.json older":
        expected["reconcile --since"] = (
            1  # it is readable, was applied and is left out: a person has something to look at
        )
    with _copy(world) as folder:
        world.damage(folder, damage)
        for command, ended in world.play(folder, commands):
            found.cells += 1
            if ended.returncode != expected[command]:
                found.faults.append(
                    f"{damage}: {command} ended with {ended.returncode} and not {expected[command]}: {ended.stderr[-1200:]}"
                )
            elif command in {"apply", "resume", "run", "returned"}:
                found.faults += [
                    f"{damage}: {command}: {fault}" for fault in _not_whole(folder, world, command)
                ]
        if damage.of == "old":
            pipeline = Inside(folder)
            for command in asked:
                more = {"sign": ("--note", "looked at"), "bundle": ("--replace",)}.get(command, ())
                ended = pipeline(command, world.old, *more)
                found.cells += 1
                if ended.returncode not in {0, 1, 4, 6, 7}:
                    found.faults.append(
                        f"{damage}: {command} of it ended with {ended.returncode}: {ended.stderr[-1200:]}"
                    )
        if damage.of == "reconciliation":
            pipeline = Inside(folder)
            for command in asked:
                ended = pipeline(
                    command, world.old, *(("--replace",) if command == "bundle" else ())
                )
                found.cells += 1
                allowed = {0, 1} if command in ASKED_BESIDE else {0, 1, 4, 6, 7}
                if ended.returncode not in allowed:
                    found.faults.append(
                        f"{damage}: {command} of its run ended with {ended.returncode}: {ended.stderr[-1200:]}"
                    )
    return found


def _not_whole(folder: Path, world: World, command: str) -> Iterator[str]:
    run = {"apply": world.planned, "resume": world.interrupted}.get(command) or _newest_applied(
        folder
    )
    with contextlib.chdir(folder):  # inputs are named as they were given
        checked = verify(Path("reports") / run)
    summary = json.loads((folder / "reports" / run / "summary.json").read_text(encoding="utf-8"))
    if summary["status"] != "finished":
        yield f"its status is {summary['status']}"
    if command != "returned" and summary["fates"]["created"] != _CREATES:
        yield f"it says that it created {summary['fates']['created']} customers"
    if not (folder / "reports" / run / "report.xlsx").is_file():
        yield "its workbook is missing"
    yield from (f"{check.what}: {check.found}" for check in checked.checks if check.holds is False)


def _names(folder: Path) -> list[str]:
    reports = folder / "reports"
    return [path.name for path in reports.iterdir() if path.is_dir()] if reports.is_dir() else []


def _newest_applied(folder: Path) -> str:
    found = (path.parent.name for path in (folder / "reports").glob("*/report.xlsx"))
    return max(name for name in found if _OURS.fullmatch(name))


@contextlib.contextmanager
def _copy(world: World) -> Iterator[Path]:
    """A copy of a world, removed afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "world"
        shutil.copytree(world.folder, folder)
        yield folder


def block(seeds: range) -> dict[str, Any]:
    """What some seeds came to: each is one damage of the list; there is nothing beyond its end."""
    with tempfile.TemporaryDirectory() as name:
        world = World.made(Path(name))
        every, without_old = world.damages(), world.without_old()
        found = {
            seed: cells(world, without_old, every[seed]) for seed in seeds if seed < len(every)
        }
    failures = {str(seed): one.faults for seed, one in found.items() if one.faults}
    return {
        "seeds": [seeds.start, seeds.stop],
        "damages": len(every),
        "cells": sum(one.cells for one in found.values()),
        "failures": failures,
    }
