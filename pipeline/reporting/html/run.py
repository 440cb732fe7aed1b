"""The page of a run and the data of its template."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.domain.causes import Cause
from pipeline.domain.currency import NO_CODE, NO_CURRENCY, grouped_digits, major_units
from pipeline.domain.fates import LISTS, Fate, list_of, meaning_of
from pipeline.domain.file_issues import FileIssue
from pipeline.domain.reason_help import EXPLANATIONS, Explanation
from pipeline.domain.run_summary import RunSummary
from pipeline.domain.summary_parts import AccountingCheck, Sides
from pipeline.reporting.context import ReportContext, Signing, planned_by
from pipeline.reporting.examples import without_examples
from pipeline.reporting.headline import (
    accounts,
    all_balances,
    currency_label,
    dialect_in_words,
    has_minor_unit,
    how_long,
    rate,
    sentence_of,
)
from pipeline.reporting.html.bridge import bridge_of, label_of
from pipeline.reporting.html.charts import throughput_chart
from pipeline.reporting.html.templates import hash_of, template
from pipeline.reporting.money import KINDS
from pipeline.reporting.report_status import reservations, since_then, status_of_run
from pipeline.reporting.verdict import deferred, stopped_by

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
    lines: list[tuple[Fate, Sides]]
    ended: Sides  #: over all fates
    read: Sides  #: summed from the source text

    @property
    def usable(self) -> bool:
        """Whether ISO 4217 gives its decimal places."""
        return has_minor_unit(self.currency)


def render_run(summary: RunSummary, context: ReportContext | None = None) -> str:
    """Render a summary and its context as a page."""
    context = context or ReportContext(
        reasons=without_examples(summary.reasons), signing=Signing(planned_by(summary))
    )
    against, now = context.billing.reconciliation, context.current.overall or summary.fates
    stops = stopped_by(summary) if summary.is_planned else []
    since = since_then(context.current.changes, context.current.overall, summary.run_id)
    view = bridge_of(against.bridge, against.residual) if against else bridge_of(summary.bridge)
    later = deferred(summary)
    return template("run.html.j2").render(
        s=summary,
        context=context,
        status=status_of_run(summary, against, context.current.overall, since),
        meaning_of=meaning_of,
        stopped_by=stops,
        reservations=list(reservations(summary, against, context.billing.reconciliations)),
        can_be_signed=summary.accounting.holds
        and not stops
        and (against is None or against.signable),
        script_hash=hash_of("page.js"),
        view=view,
        label_of=label_of,
        throughput_chart=throughput_chart(summary.throughput) if summary.throughput else None,
        submitted_again=_submitted_again(summary),
        rate=rate,
        fates=[(fate, summary.fates[fate], list_of(fate)) for fate in Fate],
        accounts=accounts(summary),
        kinds=KINDS,
        all_balances=all_balances(summary),
        later=later,
        how_long=how_long(summary.estimate),
        sentence_of=sentence_of,
        explained=lambda text: EXPLANATIONS[Cause.parse(text).reason],
        issues=_file_issues(summary),
        dialect_in_words=dialect_in_words,
        exit_meaning=EXIT_CODES.get(summary.exit_code, "see the documentation of exit codes"),
        lists=_by_list(summary.fates),
        now=_by_list(now),
        unsent_now=max(0, now.get(Fate.NOT_ATTEMPTED, 0) - later),
        in_doubt_now=now.get(Fate.IN_DOUBT, 0),
        statements=_statements(summary),
        checks=_checks(summary),
        money=major_units,
        count=grouped_digits,
        currency_label=currency_label,
        has_minor_unit=has_minor_unit,
    )


def _submitted_again(summary: RunSummary) -> bool:
    """Whether a create waited longer than the last attempt, so an earlier attempt began it."""
    paced, last = summary.throughput, summary.profile.get("submit")
    return bool(paced and last and paced.waited.most > last.seconds)


def _by_list(fates: Mapping[str, int]) -> dict[str, int]:
    """List -> records."""
    return {name: sum(fates.get(fate, 0) for fate in members) for name, members in LISTS.items()}


def _statements(summary: RunSummary) -> list[Statement]:
    """One statement per currency that was read or has a fate; unusable currencies come last."""
    read = summary.read
    made = [
        _statement(summary, code) for code in sorted({*summary.debits, *read.debits, *read.credits})
    ]
    return sorted(
        made, key=lambda statement: (not statement.usable, statement.ended == statement.read)
    )


def _statement(summary: RunSummary, currency: str) -> Statement:
    debits, credits = summary.debits.get(currency, {}), summary.credits.get(currency, {})
    read = summary.read
    return Statement(
        currency,
        [
            (fate, Sides(debits=debits.get(fate, 0), credits=credits.get(fate, 0)))
            for fate in Fate
            if debits.get(fate) or credits.get(fate)
        ],
        Sides(debits=sum(debits.values()), credits=sum(credits.values())),
        Sides(debits=read.debits.get(currency, 0), credits=read.credits.get(currency, 0)),
    )


def _file_issues(summary: RunSummary) -> list[tuple[str, str, Explanation]]:
    """Each raised issue once: code, meaning, explanation."""
    codes = dict.fromkeys(FileIssue.of(one.code) for one in summary.findings)
    return [(code.value, code.sentence, EXPLANATIONS[code]) for code in codes]


def _checks(summary: RunSummary) -> list[AccountingCheck]:
    """The checks, broken ones first; unusable currencies are spelled out."""
    return sorted(map(_spelled_out, summary.accounting.checks), key=lambda check: check.holds)


def _spelled_out(check: AccountingCheck) -> AccountingCheck:
    code = check.currency
    if code not in {NO_CODE, NO_CURRENCY}:
        return check
    what = check.what.replace(f" {code} ", f" ({currency_label(code)}) ")
    return check.changed(what=what)
