"""The page of a reconciliation: verdict, bridge, kinds of difference, differences, ledger."""

from collections.abc import Sequence
from typing import Any

from pipeline.domain.currency import grouped_digits, major_units
from pipeline.domain.discrepancies import Discrepancy, Pattern
from pipeline.reporting.headline import currency_label, has_minor_unit
from pipeline.reporting.html.bridge import bridge_of, label_of
from pipeline.reporting.html.templates import hash_of, template
from pipeline.reporting.report_status import status_of_reconciliation


def render_reconciliation(
    content: dict[str, Any], differences: Sequence[dict[str, Any]] = ()
) -> str:
    """Render a reconciliation's `summary.json`; `differences`: see `redacted.DIFFERENCES`."""
    return template("reconciliation.html.j2").render(
        s=content,
        status=status_of_reconciliation(content),
        script_hash=hash_of("page.js"),
        view=bridge_of(content["bridge"], content["residual"]),
        label_of=label_of,
        rows=differences,
        in_all=sum(content["differences"].values()),
        kinds=[(kind.value, kind.sentence) for kind in Discrepancy],
        patterns=[(pattern.value, pattern.sentence) for pattern in Pattern],
        money=major_units,
        count=grouped_digits,
        currency_label=currency_label,
        has_minor_unit=has_minor_unit,
    )
