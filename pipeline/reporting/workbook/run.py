"""The sheets of a run."""

from collections.abc import Iterator, Sequence

from pipeline.domain.causes import Cause
from pipeline.domain.file_issues import FileIssue
from pipeline.domain.reason_help import EXPLANATIONS
from pipeline.domain.run_summary import RunSummary
from pipeline.domain.summary_parts import Example, ReasonCount, Throughput
from pipeline.reporting.context import ReportContext
from pipeline.reporting.headline import currency_label
from pipeline.reporting.money import KINDS
from pipeline.reporting.workbook.tables import (
    BRIDGE,
    FACTS,
    Table,
    amounts,
    both,
    bridge_rows,
    checks_table,
    differences_table,
    fates_table,
    open_tables,
    state_in_words,
    text,
    yes,
)

_MONEY = ("Currency", "Fate", *both("Debits"), *both("Credits"), *both("Net"))
_REASONS = ("Reason", "Records", "What it means", "Row", "Person", "As given", "What to do")
_ISSUES = ("Code", "What", "What it means", "What to do", "Accepted by")
_SIGNATURES = ("Role", "Name", "At", "State", "Changed since", "Signed digest", "Note")
_LINES = ("physical", "header", "skipped", "blank", "records")
_INPUTS = (
    "File",
    "SHA-256",
    "Bytes",
    "Lines",
    *(f"Lines: {kind}" for kind in _LINES if kind != "physical"),
)
_THROUGHPUT = (
    "Seconds after the first",
    "Settled",
    "Seconds, half within",
    "Seconds, 95 % within",
)

Rows = Iterator[Sequence[str | None]]


def run_tables(summary: RunSummary, context: ReportContext) -> Iterator[Table]:
    """The sheets of a run, without its lists of records."""
    against = context.billing.reconciliation
    yield Table("Report", FACTS, _facts_of_run(summary, context))
    yield fates_table(summary.fates)
    yield from _became(context)
    steps = [*bridge_rows("the run", summary.bridge)]
    steps += bridge_rows("the reconciliation", against.bridge) if against else ()
    yield Table("Bridge", BRIDGE, steps)
    yield Table("Money", _MONEY, _money(summary))
    yield Table("Balances", ("Fate", *(f"Records: {kind}" for kind in KINDS)), _kinds(summary))
    yield checks_table(summary.accounting)
    yield Table("Control totals", ("Stated by", "Of", "Stated", "Read", "Holds"), _totals(summary))
    yield Table("Reasons", _REASONS, _reasons(context.reasons))
    if summary.held_differs:
        fields = [(name, str(n)) for name, n in summary.held_differs.items()]
        yield Table("Held differ in", ("Field", "Records"), fields)
    yield Table("File issues", _ISSUES, _file_issues(summary))
    duplicates = [(one.row_id, one.fate, one.same_as, one.reasons) for one in context.duplicates]
    yield Table("Duplicates", ("Row", "Fate", "Same as", "Why"), duplicates)
    yield differences_table(context.billing.differences, context.billing.differences_in_all)
    yield from open_tables(context)
    yield Table("Signatures", _SIGNATURES, _signatures(context))
    yield Table("Run", FACTS, _run_details(summary))
    yield Table("Inputs", _INPUTS, _inputs(summary))
    yield Table("Stages", ("Stage", "Seconds", "Rows", "Peak memory, bytes"), _stages(summary))
    if summary.throughput:
        yield Table("Throughput", _THROUGHPUT, _spans(summary.throughput))


def _facts_of_run(summary: RunSummary, context: ReportContext) -> Rows:
    against, environment = context.billing.reconciliation, summary.environment
    yield "Verdict", summary.verdict
    if against:
        yield "Against billing", f"{against.verdict} ({against.reconciliation_id})"
    yield "Run", summary.run_id
    yield "Status", summary.status
    yield "Exit code", str(summary.exit_code)
    yield "Mode", environment.mode
    yield "Environment", environment.name
    yield "Merchant", environment.merchant
    yield "Sent to", environment.host
    yield "Planned", f"{summary.planned_at} by {summary.planner}"
    yield "Reported", summary.finished_at
    for one in context.signing.signed:
        signer = "nobody yet" if one.name is None else f"{one.name}, {one.at}"
        stale = f", STALE: {', '.join(one.changed)}" if one.changed else ""
        yield one.role.capitalize(), f"{signer}{stale}"
    yield "Evidence digest", context.signing.evidence


def _became(context: ReportContext) -> Iterator[Table]:
    """Later changes of the run's records, and the folders that could not be read."""
    if context.damaged_runs:
        yield Table("Not read", ("Folder",), [(one,) for one in context.damaged_runs])
    if context.current.overall:
        current = [(fate, str(records)) for fate, records in context.current.overall.items()]
        yield Table("Fates now", ("Fate now", "Records"), current)
        rows = [
            (one.before, one.after, one.run_id, str(one.records)) for one in context.current.changes
        ]
        yield Table("Changes", ("Fate before", "Fate after", "By the run", "Records"), rows)


def _money(summary: RunSummary) -> Rows:
    for code, by_fate in summary.debits.items():
        for fate, debits in by_fate.items():
            credits = summary.credits[code][fate]
            if debits or credits:
                yield currency_label(code), fate, *amounts(code, debits, credits, debits + credits)
    read = summary.read
    for code in sorted({*read.debits, *read.credits}):
        sides = read.debits.get(code, 0), read.credits.get(code, 0)
        yield currency_label(code), "read from the input", *amounts(code, *sides, sum(sides))


def _kinds(summary: RunSummary) -> Rows:
    for fate, kinds in summary.balances.items():
        if kinds.records:
            yield fate, *(str(records) for _, records in kinds)


def _totals(summary: RunSummary) -> Rows:
    for one in summary.control_totals:
        yield one.where, one.what, str(one.stated), str(one.found), yes(holds=one.holds)


def _reasons(reasons: Sequence[ReasonCount]) -> Rows:
    for reason in reasons:
        remedy = EXPLANATIONS[Cause.parse(reason.reason).reason].remedy
        first, *others = reason.shown or (Example(row_id=""),)
        yield (
            *(reason.reason, str(reason.rows), reason.sentence),
            *(first.row_id or None, first.person, first.given),
            remedy,
        )
        for one in others:
            yield "", "", "", one.row_id, one.person, one.given, ""


def _file_issues(summary: RunSummary) -> Rows:
    for one in summary.findings:
        remedy = EXPLANATIONS[FileIssue.of(one.code)].remedy
        yield one.code, one.what, one.sentence, remedy, summary.accepted.get(one.code)


def _signatures(context: ReportContext) -> Rows:
    for one in context.signing.signed:
        changed = ", ".join(one.changed)
        yield one.role, one.name, one.at, state_in_words(one.state), changed, one.evidence, one.note


def _run_details(summary: RunSummary) -> Rows:
    if summary.stopped_because:
        yield "Stopped because", summary.stopped_because
    for name, version in (summary.tools or {"pipeline": summary.version}).items():
        yield f"Version of {name}", version
    if summary.config:
        yield "Config", f"{summary.config.path}, SHA-256 {summary.config.sha256}"
    if known := summary.known_customers:
        yield "Known customers", f"{known.rows:,}, version {known.version}"
    for name, value in summary.settings:
        if value is not None:
            yield f"Setting: {name}", ", ".join(value) if name == "expect" else str(value)
    for name, number in summary.requests:
        yield f"Requests: {name}", str(number)
    yield "Settled for earlier runs", str(summary.settled_for_earlier_runs)
    yield "Account", summary.account or ""
    yield "In doubt from earlier runs", str(summary.left_by_earlier_runs.in_doubt)
    yield "Waiting for an earlier request, never sent", str(summary.waiting.records)
    yield "Created, cannot receive payments", str(summary.not_payable)
    for field, source in summary.mapping.items():
        yield f"Source of {field}", source
    for absent, cells in summary.absent_texts.items():
        yield f"Read as absent: {absent}", f"{cells:,} cells"
    for column, near in summary.columns_not_sent.items():
        yield f"Column not sent: {column}", f"did you mean {near}?" if near else ""


def _inputs(summary: RunSummary) -> Rows:
    for one in summary.inputs:
        lines = (str(getattr(one.lines, kind)) for kind in _LINES)
        yield one.name, one.sha256, str(one.bytes), *lines


def _stages(summary: RunSummary) -> Rows:
    for name, one in summary.profile.items():
        yield name, f"{one.seconds:.3f}", text(one.rows), text(one.peak_bytes)


def _spans(throughput: Throughput) -> Rows:
    for span in throughput.spans:
        yield tuple(str(value) for _, value in span)
