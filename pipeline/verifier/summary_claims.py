"""What a run says of itself, held against what was recomputed, and its files against each other."""

import html
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.domain.outcomes import LISTS, TROUBLED_FATES, Action, Fate, Reason
from pipeline.storage.files import read_regular
from pipeline.verifier.checks import Check, differing
from pipeline.verifier.row_by_row import Recomputed

_LAW = (
    3  #: checks of the conservation law before those of each currency: two of records, one of lines
)
_WAITS = Reason.PLAN_EARLIER_REQUEST_UNSETTLED.value
_PAGE = "the page tells the verdict of summary.json"
#: Fates whose customers billing holds, as far as a run knows.
_IN_BILLING = (Fate.CREATED, Fate.CREATED_DIFFERENT, Fate.ALREADY_EXISTS_SAME)


def same_story(
    name: str, manifest: dict[str, Any], summary: dict[str, Any], plan: dict[str, Any]
) -> Check:
    """Manifest, plan and summary are of one run, of the same inputs and under the same settings."""
    wrong = []
    if {manifest["run_id"], summary["run_id"], plan["run_id"]} != {plan["run_id"]}:
        wrong.append(f"manifest, plan and summary of {name} name several runs")
    others = (("manifest.json", manifest), ("summary.json", summary))
    wrong += [
        f"inputs of {other} are not those of the plan"
        for other, said in others
        if not _same(said["inputs"], plan["inputs"])
    ]
    if summary["settings"] != plan["settings"]:
        wrong.append("settings of summary.json are not those of the plan")
    config = plan["config"]["sha256"] if plan["config"] else None
    named = [
        (other, said["config"]["sha256"] if said["config"] else None) for other, said in others
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
        "manifest, plan and summary are of one run and the same inputs",
        not wrong,
        wrong[0] if wrong else "",
    )


def of_accepted(lines: str, summary: dict[str, Any], plan: dict[str, Any]) -> Check:
    """The summary names whoever accepted each alarm first, by the lines of accepted.jsonl; an earlier version kept that in the plan."""
    first: dict[str, str] = {}
    for line in lines.splitlines():
        one = json.loads(line)
        first.setdefault(one["code"], one["who"])
    same = summary["accepted"] == {**first, **plan.get("accepted", {})}
    found = "" if same else "summary.json names others than accepted.jsonl"
    return Check(
        "summary.json and accepted.jsonl name the same people for each accepted alarm", same, found
    )


def _same(said: Any, planned: Any) -> bool:
    """Whether inputs are the same but for their place: a copy of a folder may name the place that it was put at."""
    if isinstance(said, list) and isinstance(planned, list):
        bare = [
            [{key: value for key, value in one.items() if key != "path"} for one in both]
            for both in (said, planned)
        ]
        return bare[0] == bare[1]
    return bool(said == planned)


def of_summary(found: Recomputed, summary: dict[str, Any], plan: dict[str, Any]) -> Iterator[Check]:
    """Every figure of summary.json that follows from others, or from the rows."""
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
    yield from _if(
        differing("amounts that nobody can read", unusable, summary["amounts_unreadable"])
    )
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
            yield f"the check {check['what']!r} does not say what its figures say"
    if law["holds"] != all(check["holds"] for check in law["checks"]):
        yield "the conservation law does not say what its checks say"
    wanted = {(side, code) for side in sides for code in summary["read"][side]}
    if len(law["checks"]) < _LAW + len(wanted) or not wanted <= summed:
        yield "the conservation law leaves something out"


def _wrong_bridge(summary: dict[str, Any]) -> Iterator[str]:
    """Read, less what each fate takes, is what is expected in billing: in records, and in each currency."""
    steps = {step["step"]: step["figures"] for step in summary["bridge"]}
    stated = {step["step"]: step["records"] for step in summary["bridge"]}
    taken = {fate.value for fate in Fate if fate not in _IN_BILLING and summary["fates"][fate]}
    if missing := sorted({"read", "expected", *taken} - {*steps}):
        yield f"the bridge has no step for {missing[0]}"
    if "residual" in steps and summary["conservation"]["holds"]:
        yield "the bridge has a residual, and the law is said to hold"
    for name, figures in steps.items():
        fates = list(Fate) if name == "read" else _IN_BILLING if name == "expected" else [name]
        sign = 1 if name in {"read", "expected"} else -1
        if name == "residual":
            continue
        records = sign * sum(summary["fates"].get(str(fate), 0) for fate in fates)
        told = sum(figure["records"] for figure in figures.values())
        yield from _if(differing(f"bridge, {name}", {"records": records}, {"records": told}))
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
        yield f"exit code {code}, where {' or '.join(map(str, sorted(due)))} is due"
    if not planned and holds:
        created = sum(fates[fate] for fate in LISTS["created"])
        told = f"{_grouped(created)} of {_grouped(summary['records']['read'])} records were created"
        if not summary["verdict"].startswith(told):
            yield "the verdict does not say how many records were created"
        others = {
            name: sum(fates[fate] for fate in LISTS[name])
            for name in ("skipped", "held", "rejected")
        }
        others |= {name: fates.get(name, 0) for name in ("in_doubt", "given_up")}
        for name, number in others.items():
            if number and f"{_grouped(number)} {name.replace('_', ' ')}" not in summary["verdict"]:
                yield f"the verdict does not say how many records are {name.replace('_', ' ')}"
        if not summary["verdict"].endswith(
            ("accounted for.", "but the run is not finished: resume it.")
        ):
            yield "the verdict does not end as one that adds up does"


def of_the_page(folder: Path, summary: dict[str, Any], *names: str) -> Check:
    """What a page says is not recomputed; but it tells the verdict of the summary, and what it is of (run_id, say)."""
    path = folder / "report.html"
    if not path.is_file():
        return Check(_PAGE, None, "there is no page")
    return page_tells(read_regular(path).decode("utf-8"), summary, *names)


def page_tells(page: str, summary: dict[str, Any], *names: str) -> Check:
    """The same of a page's text."""
    text = html.unescape(page)
    missing = [name for name in (*names, "verdict") if str(summary[name]) not in text]
    return Check(
        _PAGE,
        not missing,
        f"the page does not tell the {missing[0]} of summary.json" if missing else "",
    )


def unread_books(folder: Path) -> Iterator[Check]:
    """Workbooks are for people, and say what pages and lists say; nobody reads them back."""
    if books := [name for name in ("report.xlsx", "rejected.xlsx") if (folder / name).is_file()]:
        yield Check(
            "the workbooks say what the page and the lists say",
            None,
            f"{', '.join(books)}: not read again",
        )


def _if(found: str | None) -> Iterator[str]:
    if found:
        yield found


def _grouped(number: int) -> str:
    return f"{number:,}"
