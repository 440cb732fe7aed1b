"""The bridge from the source to billing: records, then each currency, with a bar per step."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from pipeline.domain.currency import major_units
from pipeline.domain.fates import LISTS
from pipeline.reporting.headline import currency_label, has_minor_unit
from pipeline.reporting.html.charts import Bar, waterfall

#: Currencies with a table of steps; the workbook and summary.json have all of them.
_MOST_BLOCKS = 12
#: The colour of a step is that of its list; differences have a colour of their own.
_COLOURS = {fate.value: name for name, fates in LISTS.items() for fate in fates}
_EXPLAINED = {
    "superseded",
    "again",
    "not_sampled",
    "tolerated",
    "there_before",
    "known_before",
    "created_by_another_run",
    "changed_since",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One step: name, meaning, records, minor units, bar."""

    name: str
    sentence: str
    is_total: bool
    records: int | None
    sum: int | None
    bar: Markup


@dataclass(frozen=True, slots=True)
class Block:
    """The steps of one currency, or (with no currency) of all records."""

    currency: str | None
    rows: Sequence[Row]
    residual: tuple[int, int]  #: records, minor units


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge on a page. `heads` are the totals and the changes between them."""

    heads: Sequence[str]
    #: Currency, minor units by head, residual.
    lines: Sequence[tuple[str, Sequence[int | None], tuple[int, int]]]
    records: Block
    blocks: Sequence[Block]
    left_out: int  #: further currencies that have steps but no block


_BETWEEN = {
    ("legacy", "read"): "Not in the files",
    ("read", "expected"): "Taken out",
    ("expected", "found"): "Differences",
}
_HEADS = {"legacy": "Legacy total", "read": "Read", "expected": "Expected", "found": "Found"}


def bridge_of(
    steps: Sequence[Mapping[str, Any]], residual: Mapping[str, Mapping[str, int]] | None = None
) -> Bridge | None:
    """The view of a summary's `bridge`; None if an earlier version wrote none."""
    if not steps:
        return None
    residual = residual or {}
    codes = sorted(
        {code for step in steps for code in step["figures"]},
        key=lambda code: (not has_minor_unit(code), code),
    )
    left = {
        code: (residual[code]["records"], residual[code]["sum"]) if code in residual else (0, 0)
        for code in codes
    }
    moved = [
        code
        for code in codes
        if (has_minor_unit(code) and any(_moves(step, code) for step in steps)) or any(left[code])
    ]
    all_left = sum(records for records, _ in left.values()), 0
    return Bridge(
        _heads(steps),
        [(code, _line(steps, code), left[code]) for code in codes],
        Block(None, _rows(steps, None, str), all_left),
        [
            Block(code, _rows(steps, code, partial(major_units, code=code)), left[code])
            for code in moved[:_MOST_BLOCKS]
        ],
        max(len(moved) - _MOST_BLOCKS, 0),
    )


def _moves(step: Mapping[str, Any], code: str) -> bool:
    return not step["is_total"] and code in step["figures"]


def _heads(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    totals = [step["step"] for step in steps if step["is_total"]]
    heads = [_HEADS[totals[0]]]
    for before, after in pairwise(totals):
        heads += [_BETWEEN[before, after], _HEADS[after]]
    return heads


def _line(steps: Sequence[Mapping[str, Any]], code: str) -> list[int | None]:
    """Each total of a currency and the sums of the steps between; None if not stated."""
    line: list[int | None] = []
    for step in steps:
        amount = step["figures"].get(code, {"sum": None})["sum"]
        if step["is_total"]:
            line += [amount, 0]
        else:
            line[-1] = (line[-1] or 0) + (amount or 0)
    return line[:-1]


def _rows(
    steps: Sequence[Mapping[str, Any]], code: str | None, in_words: Callable[[int], str]
) -> list[Row]:
    """The steps of a currency, or of all records if `code` is None."""
    shown = []
    for step in steps:
        figure = (
            step["figures"].get(code)
            if code is not None
            else {"records": step["records"], "sum": step["records"]}
        )
        if (
            figure is None
            or figure["sum"] is None
            or not (step["is_total"] or figure["records"] or figure["sum"])
        ):
            continue
        shown.append((step, figure))
    bars = waterfall(
        [
            Bar(_colour(step), step["is_total"], figure["sum"], in_words(figure["sum"]))
            for step, figure in shown
        ]
    )
    return [
        Row(
            step["step"],
            step["sentence"],
            step["is_total"],
            figure["records"],
            None if code is None else figure["sum"],
            bar,
        )
        for (step, figure), bar in zip(shown, bars, strict=True)
    ]


def _colour(step: Mapping[str, Any]) -> str:
    if step["is_total"]:
        return "total"
    return _COLOURS.get(step["step"], "skipped" if step["step"] in _EXPLAINED else "differing")


def label_of(code: str | None) -> str:
    """The caption of a block."""
    return "Records" if code is None else currency_label(code)
