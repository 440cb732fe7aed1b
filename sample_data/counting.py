"""A sample file as it grows, and the count of what should become of each of its records.

The makers in the folders beside this draw an amount as minor units first and write it afterwards as their supplier would,
so the sums here come from no text: the pipeline has to find them again in what was written.
"""

import csv
import io
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

Row = dict[str, str]
Sums = dict[str, Counter[str]]
Block = Callable[[], None]  #: adds the records of one case


class Counting:
    """The lines of one file, and for each record fate, reasons and amount as they should come out."""

    def __init__(self, seed: int, columns: list[str], delimiter: str = ",") -> None:
        self.dice = random.Random(seed)
        self.columns = columns
        self.delimiter = delimiter
        self.lines = [delimiter.join(columns)]
        self.fates: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.debits: Sums = {}
        self.credits: Sums = {}
        self.amounts_unreadable: Counter[str] = Counter()

    def add(
        self, row: Row, fate: str, *reasons: str, amount: tuple[str, int] | str | None = None
    ) -> None:
        """One record; its amount is (currency, minor units), None where it states none, or text that nobody can read."""
        self.lines.append(self.line(row))
        self.fates[fate] += 1
        self.reasons.update(reasons)
        if isinstance(amount, str):
            self.amounts_unreadable[fate] += 1
        elif amount is not None:
            self._sum(fate, *amount)

    def add_text(self, line: str, reason: str) -> None:
        """One record that cannot be read; an amount may stand in it."""
        self.lines.append(line)
        self.fates["unreadable"] += 1
        self.reasons[reason] += 1
        self.amounts_unreadable["unreadable"] += 1

    def line(self, row: Row) -> str:
        """A record as its supplier writes it."""
        text = io.StringIO()
        csv.writer(text, delimiter=self.delimiter, lineterminator="\n").writerow(
            [row[name] for name in self.columns]
        )
        return text.getvalue().removesuffix("\n")

    def digits(self, count: int) -> str:
        """Some digits, drawn."""
        return "".join(self.dice.choice("0123456789") for _ in range(count))

    def expected(self) -> dict[str, object]:
        """What should become of the file, in the words of a run's summary.json; what is 0 is left out."""
        return {
            "records": self.fates.total(),
            "creates": self.fates["created"],
            "fates": _sorted(self.fates),
            "reasons": _sorted(self.reasons),
            "debits": {currency: _sorted(fates) for currency, fates in sorted(self.debits.items())},
            "credits": {
                currency: _sorted(fates) for currency, fates in sorted(self.credits.items())
            },
            "amounts_unreadable": _sorted(self.amounts_unreadable),
        }

    def write(self, path: Path, encoding: str = "utf-8", line_end: str = "\n") -> None:
        """Write the file, and beside it what is expected of it."""
        text = line_end.join([*self.lines, ""])
        path.write_bytes(text.encode(encoding, "surrogateescape"))
        expected = json.dumps(self.expected(), indent=2) + "\n"
        path.with_suffix(".expected.json").write_text(expected, encoding="utf-8")

    def _sum(self, fate: str, currency: str, minor_units: int) -> None:
        side = self.debits if minor_units > 0 else self.credits
        if minor_units:
            side.setdefault(currency, Counter())[fate] += minor_units


def major(minor_units: int, decimals: int, mark: str = ".") -> str:
    """Minor units as people write them: 24000 with 2 decimals is 240.00."""
    sign, digits = "-" if minor_units < 0 else "", str(abs(minor_units)).rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}{mark}{digits[-decimals:]}" if decimals else sign + digits


def mailbox(*names: str) -> str:
    """The part of an address before the @, made of names."""
    return ".".join(
        "".join(c for c in name.lower() if c.isascii() and c.isalnum()) or "x" for name in names
    )


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
