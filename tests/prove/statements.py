"""Random sequences of run, correct, resubmit, drop and reconcile: all pages, workbooks and JSON agree.

After each step `status`, the page and the workbook of a run, the span and the bridge are read back as a user gets them,
and compared with a model (`model_of_records.py`).
"""

import csv
import hashlib
import io
import json
import random
import re
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import openpyxl

from pipeline.workflows import write_results
from tests.conftest import Inside, Outside, running_sandbox
from tests.prove.model_of_records import BAD, GOOD, HEADER, OPEN, SETTLING, Model, Row
from tests.prove.workload import STEPS


@dataclass
class Journey:
    """What a sequence came to; `faults` is empty where every statement agreed."""

    seed: int
    steps: list[str] = field(default_factory=list)
    records: int = 0
    statements: int = 0
    faults: list[str] = field(default_factory=list)


class Sequence:
    """One sequence of steps in a folder of its own."""

    def __init__(self, seed: int, folder: Path, outside: Outside) -> None:
        self.dice, self.found, self.model = random.Random(seed), Journey(seed), Model()
        self.pipeline, self.outside, self.prefix = Inside(folder), outside, f"q{seed}"
        self.files: list[Path] = []
        self.customers = 0

    def go(self, steps: int) -> Journey:
        """Feed the first file, then take random steps, and compare every statement after each."""
        self._fill_billing()
        self._feed(self._new_file())
        for _ in range(steps):
            step = self.dice.choice(
                [
                    self.mend,
                    self.mend,
                    self.choose,
                    self.feed_unchanged,
                    self.feed_original,
                    self.supply,
                    self.plan,
                    self.reconcile,
                ]
            )
            self.found.steps.append(step.__name__)
            step()
            self.compare()
            if self.found.faults:
                break
        if not self.found.faults:
            self.compare_all()
        self.found.records = len(self.model.records)
        return self.found

    # What somebody does.

    def mend(self) -> None:
        """Some rows of a list are mended, some left as they are, some dropped, one perhaps made two."""
        rows = self._list("rejected")
        kept = []
        for row in rows:
            doing = self.dice.choice(["mend", "mend", "mend", "leave", "drop", "split"])
            if doing == "drop":
                continue
            kept.append(self._mended(row) if doing != "leave" else row)
            if doing == "split" and row["external_reference"]:
                kept.append({**self._mended(row), "external_reference": self._reference()})
        self._feed_list(kept)

    def choose(self) -> None:
        """Of each conflict one row is kept, both, or none; a row may get a reference of its own."""
        kept = []
        for row in self._list("held"):
            doing = self.dice.choice(["keep", "keep", "drop", "rename", "spoil"])
            if doing == "drop":
                continue
            change = {
                "rename": {"external_reference": self._reference()},
                "spoil": {"email": BAD},
            }.get(doing, {})
            kept.append({**row, **change})
        self._feed_list(kept)

    def feed_unchanged(self) -> None:
        """A list comes back as it is."""
        self._feed_list(self._list(self.dice.choice(["rejected", "held"])))

    def feed_original(self) -> None:
        """A file that was fed before."""
        self._feed(self.dice.choice(self.files))

    def supply(self) -> None:
        """The supplier sends a new file, with some of the open references corrected."""
        waiting = [
            record.row
            for record in self.model.records.values()
            if record.fate in OPEN and record.row.reference
        ]
        some = self.dice.sample(waiting, min(len(waiting), self.dice.randint(0, 3)))
        again = [(row.cells[0], row.cells[1], GOOD, row.cells[3], row.cells[4]) for row in some]
        self._feed(self._new_file([list(cells) for cells in dict.fromkeys(again)]))

    def plan(self) -> None:
        """A plan that nobody applies changes no figure."""
        self.pipeline(
            "plan",
            self.dice.choice(self.files),
            "--base-url",
            self.outside.base_url,
            environment=self.outside.environment,
        )

    def reconcile(self) -> None:
        """Billing is held against all runs, and its bridge against the records."""
        done = self.pipeline(
            "reconcile", "--since", "2020-01-01", "--json", environment=self.outside.environment
        )
        content = json.loads(done.stdout or "{}")
        steps = {step["step"]: step["records"] for step in content.get("bridge", [])}
        self._is("reconcile, residual", content.get("residual"), {})
        self._is("reconcile, read", steps.get("read"), len(self.model.records))
        once = self.model.once()
        taken = {fate: -number for fate, number in once.items() if fate not in SETTLING}
        self._is("reconcile, taken out", {fate: steps.get(fate, 0) for fate in taken}, taken)
        expected = {
            row.reference
            for rows in self.model.rows.values()
            for row in rows
            if row.fate in SETTLING
        }
        self._is("reconcile, found", steps.get("found"), len(expected))

    # What is stated.

    def compare(self) -> None:
        """One run's statements, and those of the span."""
        run = self.dice.choice(list(self.model.rows))
        self._status(run)
        self._page_of_run(run)
        self._span()

    def compare_all(self) -> None:
        """Every run, and billing."""
        for run in self.model.rows:
            self._status(run)
        self.reconcile()

    def _status(self, run: str) -> None:
        stated = json.loads(self.pipeline("status", run, "--json").stdout)
        summary = json.loads((self.pipeline.folder / "reports" / run / "summary.json").read_text())
        then = Counter(row.fate for row in self.model.rows[run])
        now = self.model.now(run)
        self._is(f"{run} summary.json, fates", _some(summary["fates"]), then)
        self._is(f"{run} status, fates", _some(stated["fates"]), then)
        self._is(f"{run} status, overall", stated["overall"], now)
        self._is(f"{run} status, open", stated["open"], sum(now[fate] for fate in OPEN))
        if stated["changes"]:
            left = sum(now[fate] for fate in OPEN)
            records = f"{left:,} record{'s' * (left > 1)}" if left else "nothing"
            words = f"{records} of this run {'are' if left > 1 else 'is'} open"
            self._is(
                f"{run} status, text", words in self.pipeline("status", run).stdout, expected=True
            )

    def _page_of_run(self, run: str) -> None:
        done = self.pipeline("report", run, "--json")
        stated, folder = json.loads(done.stdout), self.pipeline.folder / "reports" / run
        then, now, waiting = (
            Counter(row.fate for row in self.model.rows[run]),
            self.model.now(run),
            self.model.open_until(run),
        )
        page = (folder / "report.html").read_text()
        self._is(f"{run} report, overall", stated["overall"], now)
        self._is(f"{run} page, fates", _rows(page, "data-fate"), then)
        self._is(f"{run} page, fates now", _rows(page, "data-overall") or then, now)
        self._is(f"{run} page, open", _rows(page, "data-open"), waiting)
        book = openpyxl.load_workbook(folder / "report.xlsx", read_only=True)
        self._is(f"{run} workbook, fates", _sheet(book, "Fates"), then)
        self._is(f"{run} workbook, fates now", _sheet(book, "Fates now"), now)
        self._is(f"{run} workbook, open", _sheet(book, "Open items"), waiting)

    def _span(self) -> None:
        done = self.pipeline("report", "--since", "2020-01-01", "--json")
        content = json.loads(done.stdout)
        once, waiting = self.model.once(), self.model.open_until()
        self._is("span, fates", _some(content["once"]["fates"]), once)
        sums = {
            (code, fate): total
            for code, by_fate in content["once"]["sums"].items()
            for fate, total in by_fate.items()
            if total
        }
        self._is("span, sums", sums, self.model.money())
        self._is("span, open", {one["fate"]: one["records"] for one in content["open"]}, waiting)
        self._is(
            "span, open = fates that are open",
            {fate: n for fate, n in once.items() if fate in OPEN},
            waiting,
        )
        self._is("span, law", content["once"]["accounting"]["holds"], expected=True)
        self._is("span, exit code", done.returncode, int(bool(waiting)))
        folder = max(
            (self.pipeline.folder / "reports").glob("*-since-*"),
            key=lambda path: path.stat().st_mtime_ns,
        )
        page, book = (
            (folder / "report.html").read_text(),
            openpyxl.load_workbook(folder / "report.xlsx", read_only=True),
        )
        self._is("span page, fates", _rows(page, "data-fate"), once)
        self._is("span page, open", _rows(page, "data-open"), waiting)
        self._is("span workbook, fates", _sheet(book, "Fates"), once)
        self._is("span workbook, open", _sheet(book, "Open items"), waiting)

    def _is(self, what: str, stated: Any, expected: Any) -> None:
        self.found.statements += 1
        if isinstance(expected, Counter):
            stated, expected = _some(dict(stated)), _some(dict(expected))
        if stated != expected:
            self.found.faults.append(f"{what}: {stated}, where {expected} is right"[:400])

    # How files come to be.

    def _reference(self) -> str:
        self.customers += 1
        return f"{self.prefix}-{self.customers}"

    def _fill_billing(self) -> None:
        """Two customers that billing holds before anybody imports a file."""
        for _ in range(2):
            cells = (self._reference(), "Ann", GOOD, "ZAR", "70")
            customer = {**dict(zip(HEADER, cells, strict=True)), "balance": 70}
            headers = {
                "Authorization": f"Bearer {self.outside.api_key}",
                "Idempotency-Key": str(uuid.uuid4()),
            }
            url = f"{self.outside.base_url}/billing/customers"
            httpx.post(url, json=customer, headers=headers, trust_env=False).raise_for_status()
            self.model.there[cells[0]] = cells

    def _new_file(self, rows: Iterable[list[str]] = ()) -> Path:
        table = [*rows]
        for _ in range(self.dice.randint(2, 6)):
            row = [
                self._reference(),
                "Ann",
                GOOD,
                self.dice.choice(["ZAR", "JPY"]),
                str(self.dice.randint(-900, 900)),
            ]
            kind = self.dice.choice(
                ["clean", "clean", "invalid", "invalid", "twin", "twin", "duplicate", "unreadable"]
            )
            if kind == "unreadable":
                row = row[:2]
            table.append([*row[:2], BAD, *row[3:]] if kind == "invalid" else row)
            if kind in {"twin", "duplicate"}:
                table.append([row[0], "Bob" if kind == "twin" else "Ann", *row[2:]])
        for reference, cells in self.model.there.items():
            change = self.dice.choice(["", "", "same", "another"])
            if change and reference not in {row[0] for row in table}:
                table.append([reference, "Ann" if change == "same" else "Zoe", *cells[2:]])
        path = self.pipeline.folder / f"f{len(self.files)}.csv"
        path.write_text(_csv([list(HEADER), *table]))
        self.files.append(path)
        return path

    def _list(self, name: str) -> list[dict[str, str]]:
        """A list of some run that has rows in it, or the newest."""
        paths = [self.pipeline.folder / "reports" / run / f"{name}.csv" for run in self.model.rows]
        tables = [list(csv.DictReader(path.open(newline=""))) for path in paths]
        return self.dice.choice([table for table in tables if table] or [[]])

    def _mended(self, row: dict[str, str]) -> dict[str, str]:
        if not row["external_reference"]:
            return {
                **row,
                **dict(zip(HEADER, [self._reference(), "Ann", GOOD, "ZAR", "5"], strict=True)),
            }
        return {**row, "email": GOOD}

    def _feed_list(self, rows: list[dict[str, str]]) -> None:
        if not rows:
            return
        path = self.pipeline.folder / f"f{len(self.files)}.csv"
        path.write_text(_csv([list(rows[0]), *([*row.values()] for row in rows)]))
        self.files.append(path)
        self._feed(path)

    def _feed(self, path: Path) -> None:
        """A run over a file, and what the model makes of it."""
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        header, *table = list(csv.reader(path.open(newline="")))
        rows = [_row(sha256, at, header, cells) for at, cells in enumerate(table, start=2)]
        limit = self.dice.choice([None, None, None, 1])
        words = ["--limit", str(limit)] if limit else []
        self.model.judge(rows, limit)
        done = self.pipeline(
            "run",
            path.name,
            "--base-url",
            self.outside.base_url,
            "--yes",
            *words,
            environment=self.outside.environment,
        )
        if done.returncode not in {0, 1}:
            self.found.faults.append(
                f"run {path.name} ended with {done.returncode}: {done.stderr[-200:]}"
            )
        self.model.take(self.pipeline.newest().name, path.name, rows)


def _row(sha256: str, at: int, header: list[str], cells: list[str]) -> Row:
    if len(cells) != len(header):
        return Row((sha256, at), tuple(cells))
    named = dict(zip(header, cells, strict=True))
    origin = (
        (named["_import_run_id"], named["_import_row_id"]) if "_import_run_id" in named else None
    )
    return Row((sha256, at), tuple(named[name] for name in HEADER), origin)


def _csv(rows: Iterable[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _some(counts: dict[str, int]) -> dict[str, int]:
    return {name: number for name, number in counts.items() if number}


def _rows(page: str, mark: str) -> dict[str, int]:
    """What rows of a page that carry this mark count."""
    found = re.findall(rf'<tr {mark}="(\w+)".*?<td class="n"[^>]*>([0-9,]+)</td>', page, re.DOTALL)
    return _some({name: int(number.replace(",", "")) for name, number in found})


def _sheet(book: Any, name: str) -> dict[str, int]:
    """The first two columns of a sheet: a fate, and how many records."""
    rows = book[name].iter_rows(min_row=2, max_col=2, values_only=True)
    return _some({row[0]: int(row[1]) for row in rows if row[0]})


def journey(seed: int, outside: Outside, steps: int = 5) -> Journey:
    """One sequence, from its first file to its last statement; `report` writes the pages before they are read."""
    with tempfile.TemporaryDirectory() as name, patch.object(write_results, "STEPS", STEPS):
        return Sequence(seed, Path(name), outside).go(steps)


def block(seeds: range) -> dict[str, Any]:
    """Some seeds, one after the other against one sandbox, as a line of results."""
    with (
        tempfile.TemporaryDirectory() as name,
        running_sandbox(Path(name) / "billing.sqlite") as outside,
    ):
        found = [journey(seed, outside) for seed in seeds]
    return {
        "seeds": [seeds.start, seeds.stop],
        "records": sum(one.records for one in found),
        "statements": sum(one.statements for one in found),
        "failures": {one.seed: [*one.faults, " ".join(one.steps)] for one in found if one.faults},
    }
