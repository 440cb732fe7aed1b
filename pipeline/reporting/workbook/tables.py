"""The tables of a workbook, and those that several reports have.

Amounts are in minor and major units. Major units have no thousands separators, so that spreadsheets
read numbers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pipeline.domain.causes import in_one_cell
from pipeline.domain.currency import major_units
from pipeline.domain.fates import SUPERSEDED, Fate, list_of, meaning_of
from pipeline.domain.summary_parts import Accounting, BridgeStep
from pipeline.reporting.context import ReportContext
from pipeline.reporting.headline import currency_label
from pipeline.reporting.redacted import DIFFERENCES

_FIGURES = (
    "Records",
    "Found",
    "minor units",
    "Amount",
    "Debits",
    "Credits",
    "Net",
    "Days",
    "Runs",
    "Seconds",
    "Bytes",
    "Lines",
    "Rows",
)
FACTS = ("Item", "Value")
BRIDGE = (
    "Of",
    "Currency",
    "Step",
    "What it means",
    "Is a total",
    "Records",
    "Minor units",
    "Amount",
)
_OPEN_ITEMS = (
    "Fate",
    "Records",
    "Oldest since",
    "Days",
    "Runs",
    "Currency",
    "Minor units",
    "Amount",
)


class Table(NamedTuple):
    """A sheet: name, header, rows of texts."""

    name: str
    header: Sequence[str]
    rows: Iterable[Sequence[str | None]]

    @property
    def figures(self) -> list[bool]:
        """Which columns contain figures."""
        return [any(word in title for word in _FIGURES) for title in self.header]


def fates_table(fates: Mapping[str, int]) -> Table:
    """Each fate with its records."""
    rows = [(fate.value, str(fates[fate]), fate.sentence, f"{list_of(fate)}.csv") for fate in Fate]
    if fates.get(SUPERSEDED):
        rows.append((SUPERSEDED, str(fates[SUPERSEDED]), meaning_of(SUPERSEDED), ""))
    return Table("Fates", ("Fate", "Records", "What it means", "Listed in"), rows)


def bridge_rows(of: str, steps: Sequence[BridgeStep]) -> Iterator[Sequence[str | None]]:
    """The steps of a bridge: of all records, then of each currency."""
    for step in steps:
        yield (of, "records", *_of_step(step), text(step.records), "", "")
    for code in sorted({code for step in steps for code in step.figures}):
        for step in steps:
            if figure := step.figures.get(code):
                amounts = text(figure.records), str(figure.sum), major(figure.sum, code)
                yield (of, currency_label(code), *_of_step(step), *amounts)


def _of_step(step: BridgeStep) -> tuple[str, str, str]:
    return step.step, step.sentence, yes(holds=step.is_total)


def checks_table(accounting: Accounting) -> Table:
    """The accounting checks."""
    rows = [
        (one.what, str(one.read), str(one.ended), yes(holds=one.holds)) for one in accounting.checks
    ]
    return Table("Checks", ("Check", "Read", "Ended", "Holds"), rows)


def differences_table(differences: Sequence[Mapping[str, str | None]], in_all: int) -> Table:
    """The first differences, and how many more there are."""
    rows: list[Sequence[str | None]] = [[one[name] for name in DIFFERENCES] for one in differences]
    if in_all > len(rows):
        rows.append([f"{in_all - len(rows)} more, in differences.csv"])
    heads = [f"{name} (minor units)" if name == "amount" else name for name in DIFFERENCES]
    return Table("Differences", heads, rows)


def open_tables(context: ReportContext) -> Iterator[Table]:
    """The open records by fate, and the oldest of them."""
    yield Table("Open items", _OPEN_ITEMS, _open_items(context))
    yield Table(
        "Open rows",
        ("Row", "Run", "Fate", "Why", "Person", "Since", "Days", "Runs"),
        [
            (
                one.row_id,
                one.run_id,
                one.fate,
                in_one_cell(one.reasons),
                one.person,
                one.since,
                str(one.days),
                str(one.runs),
            )
            for one in context.current.oldest
        ],
    )


def _open_items(context: ReportContext) -> Iterator[Sequence[str]]:
    for one in context.current.open_items:
        first = (one.fate, str(one.records), one.since, str(one.days), str(one.runs))
        if not one.sums:
            yield *first, currency_label(""), "", ""
        for at, (code, amount) in enumerate(one.sums.items()):
            cells = ("",) * len(first) if at else first
            yield *cells, currency_label(code), str(amount), major(amount, code)


def both(title: str) -> tuple[str, str]:
    """The headers of an amount in minor and in major units."""
    return f"{title}, minor units", title


def amounts(code: str, *minor_units: int) -> Iterator[str]:
    """Each amount in minor and in major units."""
    for amount in minor_units:
        yield str(amount)
        yield major(amount, code)


def major(amount: int, code: str) -> str:
    """An amount in major units without thousands separators."""
    return major_units(amount, code).replace(",", "")


def yes(*, holds: bool) -> str:
    """`yes` or `NO`."""
    return "yes" if holds else "NO"


def text(value: int | str | None) -> str | None:
    """A value as the text of a cell."""
    return None if value is None else str(value)


def state_in_words(state: str) -> str:
    """The state of a sign-off: open, stale or valid."""
    return "valid" if state == "stands" else state
