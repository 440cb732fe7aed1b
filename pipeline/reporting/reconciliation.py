"""The page of a reconciliation: the verdict, the bridge per currency as a table and a waterfall, the differences by name."""

from typing import Any

from markupsafe import Markup, escape

from pipeline.currency import grouped_digits, major_units
from pipeline.outcomes import Discrepancy, Pattern
from pipeline.reporting.glance import currency_label
from pipeline.reporting.page import template

_ROW, _WIDTH, _LABELS = 26, 900, 250  #: pixels


def render_reconciliation(content: dict[str, Any]) -> str:
    """The content of a reconciliation's `summary.json` as a page for people."""
    currencies = sorted({code for step in content["bridge"] for code in step["figures"]})
    return template("reconciliation.html.j2").render(
        s=content,
        state=_state(content),
        currencies=currencies,
        waterfalls={code: _waterfall(content["bridge"], code) for code in currencies},
        kinds=[(kind.value, kind.sentence) for kind in Discrepancy],
        patterns=[(pattern.value, pattern.sentence) for pattern in Pattern],
        money=major_units,
        count=grouped_digits,
        currency_label=currency_label,
    )


def _state(content: dict[str, Any]) -> str:
    return {0: "good", 1: "attention"}.get(content["exit_code"], "broken")


def _waterfall(bridge: list[dict[str, Any]], currency: str) -> Markup:
    """Bars from the source total to billing's: totals from zero, each step from where the one before ended."""
    steps = [
        (
            step["step"].replace("_", " ") if not step["is_total"] else step["sentence"],
            step["is_total"],
            step["figures"].get(currency),
        )
        for step in bridge
    ]
    bars: list[tuple[str, bool, int, int]] = []
    level = 0
    for name, is_total, figure in steps:
        amount = figure["sum"] if figure else 0
        if is_total:
            bars.append((name, True, 0, amount))
            level = amount
        elif amount:
            bars.append((name, False, level, level + amount))
            level += amount
    low, high = min(0, *(min(bar[2:]) for bar in bars)), max(0, *(max(bar[2:]) for bar in bars))
    if low == high:
        return Markup("")
    scale = (_WIDTH - _LABELS - 150) / (high - low)
    pieces = []
    for at, (name, is_total, begin, end) in enumerate(bars):
        left, width = _LABELS + (min(begin, end) - low) * scale, max(abs(end - begin) * scale, 1.0)
        kind = "total" if is_total else "up" if end > begin else "down"
        told = major_units(end if is_total else end - begin, currency)
        pieces.append(
            Markup(
                '<text x="0" y="{y}">{name}</text><rect class="{kind}" x="{x:.1f}" y="{top}" width="{w:.1f}" height="14"/>'
                '<text class="soft" x="{after:.1f}" y="{y}">{told}</text>'
            ).format(
                y=at * _ROW + 17,
                top=at * _ROW + 6,
                name=escape(name),
                kind=kind,
                x=left,
                w=width,
                after=left + width + 6,
                told=told,
            )
        )
    label = Markup("Waterfall of {}").format(currency_label(currency))
    return Markup('<svg class="bridge" role="img" aria-label="{}" viewBox="0 0 {} {}">{}</svg>').format(
        label, _WIDTH, len(bars) * _ROW + 6, Markup("").join(pieces)
    )
