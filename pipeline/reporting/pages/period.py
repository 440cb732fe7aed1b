"""The page of a span of time, such as a month."""

from typing import Any

from pipeline.currency import grouped_digits, major_units
from pipeline.outcomes import LISTS, Fate
from pipeline.reporting.beside import Beside
from pipeline.reporting.glance import currency_label, has_minor_unit
from pipeline.reporting.pages.templates import hash_of, template


def render_period(content: dict[str, Any], beside: Beside) -> str:
    """The page of a period."""
    once = content["once"]
    codes = sorted(once["sums"], key=lambda code: (not has_minor_unit(code), code))
    broken = not once["conservation"]["holds"] or any(run["exit_code"] == 7 for run in content["runs"])
    return template("period.html.j2").render(
        s=content,
        beside=beside,
        state="broken" if broken else "attention" if beside.open_items else "good",
        script_hash=hash_of("page.js"),
        fates=[(fate, once["fates"][fate.value], _list_of(fate)) for fate in Fate],
        currencies=codes,
        money=major_units,
        count=grouped_digits,
        currency_label=currency_label,
        has_minor_unit=has_minor_unit,
    )


def _list_of(fate: Fate) -> str:
    return next(name for name, fates in LISTS.items() if fate in fates)
