"""Compare the differences, the bridge and the verdict of a reconciliation with each other."""

import csv
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any, TextIO

from pipeline.domain.currency import known
from pipeline.domain.discrepancies import UNEXPLAINED, Discrepancy
from pipeline.verifier.checks import Check, differing, read_any_cell

#: Kinds of difference that change the bridge by their amount -> the records each one adds.
_RECORDS_ADDED = {
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
#: Count in the summary -> its step of the bridge.
_THERE_BEFORE = {"held": "there_before", "known": "known_before"}
_OUT_OF_BALANCE = (
    Discrepancy.MISSING,
    Discrepancy.UNKNOWN,
    Discrepancy.REFUSED_FOUND,
    Discrepancy.TWICE,
    Discrepancy.BALANCE,
)


def of_reconciliation(summary: dict[str, Any], differences: TextIO) -> Iterator[Check]:
    """Every check of a reconciliation's summary and its list of differences."""
    yield from _differences(differences, summary)
    yield _bridge(summary)
    yield _verdict(summary)


def _differences(file: TextIO, summary: dict[str, Any]) -> Iterator[Check]:
    """differences.csv agrees with the counts of the summary and with the steps of the bridge."""
    read_any_cell()
    kinds, patterns, fields = Counter[str](), Counter[str](), Counter[str]()
    records, amounts = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for row in csv.DictReader(file):
        kind, code = row["kind"], row["currency"]
        kinds[kind] += 1
        patterns.update([row["pattern"]] if row["pattern"] else [])
        fields.update([row["field"]] if kind == Discrepancy.FIELD else [])
        # A customer whose lookup failed changes the bridge only if billing should hold it.
        if kind in _RECORDS_ADDED and (
            kind != Discrepancy.UNDETERMINED or row["ours"] == "expected"
        ):
            records[kind, code] += _RECORDS_ADDED[kind]
            amounts[kind, code] += int(row["amount"] or 0)
    wrong = differing("differences", dict(kinds), summary["differences"])
    wrong = wrong or differing("fields", dict(fields), summary["fields"])
    wrong = wrong or differing("patterns", dict(patterns), summary["patterns"])
    yield Check(
        "differences.csv and summary.json agree on the number of each kind",
        wrong is None,
        wrong or "",
    )
    steps, wrong = {step["step"]: step["figures"] for step in summary["bridge"]}, None
    # The bridge masks invalid currency codes of billing, so only known codes can be compared.
    # Earlier versions know fewer kinds.
    kinds_known = [kind for kind in _RECORDS_ADDED if kind in summary["differences"]]
    for kind, code in itertools.product(kinds_known, sorted(known())):
        stated = steps.get(kind, {}).get(code, {})
        ours = {"records": records[kind, code], "sum": amounts[kind, code]}
        wrong = wrong or differing(
            f"step {kind}, {code}", ours, {name: stated.get(name, 0) for name in ours}
        )
    if ("another_currency" in steps) != (fields["currency"] > 0):
        wrong = wrong or (
            f"{fields['currency']} customers in another currency, but the bridge disagrees"
        )
    yield Check(
        "the steps of the bridge add up to the rows of differences.csv",
        wrong is None,
        wrong or "",
    )


def _bridge(summary: dict[str, Any]) -> Check:
    """The steps between two totals add up to their difference, except for a stated residual."""
    wrong = next(_wrong_steps(summary), None)
    return Check(
        "the bridge adds up from one total to the next, except for its stated residual",
        wrong is None,
        wrong or "",
    )


def _wrong_steps(summary: dict[str, Any]) -> Iterator[str]:
    stated, reasons, steps = summary["residual"], summary["legacy"]["because"], summary["bridge"]
    expected = _left_between(steps, "read", "expected")
    found = _left_between(steps, "expected", "found")
    unequal = {code for leg in (expected, found) for code in leg if leg[code]}
    for code in sorted(unequal - {*stated}):
        yield f"{code}: the steps do not add up to the total, and no residual is stated"
    whole = {code: expected[code] + found[code] for code in {*expected, *found}}
    sums = {code: amount for code, amount in whole.items() if amount}
    yield from _if(
        differing("residual", sums, {code: stated[code]["sum"] for code in stated if code in sums})
    )
    if steps[0]["step"] == "legacy":
        left = _left_between(steps, "legacy", "read")
        # For a currency without a legacy total, the bridge starts from the records read.
        for code in sorted(code for code in steps[0]["figures"] if left[code]):
            yield f"{code}: the steps do not add up from the legacy total to the records read"
    for step in steps:
        counted = [figure["records"] for figure in step["figures"].values()]
        if counted and None not in counted:
            yield from _if(
                differing(
                    f"step {step['step']}", {"records": sum(counted)}, {"records": step["records"]}
                )
            )
    by_name = {step["step"]: step for step in steps}
    before = {
        name: by_name.get(step, {"records": 0})["records"] for name, step in _THERE_BEFORE.items()
    }
    yield from _if(differing("there before us", before, summary["there_before"]))
    if summary["signable"]:
        none: dict[str, Any] = {"figures": {}, "records": None}
        # Older files call the step not_in_the_files.
        differ = by_name.get("files_differ", by_name.get("not_in_the_files", none))
        codes = [
            *(f"residual.{code}" for code in stated),
            *differ["figures"],
            *(["records"] if differ["records"] else []),
        ]
        yield from (
            f"{code} does not add up and has no reason, but the reconciliation is signable"
            for code in codes
            if code not in reasons
        )


def _left_between(steps: list[dict[str, Any]], first: str, last: str) -> Counter[str]:
    """Currency -> a total minus the total before it and the steps between, in minor units."""
    names = [step["step"] for step in steps]
    left = Counter[str](
        {code: figure["sum"] for code, figure in steps[names.index(last)]["figures"].items()}
    )
    for step in steps[names.index(first) : names.index(last)]:
        left.subtract({code: figure["sum"] for code, figure in step["figures"].items()})
    return left


def _verdict(summary: dict[str, Any]) -> Check:
    """Verdict and exit code follow from the differences."""
    wrong = next(_wrong_verdict(summary), None)
    return Check("the verdict follows from the differences", wrong is None, wrong or "")


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
        yield f"exit code {code} instead of {due}"
    begins = "In balance, with something to look at" if code == 1 else "In balance"
    begins = begins if code in {0, 1} else "Out of balance" if signable else "Not signable"
    if not summary["verdict"].startswith(begins):
        yield f"the verdict does not match exit code {code}"
    for run in summary["ledger"]:
        reported, recorded, later = run["reported"], run["recorded"], run["settled_since"]
        if run["agrees"] != (reported <= recorded <= reported + later):
            yield (
                f"{run['run_id']}: {reported} reported and {recorded} recorded,"
                " but `agrees` states otherwise"
            )
        if signable and not run["agrees"]:
            yield (
                f"{run['run_id']}: ledger and report disagree, but the reconciliation is signable"
            )
    if {run["run_id"] for run in summary["ledger"]} != {*summary["runs"]}:
        yield "ledger and summary name different runs"
    if (summary["method"] == "export") != bool(summary["export"]):
        yield f"the method is {summary['method']}, but the listed files disagree"


def _if(found: str | None) -> Iterator[str]:
    if found:
        yield found
