"""Compare summary.json with the recomputed figures, and the files of a run with each other."""

import html
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.domain.fates import LISTS, TROUBLED_FATES, Action, Fate
from pipeline.domain.manifest import RunManifest
from pipeline.domain.plan_file import InputFile, PlanFile
from pipeline.domain.reasons import Reason
from pipeline.domain.run_summary import RunSummary
from pipeline.domain.sign_offs import Acceptance
from pipeline.domain.summary_parts import AccountingCheck, Sides
from pipeline.storage.files import read_regular
from pipeline.verifier.checks import Check, differing
from pipeline.verifier.recomputed import Recomputed

#: Accounting checks before those of each currency: two of records, one of lines.
_GENERAL_CHECKS = 3
_WAITS = Reason.PLAN_EARLIER_REQUEST_UNSETTLED.value
_PAGE = "the page has the verdict of summary.json"
#: Fates of customers that billing should hold.
_IN_BILLING = (Fate.CREATED, Fate.CREATED_DIFFERENT, Fate.ALREADY_EXISTS_SAME)


def of_one_run(name: str, manifest: RunManifest, summary: RunSummary, plan: PlanFile) -> Check:
    """Manifest, plan and summary have the same run, inputs and settings."""
    wrong = next(_other_than_the_plan(name, manifest, summary, plan), "")
    return Check("manifest, plan and summary have the same run and inputs", not wrong, wrong)


def _other_than_the_plan(
    name: str, manifest: RunManifest, summary: RunSummary, plan: PlanFile
) -> Iterator[str]:
    if {manifest.run_id, summary.run_id} != {plan.run_id}:
        yield f"manifest, plan and summary of {name} name different runs"
    if not _same(manifest.inputs, plan.inputs):
        yield "inputs of manifest.json are not those of the plan"
    if not _same(summary.inputs, plan.inputs):
        yield "inputs of summary.json are not those of the plan"
    if summary.settings != plan.settings:
        yield "settings of summary.json are not those of the plan"
    config = plan.config.sha256 if plan.config else None
    if (manifest.config.sha256 if manifest.config else None) != config:
        yield "manifest.json names another config than the plan"
    if (summary.config.sha256 if summary.config else None) != config:
        yield "summary.json names another config than the plan"
    for what, stated, planned in (
        ("environment", summary.environment, plan.environment),
        ("planner", summary.planner, plan.planner),
        ("planned_at", summary.planned_at, plan.planned_at),
    ):
        if stated != planned:
            yield f"summary.json names another {what} than the plan"


def of_accepted(lines: str, summary: RunSummary, plan: PlanFile) -> Check:
    """The summary names the first person who accepted each issue in accepted.jsonl.

    Earlier versions kept these names in the plan.
    """
    first: dict[str, str] = {}
    for line in lines.splitlines():
        one = Acceptance.of(json.loads(line))
        first.setdefault(one.code, one.who)
    same = summary.accepted == {**first, **plan.accepted}
    found = "" if same else "summary.json and accepted.jsonl name different people"
    return Check(
        "summary.json and accepted.jsonl name the same people for each accepted issue", same, found
    )


def _same(stated: Sequence[InputFile], planned: Sequence[InputFile]) -> bool:
    """Whether inputs are the same except for their path: a copied folder may name new paths."""
    return [file.changed(path="") for file in stated] == [file.changed(path="") for file in planned]


def of_summary(found: Recomputed, summary: RunSummary, plan: PlanFile) -> Iterator[Check]:
    """Every figure of summary.json that follows from other figures or from the rows."""
    wrong = next(_wrong_figures(found, summary, plan), None)
    yield Check("every other figure of summary.json follows from these", wrong is None, wrong or "")


def _wrong_figures(found: Recomputed, summary: RunSummary, plan: PlanFile) -> Iterator[str]:
    yield from _wrong_sums(summary, plan)
    yield from _wrong_reasons(found, summary)
    yield from _wrong_waiting(found, summary)
    unusable = {fate: kinds.unusable for fate, kinds in summary.balances.items() if kinds.unusable}
    yield from _if(differing("unreadable amounts", unusable, summary.amounts_unreadable))
    for kind in ("header", "skipped", "blank"):
        lines = sum(getattr(file.lines, kind) for file in plan.inputs)
        stated = getattr(summary.records, kind)
        yield from _if(differing("lines", {kind: lines}, {kind: stated}))
    yield from _wrong_accounting(summary)
    yield from _wrong_bridge(summary)
    yield from _wrong_end(summary)


def _wrong_sums(summary: RunSummary, plan: PlanFile) -> Iterator[str]:
    for code in sorted({*summary.debits, *summary.credits, *summary.sums}):
        debits, credits = summary.debits.get(code, {}), summary.credits.get(code, {})
        net = {fate: debits.get(fate, 0) + credits.get(fate, 0) for fate in {*debits, *credits}}
        yield from _if(differing(f"sums {code}", net, summary.sums.get(code, {})))
        for side, by_fate, read in (
            ("debits", debits, summary.read.debits),
            ("credits", credits, summary.read.credits),
        ):
            yield from _if(
                differing(f"{side} read", {code: sum(by_fate.values())}, {code: read.get(code, 0)})
            )
    yield from _if(differing("debits read", summary.read.debits, plan.read.debits))
    yield from _if(differing("credits read", summary.read.credits, plan.read.credits))


def _wrong_reasons(found: Recomputed, summary: RunSummary) -> Iterator[str]:
    reasons = {one.reason: one.rows for one in summary.reasons}
    yield from _if(differing("reasons", dict(found.reasons), reasons))
    by_list = {one.reason: sum(one.by_list.values()) for one in summary.reasons if one.by_list}
    yield from _if(differing("reasons by list", {name: reasons[name] for name in by_list}, by_list))


def _wrong_waiting(found: Recomputed, summary: RunSummary) -> Iterator[str]:
    never_sent = summary.waiting
    yield from _if(
        differing("waiting", {"records": found.reasons[_WAITS]}, {"records": never_sent.records})
    )
    codes = {*found.waiting, *never_sent.sums} if found.has_amounts else set()
    for code in sorted(codes):
        sides = never_sent.sums.get(code, Sides())
        stated = {side: total for side, total in sides if total}
        yield from _if(differing(f"waiting {code}", dict(found.waiting[code]), stated))


def _wrong_accounting(summary: RunSummary) -> Iterator[str]:
    checks, summed = summary.accounting.checks, set[tuple[str, str]]()
    records = (summary.records.read, sum(summary.fates.values()))
    read = {"debits": summary.read.debits, "credits": summary.read.credits}
    ended = {"debits": summary.debits, "credits": summary.credits}
    for check in checks:
        side, code = check.what.partition(" ")[0], check.currency
        if side in read and code is not None:
            summed.add((side, code))
            yield from _other_sides(
                check, read[side].get(code, 0), sum(ended[side].get(code, {}).values())
            )
        elif check.what.startswith("records read"):
            yield from _other_sides(check, *records)
        if check.holds != (check.read == check.ended):
            yield f"the result of the check {check.what!r} does not follow from its figures"
    if summary.accounting.holds != all(check.holds for check in checks):
        yield "the result of the accounting checks does not follow from the checks"
    wanted = {(side, code) for side, sums in read.items() for code in sums}
    if len(checks) < _GENERAL_CHECKS + len(wanted) or not wanted <= summed:
        yield "an accounting check is missing"


def _other_sides(check: AccountingCheck, read: int, ended: int) -> Iterator[str]:
    ours, theirs = {"read": read, "ended": ended}, {"read": check.read, "ended": check.ended}
    yield from _if(differing(check.what, ours, theirs))


def _wrong_bridge(summary: RunSummary) -> Iterator[str]:
    """The total read, minus each fate's step, is the total expected: in records and currencies."""
    steps = {step.step: step for step in summary.bridge}
    taken = {fate.value for fate in Fate if fate not in _IN_BILLING and summary.fates[fate]}
    if missing := sorted({"read", "expected", *taken} - {*steps}):
        yield f"the bridge has no step for {missing[0]}"
    if "residual" in steps and summary.accounting.holds:
        yield "the bridge has a residual, but the accounting checks hold"
    for name, step in steps.items():
        if name == "residual":
            continue
        fates = list(Fate) if name == "read" else _IN_BILLING if name == "expected" else [name]
        sign = 1 if name in {"read", "expected"} else -1
        records = {"records": sign * sum(summary.fates.get(str(fate), 0) for fate in fates)}
        counted = {"records": sum(figure.records or 0 for figure in step.figures.values())}
        yield from _if(differing(f"bridge, {name}", records, counted))
        yield from _if(differing(f"bridge, {name}", records, {"records": step.records or 0}))
        if name == "read" and "residual" in steps:
            continue
        sums = {
            code: sign * sum(by_fate.get(str(fate), 0) for fate in fates)
            for code, by_fate in summary.sums.items()
        }
        stated = {code: figure.sum for code, figure in step.figures.items()}
        yield from _if(differing(f"bridge, {name}", sums, stated))


def _wrong_end(summary: RunSummary) -> Iterator[str]:
    code, planned = summary.exit_code, summary.is_planned
    due = _exit_codes(summary)
    if code not in due:
        yield f"exit code {code} instead of {' or '.join(map(str, sorted(due)))}"
    if not planned and summary.accounting.holds:
        yield from _wrong_verdict(summary)


def _exit_codes(summary: RunSummary) -> set[int]:
    """The exit codes that the figures allow."""
    fates, planned = summary.fates, summary.is_planned
    unsent = fates[Fate.NOT_ATTEMPTED] > summary.actions.get(Action.DEFER, 0)
    if unsent and not planned:
        due = {5}
    elif summary.accounting.holds:
        due = {int(any(fates[fate] for fate in TROUBLED_FATES))}
    else:
        due = {7}
    if planned:
        return due | {3}
    return due | {3, 4, 5} if summary.stopped_because is not None else due


def _wrong_verdict(summary: RunSummary) -> Iterator[str]:
    fates, verdict = summary.fates, summary.verdict
    created = sum(fates[fate] for fate in LISTS["created"])
    begins = f"{created:,} of {summary.records.read:,} records were created"
    if not verdict.startswith(begins):
        yield "the verdict does not state how many records were created"
    counts = {
        name: sum(fates[fate] for fate in LISTS[name]) for name in ("skipped", "held", "rejected")
    }
    counts |= {"in doubt": fates[Fate.IN_DOUBT], "given up": fates[Fate.GIVEN_UP]}
    for name, number in counts.items():
        if number and f"{number:,} {name}" not in verdict:
            yield f"the verdict does not state how many records are {name}"
    if not verdict.endswith(("accounted for.", "but the run is not finished: resume it.")):
        yield "the verdict does not end like one of a run that adds up"


def of_the_page(folder: Path, *texts: str) -> Check:
    """Whether the page has these texts of the summary; the rest is not checked."""
    path = folder / "report.html"
    if not path.is_file():
        return Check(_PAGE, None, "there is no page")
    return of_page_text(read_regular(path).decode("utf-8"), *texts)


def of_page_text(page: str, *texts: str) -> Check:
    """The same check for the text of a page."""
    text = html.unescape(page)
    missing = next((one for one in texts if one not in text), None)
    return Check(
        _PAGE,
        missing is None,
        f"the page does not have this text of summary.json: {missing}" if missing else "",
    )


def unread_books(folder: Path) -> Iterator[Check]:
    """A note that workbooks are not checked: they repeat pages and lists for people."""
    if books := [name for name in ("report.xlsx", "rejected.xlsx") if (folder / name).is_file()]:
        yield Check(
            "the workbooks agree with the page and the lists",
            None,
            f"{', '.join(books)}: not read",
        )


def _if(found: str | None) -> Iterator[str]:
    if found:
        yield found
