"""The page of a reconciliation: the verdict, the bridge per currency as a table and a waterfall, the differences by name."""

from typing import Any

from pipeline.currency import grouped_digits, major_units
from pipeline.outcomes import Discrepancy, Pattern
from pipeline.reporting.glance import currency_label
from pipeline.reporting.pages.pictures import bars_of, waterfall
from pipeline.reporting.pages.templates import template


def render_reconciliation(content: dict[str, Any]) -> str:
    """The content of a reconciliation's `summary.json` as a page for people."""
    currencies = sorted({code for step in content["bridge"] for code in step["figures"]})
    return template("reconciliation.html.j2").render(
        s=content,
        state=_state(content),
        currencies=currencies,
        waterfalls={code: waterfall(bars_of(content["bridge"], code), code) for code in currencies},
        kinds=[(kind.value, kind.sentence) for kind in Discrepancy],
        patterns=[(pattern.value, pattern.sentence) for pattern in Pattern],
        money=major_units,
        count=grouped_digits,
        currency_label=currency_label,
    )


def _state(content: dict[str, Any]) -> str:
    return {0: "good", 1: "attention"}.get(content["exit_code"], "broken")
