"""The folder of a reconciliation or of a span of time: its files, and whether its figures follow from each other."""

import csv
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.currency import known
from pipeline.outcomes import UNEXPLAINED, Discrepancy
from pipeline.verifier.checks import Check, differing, read_any_cell
from pipeline.verifier.seals import changed_files
from pipeline.verifier.stated import of_the_page

#: Kinds of difference of which each moves the bridge by its amount, and by so many records.
_MOVED_BY_EACH = {
    Discrepancy.MISSING.value: -1,
    Discrepancy.UNKNOWN.value: 1,
    Discrepancy.TWICE.value: 1,
    Discrepancy.ANOTHER_RUN.value: 1,
    Discrepancy.BALANCE.value: 0,
}
_OUT_OF_BALANCE = (Discrepancy.MISSING, Discrepancy.UNKNOWN, Discrepancy.TWICE, Discrepancy.BALANCE)


def of_another_folder(folder: Path, manifest: dict[str, Any]) -> Iterator[Check]:
    """Every check of a folder that is no run's."""
    wrong = "; ".join(changed_files(folder, manifest))
    yield Check("every file of the folder is the one that was written", not wrong, wrong)
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    named = summary.get("reconciliation_id", folder.name)
    same = manifest["id"] == named and summary["kind"] == manifest["kind"]
    yield Check(
        "manifest and summary are of one folder", same, "" if same else f"they name {manifest['id']} and {named}"
    )
    if summary["kind"] == "reconciliation":
        yield from _differences(folder, summary)
        yield _bridge(summary)
        yield _verdict(summary)
        yield of_the_page(folder, summary, "reconciliation")
        yield Check("billing holds what is told of it", None, "billing is not asked by this check")
    else:
        yield _law(summary)
        yield Check("the runs say what is told of them", None, "each run is verified by itself")


def _differences(folder: Path, summary: dict[str, Any]) -> Iterator[Check]:
    """Every difference is a line of differences.csv, under its name; and those that move money come to their step of the bridge."""
    read_any_cell()
    kinds, patterns = Counter[str](), Counter[str]()
    records, amounts = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    steps = {step["step"]: step["figures"] for step in summary["bridge"]}
    with (folder / "differences.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            kind, code = row["kind"], row["currency"]
            kinds[kind] += 1
            patterns.update([row["pattern"]] if row["pattern"] else [])
            if kind in _MOVED_BY_EACH:
                records[kind, code] += _MOVED_BY_EACH[kind]
                amounts[kind, code] += int(row["amount"] or 0)
    wrong = differing("differences", dict(kinds), summary["differences"])
    wrong = wrong or differing("patterns", dict(patterns), summary["patterns"])
    yield Check("differences.csv holds as many of each kind as summary.json says", wrong is None, wrong or "")
    wrong = None
    # What billing writes in the place of a currency stands in the bridge without its text, and is not told apart here.
    for kind, code in itertools.product(_MOVED_BY_EACH, sorted(known())):
        told = steps.get(kind, {}).get(code, {})
        ours = {"records": records[kind, code], "sum": amounts[kind, code]}
        wrong = wrong or differing(f"step {kind}, {code}", ours, {name: told.get(name, 0) for name in ours})
    yield Check("the steps of the bridge come to what differences.csv lists", wrong is None, wrong or "")


def _bridge(summary: dict[str, Any]) -> Check:
    """Between two totals the steps lead from one to the next; what they do not is the residual, and decides what is signed."""
    steps = {step["step"]: step for step in summary["bridge"]}
    names, told = list(steps), summary["residual"]
    legs = []
    for first, last in (("read", "expected"), ("expected", "found")):
        between = names[names.index(first) : names.index(last)]
        left = Counter[str]({code: figure["sum"] for code, figure in steps[last]["figures"].items()})
        for name in between:
            left.subtract({code: figure["sum"] for code, figure in steps[name]["figures"].items()})
        legs.append(left)
    whole = {code: sum(leg[code] for leg in legs) for leg in legs for code in leg}
    wrong = next(
        (
            f"{code}: the steps do not lead to the total, and no residual says so"
            for code in sorted({code for leg in legs for code in leg if leg[code]} - {*told})
        ),
        None,
    )
    open_sums = {code: amount for code, amount in whole.items() if amount}
    wrong = wrong or differing("residual", open_sums, {code: told[code]["sum"] for code in told if code in open_sums})
    for step in summary["bridge"]:
        counted = [figure["records"] for figure in step["figures"].values()]
        if counted and None not in counted:
            wrong = wrong or differing(f"step {step['step']}", {"records": sum(counted)}, {"records": step["records"]})
    reasons = summary["legacy"]["because"]
    bare = sorted(code for code in told if f"residual.{code}" not in reasons)
    if not wrong and summary["signable"] and bare:
        wrong = f"{bare[0]}: a residual without a reason, and yet it is said to be signable"
    return Check("the bridge leads from one total to the next, and its residual is told", not wrong, wrong or "")


def _verdict(summary: dict[str, Any]) -> Check:
    """The exit code is that of what was found: 7 where money is not where it was meant, 0 where nothing is left to explain."""
    counts, code = summary["differences"], summary["exit_code"]
    is_out = summary["fields"].get("currency", 0) > 0 or any(counts[kind] for kind in _OUT_OF_BALANCE)
    is_open = summary["there_before"]["held"] > 0 or any(counts[kind] for kind in UNEXPLAINED)
    should_be = 7 if is_out or not summary["signable"] else 1 if is_open else 0
    said = {0: "In balance", 1: "In balance, with something to look at"}.get(
        code, "Out of balance" if summary["signable"] else "Not signable"
    )
    wrong = f"exit code {code}, where {should_be} is due" if code != should_be else ""
    if not summary["verdict"].startswith(said):
        wrong = wrong or f"the verdict is not that of exit code {code}"
    return Check("the verdict is that of what was found", not wrong, wrong)


def _law(summary: dict[str, Any]) -> Check:
    law, once = summary["once"]["conservation"], summary["once"]
    wrong = next((check["what"] for check in law["checks"] if check["holds"] != (check["read"] == check["ended"])), "")
    if law["holds"] != all(check["holds"] for check in law["checks"]):
        wrong = wrong or "the law does not say what its checks say"
    if once["records"] != sum(once["fates"].values()):
        wrong = wrong or "the records are not as many as their fates"
    return Check("the conservation law says what its figures say", not wrong, wrong)
