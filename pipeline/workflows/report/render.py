"""The story of a report: the run's summary, what was found about it since, who signed; as a page and as a workbook."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.config import Settings
from pipeline.domain.customer import is_import_column
from pipeline.domain.outcomes import LISTS
from pipeline.domain.redaction import Pii
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
from pipeline.workflows.report.became import became_of
from pipeline.workflows.report.context import beside_of
from pipeline.workflows.report.open_items import home_key, naming

PAGE, WORKBOOK = PAGES
MOST_ROWS_OF_A_LIST = 20_000  #: nobody looks through more in a workbook; the CSV file has them all


def make_report(
    run_id: str, settings: Settings, *, pii: Pii = Pii.MASKED, output: Path | None = None
) -> tuple[list[Path], dict[str, Any]]:
    """Make the page and the workbook of an applied or planned run anew, with what was found since; where they are, and the summary.

    Without `output`, a folder, they replace those in the run's folder, which are masked always.
    """
    folder = find_readable_run(settings.reports, run_id)
    refuse_unfinished(folder)
    if not (folder.path / "summary.json").is_file():
        raise RunNotFound(
            f"run {folder.run_id} has no summary yet: it was planned by a process that was stopped"
        )
    if output is None and pii is not Pii.MASKED:
        raise NotApproved(
            "the report in the run's folder is masked; say where another goes: --output FOLDER"
        )
    folder.refuse_other_signatures()
    content = folder.read_summary()
    with reading(folder.path, "one of its lists"):
        written = write_pages(folder, content, settings.home, pii=pii, output=output)
    return written, {
        **content,
        **(became_of(folder, settings.home).content() if folder.was_applied else {}),
    }


def refuse_unfinished(folder: RunFolder) -> None:
    """Raise NotApproved where a run goes on or was killed: what its folder says is from before."""
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
    content: dict[str, Any],
    home: Path,
    *,
    pii: Pii = Pii.MASKED,
    output: Path | None = None,
) -> list[Path]:
    """Write the page, and the workbook where something was applied, beside the others or into `output`."""
    content = content if pii is Pii.FULL else without_literals(content)
    into = output or folder.path
    if output is not None:
        output.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = beside_of(folder, content, home, pii, workbook=content["status"] != "planned")
    write_bytes(into / PAGE, render_run(content, beside).encode())
    written = [into / PAGE]
    if beside.workbook:
        person = naming(home_key(home), pii)
        write_text_book(into / WORKBOOK, _sheets(folder, content, beside, person))
        written.append(into / WORKBOOK)
    if output is None:
        folder.amend_manifest()
    return written


def _sheets(
    folder: RunFolder, content: dict[str, Any], beside: ReportContext, person: Any
) -> Iterator[Sheet]:
    yield from (as_sheet(table) for table in run_tables(content, beside))
    identified = _identified(folder)
    for name, members in LISTS.items():
        records = sum(content["fates"][fate] for fate in members)
        if records > MOST_ROWS_OF_A_LIST:
            yield Sheet(
                name,
                ("Where",),
                [(f"{records} records: too many to look through here, see {name}.csv",)],
            )
            continue
        listed = redact_list(read_list(folder.path / f"{name}.csv"), identified, beside.pii, person)
        if listed.width > MOST_COLUMNS:
            yield Sheet(
                name,
                ("Where",),
                [(f"{listed.width} columns: more than a sheet holds, see {name}.csv",)],
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
    """One of the six lists as it was written, text by text."""
    return pl.read_csv(path, infer_schema=False, glob=False)


def _identified(folder: RunFolder) -> pl.DataFrame:
    """Whom each record is about, and its balance; empty where the records fell under retention."""
    columns = ["row_id", "external_reference", "currency", "balance"]
    parts = [pl.read_parquet(part, columns=columns, glob=False) for part in folder.parts("fates")]
    schema = {
        "row_id": pl.String,
        "external_reference": pl.String,
        "currency": pl.String,
        "balance": pl.Int64,
    }
    return pl.concat([pl.DataFrame(schema=schema), *(part.select(columns) for part in parts)])
