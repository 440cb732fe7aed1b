"""Gather what a report adds to the run's summary, from the run and its reconciliations."""

import shlex
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.domain.redaction import Pii, shown
from pipeline.domain.run_summary import RunSummary
from pipeline.domain.sign_offs import digest, signed
from pipeline.domain.summary_parts import ReasonCount
from pipeline.errors import OutOfBalance
from pipeline.reporting import (
    AgainstBilling,
    CommandOptions,
    Duplicate,
    FatesNow,
    ReportContext,
    Signing,
    ages,
    differences_shown,
    shown_as,
    with_examples,
    without_examples,
)
from pipeline.storage.run_damage import DamagedRun, RunDamaged
from pipeline.storage.run_folder import RunFolder
from pipeline.storage.workbench import open_workbench
from pipeline.workflows.places import destination_options, place_options
from pipeline.workflows.progress import CLOCK
from pipeline.workflows.report.became import NOTHING, became_of
from pipeline.workflows.report.evidence import (
    FoundReconciliation,
    Reconciliations,
    differences_of,
    signed_digests,
)
from pipeline.workflows.report.open_items import home_key, naming, oldest

MOST_DIFFERENCES_OF_A_BOOK = 20_000
_MOST_OPEN = 25  #: open records on the page, and duplicates of each list


def context_of(
    folder: RunFolder, summary: RunSummary, home: Path, pii: Pii, *, workbook: bool
) -> ReportContext:
    """The findings since the run's summary was written, redacted, with the home's tokens."""
    key = home_key(home)
    person, reconciliations = naming(key, pii), Reconciliations.of(folder.path.parent)
    reconciliation = reconciliations.newest(folder.run_id)
    digests = signed_digests(folder, "reviewer" if workbook else "approver", reconciliation)
    until = CLOCK.now()
    since = became_of(folder, home) if workbook else NOTHING
    items = since.open_records
    differences, unread = _differences(folder, reconciliation, pii, person)
    return ReportContext(
        pii=pii,
        reasons=_reasons(folder, summary.reasons, pii, person),
        duplicates=list(_duplicates(folder, person)),
        billing=AgainstBilling(
            reconciliation=reconciliation.content if reconciliation else None,
            reconciliations=reconciliations.all_of(folder.run_id),
            differences=differences.head(MOST_DIFFERENCES_OF_A_BOOK).to_dicts(),
            differences_in_all=differences.height,
        ),
        current=FatesNow(
            overall=since.overall,
            changes=since.changes,
            open_items=ages(items, until.isoformat()) if workbook else [],
            oldest=list(oldest(items, until, person, _MOST_OPEN)) if workbook else [],
            as_of=until.isoformat(),
        ),
        signing=Signing(signed(folder.signatures(), digests), digest(digests)),
        options=CommandOptions(
            places=_words(place_options(home, folder.path.parent)),
            destination=_words(destination_options(folder.read_plan_of_any_version())),
        ),
        damaged_runs=[str(one) for one in (*since.left_out, *reconciliations.damaged, *unread)],
        workbook=workbook,
    )


def _words(options: Iterable[str]) -> str:
    """Options as shell words, each after a space."""
    return "".join(f" {shlex.quote(word)}" for word in options)


def _reasons(
    folder: RunFolder, reasons: tuple[ReasonCount, ...], pii: Pii, person: Any
) -> tuple[ReasonCount, ...]:
    if pii is Pii.MASKED and all(reason.shown is not None for reason in reasons):
        return reasons
    if not folder.parts("records"):  # retention deleted them
        return without_examples(reasons)
    with open_workbench(folder.path) as workbench:
        return with_examples(workbench, reasons, partial(shown, pii=pii), person)


def _duplicates(folder: RunFolder, person: Any) -> Iterator[Duplicate]:
    """The first rows that repeat another row or match a known customer, who appears as a token."""
    columns = {
        "_import_row_id": "row_id",
        "_import_fate": "fate",
        "_import_same_as": "same_as",
        "_import_reasons": "reasons",
    }
    for name in ("skipped", "held"):
        rows = (
            pl.scan_csv(folder.path / f"{name}.csv", infer_schema=False, glob=False)
            .select(columns.keys())
            .head(_MOST_OPEN)
        )
        for one in rows.rename(columns).collect().iter_rows(named=True):
            # Row ids have one of these characters, references have none.
            is_row = any(mark in (one["same_as"] or "") for mark in ":#!")
            same_as = one["same_as"] if is_row or not one["same_as"] else person(one["same_as"])
            yield Duplicate(one["row_id"], one["fate"], same_as, one["reasons"])


def _differences(
    folder: RunFolder, reconciliation: FoundReconciliation | None, pii: Pii, person: Any
) -> tuple[pl.DataFrame, list[DamagedRun]]:
    """Every difference, redacted, in the columns of `reporting.redacted.DIFFERENCES`.

    Also the reconciliation if its list cannot be read: that is no problem of the run itself.
    """
    by_answer = _read(folder.path / "differences.csv").rename({"_import_row_id": "row_id"})
    found = [
        differences_shown(by_answer.with_columns(_unquoted("theirs")), pii, person).with_columns(
            kind=pl.lit("created_different")
        )
    ]
    unread = []
    if reconciliation is not None:
        of_run = pl.col("run_id").is_null() | (pl.col("run_id") == folder.run_id)
        try:
            found.append(
                differences_shown(differences_of(reconciliation).filter(of_run), pii, person)
            )
        except RunDamaged as damaged:
            unread.append(damaged.damage)
    return pl.concat([shown_as(one) for one in found]), unread


def _unquoted(name: str) -> pl.Expr:
    """Billing's values, which are JSON, with texts without their quotes."""
    text = pl.col(name)
    return (
        pl.when(text.str.starts_with('"'))
        .then(text.str.json_decode(pl.String))
        .otherwise(text)
        .alias(name)
    )


def _read(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise OutOfBalance(f"{path} is missing", suggests=("verify", path.parent.name))
    return pl.read_csv(path, infer_schema=False, glob=False)
