"""The folder of a reconciliation or of a span of time: its files, and whether its figures follow from each other."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.verifier.checks import Check, differing, read_any_cell
from pipeline.verifier.seals import changed_files


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
        yield _differences(folder, summary)
        yield _bridge(summary)
        yield Check("billing holds what is told of it", None, "billing is not asked by this check")
    else:
        yield _law(summary)
        yield Check("the runs say what is told of them", None, "each run is verified by itself")


def _differences(folder: Path, summary: dict[str, Any]) -> Check:
    """Every difference is a line of differences.csv, under its name."""
    read_any_cell()
    with (folder / "differences.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kinds, patterns = Counter(row["kind"] for row in rows), Counter(row["pattern"] for row in rows if row["pattern"])
    wrong = differing("differences", dict(kinds), summary["differences"])
    wrong = wrong or differing("patterns", dict(patterns), summary["patterns"])
    return Check("differences.csv holds as many of each kind as summary.json says", wrong is None, wrong or "")


def _bridge(summary: dict[str, Any]) -> Check:
    """Between two totals the steps lead from one to the next; what they do not is the residual, and decides what is signed."""
    steps = {step["step"]: step for step in summary["bridge"]}
    names = list(steps)
    apart: Counter[str] = Counter()
    for first, last in (("read", "expected"), ("expected", "found")):
        between = names[names.index(first) : names.index(last)]
        codes = {code for name in (*between, last) for code in steps[name]["figures"]}
        for code in codes:
            led = sum(steps[name]["figures"].get(code, {"sum": 0})["sum"] for name in between)
            apart[code] += abs(steps[last]["figures"].get(code, {"sum": 0})["sum"] - led)
    left = {code for code, amount in apart.items() if amount}
    wrong = next(
        (
            f"{code}: the steps do not lead to the total, and no residual says so"
            for code in sorted(left - {*summary["residual"]})
        ),
        "",
    )
    reasons = summary["legacy"]["because"]
    if (
        not wrong
        and summary["signable"]
        and (bare := sorted(code for code in summary["residual"] if f"residual.{code}" not in reasons))
    ):
        wrong = f"{bare[0]}: a residual without a reason, and yet it is said to be signable"
    return Check("the bridge leads from one total to the next, and its residual is told", not wrong, wrong)


def _law(summary: dict[str, Any]) -> Check:
    law, once = summary["once"]["conservation"], summary["once"]
    wrong = next((check["what"] for check in law["checks"] if check["holds"] != (check["read"] == check["ended"])), "")
    if law["holds"] != all(check["holds"] for check in law["checks"]):
        wrong = wrong or "the law does not say what its checks say"
    if once["records"] != sum(once["fates"].values()):
        wrong = wrong or "the records are not as many as their fates"
    return Check("the conservation law says what its figures say", not wrong, wrong)
