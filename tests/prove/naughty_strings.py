"""Send naughty strings as names and metadata from a CSV file to billing, and read them back.

    python -m tests.prove.naughty_strings blns.json

FILE is a JSON list of strings, such as the Big List of Naughty Strings (which is not part of this project). Each must
come back from billing in NFC and without the spaces and invisible characters at its ends, or its row must be named with
a reason; none may vanish.
"""

import contextlib
import csv
import json
import sqlite3
import sys
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.conftest import Inside


def prove(strings: Sequence[str], folder: Path) -> Counter[str]:
    """Run them all in `folder`; returns how many came back and how many were named, or raises."""
    texts = [text.replace("\x00", "\\0") for text in strings]
    with (folder / "naughty.csv").open(
        "w", newline="", encoding="utf-8", errors="surrogateescape"
    ) as file:
        table = csv.writer(file)
        table.writerow(["external_reference", "name", "metadata.note"])
        table.writerows((f"N-{number}", text, text) for number, text in enumerate(texts))
    done = Inside(folder)("run", "naughty.csv", "--sandbox", "--yes", "--max-rejected", "100%")
    if done.returncode not in {0, 1}:
        raise AssertionError(f"exit code {done.returncode}: {done.stderr}")
    with contextlib.closing(
        sqlite3.connect(folder / ".pipeline/sandbox/billing.sqlite")
    ) as billing:
        found = {
            one["external_reference"]: one
            for one in map(json.loads, (fields for (fields,) in billing.execute(_CUSTOMERS)))
        }
    (run,) = (folder / "reports").iterdir()
    with (run / "rejected.csv").open(newline="", encoding="utf-8") as file:
        named = [row["_import_reasons"] for row in csv.DictReader(file)]
    told = Counter[str]()
    for number, text in enumerate(texts):
        customer = found.get(f"N-{number}")
        if customer is None:
            told["named"] += 1
            continue
        expected = _trimmed(unicodedata.normalize("NFC", text)) or None
        got = customer.get("name"), (customer.get("metadata") or {}).get("note")
        if got != (expected, expected):
            raise AssertionError(f"string {number}: {text!a} came back as {got!a}")
        told["came back"] += 1
    if told["named"] != len(named) or not all(named):
        raise AssertionError(
            f"{told['named']} strings did not come back, and {len(named)} are named"
        )
    page = (run / "report.html").read_text(encoding="utf-8")
    if page.count("<script") != 1 or any(
        text in page for text in texts if "<" in text and ">" in text and len(text) > 8
    ):
        raise AssertionError("a string reached the report as markup")
    return told


def _trimmed(text: str) -> str:
    """The text without spaces, format characters (a mark of byte order, of direction) and fillers at both ends."""
    seen = [at for at, character in enumerate(text) if not _is_invisible(character)]
    return text[seen[0] : seen[-1] + 1] if seen else ""


def _is_invisible(character: str) -> bool:
    is_format = unicodedata.category(character) in {"Cf", "Zs", "Zl", "Zp"}
    return character.isspace() or is_format or character in "\u115f\u1160\u3164\uffa0\u2800\u034f"


_CUSTOMERS = "SELECT fields FROM customers"

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(dict(prove(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(place))))
