"""The report once more as tables of texts, for a workbook: what the page shows, a sheet each."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pipeline.currency import major_units
from pipeline.outcomes import LISTS, Fate
from pipeline.reporting.beside import Beside
from pipeline.reporting.glance import currency_label
from pipeline.reporting.masked import DIFFERENCES

Table = tuple[str, Sequence[str], Iterable[Sequence[str | None]]]  #: name, header, rows


def tables(content: dict[str, Any], beside: Beside) -> Iterator[Table]:
    """What stands on the page, without its lists of records; every cell text, amounts in minor and in major units."""
    yield "Report", ("What", "Told"), _told(content, beside)
    yield (
        "Fates",
        ("Fate", "Records", "What it means", "Listed in"),
        [(fate.value, str(content["fates"][fate.value]), fate.sentence, f"{_list_of(fate)}.csv") for fate in Fate],
    )
    yield (
        "Money",
        ("Currency", "Fate", "Debits, minor units", "Credits, minor units", "Debits", "Credits"),
        _money(content),
    )
    yield "Bridge", ("Of", "Currency", "Step", "Records", "Minor units", "Amount"), _bridges(content, beside)
    yield (
        "Checks",
        ("Check", "Read", "Ended", "Holds"),
        [
            (check["what"], str(check["read"]), str(check["ended"]), "yes" if check["holds"] else "NO")
            for check in content["conservation"]["checks"]
        ],
    )
    yield "Reasons", ("Reason", "Records", "What it means", "Row", "Person", "As given"), _reasons(beside.reasons)
    yield (
        "Control totals",
        ("Stated by", "Of", "Stated", "Read", "Holds"),
        [
            (one["where"], one["what"], str(one["stated"]), str(one["found"]), "yes" if one["holds"] else "NO")
            for one in content.get("control_totals", [])
        ],
    )
    yield "Differences", DIFFERENCES, [[one[name] for name in DIFFERENCES] for one in beside.differences]
    yield "Open items", ("Fate", "Records", "Oldest since", "Days", "Runs", "Currency", "Minor units"), _open(beside)


def _told(content: dict[str, Any], beside: Beside) -> Iterator[tuple[str, str]]:
    yield "Verdict", content["verdict"]
    yield "Run", content["run_id"]
    yield "Status", content["status"]
    yield "Mode", content["environment"]["mode"]
    yield "Environment", content["environment"]["name"]
    yield "Merchant", content["environment"]["merchant"]
    yield "Exit code", str(content["exit_code"])
    yield "Planned", f"{content['planned_at']} by {content['planner']}"
    yield "Reported", content["finished_at"]
    yield (
        "Version",
        ", ".join(f"{name} {version}" for name, version in content.get("tools", {}).items()) or content["version"],
    )
    for file in content["inputs"]:
        yield "Input", f"{file['name']}, {file['bytes']} bytes, SHA-256 {file['sha256']}"
    if content["config"]:
        yield "Config", f"{content['config']['path']}, SHA-256 {content['config']['sha256']}"
    if beside.reconciliation:
        yield "Reconciliation", f"{beside.reconciliation['reconciliation_id']}: {beside.reconciliation['verdict']}"
    for one in beside.signed:
        told = "nobody yet" if one.name is None else f"{one.name}, {one.at}"
        yield one.role.capitalize(), f"{told}{', STALE: ' + ', '.join(one.changed) if one.changed else ''}"
    yield "Evidence", beside.evidence


def _money(content: dict[str, Any]) -> Iterator[Sequence[str]]:
    for currency, by_fate in content["debits"].items():
        for fate, debits in by_fate.items():
            credits = content["credits"][currency][fate]
            if debits or credits:
                major = [major_units(amount, currency) for amount in (debits, credits)]
                yield currency_label(currency), fate, str(debits), str(credits), *major


def _bridges(content: dict[str, Any], beside: Beside) -> Iterator[Sequence[str]]:
    bridges = [("the run", content.get("bridge", []))]
    if beside.reconciliation:
        bridges.append(("the reconciliation", beside.reconciliation["bridge"]))
    for of, steps in bridges:
        for currency in sorted({code for step in steps for code in step["figures"]}):
            for step in steps:
                if figure := step["figures"].get(currency):
                    amount = major_units(figure["sum"], currency)
                    yield (
                        of,
                        currency_label(currency),
                        step["sentence"],
                        str(figure["records"]),
                        str(figure["sum"]),
                        amount,
                    )


def _reasons(reasons: list[dict[str, Any]]) -> Iterator[Sequence[str | None]]:
    for reason in reasons:
        for at, one in enumerate(reason["shown"] or [{}]):
            first = (reason["reason"], str(reason["rows"]), reason["sentence"]) if not at else ("", "", "")
            yield *first, one.get("row_id"), one.get("person"), one.get("given")


def _open(beside: Beside) -> Iterator[Sequence[str]]:
    for one in beside.open_items:
        sums = one["sums"] or {"": None}
        for at, (currency, amount) in enumerate(sums.items()):
            first = (
                [one["fate"], str(one["records"]), one["since"], str(one["days"]), str(one["runs"])]
                if not at
                else [""] * 5
            )
            yield *first, currency, _text(amount) or ""


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _list_of(fate: Fate) -> str:
    return next(name for name, fates in LISTS.items() if fate in fates)
