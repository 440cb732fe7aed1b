"""A span of time as a reviewer sees it: the files that came, each record once however often it was fed, what it came to."""

from importlib.resources import files
from typing import Any

import duckdb

from pipeline.currency import grouped_digits
from pipeline.outcomes import LISTS, Fate

_ONCE = files(__package__).joinpath("period.sql").read_text(encoding="utf-8")
_OPEN = frozenset({fate.value for name in ("held", "in_doubt", "rejected", "unprocessed") for fate in LISTS[name]})


def add_up_once(workbench: duckdb.DuckDBPyConnection, received: list[dict[str, Any]]) -> dict[str, Any]:
    """Count and sum each record once, from the view `fed`: run, file, place, fate, currency, balance.

    `received`: every different file of the period (file, records, mends: how many of its rows mend one of another file).
    Files before the period, whose rows were mended in it, have numbers below zero.
    """
    workbench.execute(_ONCE)
    fates = dict(
        workbench.execute("SELECT fate, count(*) FROM once WHERE file >= 0 GROUP BY fate ORDER BY fate").fetchall()
    )
    sums: dict[str, dict[str, int]] = {}
    for currency, fate, total in workbench.execute(
        "SELECT currency, fate, sum(balance) FROM once WHERE file >= 0 GROUP BY ALL ORDER BY ALL"
    ).fetchall():
        sums.setdefault(currency, {})[fate] = int(total)
    earlier = dict(workbench.execute("SELECT fate, count(*) FROM once WHERE file < 0 GROUP BY fate").fetchall())
    fed, again = workbench.execute("SELECT coalesce(sum(times), 0), count(*) FILTER (times > 1) FROM once").fetchall()[
        0
    ]
    by_file = dict(workbench.execute("SELECT file, count(*) FROM once GROUP BY file").fetchall())
    expected = sum(file["records"] - file["mends"] for file in received)
    once = sum(fates.values())
    return {
        "records": once,
        "fed": int(fed),
        "fed_again": int(again),
        "fates": {fate.value: fates.get(fate.value, 0) for fate in Fate},
        "sums": sums,
        "of_earlier_files": {fate.value: earlier[fate.value] for fate in Fate if fate.value in earlier},
        "conservation": {
            "what": "records of every different file, without rows that mend others = records, each once",
            "read": expected,
            "ended": once,
            "holds": expected == once
            and all(by_file.get(file["file"], 0) == file["records"] - file["mends"] for file in received),
        },
    }


def verdict_on_period(content: dict[str, Any]) -> str:
    """One sentence: what came, what of it is in billing, what is open, and whether it adds up."""
    once = content["once"]
    if not once["conservation"]["holds"]:
        return "The figures of these runs do not add up to their files: do not sign this report."
    created = sum(once["fates"][fate] for fate in LISTS["created"])
    waiting = sum(once["fates"][fate] for fate in _OPEN)
    return (
        f"{grouped_digits(len(content['files']))} files with {grouped_digits(once['records'])} records, each counted once: "
        f"{grouped_digits(created)} are in billing because of us, {grouped_digits(waiting)} wait; "
        "every record is accounted for."
    )
