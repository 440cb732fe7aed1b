"""Compare summary.json with the recomputed figures, and the files of a run with each other."""

import html
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.domain.fates import LISTS, TROUBLED_FATES, Action, Fate
from pipeline.domain.reasons import Reason
from pipeline.storage.files import read_regular
from pipeline.verifier.checks import Check, differing
from pipeline.verifier.row_by_row import Recomputed

#: Accounting checks before those of each currency: two of records, one of lines.
_GENERAL_CHECKS = 3
_WAITS = Reason.PLAN_EARLIER_REQUEST_UNSETTLED.value
_PAGE = "the page has the verdict of summary.json"
#: Fates of customers that billing should hold.
_IN_BILLING = (Fate.CREATED, Fate.CREATED_DIFFERENT, Fate.ALREADY_EXISTS_SAME)


def of_one_run(
    name: str, manifest: dict[str, Any], summary: dict[str, Any], plan: dict[str, Any]
) -> Check:
    """Manifest, plan and summary have the same run, inputs and settings."""
    wrong = []
    if {manifest["run_id"], summary["run_id"], plan["run_id"]} != {plan["run_id"]}:
        wrong.append(f"manifest, plan and summary of {name} name different runs")
    others = (("manifest.json", manifest), ("summary.json", summary))
    wrong += [
        f"inputs of {other} are not those of the plan"
        for other, content in others
        if not _same(content["inputs"], plan["inputs"])
    ]
    if summary["settings"] != plan["settings"]:
        wrong.append("settings of summary.json are not those of the plan")
    config = plan["config"]["sha256"] if plan["config"] else None
    named = [
        (other, content["config"]["sha256"] if content["config"] else None)
        for other, content in others
    ]
    wrong += [
        f"{other} names another config than the plan" for other, sha256 in named if sha256 != config
    ]
    wrong += [
        f"summary.json names another {what} than the plan"
        for what in ("environment", "planner", "planned_at")
        if summary[what] != plan[what]
    ]
    return Check(
        "manifest, plan and summary have the same run and inputs",
        not wrong,
        wrong[0] if wrong else "",
    )


def of_accepted(lines: str, summary: dict[str, Any], plan: dict[str, Any]) -> Check:
    """The summary names the first person who accepted each issue in accepted.jsonl.

    Earlier versions kept these names in the plan.
    """
    first: dict[str, str] = {}
    for line in lines.splitlines():
        one = json.loads(line)
        first.setdefault(one["code"], one["who"])
    same = summary["accepted"] == {**first, **plan.get("accepted", {})}
    found = "" if same else "summary.json and accepted.jsonl name different people"
    return Check(
        "summary.json and accepted.jsonl name the same people for each accepted issue", same, found
    )


def _same(stated: Any, planned: Any) -> bool:
    """Whether inputs are the same except for their path: a copied folder may name new paths."""
    if isinstance(stated, list) and isinstance(planned, list):
        bare = [
            [{key: value for key, value in one.items() if key != "path"} for one in both]
            for both in (stated, planned)
        ]
        return bare[0] == bare[1]
    return bool(stated == planned)


def of_summary(found: Recomputed, summary: dict[str, Any], plan: dict[str, Any]) -> Iterator[Check]:
    """Every figure of summary.json that follows from other figures or from the rows."""
    wrong = next(_wrong_figures(found, summary, plan), None)
    yield Check("every other figure of summary.json follows from these", wrong is None, wrong or "")


def _wrong_figures(
    found: Recomputed, summary: dict[str, Any], plan: dict[str, Any]
) -> Iterator[str]:
    codes = sorted({*summary["debits"], *summary["credits"], *summary["sums"]})
    for code in codes:
        debits, credits = summary["debits"].get(code, {}), summary["credits"].get(code, {})
        net = {fate: debits.get(fate, 0) + credits.get(fate, 0) for fate in {*debits, *credits}}
        yield from _if(differing(f"sums {code}", net, summary["sums"].get(code, {})))
        for side, by_fate in (("debits", debits), ("credits", credits)):
            read = summary["read"][side].get(code, 0)
            yield from _if(differing(f"{side} read", {code: sum(by_fate.values())}, {code: read}))
    for side in ("debits", "credits"):
        yield from _if(
            differing(f"{side} read", dict(summary["read"][side]), dict(plan["read"][side]))
        )
    reasons = {one["reason"]: one["rows"] for one in summary["reasons"]}
    yield from _if(differing("reasons", dict(found.reasons), reasons))
    if "waiting" in summary:
        never_sent = summary["waiting"]
        yield from _if(
            differing(
                "waiting", {"records": found.reasons[_WAITS]}, {"records": never_sent["records"]}
            )
        )
        codes_of = {*found.waiting, *never_sent["sums"]} if found.has_amounts else set()
        for code in sorted(codes_of):
            stated = {
                side: total for side, total in never_sent["sums"].get(code, {}).items() if total
            }
            yield from _if(differing(f"waiting {code}", dict(found.waiting[code]), stated))
    by_list = {
        one["reason"]: sum(one["by_list"].values())
        for one in summary["reasons"]
        if "by_list" in one
    }
    yield from _if(differing("reasons by list", {name: reasons[name] for name in by_list}, by_list))
    unusable = {
        fate: kinds["unusable"] for fate, kinds in summary["balances"].items() if kinds["unusable"]
    }
    yield from _if(differing("unreadable amounts", unusable, summary["amounts_unreadable"]))
    lines: Counter[str] = Counter()
    for file in plan["inputs"]:
        lines.update(file["lines"])
    yield from _if(
        differing(
            "lines",
            {kind: lines[kind] for kind in ("header", "skipped", "blank")},
            {kind: summary["records"][kind] for kind in ("header", "skipped", "blank")},
        )
    )
    yield from _wrong_law(summary)
    yield from _wrong_bridge(summary)
    yield from _wrong_end(summary)


def _wrong_law(summary: dict[str, Any]) -> Iterator[str]:
    law, sides = summary["conservation"], ("debits", "credits")
    records = {"read": summary["records"]["read"], "ended": sum(summary["fates"].values())}
    summed = set[tuple[str, str]]()
    for check in law["checks"]:
        side, code = check["what"].partition(" ")[0], check["currency"]
        if side in sides and code is not None:
            summed.add((side, code))
            ours = {
                "read": summary["read"][side].get(code, 0),
                "ended": sum(summary[side].get(code, {}).values()),
            }
            yield from _if(differing(check["what"], ours, {name: check[name] for name in ours}))
        elif check["what"].startswith("records read"):
            yield from _if(
                differing(check["what"], records, {name: check[name] for name in records})
            )
        if check["holds"] != (check["read"] == check["ended"]):
            yield f"the result of the check {check['what']!r} does not follow from its figures"
    if law["holds"] != all(check["holds"] for check in law["checks"]):
        yield "the result of the accounting checks does not follow from the checks"
    wanted = {(side, code) for side in sides for code in summary["read"][side]}
    if len(law["checks"]) < _GENERAL_CHECKS + len(wanted) or not wanted <= summed:
        yield "an accounting check is missing"


def _wrong_bridge(summary: dict[str, Any]) -> Iterator[str]:
    """The total read, minus each fate's step, is the total expected: in records and currencies."""
    steps = {step["step"]: step["figures"] for step in summary["bridge"]}
    stated = {step["step"]: step["records"] for step in summary["bridge"]}
    taken = {fate.value for fate in Fate if fate not in _IN_BILLING and summary["fates"][fate]}
    if missing := sorted({"read", "expected", *taken} - {*steps}):
        yield f"the bridge has no step for {missing[0]}"
    if "residual" in steps and summary["conservation"]["holds"]:
        yield "the bridge has a residual, but the accounting checks hold"
    for name, figures in steps.items():
        fates = list(Fate) if name == "read" else _IN_BILLING if name == "expected" else [name]
        sign = 1 if name in {"read", "expected"} else -1
        if name == "residual":
            continue
        records = sign * sum(summary["fates"].get(str(fate), 0) for fate in fates)
        counted = sum(figure["records"] for figure in figures.values())
        yield from _if(differing(f"bridge, {name}", {"records": records}, {"records": counted}))
        yield from _if(
            differing(f"bridge, {name}", {"records": records}, {"records": stated[name]})
        )
        sums = {
            code: sign * sum(by_fate.get(str(fate), 0) for fate in fates)
            for code, by_fate in summary["sums"].items()
        }
        if name == "read" and "residual" in steps:
            continue
        yield from _if(
            differing(
                f"bridge, {name}", sums, {code: figure["sum"] for code, figure in figures.items()}
            )
        )


def _wrong_end(summary: dict[str, Any]) -> Iterator[str]:
    fates, planned = summary["fates"], summary["status"] == "planned"
    troubled = any(fates[fate] for fate in TROUBLED_FATES)
    code, holds = summary["exit_code"], summary["conservation"]["holds"]
    unsent = fates[Fate.NOT_ATTEMPTED] > summary["actions"].get(Action.DEFER, 0)
    due = {5} if unsent and not planned else {int(troubled)} if holds else {7}
    if planned or summary["stopped_because"] is not None:
        due |= {3} if planned else {3, 4, 5}
    if code not in due:
        yield f"exit code {code} instead of {' or '.join(map(str, sorted(due)))}"
    if not planned and holds:
        created = sum(fates[fate] for fate in LISTS["created"])
        begins = (
            f"{_grouped(created)} of {_grouped(summary['records']['read'])} records were created"
        )
        if not summary["verdict"].startswith(begins):
            yield "the verdict does not state how many records were created"
        others = {
            name: sum(fates[fate] for fate in LISTS[name])
            for name in ("skipped", "held", "rejected")
        }
        others |= {name: fates.get(name, 0) for name in ("in_doubt", "given_up")}
        for name, number in others.items():
            if number and f"{_grouped(number)} {name.replace('_', ' ')}" not in summary["verdict"]:
                yield f"the verdict does not state how many records are {name.replace('_', ' ')}"
        if not summary["verdict"].endswith(
            ("accounted for.", "but the run is not finished: resume it.")
        ):
            yield "the verdict does not end like one of a run that adds up"


def of_the_page(folder: Path, summary: dict[str, Any], *names: str) -> Check:
    """Whether the page has the verdict and these keys of the summary; the rest is not checked."""
    path = folder / "report.html"
    if not path.is_file():
        return Check(_PAGE, None, "there is no page")
    return of_page_text(read_regular(path).decode("utf-8"), summary, *names)


def of_page_text(page: str, summary: dict[str, Any], *names: str) -> Check:
    """The same check for the text of a page."""
    text = html.unescape(page)
    missing = [name for name in (*names, "verdict") if str(summary[name]) not in text]
    return Check(
        _PAGE,
        not missing,
        f"the page does not have the {missing[0]} of summary.json" if missing else "",
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


def _grouped(number: int) -> str:
    return f"{number:,}"
