"""The page of a span of time, such as a month."""

from typing import Any

from pipeline.domain.currency import grouped_digits, major_units
from pipeline.domain.fates import SUPERSEDED, SUPERSEDED_MEANS, Fate, list_of
from pipeline.reporting.context import ReportContext
from pipeline.reporting.headline import currency_label, has_minor_unit
from pipeline.reporting.html.templates import hash_of, template
from pipeline.reporting.report_status import status_of_period


def render_period(content: dict[str, Any], context: ReportContext) -> str:
    """Render a period's `summary.json` as a page."""
    once, runs = content["once"], content["runs"]
    return template("period.html.j2").render(
        s=content,
        context=context,
        status=status_of_period(content),
        reviewed=sum(run["reviewed"]["state"] == "stands" for run in runs),
        reconciled=sum(run["against"] is not None for run in runs),
        script_hash=hash_of("page.js"),
        fates=[
            *(
                (fate.value, once["fates"][fate.value], list_of(fate), fate.sentence)
                for fate in Fate
            ),
            (SUPERSEDED, once["fates"][SUPERSEDED], "skipped", SUPERSEDED_MEANS),
        ],
        currencies=sorted(once["sums"], key=lambda code: (not has_minor_unit(code), code)),
        money=major_units,
        count=grouped_digits,
        currency_label=currency_label,
        has_minor_unit=has_minor_unit,
    )
