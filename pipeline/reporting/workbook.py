"""The reports as tables of texts for a workbook, one sheet per section of a page.

Amounts are in minor and major units. Major units have no thousands separators, so that spreadsheets
read numbers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pipeline.domain.causes import Cause, in_one_cell
from pipeline.domain.currency import major_units
from pipeline.domain.discrepancies import Discrepancy
from pipeline.domain.fates import SUPERSEDED, SUPERSEDED_MEANS, Fate, list_of
from pipeline.domain.file_issues import FileIssue
from pipeline.domain.reason_help import EXPLANATIONS
from pipeline.reporting.context import ReportContext
from pipeline.reporting.headline import currency_label
from pipeline.reporting.money import KINDS
from pipeline.reporting.redacted import DIFFERENCES

_MEND: dict[str, str] = {issue.value: EXPLANATIONS[issue].mend for issue in FileIssue}
_FIGURES = (
    "Records",
    "Found",
    "minor units",
    "Amount",
    "Debits",
    "Credits",
    "Net",
    "Days",
    "Runs",
    "Seconds",
    "Bytes",
    "Lines",
    "Rows",
)


class Table(NamedTuple):
    """A sheet: name, header, rows of texts."""

    name: str
    header: Sequence[str]
    rows: Iterable[Sequence[str | None]]

    @property
    def figures(self) -> list[bool]:
        """Which columns contain figures."""
        return [any(word in title for word in _FIGURES) for title in self.header]


def run_tables(content: Mapping[str, Any], context: ReportContext) -> Iterator[Table]:
    """The sheets of a run, without its lists of records."""
    yield Table("Report", ("Item", "Value"), _facts_of_run(content, context))
    yield _fates(content["fates"])
    yield from _became(context)
    yield Table(
        "Bridge",
        _BRIDGE,
        [
            *_bridge("the run", content),
            *_bridge("the reconciliation", context.reconciliation or {}),
        ],
    )
    yield Table(
        "Money",
        ("Currency", "Fate", *_both("Debits"), *_both("Credits"), *_both("Net")),
        _money(content),
    )
    yield Table("Balances", ("Fate", *(f"Records: {kind}" for kind in KINDS)), _kinds(content))
    yield _checks(content["conservation"])
    yield Table(
        "Control totals", ("Stated by", "Of", "Stated", "Read", "Holds"),
        [
            (one["where"], one["what"], str(one["stated"]), str(one["found"]), _yes(holds=one["holds"]))
            for one in content.get("control_totals", [])
        ],
    )  # fmt: skip
    yield Table(
        "Reasons",
        ("Reason", "Records", "What it means", "Row", "Person", "As given", "What to do"),
        _reasons(context.reasons),
    )
    if content.get("held_differs"):
        yield Table(
            "Held differ in",
            ("Field", "Records"),
            [(name, str(n)) for name, n in content["held_differs"].items()],
        )
    yield Table(
        "File issues", ("Code", "What", "What it means", "What to do", "Accepted by"),
        [
            (one["code"], one["what"], one["sentence"], _MEND[one["code"]], content["accepted"].get(one["code"]))
            for one in content["findings"]
        ],
    )  # fmt: skip
    yield Table(
        "Duplicates", ("Row", "Fate", "Same as", "Why"),
        [(one["row_id"], one["fate"], one["same_as"], one["reasons"]) for one in context.duplicates],
    )  # fmt: skip
    yield _differences(context.differences, context.differences_in_all)
    yield from _open(context)
    yield Table(
        "Signatures", ("Role", "Name", "At", "State", "Changed since", "Signed digest", "Note"),
        [(one.role, one.name, one.at, one.state, ", ".join(one.changed), one.evidence, one.note) for one in context.signed],
    )  # fmt: skip
    yield Table("Run", ("Item", "Value"), _run_details(content))
    yield Table(
        "Inputs", ("File", "SHA-256", "Bytes", "Lines", "Lines: header", "Lines: skipped", "Lines: blank", "Lines: records"),
        [
            (one["name"], one["sha256"], str(one["bytes"]), *(str(one["lines"][kind]) for kind in ("physical", "header", "skipped", "blank", "records")))
            for one in content["inputs"]
        ],
    )  # fmt: skip
    yield Table(
        "Stages", ("Stage", "Seconds", "Rows", "Peak memory, bytes"),
        [(name, f"{one['seconds']:.3f}", _text(one["rows"]), _text(one["peak_bytes"])) for name, one in content["profile"].items()],
    )  # fmt: skip
    if content.get("pace"):
        yield Table(
            "Pace", ("Seconds after the first", "Settled", "Seconds, half within", "Seconds, 95 % within"),
            [tuple(str(span[name]) for name in ("after", "settled", "p50", "p95")) for span in content["pace"]["spans"]],
        )  # fmt: skip


def reconciliation_tables(
    content: Mapping[str, Any], differences: Sequence[Mapping[str, Any]]
) -> Iterator[Table]:
    """The sheets of a reconciliation."""
    yield Table("Report", ("Item", "Value"), _facts_of_reconciliation(content))
    yield Table("Bridge", _BRIDGE, _bridge("the reconciliation", content))
    yield Table(
        "Residual", ("Currency", "Records", "Minor units", "Amount"),
        [
            (currency_label(code), _text(left["records"]), str(left["sum"]), _major(left["sum"], code))
            for code, left in content["residual"].items()
        ],
    )  # fmt: skip
    yield Table(
        "Kinds", ("Difference", "Found", "What it means"),
        [
            (
                kind.value,
                "" if kind.value in content["not_determinable"] else str(content["differences"][kind.value]),
                f"not determinable: {content['not_determinable'][kind.value]}" if kind.value in content["not_determinable"] else kind.sentence,
            )
            for kind in Discrepancy
        ],
    )  # fmt: skip
    yield _differences(differences, sum(content["differences"].values()))
    yield Table(
        "Ledger", ("Run", "Created, by its report", "Settled since", "Created, by the ledger", "Agree"),
        [
            (one["run_id"], str(one["reported"]), str(one["settled_since"]), str(one["recorded"]), _yes(holds=one["agrees"]))
            for one in content["ledger"]
        ],
    )  # fmt: skip


def period_tables(content: Mapping[str, Any], context: ReportContext) -> Iterator[Table]:
    """The sheets of a span of time."""
    once = content["once"]
    facts = (
        ("Verdict", content["verdict"]),
        ("From", content["since"]),
        ("To", content["until"]),
        ("Made", f"{content['finished_at']} by {content['reviewer']}"),
    )
    yield Table("Report", ("Item", "Value"), facts)
    yield _fates(once["fates"])
    yield Table(
        "Money", ("Currency", "Fate", "Records", *_both("Net")),
        [
            (currency_label(code), fate, str(once["counts"][code][fate]), str(total), _major(total, code))
            for code, by_fate in once["sums"].items()
            for fate, total in by_fate.items()
        ],
    )  # fmt: skip
    yield Table(
        "Files", ("File", "SHA-256", "First taken", "Times", "Records", "Corrected rows"),
        [
            (one["name"], one["sha256"], one["taken_at"], *(str(one[name]) for name in ("times", "records", "mends")))
            for one in content["files"]
        ],
    )  # fmt: skip
    yield Table(
        "Runs", ("Run", "Planned", "By", "Records read", "Records created", "Exit code", "Reviewed by", "State", "Against billing"),
        [
            (
                run["run_id"], run["planned_at"], run["planner"], str(run["read"]), str(run["created"]), str(run["exit_code"]),
                run["reviewed"]["name"], run["reviewed"]["state"], run["against"]["verdict"] if run["against"] else "",
            )
            for run in content["runs"]
        ],
    )  # fmt: skip
    yield from _open(context)
    yield _checks(once["conservation"])


_BRIDGE = (
    "Of",
    "Currency",
    "Step",
    "What it means",
    "Is a total",
    "Records",
    "Minor units",
    "Amount",
)


def _facts_of_run(content: Mapping[str, Any], context: ReportContext) -> Iterator[tuple[str, str]]:
    against = context.reconciliation
    yield "Verdict", content["verdict"]
    if against:
        yield "Against billing", f"{against['verdict']} ({against['reconciliation_id']})"
    yield "Run", content["run_id"]
    yield "Status", content["status"]
    yield "Exit code", str(content["exit_code"])
    yield "Mode", content["environment"]["mode"]
    yield "Environment", content["environment"]["name"]
    yield "Merchant", content["environment"]["merchant"]
    yield "Sent to", content["environment"]["host"]
    yield "Planned", f"{content['planned_at']} by {content['planner']}"
    yield "Reported", content["finished_at"]
    for one in context.signed:
        signer = "nobody yet" if one.name is None else f"{one.name}, {one.at}"
        yield (
            one.role.capitalize(),
            f"{signer}{', STALE: ' + ', '.join(one.changed) if one.changed else ''}",
        )
    yield "Evidence digest", context.evidence


def _run_details(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if content["stopped_because"]:
        yield "Stopped because", content["stopped_because"]
    for name, version in content.get("tools", {"pipeline": content["version"]}).items():
        yield f"Version of {name}", version
    if content["config"]:
        yield "Config", f"{content['config']['path']}, SHA-256 {content['config']['sha256']}"
    if content["references"]:
        yield (
            "Known customers",
            f"{content['references']['rows']}, version {content['references']['version']}",
        )
    yield from (
        (f"Setting: {name}", str(value))
        for name, value in content["settings"].items()
        if value is not None
    )
    yield from ((f"Requests: {name}", str(number)) for name, number in content["requests"].items())
    yield "Settled for earlier runs", str(content["settled_for_earlier_runs"])
    yield "Account", content["account"] or ""
    yield "In doubt from earlier runs", str(content["left_by_earlier_runs"]["in_doubt"])
    yield "Waiting for an earlier request, never sent", str(content["waiting"]["records"])
    yield "Cannot be paid against", str(content["cannot_be_paid_against"])
    yield from ((f"Source of {field}", source) for field, source in content["mapping"].items())
    yield from (
        (f"Read as absent: {text}", f"{cells} cells")
        for text, cells in content["absent_texts"].items()
    )
    yield from (
        (f"Column not sent: {column}", f"did you mean {near}?" if near else "")
        for column, near in content["columns_not_sent"].items()
    )


def _facts_of_reconciliation(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Verdict", content["verdict"]
    yield "Can be signed", _yes(holds=content["signable"])
    yield "Exit code", str(content["exit_code"])
    yield "Reconciliation", content["reconciliation_id"]
    yield from (("Run", run_id) for run_id in content["runs"])
    yield from (("Left out", f"{run_id} {why}") for run_id, why in content["left_out"].items())
    yield from (
        ("Not read", f"{one['run_id']}: {one['reason']}") for one in content["damaged_runs"]
    )
    yield "Billing, by", content["method"]
    yield from (
        ("Export", f"{file['name']}, SHA-256 {file['sha256']}") for file in content["export"]
    )
    yield "Compared", ", ".join(content["compared"])
    yield (
        "Tolerances",
        ", ".join(f"{name} {allowed}" for name, allowed in content["tolerances"].items()) or "none",
    )
    if sample := content.get("sample"):
        yield (
            "Sample",
            f"{sample['customers']} of {sample['of']}, {sample['differing']} differ; at most {sample['at_most'] * 100:.3g} % of all, with {sample['confidence'] * 100:.0f} % confidence",
        )
    yield from (
        (f"Accepted difference: {code}", why) for code, why in content["legacy"]["because"].items()
    )
    yield "Done", f"{content['finished_at']} by {content['reviewer']}"


def _fates(fates: Mapping[str, int]) -> Table:
    rows = [
        (fate.value, str(fates[fate.value]), fate.sentence, f"{list_of(fate)}.csv") for fate in Fate
    ]
    if fates.get(SUPERSEDED):
        rows.append((SUPERSEDED, str(fates[SUPERSEDED]), SUPERSEDED_MEANS, ""))
    return Table("Fates", ("Fate", "Records", "What it means", "Listed in"), rows)


def _became(context: ReportContext) -> Iterator[Table]:
    """Later changes of the run's records, and the folders that could not be read."""
    if context.damaged_runs:
        yield Table("Not read", ("Folder",), [(one,) for one in context.damaged_runs])
    if context.overall:
        yield Table(
            "Fates now",
            ("Fate now", "Records"),
            [(fate, str(n)) for fate, n in context.overall.items()],
        )
        rows = [
            (one["then"], one["now"], one["run_id"], str(one["records"])) for one in context.became
        ]
        yield Table("Changes", ("Fate then", "Fate now", "By the run", "Records"), rows)


def _money(content: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for code, by_fate in content["debits"].items():
        for fate, debits in by_fate.items():
            credits = content["credits"][code][fate]
            if debits or credits:
                yield currency_label(code), fate, *_amounts(code, debits, credits, debits + credits)
    read = content["read"]
    for code in sorted({*read["debits"], *read["credits"]}):
        sides = read["debits"].get(code, 0), read["credits"].get(code, 0)
        yield currency_label(code), "read from the input", *_amounts(code, *sides, sum(sides))


def _kinds(content: Mapping[str, Any]) -> Iterator[Sequence[str]]:
    for fate, kinds in content["balances"].items():
        if any(kinds.values()):
            yield fate, *(str(kinds[kind]) for kind in KINDS)


def _bridge(of: str, content: Mapping[str, Any]) -> Iterator[Sequence[str | None]]:
    steps = content.get("bridge", [])
    for step in steps:
        yield (
            of,
            "records",
            step["step"],
            step["sentence"],
            _yes(holds=step["is_total"]),
            _text(step.get("records")),
            "",
            "",
        )
    for code in sorted({code for step in steps for code in step["figures"]}):
        for step in steps:
            if figure := step["figures"].get(code):
                amounts = _text(figure["records"]), str(figure["sum"]), _major(figure["sum"], code)
                yield (
                    of,
                    currency_label(code),
                    step["step"],
                    step["sentence"],
                    _yes(holds=step["is_total"]),
                    *amounts,
                )


def _checks(conservation: Mapping[str, Any]) -> Table:
    rows = [
        (one["what"], str(one["read"]), str(one["ended"]), _yes(holds=one["holds"]))
        for one in conservation["checks"]
    ]
    return Table("Checks", ("Check", "Read", "Ended", "Holds"), rows)


def _reasons(reasons: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[str | None]]:
    for reason in reasons:
        for at, one in enumerate(reason["shown"] or [{}]):
            first = (
                (reason["reason"], str(reason["rows"]), reason["sentence"])
                if not at
                else ("", "", "")
            )
            mend = EXPLANATIONS[Cause.parse(reason["reason"]).reason].mend if not at else ""
            yield *first, one.get("row_id"), one.get("person"), one.get("given"), mend


def _differences(differences: Sequence[Mapping[str, Any]], in_all: int) -> Table:
    rows: list[Sequence[str | None]] = [[one[name] for name in DIFFERENCES] for one in differences]
    if in_all > len(rows):
        rows.append([f"{in_all - len(rows)} more, in differences.csv"])
    heads = [f"{name} (minor units)" if name == "amount" else name for name in DIFFERENCES]
    return Table("Differences", heads, rows)


def _open(context: ReportContext) -> Iterator[Table]:
    yield Table(
        "Open items",
        ("Fate", "Records", "Oldest since", "Days", "Runs", "Currency", "Minor units", "Amount"),
        _open_items(context),
    )
    yield Table(
        "Open rows", ("Row", "Run", "Fate", "Why", "Person", "Since", "Days", "Runs"),
        [
            (one["row_id"], one["run_id"], one["fate"], in_one_cell(one["reasons"]), one["person"], one["since"], str(one["days"]), str(one["runs"]))
            for one in context.oldest
        ],
    )  # fmt: skip


def _open_items(context: ReportContext) -> Iterator[Sequence[str]]:
    for one in context.open_items:
        for at, (code, amount) in enumerate((one["sums"] or {"": None}).items()):
            first = [
                one["fate"],
                str(one["records"]),
                one["since"],
                str(one["days"]),
                str(one["runs"]),
            ]
            amounts = ("", "") if amount is None else (str(amount), _major(amount, code))
            yield *(first if not at else [""] * 5), currency_label(code), *amounts


def _both(title: str) -> tuple[str, str]:
    return f"{title}, minor units", title


def _amounts(code: str, *amounts: int) -> Iterator[str]:
    for amount in amounts:
        yield str(amount)
        yield _major(amount, code)


def _major(amount: int, code: str) -> str:
    return major_units(amount, code).replace(",", "")


def _yes(*, holds: bool) -> str:
    return "yes" if holds else "NO"


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
