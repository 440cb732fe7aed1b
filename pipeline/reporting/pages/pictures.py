"""Pictures that we draw ourselves, as SVG inside the page: the bridge as a waterfall, the pace over time."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from pipeline.currency import grouped_digits, major_units

_ROW, _WIDTH, _LABELS, _FIGURES = 26, 900, 250, 150  #: pixels
_HEIGHT, _AXIS = 150, 46


def bars_of(bridge: list[dict[str, Any]], currency: str) -> list[tuple[str, bool, int]]:
    """The steps of a bridge as bars of one currency: name, whether it is a total, minor units."""
    return [
        (
            step["sentence"] if step["is_total"] else step["step"].replace("_", " "),
            step["is_total"],
            step["figures"].get(currency, {"sum": 0})["sum"],
        )
        for step in bridge
    ]


def waterfall(bars: Sequence[tuple[str, bool, int]], currency: str) -> Markup:
    """Bars of one currency: totals from zero, each step from where the one before ended; nothing where all is zero.

    `bars`: name, whether it is a total, minor units.
    """
    placed: list[tuple[str, bool, int, int]] = []
    level = 0
    for name, is_total, amount in bars:
        if is_total:
            placed.append((name, True, 0, amount))
            level = amount
        elif amount:
            placed.append((name, False, level, level + amount))
            level += amount
    low, high = min(0, *(min(bar[2:]) for bar in placed)), max(0, *(max(bar[2:]) for bar in placed))
    if low == high:
        return Markup("")
    scale = (_WIDTH - _LABELS - _FIGURES) / (high - low)
    pieces = []
    for at, (name, is_total, begin, end) in enumerate(placed):
        left, width = _LABELS + (min(begin, end) - low) * scale, max(abs(end - begin) * scale, 1.0)
        kind = "total" if is_total else "up" if end > begin else "down"
        pieces.append(
            Markup(
                '<text x="0" y="{y}">{name}</text><rect class="{kind}" x="{x:.1f}" y="{top}" width="{w:.1f}" height="14"/>'
                '<text class="soft" x="{after:.1f}" y="{y}">{told}</text>'
            ).format(
                y=at * _ROW + 17,
                top=at * _ROW + 6,
                name=name,
                kind=kind,
                x=left,
                w=width,
                after=left + width + 6,
                told=major_units(end if is_total else end - begin, currency),
            )
        )
    return Markup('<svg class="bridge" role="img" aria-label="Waterfall of {}" viewBox="0 0 {} {}">{}</svg>').format(
        currency, _WIDTH, len(placed) * _ROW + 6, Markup("").join(pieces)
    )


def pace_chart(pace: dict[str, Any]) -> Markup:
    """Creates settled in each span as bars, and how long 95 of 100 of them waited as a line; each with its own scale."""
    spans = pace["spans"]
    count = spans[-1]["after"] // pace["span_seconds"] + 1
    most, longest = max(span["settled"] for span in spans), max(span["p95"] for span in spans)
    width = (_WIDTH - 2 * _AXIS) / count
    bars, dots = [], []
    for span in spans:
        left = _AXIS + span["after"] / pace["span_seconds"] * width
        height = span["settled"] / most * _HEIGHT
        bars.append(
            Markup(
                '<rect class="up" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>'
            ).format(
                left,
                _HEIGHT + 8 - height,
                max(width - 1, 1.0),
                height,
                f"after {span['after']} s: {grouped_digits(span['settled'])} settled, half within {span['p50']:g} s, 95 % within {span['p95']:g} s",
            )
        )
        dots.append(f"{left + width / 2:.1f},{_HEIGHT + 8 - (span['p95'] / longest if longest else 0) * _HEIGHT:.1f}")
    line = Markup('<polyline class="wait" points="{}"/>').format(" ".join(dots)) if len(dots) > 1 else Markup("")
    text = Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format
    right, below = _WIDTH - _AXIS, _HEIGHT + 26
    axis = [
        text("soft", _AXIS - 6, 16, "end", grouped_digits(most)),
        text("soft", _AXIS - 6, _HEIGHT + 8, "end", "0"),
        text("waiting", right + 6, 16, "start", f"{longest:.3g} s"),
        text("soft", _AXIS, below, "start", "0 s"),
        text("soft", right, below, "end", f"{grouped_digits(count * pace['span_seconds'])} s"),
    ]
    return Markup(
        '<svg class="bridge pace" role="img" aria-label="Creates settled over time" viewBox="0 0 {} {}">'
        '<line x1="{}" x2="{}" y1="{}" y2="{}"/>{}</svg>'
    ).format(_WIDTH, _HEIGHT + 34, _AXIS, right, _HEIGHT + 8, _HEIGHT + 8, Markup("").join([*bars, line, *axis]))
