"""What a reconciliation says of itself: its differences, its bridge and its verdict, each held against the others."""

import csv
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any, TextIO

from pipeline.domain.currency import known
from pipeline.domain.outcomes import UNEXPLAINED, Discrepancy
from pipeline.verifier.checks import Check, differing, read_any_cell

#: Kinds of difference of which each moves the bridge by its amount, and by so many records.
_MOVED_BY_EACH = {
    Discrepancy.MISSING.value: -1,
    Discrepancy.UNKNOWN.value: 1,
    Discrepancy.TWICE.value: 1,
    Discrepancy.DOUBT_FOUND.value: 1,
    Discrepancy.REFUSED_FOUND.value: 1,
    Discrepancy.UNDETERMINED.value: -1,
    Discrepancy.ANOTHER_RUN.value: 1,
    Discrepancy.BALANCE.value: 0,
    Discrepancy.CHANGED.value: 0,
}
_THERE_BEFORE = {
    "held": "there_before",
    "known": "known_before",
}  #: what the summary counts, by its step of the bridge
_OUT_OF_BALANCE = (
    Discrepancy.MISSING,
    Discrepancy.UNKNOWN,
    Discrepancy.REFUSED_FOUND,
    Discrepancy.TWICE,
    Discrepancy.BALANCE,
)


def of_reconciliation(summary: dict[str, Any], differences: TextIO) -> Iterator[Check]:
    """Every check of a reconciliation's summary and of the differences that it lists."""
    yield from _differences(differences, summary)
    yield _bridge(summary)
    yield _verdict(summary)


def _differences(file: TextIO, summary: dict[str, Any]) -> Iterator[Check]:
    """Every difference is a line of differences.csv, under its name; and those that move money come to their step of the bridge."""
    read_any_cell()
    kinds, patterns, fields = Counter[str](), Counter[str](), Counter[str]()
    records, amounts = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for row in csv.DictReader(file):
        kind, code = row["kind"], row["currency"]
        kinds[kind] += 1
        patterns.update([row["pattern"]] if row["pattern"] else [])
        fields.update([row["field"]] if kind == Discrepancy.FIELD else [])
        # What was not expected in billing, and cannot be looked up, moves nothing.
        if kind in _MOVED_BY_EACH and (
            kind != Discrepancy.UNDETERMINED or row["ours"] == "expected"
        ):
            records[kind, code] += _MOVED_BY_EACH[kind]
            amounts[kind, code] += int(row["amount"] or 0)
    wrong = differing("differences", dict(kinds), summary["differences"])
    wrong = wrong or differing("fields", dict(fields), summary["fields"])
    wrong = wrong or differing("patterns", dict(patterns), summary["patterns"])
    yield Check(
        "differences.csv holds as many of each kind as summary.json says",
        wrong is None,
        wrong or "",
    )
    steps, wrong = {step["step"]: step["figures"] for step in summary["bridge"]}, None
    # What billing writes in the place of a currency stands in the bridge without its text, and is not told apart here.
    kinds_known = [
        kind for kind in _MOVED_BY_EACH if kind in summary["differences"]
    ]  # an earlier version knew fewer
    for kind, code in itertools.product(kinds_known, sorted(known())):
        told = steps.get(kind, {}).get(code, {})
        ours = {"records": records[kind, code], "sum": amounts[kind, code]}
        wrong = wrong or differing(
            f"step {kind}, {code}", ours, {name: told.get(name, 0) for name in ours}
        )
    if ("another_currency" in steps) != (fields["currency"] > 0):
        wrong = (
            wrong
            or f"{fields['currency']} customers in another currency, and the bridge says otherwise"
        )
    yield Check(
        "the steps of the bridge come to what differences.csv lists", wrong is None, wrong or ""
    )


def _bridge(summary: dict[str, Any]) -> Check:
    """Between two totals the steps lead from one to the next; what they do not is the residual, and decides what is signed."""
    wrong = next(_wrong_steps(summary), None)
    return Check(
        "the bridge leads from one total to the next, and its residual is told",
        wrong is None,
        wrong or "",
    )


def _wrong_steps(summary: dict[str, Any]) -> Iterator[str]:
    told, reasons, steps = summary["residual"], summary["legacy"]["because"], summary["bridge"]
    expected = _left_between(steps, "read", "expected")
    found = _left_between(steps, "expected", "found")
    for code in sorted({code for leg in (expected, found) for code in leg if leg[code]} - {*told}):
        yield f"{code}: the steps do not lead to the total, and no residual says so"
    whole = {code: expected[code] + found[code] for code in {*expected, *found}}
    sums = {code: amount for code, amount in whole.items() if amount}
    yield from _if(
        differing("residual", sums, {code: told[code]["sum"] for code in told if code in sums})
    )
    if steps[0]["step"] == "legacy":
        left = _left_between(steps, "legacy", "read")
        # Of a currency that no total was stated of the bridge begins with what was read.
        for code in sorted(code for code in steps[0]["figures"] if left[code]):
            yield f"{code}: the legacy total does not lead to what was read"
    for step in steps:
        counted = [figure["records"] for figure in step["figures"].values()]
        if counted and None not in counted:
            yield from _if(
                differing(
                    f"step {step['step']}", {"records": sum(counted)}, {"records": step["records"]}
                )
            )
    by_name = {step["step"]: step for step in steps}
    there = {
        name: by_name.get(step, {"records": 0})["records"] for name, step in _THERE_BEFORE.items()
    }
    yield from _if(differing("there before us", there, summary["there_before"]))
    if summary["signable"]:
        none: dict[str, Any] = {"figures": {}, "records": None}
        apart = by_name.get(
            "files_differ", by_name.get("not_in_the_files", none)
        )  # not_in_the_files: the name of the step in older files
        wanted = [
            *(f"residual.{code}" for code in told),
            *apart["figures"],
            *["records"] * bool(apart["records"]),
        ]
        yield from (
            f"{code} does not come out, without a reason, and it is said to be signable"
            for code in wanted
            if code not in reasons
        )


def _left_between(steps: list[dict[str, Any]], first: str, last: str) -> Counter[str]:
    """Currency -> minor units by which a total is more than the total before it and the steps between come to."""
    names = [step["step"] for step in steps]
    left = Counter[str](
        {code: figure["sum"] for code, figure in steps[names.index(last)]["figures"].items()}
    )
    for step in steps[names.index(first) : names.index(last)]:
        left.subtract({code: figure["sum"] for code, figure in step["figures"].items()})
    return left


def _verdict(summary: dict[str, Any]) -> Check:
    """The exit code is that of what was found: 7 where money is not where it was meant, 0 where nothing is left to explain."""
    wrong = next(_wrong_verdict(summary), None)
    return Check("the verdict is that of what was found", wrong is None, wrong or "")


def _wrong_verdict(summary: dict[str, Any]) -> Iterator[str]:
    counts, code, signable = summary["differences"], summary["exit_code"], summary["signable"]
    is_out = summary["fields"].get("currency", 0) > 0 or any(
        counts.get(kind) for kind in _OUT_OF_BALANCE
    )
    is_open = (
        summary["there_before"]["held"]
        or summary["left_out"]
        or any(counts.get(kind) for kind in UNEXPLAINED)
    )
    due = 7 if is_out or not signable else 1 if is_open else 0
    if code != due:
        yield f"exit code {code}, where {due} is due"
    begins = "In balance, with something to look at" if code == 1 else "In balance"
    begins = begins if code in {0, 1} else "Out of balance" if signable else "Not signable"
    if not summary["verdict"].startswith(begins):
        yield f"the verdict is not that of exit code {code}"
    for run in summary["ledger"]:
        reported, recorded, later = run["reported"], run["recorded"], run["settled_since"]
        if run["agrees"] != (reported <= recorded <= reported + later):
            yield f"{run['run_id']}: {reported} reported and {recorded} recorded, and that is said to be otherwise"
        if signable and not run["agrees"]:
            yield f"{run['run_id']}: the ledger and the report disagree, and it is said to be signable"
    if {run["run_id"] for run in summary["ledger"]} != {*summary["runs"]}:
        yield "the ledger was asked about other runs than these"
    if (summary["method"] == "export") != bool(summary["export"]):
        yield f"billing was read by {summary['method']}, and the files say otherwise"


def _if(found: str | None) -> Iterator[str]:
    if found:
        yield found
