"""Write the report of a run, as a page and as a workbook."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.config import Settings
from pipeline.domain.customer import is_import_column
from pipeline.domain.fates import LISTS
from pipeline.domain.plurals import number_of
from pipeline.domain.redaction import Pii
from pipeline.domain.run_summary import RunSummary
from pipeline.errors import NotApproved, RunNotFound
from pipeline.reporting import (
    ReportContext,
    Table,
    redact_list,
    render_run,
    run_tables,
    without_literals,
)
from pipeline.storage.files import write_bytes
from pipeline.storage.run_damage import reading
from pipeline.storage.run_folder import PAGES, RunFolder
from pipeline.storage.run_search import find_readable_run
from pipeline.storage.xlsx import MOST_COLUMNS, Sheet, write_text_book
from pipeline.transforming.resubmission import TOO_LONG_FOR_A_CELL
from pipeline.workflows.places import destination_options
from pipeline.workflows.report.became import Became, became_of
from pipeline.workflows.report.context import context_of
from pipeline.workflows.report.open_items import home_key, naming

PAGE, WORKBOOK = PAGES
MOST_ROWS_OF_A_LIST = 20_000  #: in a workbook; the CSV file has all rows


def make_report(
    run_id: str, settings: Settings, *, pii: Pii = Pii.MASKED, output: Path | None = None
) -> tuple[list[Path], RunSummary, Became | None]:
    """Write the page and the workbook of a run again, with all findings since.

    `output`: a folder for them; None to replace those in the run's folder, which are always masked.

    Returns:
        the written files, the summary, and the current fates of an applied run
    """
    folder = find_readable_run(settings.reports, run_id)
    refuse_unfinished(folder)
    if not (folder.path / "summary.json").is_file():
        raise RunNotFound(f"run {folder.run_id} has no summary: its planning was stopped")
    if output is None and pii is not Pii.MASKED:
        raise NotApproved(
            "the report in the run's folder is always masked: use --output FOLDER for another one"
        )
    folder.refuse_other_signatures()
    summary = folder.read_summary()
    with reading(folder.path, "one of its lists"):
        written = write_pages(folder, summary, settings.home, pii=pii, output=output)
    now = became_of(folder, settings.home) if folder.was_applied else None
    return written, summary, now


def refuse_unfinished(folder: RunFolder) -> None:
    """Raise NotApproved if a run is running or was killed: its folder is out of date."""
    if folder.is_unfinished:
        raise NotApproved(
            f"run {folder.run_id} has begun and has not finished, so its results are partial",
            suggests=(
                "resume",
                folder.run_id,
                *destination_options(folder.read_plan_of_any_version()),
            ),
        )


def write_pages(
    folder: RunFolder,
    summary: RunSummary,
    home: Path,
    *,
    pii: Pii = Pii.MASKED,
    output: Path | None = None,
) -> list[Path]:
    """Write the page, and the workbook of an applied run, into the run's folder or `output`."""
    summary = summary if pii is Pii.FULL else without_literals(summary)
    into = output or folder.path
    if output is not None:
        output.mkdir(mode=0o700, parents=True, exist_ok=True)
    context = context_of(folder, summary, home, pii, workbook=not summary.is_planned)
    write_bytes(into / PAGE, render_run(summary, context).encode())
    written = [into / PAGE]
    if context.workbook:
        person = naming(home_key(home), pii)
        write_text_book(into / WORKBOOK, _sheets(folder, summary, context, person))
        written.append(into / WORKBOOK)
    if output is None:
        folder.amend_manifest()
    return written


def _sheets(
    folder: RunFolder, summary: RunSummary, context: ReportContext, person: Any
) -> Iterator[Sheet]:
    yield from (as_sheet(table) for table in run_tables(summary, context))
    identified = _identified(folder)
    for name, members in LISTS.items():
        records = sum(summary.fates[fate] for fate in members)
        if records > MOST_ROWS_OF_A_LIST:
            yield Sheet(
                name,
                ("Where",),
                [(f"{number_of(records, 'record')}: too many for this workbook, see {name}.csv",)],
            )
            continue
        listed = redact_list(
            read_list(folder.path / f"{name}.csv"), identified, context.pii, person
        )
        if listed.width > MOST_COLUMNS:
            yield Sheet(
                name,
                ("Where",),
                [(f"{number_of(listed.width, 'column')}: too many for a sheet, see {name}.csv",)],
            )
            continue
        ours = [is_import_column(column) for column in listed.columns]
        yield Sheet(name, listed.columns, listed.iter_rows(), ours, too_long=TOO_LONG_FOR_A_CELL)


def as_sheet(table: Table) -> Sheet:
    """A table of a report as a sheet of its workbook."""
    return Sheet(
        table.name, table.header, table.rows, figures=table.figures, too_long=TOO_LONG_FOR_A_CELL
    )


def read_list(path: Path) -> pl.DataFrame:
    """One of the six lists, each column as text."""
    return pl.read_csv(path, infer_schema=False, glob=False)


def _identified(folder: RunFolder) -> pl.DataFrame:
    """The reference and balance of each record; empty if retention deleted the records."""
    columns = ["row_id", "external_reference", "currency", "balance"]
    parts = [pl.read_parquet(part, columns=columns, glob=False) for part in folder.parts("fates")]
    schema = {
        "row_id": pl.String,
        "external_reference": pl.String,
        "currency": pl.String,
        "balance": pl.Int64,
    }
    return pl.concat([pl.DataFrame(schema=schema), *(part.select(columns) for part in parts)])
