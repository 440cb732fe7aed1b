"""Damage files in every known way, read them, and compare the result with the bytes and the original.

    python tests/prove/damaged_files.py 5000

For each file: every physical line is in exactly one place; no error but a refusal that says why; what was accepted is what
RFC 4180 says of those bytes; a row whose bytes are intact is accepted equal, or named as unreadable. What no reader can see
(a flipped digit, a cut at a line end) is counted, and held against the control totals of the original: its number of
records, its sums per currency. Exit 1 where one of these is broken. Everything is made from seeds.
"""

import csv
import io
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.domain.column_mapping import canonical_layout
from pipeline.errors import SourceError
from pipeline.sources import Declared, in_order, read
from pipeline.transforming.source_totals import ControlTotals

COLUMNS = ("external_reference", "name", "email", "phone", "currency", "balance", "metadata.note")
NAMES = (
    "Thandi Nkosi",
    "José Müller",
    "Zoë van der Merwe",
    "O'Brien, Ann",
    'Ben "Ace" Dlamini',
    "Sipho\nMokoena",
    "Łukasz Wójcik",
)
NOTES = ("", "gold", "paid; late", "two\r\nlines", "a|b", "tab\there", '"')


@dataclass
class Row:
    """One record of the file: its cells as they were meant, its bytes as they are now."""

    cells: list[str]
    content: bytes
    intact: bool = True


@dataclass
class Findings:
    """What one or many files came to."""

    files: int = 0
    refused: int = 0
    rows: int = 0
    accepted: int = 0
    named: int = 0
    of_refused: int = 0
    faults: list[str] = field(default_factory=list)
    unseen: Counter = field(default_factory=Counter)  #: kind -> damage that no reader can see
    caught: Counter = field(default_factory=Counter)  #: kind -> of that, caught by a control total
    slowest: float = 0.0


def main() -> int:
    """Print what the files came to; 1 where a promise is broken."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    found = Findings()
    for seed in range(count):
        judge(seed, found)
    print(told(found))
    return int(bool(found.faults))


def told(found: Findings) -> str:
    """The findings in words."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    kinds = [
        f"  {kind}: {times:,}, caught by a control total {found.caught[kind]:,}"
        for kind, times in found.unseen.items()
    ]
    return "\n".join(
        [
            f"{found.files:,} files: {found.refused:,} refused as a whole, {len(found.faults)} broken promises",
            f"{found.rows:,} rows: {found.accepted:,} accepted equal, {found.named:,} named one by one, {found.of_refused:,} refused",
            f"slowest {found.slowest:.2f} s, peak {peak:,} MiB",
            f"what no reader can see: {found.unseen.total():,} ({found.unseen.total() / max(found.rows, 1):.2%} of all rows)",
            *kinds,
            *found.faults[:20],
        ]
    )


def judge(seed: int, found: Findings) -> None:
    """Make, damage and read the file of one seed, and add what it came to."""
    dice = random.Random(seed)
    delimiter, end = dice.choice(",,;\t|"), dice.choice((b"\n", b"\r\n"))
    rows = [_row(number, delimiter, end, dice) for number in range(dice.choice((3, 12, 60, 200)))]
    header = _line(COLUMNS, delimiter, end, dice)
    original = _totals([row.cells for row in rows])
    for _ in range(dice.choice((1, 1, 2, 4, 10))):
        rows = _damaged(rows, delimiter, end, dice)
    mark = dice.choice((b"", b"", b"\xef\xbb\xbf"))
    content = mark + header + b"".join(row.content for row in rows)
    found.files += 1
    found.rows += len(rows)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "f.csv")
        path.write_bytes(content)
        declared = dice.choice((None, Declared(delimiter, "utf-8", trailing_delimiter=False)))
        files = in_order([path], declared)
        batch_bytes = dice.choice((2_000, 1 << 24, 1 << 24))
        try:
            records = [
                row for _, batch in read(files, batch_bytes) for row in batch.records.to_dicts()
            ]
        except SourceError as refused:
            found.refused += 1
            found.of_refused += len(rows)
            if not str(refused):
                found.faults.append(f"seed {seed}: a refusal without a word")
            return
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            found.faults.append(f"seed {seed}: {type(error).__name__}: {error}")
            return
    found.slowest = max(found.slowest, time.perf_counter() - began)
    _hold(seed, content.removeprefix(mark), header, rows, files[0], records, original, found)


def _hold(seed, content, header, rows, file, records, original, found) -> None:
    lines = content.split(b"\n")
    lines = lines if lines[-1] else lines[:-1]
    taken = [
        line
        for record in records
        for line in range(record["line"], record["line"] + record["line_count"])
    ]
    counted = file.lines
    if (
        counted.physical != len(lines)
        or counted.physical != counted.header + counted.skipped + counted.blank + counted.records
    ):
        found.faults.append(
            f"seed {seed}: lines do not add up: {counted}, {len(lines)} in the file"
        )
    if len(taken) != len(set(taken)) or len(taken) != counted.records:
        found.faults.append(f"seed {seed}: a line is in two records or in none")
    left = set(range(header.count(b"\n") + 1, len(lines) + 1)) - set(taken)
    if any(
        lines[line - 1].strip(b" \t\r" if file.dialect.delimiter != "\t" else b" \r")
        for line in left
    ):
        found.faults.append(f"seed {seed}: a line that is not blank is in no record")
    by_line = {record["line"]: record for record in records}
    owner = {
        line: record
        for record in records
        for line in range(record["line"], record["line"] + record["line_count"])
    }
    accepted = [record for record in records if record["reason"] is None]
    for record in accepted:
        raw = (
            b"\n".join(lines[record["line"] - 1 : record["line"] - 1 + record["line_count"]])
            .decode()
            .removesuffix("\r")
        )
        meant = list(
            csv.reader(io.StringIO(raw, newline=""), delimiter=file.dialect.delimiter, strict=True)
        )
        cells = meant[0][:-1] if file.dialect.trailing_delimiter else meant[0]
        if len(meant) != 1 or cells != _cells(record):
            found.faults.append(f"seed {seed}: line {record['line']} is not read as RFC 4180 says")
    at = header.count(b"\n") + 1
    unseen: Counter = Counter()
    for row in rows:
        record = by_line.get(at)
        equal = record is not None and record["reason"] is None and _cells(record) == row.cells
        if equal:
            found.accepted += 1
        elif (holder := owner.get(at)) is None or holder["reason"] is not None:
            found.named += 1
            if holder is None and row.intact:
                found.faults.append(f"seed {seed}: an intact row at line {at} is nowhere")
        elif row.intact and record is not None:
            found.faults.append(
                f"seed {seed}: an intact row at line {at} is read as something else"
            )
        elif row.intact:
            unseen["rows inside a quoted cell that damage opened"] += 1
        else:
            unseen[_kind(row, _cells(holder))] += 1
        at += row.content.count(b"\n")
    missing = original.records - len(rows)
    if missing > 0:
        unseen["rows cut off at a line end"] += missing
    found.unseen.update(unseen)
    now = _totals([_cells(record) for record in accepted])
    if len(records) != original.records or now.net != original.net:
        found.caught.update(unseen)


def _kind(row: Row, cells: list[str]) -> str:
    if len(cells) != len(row.cells):
        return "lines that became others"
    money = [text.upper() for text in row.cells[4:6]]  # zar is ZAR
    return (
        "amounts or currencies changed"
        if [text.upper() for text in cells[4:6]] != money
        else "other letters changed"
    )


def _cells(record: dict) -> list[str]:
    return [text for name, text in record.items() if name.startswith("given.")]


def _totals(table: list[list[str]]) -> ControlTotals:
    import polars as pl

    totals = ControlTotals()
    names = [f"given.{name}" for name in COLUMNS]
    whole = [row for row in table if len(row) == len(COLUMNS)]
    totals.add(
        pl.DataFrame(whole, schema=dict.fromkeys(names, pl.String), orient="row"),
        canonical_layout(COLUMNS),
    )
    totals.records = len(table)
    return totals


def _row(number: int, delimiter: str, end: bytes, dice: random.Random) -> Row:
    cells = [
        f"C-{number:05}", dice.choice(NAMES), f"a{number}@example.com", f"+2782{dice.randrange(10**7):07}", "ZAR",
        str(dice.randrange(-(10**6), 10**7)), dice.choice(NOTES),
    ]  # fmt: skip
    return Row(cells, _line(cells, delimiter, end, dice))


def _line(
    cells: "list[str] | tuple[str, ...]", delimiter: str, end: bytes, dice: random.Random
) -> bytes:
    text = io.StringIO(newline="")
    quoting = dice.choice((csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL))
    csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n").encode() + end


def _damaged(rows: list[Row], delimiter: str, end: bytes, dice: random.Random) -> list[Row]:
    """One damage more; the rows that it touches are intact no longer."""
    if not rows:
        return rows
    at = dice.randrange(len(rows))
    row = rows[at]
    if not row.content:
        return rows
    place = dice.randrange(max(len(row.content) - len(end), 1))
    kind = dice.choice((0, 1, 2, 3, 4, 5, 8, 9, 10, 11) * 3 + (6, 7))
    if kind == 0:
        content = row.content[:place] + delimiter.encode() + row.content[place:]
    elif kind == 1:
        content = row.content.replace(delimiter.encode(), b"", 1)
    elif kind == 2:
        content = row.content[:place] + b'"' + row.content[place:]
    elif kind == 3:
        cut = row.content.find(delimiter.encode()) + 1
        content = row.content[:cut] + b'"' + row.content[cut:]
    elif kind == 4:
        content = row.content.removesuffix(end) + dice.choice(
            (b"\r", b"\r\n", b"\n\n", b"\n\r\n", b"\r\r\n")
        )
    elif kind == 5:
        content = row.content.removesuffix(end)
    elif kind == 6:
        return rows[:at]  # cut at a line end
    elif kind == 7:
        cut = row.content[:place]
        return [*rows[:at], Row(row.cells, cut, intact=False)]
    elif kind == 8:
        flipped = row.content[place] ^ (1 << dice.randrange(8))
        content = row.content[:place] + bytes([flipped]) + row.content[place + 1 :]
    elif kind == 9:
        content = row.content.decode(errors="replace").encode("cp1252", errors="replace")
    elif kind == 10:
        content = (
            row.content[:place]
            + dice.choice((b"\0", b"\x1a", b"\xff", b"\r", "\u0085".encode()))
            + row.content[place:]
        )
    else:
        content = row.content[:place] + dice.choice((end, b"\n")) + row.content[place:]
    changed = content != row.content
    after = rows[at + 1 :]
    if not content.endswith(b"\n") and after:  # what follows stands on this row's line now
        after = [Row(after[0].cells, after[0].content, intact=False), *after[1:]]
    return [*rows[:at], Row(row.cells, content, intact=row.intact and not changed), *after]


if __name__ == "__main__":
    sys.exit(main())
