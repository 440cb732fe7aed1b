"""Run every command on columns, metadata keys, sheets, files and folders with odd names.

A world is a folder with an odd name; home, reports, config and inputs in it have odd names too, and so have all columns, metadata keys
and the sheet. `walk` runs every command in it and returns what is wrong.
"""

import contextlib
import csv
import json
import random
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import xlsxwriter
from pyarrow import parquet

from pipeline.domain.customer import METADATA_KEY_LENGTH, is_import_column
from pipeline.domain.fates import LISTS
from pipeline.sources.likeness import looks_like_data
from pipeline.sources.names import clean_name, fold_name
from tests.conftest import Inside

#: Each would mean something to polars, DuckDB, a regular expression, a path, a format string, a terminal or a page.
PIECES = (
    "*", "**", "^balance$", "^.*$", "^given.*$", "^x$", "$", "[1-9]", "[abc", "]", "{}", "{0}", "{a,b}", "{name!r}", "|", "a|b", "\\", "\\d+", "\\1",
    "a\\", "\\\\x", '"', 'say "hi"', "'", "O'Neil's", "''", '""', "`", "%", "%s", "%(name)s", "100%", "%41", ",", "a,b", ";", "a;b", ":",
    "a:b", "::", "given.x", "mapped.x", "kind.x", "fault.x", "sensitive.x", "before.x", "rule.x", "metadata", "metadata.", "_import",
    "import_", "x" * 200, "é", "e\u0301", "å", "a\u030a", "а", "ΑΒΓ", "Ⅷ", "ﬁ", "ß", "position", "row_id", "reasons", "reason", "fate",
    "payload", "text", "line", "line_count", "origin_run", "name", "email", "phone", "balance", "currency", "key", "value", "part",
    "SELECT", "from", "NULL", "order by", "group", "table", "--", "/*", "*/", "; DROP TABLE x", "$1", "?", "?1", "@x", "#", "#1", "!",
    "&", "&amp;", "<b>", "</td>", "<script>", "__proto__", "constructor", "self", "None", "nan", "true", "0", "1", "1.5", "-", "--help",
    "+x", "=1+1", "@SUM", "~", "~/x", "..", "a/b", "/etc", "a b", "due date", "two  spaces", "a\u00a0b", "a\u200bb", "a\u2028b", "a\tb", "😀",
    "👩\u200d👩", "שם", "الاسم", "a\u202eb", "[bold]", "[/bold]", "[red]x", ":smile:", "VALIDATE.X:y", "x:external_reference", "a.b", ".", "_", "日本語",
    "x_y", "x y", "x.y", "x\\y", "x/y", "x%y", "x'y", 'x"y', "x*y", "x?y", "x[y", "x{y", "x$y", "x^y", "x|y", "x&y", "x<y", "x#y", "x~y",
)  # fmt: skip
#: What a folder or a file may be called, too: no slash, no more than 255 bytes.
_PLACES = tuple(
    piece for piece in PIECES if "/" not in piece and piece not in {".", ".."} and len(piece) < 60
)
_NOT_IN_A_SHEET = set("[]:*?/\\'")
WIDTH = 85  #: columns of a table; two worlds hold all pieces
_ROWS = 6
_KEYS = 10
_TOO_LONG = "x" * 501
_NAMED = (
    "--header",
    "first_line",
)  #: without a config some of these names look like the cells of a record, and are refused
#: What `run` and the other commands may end with here: rows are set aside, so 1 is as right as 0.
_FINE, _SET_ASIDE = {0}, {1}


@dataclass(frozen=True)
class World:
    """Where everything of a world is, and what its columns and metadata keys are called."""

    root: Path
    home: Path
    reports: Path
    config: Path
    table: Path
    canonical: Path
    book: Path
    pressed: Path
    sheet: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]

    @property
    def places(self) -> tuple[str, ...]:
        """The options that say where our folders are."""
        return "--home", str(self.home), "--reports", str(self.reports)

    @property
    def names(self) -> set[str]:
        """Every odd name in it."""
        places = (
            self.root,
            self.home,
            self.reports,
            self.config,
            self.table,
            self.canonical,
            self.book,
            self.pressed,
        )
        return {*self.columns, *self.keys, self.sheet, *(path.name for path in places)}


@dataclass
class Walked:
    """What the commands came to."""

    commands: int = 0
    faults: list[str] = field(default_factory=list)


def world(seed: int, folder: Path, width: int = WIDTH) -> World:
    """Make the folders and files of a world; the first two go through all of PIECES, later ones join them at random."""
    dice = random.Random(seed)
    columns = tuple(_some(_names(seed, dice), width))
    keys = tuple(
        _some((name for name in _names(seed, dice) if len(name) <= METADATA_KEY_LENGTH), _KEYS)
    )
    places = list(_some(dice.sample(_PLACES, len(_PLACES)), 8))
    root = folder / places[0]
    root.mkdir()
    names = [
        f"{place}.{kind}"
        for place, kind in zip(places[1:6], ("yaml", "csv", "csv", "xlsx", "parquet"), strict=True)
    ]
    sheet = next(
        name for name in _names(seed, dice) if not _NOT_IN_A_SHEET & set(name) and len(name) <= 31
    )
    made = World(
        root,
        root / places[6],
        root / places[7],
        *(root / name for name in names),
        sheet,
        columns,
        keys,
    )
    _write(made)
    return made


def walk(seed: int, folder: Path, width: int = WIDTH, *, every_form: bool = True) -> Walked:
    """Every command in a world of its own; `every_form`: also again with other options, or for files of another kind."""
    made, found = world(seed, folder, width), Walked()
    pipeline = Inside(made.root)

    def command(expected: set[int], *words: str | Path) -> str:
        ended = pipeline(*words)
        found.commands += 1
        if ended.returncode not in expected:
            found.faults.append(f"{ended.returncode} {words}: {ended.stderr[-1500:]}")
        return ended.stdout

    configured = ("--config", made.config, *made.places)
    for path in (made.table, made.book, made.pressed):
        if every_form:
            command({0, 1}, "inspect", path, "--config", made.config)
        written = made.root / f"{path.name}.out"
        command({0, 1}, "inspect", path, "--output", written, "--json", "--config", made.config)
        if not written.exists():
            continue
        with written.open(newline="", encoding="utf-8") as file:
            if next(csv.reader(file)) != list(made.columns):
                found.faults.append(f"inspect of {path.name} wrote other columns")
        if every_form or path is made.table:
            command(
                {0, 1, 2, 4},
                "init",
                path,
                "--output",
                made.root / "guessed.yaml",
                "--force",
                *_NAMED,
            )
    command(_FINE, "check", made.config, *made.places)
    if every_form:
        command(_FINE, "schema", "--template", "--config", made.config)
        command(_SET_ASIDE, "plan", made.table, made.book, *configured)
    command(
        _FINE,
        "schema",
        "--template",
        "--config",
        made.config,
        "--output",
        made.root / f"{made.sheet}.xlsx",
    )
    command(_SET_ASIDE, "plan", made.book, *configured, "--json")
    planned = _run_id(command(_SET_ASIDE, "plan", made.table, *configured, "--json"))
    command(_SET_ASIDE, "apply", planned, *configured)
    run = _run_id(
        command(_SET_ASIDE, "run", made.canonical, "--sandbox", "--yes", "--json", *made.places)
    )
    if found.faults:
        return found  # what follows would only say so again
    found.faults += _lists(made, made.reports / planned, made.columns, _cells(made))
    found.faults += _customers(made)
    found.faults += _lists(made, made.reports / run, _canonical(made)[0], _canonical(made)[1:])
    command({0, 1}, "run", made.reports / planned / "rejected.csv", *configured, "--yes")
    where = made.columns[0].replace('"', '""')
    command({0, 1}, "plan", made.table, *configured, "--where", f"\"{where}\" <> 'A-0'")
    _evidence(made, planned, command, every_form=every_form)
    if every_form:
        command(_FINE, "verify", run, *made.places)
        command({0, 1, 7}, "reconcile", run, "--export", made.canonical, *made.places)
    command(_SET_ASIDE, "references", "load", made.pressed, "--sandbox", *configured)
    command(_FINE, "references", "list", *made.places)
    return found


def _run_id(out: str) -> str:
    return str(json.loads(out)["run_id"]) if out else ""


def _evidence(made: World, run: str, command: Any, *, every_form: bool) -> None:
    command({0, 1}, "resume", run, "--config", made.config, *made.places)
    for words in (("status", run), ("runs",), ("audit", "verify")):
        command({0, 1}, *words, *made.places)
    command({0, 1}, "reconcile", run, "--config", made.config, *made.places)
    if every_form:
        command({0, 1}, "status", run, "--json", *made.places)
        command({0, 1}, "report", run, *made.places)
    command({0, 1}, "report", "--since", "2020-01-01", *made.places)
    command(_FINE, "verify", run, *made.places)
    command(_FINE, "sign", run, "--name", made.sheet, "--note", made.keys[0], *made.places)
    command(_FINE, "bundle", run, "--output", made.root / f"{made.sheet}.zip", *made.places)
    command(_FINE, "verify", made.root / f"{made.sheet}.zip", *made.places)
    command(_FINE, "trace", "A-0", "--now", "--config", made.config, *made.places)
    command(
        _FINE, "trace", "--pii", "full", *made.places, "--", f"{made.table.name}:4"
    )  # it may begin with a dash
    command(_FINE, "explain", f"VALIDATE.METADATA_TOO_LONG:metadata.{made.keys[2]}")


def _names(seed: int, dice: random.Random) -> Iterator[str]:
    """All pieces, each seed from another one on; then two of them together."""
    at = seed * WIDTH % len(PIECES)
    yield from (*PIECES[at:], *PIECES[:at]) if seed < 2 else ()
    while True:
        yield dice.choice(("", " ", ".", ":")).join(dice.sample(PIECES, 2))


def _some(names: Iterable[str], count: int) -> Iterator[str]:
    """So many that are taken as they are and told apart: by more than case, and by more than the form of an accent."""
    seen = set[str]()
    for name in names:
        folded = fold_name(name)
        is_taken = (
            clean_name(name) == name and not looks_like_data(name) and not is_import_column(name)
        )
        if name and is_taken and folded not in seen:
            seen.add(folded)
            yield name
        if len(seen) == count:
            return


def _cells(made: World) -> list[list[str]]:
    """The records of the table: the first column is the reference, the second the name, the next the metadata."""
    rows = [[f"{row}.{at}" for at in range(len(made.columns))] for row in range(_ROWS)]
    for at, row in enumerate(rows):
        row[0], row[1] = f"A-{at}", f"Ann {at}"
    rows[2][4] = _TOO_LONG
    rows[3][5] = "not listed"
    rows[0][5] = rows[1][5] = rows[2][5] = rows[4][5] = "listed"
    return rows


def _canonical(made: World) -> list[list[str]]:
    """A table with our own names: metadata under `metadata.<odd key>`, one value of it too long."""
    header = [
        "external_reference",
        "name",
        "currency",
        "balance",
        *(f"metadata.{key}" for key in made.keys),
    ]
    rows = [
        [f"B-{row}", f"Ben {row}", "ZAR", "100", *(f"{row}.{key}" for key in made.keys)]
        for row in range(3)
    ]
    rows[1][5] = _TOO_LONG
    return [header, *rows]


def _write(made: World) -> None:
    cells = _cells(made)
    broken = [*cells[:-1], cells[-1][:3]]  # the last record has too few fields
    for path, rows in ((made.table, [made.columns, *broken]), (made.canonical, _canonical(made))):
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    with xlsxwriter.Workbook(
        made.book, {"strings_to_formulas": False, "strings_to_urls": False}
    ) as book:
        sheet = book.add_worksheet(made.sheet)
        for at, row in enumerate([list(made.columns), *cells]):
            sheet.write_row(at, 0, row) if at != 2 else [
                sheet.write_string(at, column, text) for column, text in enumerate(row)
            ]
        sheet.write_formula(2, 3, "=NA()", None, "#N/A")
    columns = dict(zip(made.columns, map(list, zip(*cells, strict=True)), strict=True))
    parquet.write_table(pa.table(columns), made.pressed)
    mapped: dict[str, Any] = {
        key: {"column": made.columns[at]} for at, key in enumerate(made.keys, start=2)
    }
    mapped[made.keys[3]] = {"column": made.columns[5], "values": {"listed": "taken"}}
    job = {
        "environment": "sandbox", "merchant": "acme", "address": "sandbox", "source": {"sheet": made.sheet, "header": "first_line"},
        "mapping": {"external_reference": made.columns[0], "name": made.columns[1], "metadata": mapped},
    }  # fmt: skip
    made.config.write_text(json.dumps(job, ensure_ascii=False), encoding="utf-8")


def _lists(made: World, run: Path, columns: Iterable[str], cells: list[list[str]]) -> Iterator[str]:
    """What is not as it should be about the lists of a run: names byte for byte, every record once, its cells as they were."""
    listed: list[list[str]] = []
    for name in LISTS:
        with (run / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        theirs = len([column for column in header if not is_import_column(column)])
        if header[:theirs] != list(columns):
            yield f"{run.name}: {name}.csv has other columns: {header[:theirs]!a}"
        listed += [row[:theirs] for row in rows if any(row[:theirs])]
        unreadable = len(rows) - len([row for row in rows if any(row[:theirs])])
        listed += [[]] * unreadable
    whole = [row for row in listed if row]
    if len(listed) != len(cells) or not all(row in cells for row in whole):
        yield f"{run.name}: {len(listed)} records are listed of {len(cells)}, or their cells are others"


def _customers(made: World) -> Iterator[str]:
    """Whether billing holds each value of metadata under its exact key."""
    cells = _cells(made)
    with contextlib.closing(sqlite3.connect(made.home / "sandbox" / "billing.sqlite")) as billing:
        held = [json.loads(text) for (text,) in billing.execute("SELECT fields FROM customers")]
    there = {one["external_reference"]: one.get("metadata", {}) for one in held}
    for at in (0, 1, 4):
        meant = {key: cells[at][place] for place, key in enumerate(made.keys, start=2)} | {
            made.keys[3]: "taken"
        }
        if there.get(f"A-{at}") != meant:
            yield f"A-{at}: billing holds {there.get(f'A-{at}')!a} and not {meant!a}"


def block(told: tuple[int]) -> dict[str, Any]:
    """What one seed came to, for the long form."""
    (seed,) = told
    with tempfile.TemporaryDirectory() as name:
        found = walk(seed, Path(name))
    return {"seeds": [seed, seed + 1], "commands": found.commands, "failures": found.faults}
