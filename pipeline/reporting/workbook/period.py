"""The sheets of a period."""

from collections.abc import Iterator

from pipeline.domain.period_report import PeriodReport
from pipeline.reporting.context import ReportContext
from pipeline.reporting.headline import currency_label
from pipeline.reporting.workbook.tables import (
    FACTS,
    Table,
    both,
    checks_table,
    fates_table,
    major,
    open_tables,
    state_in_words,
)


def period_tables(content: PeriodReport, context: ReportContext) -> Iterator[Table]:
    """The sheets of a period."""
    once = content.once
    facts = (
        ("Verdict", content.verdict),
        ("From", content.since),
        ("To", content.until),
        ("Made", f"{content.finished_at} by {content.reviewer}"),
    )
    yield Table("Report", FACTS, facts)
    yield fates_table(once.fates)
    yield Table(
        "Money", ("Currency", "Fate", "Records", *both("Net")),
        [
            (currency_label(code), fate, str(once.counts[code][fate]), str(total), major(total, code))
            for code, by_fate in once.sums.items()
            for fate, total in by_fate.items()
        ],
    )  # fmt: skip
    yield Table(
        "Files", ("File", "SHA-256", "First taken", "Times", "Records", "Corrected rows"),
        [
            (one.name, one.sha256, one.taken_at, *map(str, (one.times, one.records, one.corrections)))
            for one in content.files
        ],
    )  # fmt: skip
    yield Table(
        "Runs", ("Run", "Planned", "By", "Records read", "Records created", "Exit code", "Reviewed by", "State", "Against billing"),
        [
            (
                run.run_id, run.planned_at, run.planner, *map(str, (run.read, run.created, run.exit_code)),
                run.reviewed.name, state_in_words(run.reviewed.state), run.against.verdict if run.against else "",
            )
            for run in content.runs
        ],
    )  # fmt: skip
    yield from open_tables(context)
    yield checks_table(once.accounting)
