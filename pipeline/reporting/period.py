"""A period for a reviewer: its files, each record once, and the sums."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import duckdb

from pipeline.domain.currency import NO_CURRENCY, grouped_digits
from pipeline.domain.fates import LISTS, SUPERSEDED, Fate
from pipeline.domain.period_report import (
    FileOfPeriod,
    PeriodReport,
    RecordsOnce,
)
from pipeline.domain.plurals import number_of
from pipeline.domain.summary_parts import Accounting, AccountingCheck
from pipeline.reporting.open_items import OPEN_FATES

_ONCE = files(__package__).joinpath("period.sql").read_text(encoding="utf-8")
_FATES = (*(fate.value for fate in Fate), SUPERSEDED)
_CREATED = frozenset({fate.value for fate in LISTS["created"]})


@dataclass(frozen=True, slots=True)
class RunTotals:
    """What a run read, by its summary."""

    records: int
    #: Currency -> minor units, summed on the input; None if the rows of the run were deleted.
    sums: Mapping[str, int] | None


def count_once(workbench: duckdb.DuckDBPyConnection) -> None:
    """Make the table `once` from `input_rows` and `current_rows`: each record with its fate."""
    workbench.execute(_ONCE)


def read_once(workbench: duckdb.DuckDBPyConnection) -> list[tuple[str, str, int, int]]:
    """Group the records of `once`: fate, currency, records, minor units."""
    count_once(workbench)
    return workbench.execute(
        "SELECT fate, currency, count(*), sum(balance) FROM once GROUP BY ALL"
    ).fetchall()


def add_up_once(
    workbench: duckdb.DuckDBPyConnection,
    received: Sequence[FileOfPeriod],
    read: Sequence[RunTotals],
) -> RecordsOnce:
    """Count and sum each record once, from the views `input_rows` and `current_rows`.

    `received`: every different file of the period. `read`: what every run read. Earlier files with
    rows that were corrected in the period have numbers below zero.
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
    checks = tuple(_checks(workbench, received, read))
    return RecordsOnce(
        records=sum(fates.values()),
        rows_read=int(rows),
        read_again=int(again),
        fates={fate: fates.get(fate, 0) for fate in _FATES},
        sums=sums,
        counts=counts,
        of_earlier_files={fate: earlier[fate] for fate in _FATES if fate in earlier},
        accounting=Accounting(holds=all(check.holds for check in checks), checks=checks),
    )


def verdict_on_period(content: PeriodReport) -> str:
    """One sentence: files, records by result, and whether the figures add up."""
    once = content.once
    if not once.accounting.holds:
        return "The figures of these runs do not add up to their files: do not sign this report."
    ended = (
        (sum(once.fates[fate] for fate in _CREATED), "created by us"),
        (sum(once.fates[fate.value] for fate in LISTS["skipped"]), "skipped"),
        (once.fates[SUPERSEDED], "settled by another row of the same reference"),
        (once.fates[Fate.GIVEN_UP.value], "given up"),
        (sum(once.fates[fate] for fate in OPEN_FATES), "open"),
    )
    results = (
        ", ".join(f"{grouped_digits(number)} {words}" for number, words in ended if number)
        or "none has a fate"
    )
    cents = "" if content.without_sums else " and every readable cent"
    return (
        f"{number_of(len(content.files), 'file', 'files')} with"
        f" {number_of(once.records, 'record', 'records')}, each counted once: "
        f"{results}; every record{cents} is accounted for{_differing(content)}."
    )


def _differing(content: PeriodReport) -> str:
    """The runs of which billing differs, or whose reconciliation cannot be signed."""
    wrong = content.out_of_balance()
    differing = sum(run.against is not None and run.against.signable for run in wrong)
    unsigned = len(wrong) - differing
    parts = [
        (differing, "billing differs from {} of these runs"),
        (unsigned, "the reconciliation of {} of these runs cannot be signed"),
    ]
    return "".join(f"; {text.format(grouped_digits(many))}" for many, text in parts if many)


def _checks(
    workbench: duckdb.DuckDBPyConnection,
    received: Sequence[FileOfPeriod],
    read: Sequence[RunTotals],
) -> Iterator[AccountingCheck]:
    """Compare the figures of files and runs (read) with those of this report (ended)."""
    by_file = dict(
        workbench.execute(
            "SELECT file, count(*) FROM once WHERE file >= 0 GROUP BY file"
        ).fetchall()
    )
    wanted = {file.file: file.records - file.corrections for file in received}
    expected, ended = sum(wanted.values()), sum(by_file.values())
    same = expected == ended and all(
        by_file.get(file, 0) == records for file, records in wanted.items()
    )
    what = "records of every different file, without corrections of others = records, each once"
    yield AccountingCheck(what=what, currency=None, read=expected, ended=ended, holds=same)
    (rows,) = workbench.execute("SELECT count(*) FROM input_rows").fetchall()[0]
    records = sum(run.records for run in read)
    yield _check("records that the runs read = rows of this report", None, records, rows)
    known = [run.sums for run in read if run.sums is not None]
    if len(known) < len(read):
        return
    query = (
        "SELECT currency, sum(balance) FROM input_rows WHERE balance IS NOT NULL GROUP BY currency"
    )
    summed = {code: int(total) for code, total in workbench.execute(query).fetchall()}
    stated = Counter[str]()
    for sums in known:
        stated.update(sums)
    for code in sorted({*stated, *(code for code in summed if code)}):
        what = f"balances {code}, summed on the inputs of the runs = balances of these rows"
        yield _check(what, code, stated[code], summed.get(code, 0))


def _check(what: str, currency: str | None, read: int, ended: int) -> AccountingCheck:
    return AccountingCheck(
        what=what, currency=currency, read=read, ended=ended, holds=read == ended
    )
