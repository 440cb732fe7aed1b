"""Write the results of a run: fates, lists, sums, accounting checks, summary and pages."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

import duckdb
import polars as pl

from pipeline.domain.customer import ROW_ID, is_import_column
from pipeline.domain.fates import LISTS, Action
from pipeline.domain.origin_check import OriginChecks
from pipeline.domain.plan_file import PlanFile, StageProfile
from pipeline.domain.redaction import Pii, shown, token
from pipeline.domain.run_summary import RunSummary
from pipeline.domain.summary_parts import Requests
from pipeline.reporting import (
    EarlierRuns,
    Report,
    RunOutcome,
    StopCause,
    count_differing,
    differences,
    find_fates,
    identities,
    listed,
    summarize,
    throughput,
    with_differing,
    with_examples,
)
from pipeline.storage.aligned_parts import aligned_parts
from pipeline.storage.files import renamed_when_whole, token_key, write_bytes, written_whole
from pipeline.storage.run_folder import DIFFERING, PAGES, RunFolder
from pipeline.storage.workbench import open_workbench, show, source
from pipeline.storage.xlsx import MOST_COLUMNS, write_text_sheet
from pipeline.submission import Stop
from pipeline.transforming.resubmission import TOO_LONG_FOR_A_CELL
from pipeline.workflows.accepting import accepted_by
from pipeline.workflows.account import Account
from pipeline.workflows.background import one_ahead, one_behind
from pipeline.workflows.profile import Profile
from pipeline.workflows.report.current import keep_current_fates
from pipeline.workflows.report.render import write_pages
from pipeline.workflows.versions import tools

__all__ = ["Report", "write_results"]

WORKBOOK = "rejected.xlsx"
MOST_ROWS_FOR_PEOPLE = 20_000  #: more are not corrected by hand; the CSV file has all of them
#: Columns of the fates that only the lists and rows.parquet need.
_NOT_SUMMED = ("fingerprint", "key", "billing_id", "same_as", "origin_run", "origin_row", "differs")
_DIFFERENCE_COLUMNS = ("_import_row_id", "external_reference", "field", "ours", "theirs")


@dataclass(frozen=True, slots=True)
class Sending:
    """What sending adds to the results of a plan."""

    stop: Stop | None = None
    requests: Requests = field(default_factory=Requests)
    seconds: float | None = None  #: the duration; None if nothing was to be sent
    #: When each create began and was final, see `reporting.throughput`.
    create_times: pl.DataFrame | None = None
    earlier: EarlierRuns = field(default_factory=EarlierRuns)
    account: Account | None = None


NOTHING_SENT = Sending()


@dataclass
class Results:
    """The state of the results while they are written; each step reads it and adds to it."""

    folder: RunFolder
    home: Path
    status: str
    now: datetime
    plan: PlanFile
    profile: Profile
    sending: Sending
    #: field -> held records that differ in it
    held_differs: Counter[str] = field(default_factory=Counter)
    _summary: RunSummary | None = None

    @property
    def summary(self) -> RunSummary:
        """The summary, after `_add_up`."""
        assert self._summary is not None  # noqa: S101 - `_add_up` is the first step that makes it
        return self._summary

    @summary.setter
    def summary(self, summary: RunSummary) -> None:
        self._summary = summary


def write_results(
    folder: RunFolder,
    home: Path,
    *,
    status: str,
    now: datetime,
    sending: Sending = NOTHING_SENT,
) -> Report:
    """Write every result file of a run from its staged tables, and return the report.

    Each step replaces the files of an earlier attempt, so a failed attempt can be repeated.
    """
    results = Results(folder, home, status, now, folder.read_plan(), Profile(), sending)
    profile = results.profile
    profile.add(results.plan.profile)
    if sending.seconds is not None:
        creates = results.plan.count_of(Action.CREATE)
        submit = StageProfile(seconds=round(sending.seconds, 3), rows=creates)
        profile.add({"submit": submit})
    with profile.running(), open_workbench(folder.path) as workbench:
        for query in QUERIES:
            query(results, workbench)
    for step in STEPS:
        step(results)
    return Report(results.summary)


def _write_lists(results: Results, workbench: duckdb.DuckDBPyConnection) -> None:
    checks = OriginChecks(token_key(results.home))
    results.held_differs = _write_rows(
        results.folder, workbench, results.plan.columns, results.profile, checks
    )
    show(workbench, "fates")


def _add_up(results: Results, workbench: duckdb.DuckDBPyConnection) -> None:
    with results.profile.stage("sum", results.plan.read.records):
        summary = summarize(workbench, results.plan, _outcome(results))
        reasons = with_examples(
            workbench,
            summary.reasons,
            partial(shown, pii=Pii.MASKED),
            partial(token, token_key(results.home)),
        )
        results.summary = summary.changed(reasons=reasons)


def _write_differences(results: Results, workbench: duckdb.DuckDBPyConnection) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_DIFFERENCE_COLUMNS)
    writer.writerows(differences(workbench))
    write_bytes(results.folder.path / "differences.csv", text.getvalue().encode())


def _write_returned(results: Results) -> None:
    """Write the compared cells of resubmitted rows."""
    folder = results.folder
    cells = pl.read_parquet(folder.staged / "returned.parquet", glob=False).rename(
        {"row_id": ROW_ID}
    )
    with renamed_when_whole(folder.path / "returned.csv") as path:
        cells.write_csv(path)


def _write_summary(results: Results) -> None:
    folder = results.folder
    names = [
        *(f"{name}.csv" for name in LISTS),
        "differences.csv",
        "returned.csv",
        "rows.parquet",
        "report.html",
    ]
    names += ["report.xlsx"] * (results.status != "planned")
    names += [WORKBOOK] * (folder.path / WORKBOOK).exists()
    results.summary = results.summary.changed(
        files={name: str(folder.path / name) for name in names},
        seconds=results.profile.seconds,
        profile=results.profile.stages,
    )
    folder.write_json("summary.json", results.summary.to_json())


def _keep_current_fates(results: Results) -> None:
    if results.status != "planned":
        keep_current_fates(results.folder)


def _seal(results: Results) -> None:
    """Seal the results before the pages, which also depend on the other runs in the folder."""
    for page in PAGES:
        (results.folder.path / page).unlink(missing_ok=True)
    results.folder.write_manifest(results.plan)


def _write_pages(results: Results) -> None:
    write_pages(results.folder, results.summary, results.home)


#: Steps that query the staged tables, in this order; then those that write files from the results.
QUERIES: tuple[Callable[[Results, duckdb.DuckDBPyConnection], None], ...] = (
    _write_lists,
    _add_up,
    _write_differences,
)
STEPS: tuple[Callable[[Results], None], ...] = (
    _write_returned,
    _write_summary,
    _keep_current_fates,
    _seal,
    _write_pages,
)


def _outcome(results: Results) -> RunOutcome:
    sending = results.sending
    stop, account, times = sending.stop, sending.account, sending.create_times
    most_first = sorted(results.held_differs.items(), key=lambda one: (-one[1], one[0]))
    return RunOutcome(
        status=results.status,
        finished_at=results.now,
        stop=StopCause(stop.reason, stop.exit_code) if stop else None,
        requests=sending.requests,
        profile=results.profile.stages,
        earlier=sending.earlier,
        account=account.sentence if account else None,
        account_is_doubtful=account is not None and account.is_doubtful,
        accepted=accepted_by(results.folder, results.plan),
        tools=tools(),
        throughput=None if times is None else throughput(times),
        held_differs=dict(most_first),
    )


def _write_rows(
    folder: RunFolder,
    workbench: duckdb.DuckDBPyConnection,
    columns: Sequence[str],
    profile: Profile,
    checks: OriginChecks,
) -> Counter[str]:
    """Write every record with its fate to its list, part by part; stage the fates for the sums.

    Return field -> held records that differ in it.
    """
    differing, held_differs = _differing(folder), Counter[str]()
    wanted = ["currency", "text", "clue", *(f"given.{column}" for column in columns)]
    for_people: list[pl.DataFrame] = []
    with ExitStack() as stack:
        lists = {
            name: stack.enter_context(written_whole(folder.path / f"{name}.csv")) for name in LISTS
        }
        write_rows = stack.enter_context(folder.written_in_parts("rows.parquet"))
        parts = list(aligned_parts(folder, "records", "plan"))
        relations = [
            (
                source(workbench, part.paths["records"].name),
                source(workbench, part.paths["plan"].name),
            )
            for part in parts
        ]
        found = profile.timed("fates", find_fates(workbench, folder.run_id, relations))

        def keep(numbered: tuple[int, pl.DataFrame]) -> None:
            number, fates = numbered
            with profile.stage("keep", fates.height):
                folder.stage(f"fates-{number:05}.parquet", fates.drop(_NOT_SUMMED))
                write_rows(identities(fates))

        keep_behind = stack.enter_context(one_behind(keep))
        for number, (part, plain_fates) in enumerate(zip(parts, one_ahead(found), strict=True)):
            fates = with_differing(plain_fates, differing)
            held_differs.update(count_differing(fates))
            profile.add_rows("fates", fates.height)
            with profile.stage("lists", fates.height):
                keep_behind((number, fates))
                records = part.table("records").select(wanted).collect()
                for name, file in lists.items():
                    listed_here = listed(name, records, fates, columns, folder.run_id, checks)
                    if listed_here.height or not number:
                        listed_here.write_csv(file, include_header=not number)
                    if (
                        name == "rejected"
                        and sum(table.height for table in for_people) <= MOST_ROWS_FOR_PEOPLE
                    ):
                        for_people.append(listed_here)
    _write_workbook(folder, pl.concat(for_people))
    return held_differs


def _differing(folder: RunFolder) -> pl.DataFrame:
    """The differing fields that the plan found; none in a plan of an earlier version."""
    path = folder.staged / DIFFERING
    if not path.is_file():
        return pl.DataFrame(schema={"position": pl.Int64, "differs": pl.List(pl.String)})
    return pl.read_parquet(path, glob=False)


def _write_workbook(folder: RunFolder, rejected: pl.DataFrame) -> None:
    """Write `rejected.csv` as a workbook of text cells, which no spreadsheet changes."""
    target = folder.path / WORKBOOK
    target.unlink(missing_ok=True)
    if 0 < rejected.height <= MOST_ROWS_FOR_PEOPLE and rejected.width <= MOST_COLUMNS:
        ours = [is_import_column(name) for name in rejected.columns]
        write_text_sheet(
            target,
            "rejected",
            rejected.columns,
            rejected.rows(),
            ours=ours,
            too_long=TOO_LONG_FOR_A_CELL,
        )
