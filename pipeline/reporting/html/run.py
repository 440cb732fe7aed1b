"""The page of a run and the data of its template."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.domain.causes import Cause
from pipeline.domain.currency import NO_CODE, NO_CURRENCY, grouped_digits, major_units
from pipeline.domain.fates import LISTS, SUPERSEDED_MEANS, Fate, list_of
from pipeline.domain.file_issues import FileIssue
from pipeline.domain.reason_help import EXPLANATIONS, Explanation
from pipeline.reporting.context import ReportContext, planned_by
from pipeline.reporting.examples import without_examples
from pipeline.reporting.headline import (
    accounts,
    all_balances,
    currency_label,
    has_minor_unit,
    how_long,
    not_attempted,
    sentence_of,
    written,
)
from pipeline.reporting.html.bridge import bridge_of, label_of
from pipeline.reporting.html.charts import pace_chart, rate
from pipeline.reporting.html.templates import hash_of, template
from pipeline.reporting.money import KINDS
from pipeline.reporting.report_status import reservations, since_then, status_of_run, stopped_by
from pipeline.reporting.summary import deferred

#: The meaning of the exit codes that a summary can have.
EXIT_CODES = {
    0: "clean",
    1: "some records were rejected, refused, held or are in doubt",
    3: "stopped by a threshold before anything more was sent",
    4: "stopped by a problem that a person has to fix; nothing more was sent",
    5: "stopped before the end; it can be resumed",
    7: "the figures are out of balance",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """The account of one currency in minor units: by fate, in all, and as read from the input."""

    currency: str
    lines: list[tuple[Fate, int, int]]  #: fate, debits, credits
    ended: tuple[int, int]  #: debits, credits over all fates
    read: tuple[int, int]  #: debits, credits summed from the source text

    @property
    def usable(self) -> bool:
        """Whether ISO 4217 gives its decimal places."""
        return has_minor_unit(self.currency)


def render_run(content: dict[str, Any], context: ReportContext | None = None) -> str:
    """Render the content of `summary.json` and its context as a page."""
    context = context or ReportContext(
        reasons=without_examples(content["reasons"]), signed=planned_by(content)
    )
    against = context.reconciliation
    stops = stopped_by(content) if content["status"] == "planned" else []
    since = since_then(context.became, context.overall, content["run_id"])
    view = (
        bridge_of(against["bridge"], against["residual"])
        if against
        else bridge_of(content.get("bridge", []))
    )
    paced = content.get("pace")
    return template("run.html.j2").render(
        s=content,
        context=context,
        status=status_of_run(content, against, context.overall, since),
        meaning_of=_meaning_of,
        stopped_by=stops,
        reservations=list(reservations(content, against, context.reconciliations)),
        can_be_signed=content["conservation"]["holds"]
        and not stops
        and (against is None or against["signable"]),
        script_hash=hash_of("page.js"),
        view=view,
        label_of=label_of,
        pace=paced,
        pace_chart=pace_chart(paced) if paced else None,
        submitted_again=_submitted_again(content),
        rate=rate,
        exit_meaning=EXIT_CODES.get(content["exit_code"], "see the documentation of exit codes"),
        fates=[(fate, content["fates"][fate.value], list_of(fate)) for fate in Fate],
        accounts=accounts(content),
        kinds=KINDS,
        all_balances=all_balances(content),
        later=deferred(content),
        unsent=not_attempted(content),
        how_long=how_long(content["estimate"]),
        sentence_of=sentence_of,
        explained=lambda text: EXPLANATIONS[Cause.parse(text).reason],
        issues=_file_issues(content),
        written=written,
        lists=_by_list(content["fates"]),
        now=_by_list(context.overall or content["fates"]),
        unsent_now=max(
            0, (context.overall or content["fates"]).get("not_attempted", 0) - deferred(content)
        ),
        in_doubt_now=(context.overall or content["fates"]).get("in_doubt", 0),
        statements=_statements(content),
        checks=_checks(content),
        money=major_units,
        count=grouped_digits,
        currency_label=currency_label,
        has_minor_unit=has_minor_unit,
    )


def _submitted_again(content: dict[str, Any]) -> bool:
    """Whether a create waited longer than the last attempt, so an earlier attempt began it."""
    paced, last = content.get("pace"), content["profile"].get("submit")
    return bool(paced and last and paced["waited"]["most"] > last["seconds"])


def _by_list(fates: Mapping[str, int]) -> dict[str, int]:
    """List -> records."""
    return {name: sum(fates.get(fate, 0) for fate in members) for name, members in LISTS.items()}


def _meaning_of(fate: str) -> str:
    return next((known.sentence for known in Fate if known == fate), SUPERSEDED_MEANS)


def _statements(content: dict[str, Any]) -> list[Statement]:
    """One statement per currency that was read or has a fate; unusable currencies come last."""
    read = content["read"]
    made = [
        _statement(content, code)
        for code in sorted({*content["debits"], *read["debits"], *read["credits"]})
    ]
    return sorted(
        made, key=lambda statement: (not statement.usable, statement.ended == statement.read)
    )


def _statement(content: dict[str, Any], currency: str) -> Statement:
    debits, credits = content["debits"].get(currency, {}), content["credits"].get(currency, {})
    lines = [(fate, debits.get(fate.value, 0), credits.get(fate.value, 0)) for fate in Fate]
    read = content["read"]
    return Statement(
        currency,
        [line for line in lines if line[1] or line[2]],
        (sum(debits.values()), sum(credits.values())),
        (read["debits"].get(currency, 0), read["credits"].get(currency, 0)),
    )


def _file_issues(content: dict[str, Any]) -> list[tuple[str, str, Explanation]]:
    """Each raised issue once: code, meaning, explanation."""
    codes = {code.value: code for code in FileIssue}
    named = dict.fromkeys(one["code"] for one in content["findings"])
    return [(name, codes[name].sentence, EXPLANATIONS[codes[name]]) for name in named]


def _checks(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The checks, broken ones first; unusable currencies are spelled out."""
    checks = sorted(content["conservation"]["checks"], key=lambda check: bool(check["holds"]))
    return [
        {
            **check,
            "what": check["what"].replace(
                f" {check['currency']} ", f" ({currency_label(check['currency'])}) "
            ),
        }
        if check["currency"] in {NO_CODE, NO_CURRENCY}
        else check
        for check in checks
    ]
