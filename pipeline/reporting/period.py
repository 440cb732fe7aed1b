"""A span of time for a reviewer: its files, each record once, and the sums."""

from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import duckdb

from pipeline.domain.currency import NO_CURRENCY, grouped_digits
from pipeline.domain.fates import LISTS, SUPERSEDED, Fate
from pipeline.reporting.open_items import OPEN_FATES

_ONCE = files(__package__).joinpath("period.sql").read_text(encoding="utf-8")
_FATES = (*(fate.value for fate in Fate), SUPERSEDED)
_THERE = frozenset({fate.value for fate in LISTS["created"]})


def count_once(workbench: duckdb.DuckDBPyConnection) -> None:
    """Make the table `once` from `fed` and `followed`: each record and its present fate."""
    workbench.execute(_ONCE)


def read_once(workbench: duckdb.DuckDBPyConnection) -> list[tuple[str, str, int, int]]:
    """Group the records of `fed` and `followed`: fate, currency, records, minor units."""
    count_once(workbench)
    return workbench.execute(
        "SELECT fate, currency, count(*), sum(balance) FROM once GROUP BY ALL"
    ).fetchall()


def add_up_once(
    workbench: duckdb.DuckDBPyConnection,
    received: Sequence[Mapping[str, Any]],
    read: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """Count and sum each record once, from the views `fed` and `followed`.

    `received`: every different file of the period (file, records, and mends: its rows that correct
    a row of another file). `read`: what every run read (records, and sums by currency from the
    input); no sums if the rows of the run were deleted. Earlier files with rows that were corrected
    in the period have numbers below zero.
    """
    count_once(workbench)
    fates, sums, counts = dict[str, int](), dict[str, dict[str, int]](), dict[str, dict[str, int]]()
    for currency, fate, records, total in workbench.execute(
        "SELECT currency, fate, count(*), sum(balance) FROM once WHERE file >= 0"
        " GROUP BY ALL ORDER BY 1 NULLS LAST, 2"
    ).fetchall():
        fates[fate] = fates.get(fate, 0) + records
        sums.setdefault(currency or NO_CURRENCY, {})[fate] = int(total)
        counts.setdefault(currency or NO_CURRENCY, {})[fate] = records
    earlier = dict(
        workbench.execute("SELECT fate, count(*) FROM once WHERE file < 0 GROUP BY fate").fetchall()
    )
    rows, again = workbench.execute(
        "SELECT coalesce(sum(times), 0), count(*) FILTER (times > 1) FROM once"
    ).fetchall()[0]
    checks = list(_checks(workbench, received, read))
    return {
        "records": sum(fates.values()),
        "fed": int(rows),
        "fed_again": int(again),
        "fates": {fate: fates.get(fate, 0) for fate in _FATES},
        "sums": sums,
        "counts": counts,
        "of_earlier_files": {fate: earlier[fate] for fate in _FATES if fate in earlier},
        "conservation": {"holds": all(check["holds"] for check in checks), "checks": checks},
    }


def verdict_on_period(content: Mapping[str, Any]) -> str:
    """One sentence: files, records by result, and whether the figures add up."""
    once = content["once"]
    if not once["conservation"]["holds"]:
        return "The figures of these runs do not add up to their files: do not sign this report."
    ended = (
        (sum(once["fates"][fate] for fate in _THERE), "created by us"),
        (sum(once["fates"][fate.value] for fate in LISTS["skipped"]), "skipped"),
        (once["fates"][SUPERSEDED], "settled by another row of the same reference"),
        (once["fates"][Fate.GIVEN_UP.value], "given up"),
        (sum(once["fates"][fate] for fate in OPEN_FATES), "open"),
    )
    results = (
        ", ".join(f"{grouped_digits(number)} {words}" for number, words in ended if number)
        or "none ended anywhere"
    )
    cents = "" if content["without_sums"] else " and every cent that can be read"
    wrong = [
        run["against"]
        for run in content["runs"]
        if run["against"] and run["against"]["exit_code"] == 7
    ]
    wrong_count = sum(against.get("signable", True) for against in wrong)
    differing = (
        f"; billing is not what {_number_of(wrong_count, 'of these runs', 'of these runs')} meant"
        if wrong_count
        else ""
    )
    if unexplained := len(wrong) - wrong_count:
        differing += f"; the reconciliation of {_number_of(unexplained, 'of these runs', 'of these runs')} cannot be signed"
    return (
        f"{_number_of(len(content['files']), 'file', 'files')} with {_number_of(once['records'], 'record', 'records')}, each counted once: "
        f"{results}; every record{cents} is accounted for{differing}."
    )


def _checks(
    workbench: duckdb.DuckDBPyConnection,
    received: Sequence[Mapping[str, Any]],
    read: Sequence[Mapping[str, Any]],
) -> Iterator[dict[str, Any]]:
    """Compare the figures of files and runs (read) with those of this report (ended)."""
    by_file = dict(
        workbench.execute(
            "SELECT file, count(*) FROM once WHERE file >= 0 GROUP BY file"
        ).fetchall()
    )
    wanted = {file["file"]: file["records"] - file["mends"] for file in received}
    expected, ended = sum(wanted.values()), sum(by_file.values())
    same = expected == ended and all(
        by_file.get(file, 0) == records for file, records in wanted.items()
    )
    yield {
        "what": "records of every different file, without rows that mend others = records, each once",
        "currency": None, "read": expected, "ended": ended, "holds": same,
    }  # fmt: skip
    (rows,) = workbench.execute("SELECT count(*) FROM fed").fetchall()[0]
    yield _check(
        "records that the runs read = rows that were fed",
        None,
        sum(run["records"] for run in read),
        rows,
    )
    if any(run["sums"] is None for run in read):
        return
    summed = {code: int(total) for code, total in workbench.execute(
        "SELECT currency, sum(balance) FROM fed WHERE balance IS NOT NULL GROUP BY currency"
    ).fetchall()}  # fmt: skip
    stated: dict[str, int] = {}
    for run in read:
        for code, amount in run["sums"].items():
            stated[code] = stated.get(code, 0) + amount
    for code in sorted({*stated, *(code for code in summed if code)}):
        yield _check(
            f"balances {code} that the runs read, summed on their inputs = balances of the rows that were fed",
            code, stated.get(code, 0), summed.get(code, 0),
        )  # fmt: skip


def _check(what: str, currency: str | None, read: int, ended: int) -> dict[str, Any]:
    return {
        "what": what,
        "currency": currency,
        "read": read,
        "ended": ended,
        "holds": read == ended,
    }


def _number_of(number: int, one: str, many: str) -> str:
    return f"{grouped_digits(number)} {one if number == 1 else many}"
