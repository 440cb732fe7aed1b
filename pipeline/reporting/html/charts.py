"""Charts as inline SVG: the bridge as a waterfall, throughput and latency over time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pipeline.domain.currency import grouped_digits
from pipeline.domain.summary_parts import Throughput
from pipeline.reporting.headline import rate

_WIDTH, _HEIGHT, _AXIS, _FEWEST_SPANS = 900, 110, 64, 5
_ACROSS, _TALL = 1000, 40  #: of a bar, which is stretched to its cell
#: A bar longer than this many times the final total is cut off, so that others stay visible.
_TOO_FAR = 20


@dataclass(frozen=True, slots=True)
class Bar:
    """A total from zero, or a step from the end of the previous bar."""

    colour: str  #: the class that paints it
    is_total: bool
    amount: int
    label: str  #: the amount as text


def waterfall(bars: Sequence[Bar]) -> list[Markup]:
    """One picture per bar; below each other they form a waterfall."""
    spans, level = [], 0
    for bar in bars:
        begin = 0 if bar.is_total else level
        level = bar.amount if bar.is_total else level + bar.amount
        spans.append((begin, level))
    left, right = _reach(bars, spans)
    if left == right:
        return [Markup("")] * len(bars)

    def across(amount: int) -> float:
        return (min(max(amount, left), right) - left) / (right - left) * (_ACROSS - 24) + 12

    drawn, before = [], None
    for at, (bar, (begin, end)) in enumerate(zip(bars, spans, strict=True)):
        cut = [across(one) for one in (begin, end) if not left <= one <= right]
        after = across(end) if at + 1 < len(bars) else None
        drawn.append(_drawn(bar, (across(begin), across(end)), across(0), cut, before, after))
        before = across(end)
    return drawn


def _reach(bars: Sequence[Bar], spans: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The range of the chart: zero and every level that is not too far beyond the final total."""
    levels = [level for span in spans for level in span]
    ends = [abs(bar.amount) for bar in bars if bar.is_total][1:]
    most = max(ends, default=0) * _TOO_FAR
    near = [level for level in levels if abs(level) <= most] if most else levels
    return min(0, *near, 0), max(0, *near, 0)


def _drawn(
    bar: Bar,
    between: tuple[float, float],
    zero: float,
    cut: Sequence[float],
    before: float | None,
    after: float | None,
) -> Markup:
    """One bar with thin lines from the previous bar, to the next bar and at zero."""
    line = Markup('<line class="{}" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>').format
    low, high = min(between), max(between)
    pieces = [line("zero", zero, zero, 0, _TALL)]
    if before is not None and not bar.is_total:
        pieces.append(line("on", before, before, 0, _TALL / 2))
    if after is not None:
        pieces.append(line("on", after, after, _TALL / 2, _TALL))
    pieces.append(
        Markup('<rect class="{}" x="{:.1f}" y="{}" width="{:.1f}" height="{}"/>').format(
            bar.colour, low, _TALL * 0.25, max(high - low, 3.0), _TALL * 0.5
        )
    )
    for place in set(cut):  # a bar that goes on beyond the picture is cut through near its end
        inward = -34 if place > _ACROSS / 2 else 22
        pieces.append(
            Markup('<path class="cut" d="M{:.1f} {} l-8 {} h6 l8 {} z"/>').format(
                place + inward, _TALL * 0.2, _TALL * 0.6, -_TALL * 0.6
            )
        )
    title = f"{bar.label}{', cut off: not to scale' if cut else ''}"
    return Markup(
        '<svg class="step" role="img" aria-label="{}" viewBox="0 0 {} {}" preserveAspectRatio="none"><title>{}</title>{}</svg>'
    ).format(title, _ACROSS, _TALL, title, Markup("").join(pieces))


@dataclass(frozen=True, slots=True)
class _Panel:
    """One of the charts of throughput, with a bar for each span."""

    colour: str  #: the class that paints its bars
    name: str
    top: str  #: the highest value as text
    heights: Sequence[float]  #: of the bars, from 0 to 1


def throughput_chart(throughput: Throughput) -> Markup | None:
    """Creates settled in each span, and below it the wait of 95 %; None for too few spans."""
    spans = throughput.spans
    count = spans[-1].after // throughput.span_seconds + 1
    if count < _FEWEST_SPANS:
        return None
    width = (_WIDTH - 2 * _AXIS) / count
    places = [_AXIS + span.after / throughput.span_seconds * width for span in spans]
    titles = [
        f"after {grouped_digits(round(span.after))} s: {grouped_digits(span.settled)} settled, half within {rate(span.p50)} s, 95 % within {rate(span.p95)} s"
        for span in spans
    ]
    floors = [24 + (_HEIGHT + 34) * at + _HEIGHT for at in range(2)]
    pieces: list[Markup] = []
    for panel, floor in zip(_panels(throughput), floors, strict=True):
        pieces += _scale(panel, floor)
        pieces += _bars(panel, floor, places, titles, max(width - 1, 1.0))
    pieces += _times(floors[-1] + 18, f"{grouped_digits(round(count * throughput.span_seconds))} s")
    return Markup(
        '<svg class="pace" role="img" aria-label="Creates settled, and how long they waited, over time" viewBox="0 0 {} {}">{}</svg>'
    ).format(_WIDTH, floors[-1] + 26, Markup("").join(pieces))


def _panels(throughput: Throughput) -> tuple[_Panel, _Panel]:
    spans = throughput.spans
    most, longest = max(span.settled for span in spans), max(span.p95 for span in spans)
    waits = [span.p95 / longest if longest else 0 for span in spans]
    return (
        _Panel("created", "settled", grouped_digits(most), [span.settled / most for span in spans]),
        _Panel("waiting", "waited, 95 %", f"{rate(longest)} s", waits),
    )


def _scale(panel: _Panel, floor: int) -> Iterator[Markup]:
    """The name of a panel, its highest and lowest value, and the line on which its bars stand."""
    yield Markup(
        '<text x="{}" y="{}">{}</text><text class="soft" x="{}" y="{}" text-anchor="end">{}</text>'
    ).format(_AXIS, floor - _HEIGHT - 8, panel.name, _AXIS - 6, floor - _HEIGHT + 10, panel.top)
    yield Markup('<text class="soft" x="{}" y="{}" text-anchor="end">0</text>').format(
        _AXIS - 6, floor
    )
    yield Markup('<line x1="{}" x2="{}" y1="{}" y2="{}"/>').format(
        _AXIS, _WIDTH - _AXIS, floor, floor
    )


def _bars(
    panel: _Panel, floor: int, places: Sequence[float], titles: Sequence[str], width: float
) -> Iterator[Markup]:
    bar = Markup(
        '<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"><title>{}</title></rect>'
    ).format
    for left, part, title in zip(places, panel.heights, titles, strict=True):
        height = part * _HEIGHT
        yield bar(panel.colour, left, floor - height, width, height, title)


def _times(y: int, end: str) -> Iterator[Markup]:
    """The first and the last time of the axis."""
    text = Markup('<text class="soft" x="{}" y="{}" text-anchor="{}">{}</text>').format
    yield text(_AXIS, y, "start", "0 s")
    yield text(_WIDTH - _AXIS, y, "end", end)
