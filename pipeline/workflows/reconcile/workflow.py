"""The story of a reconciliation: what the runs meant, what the ledger knows, what billing holds; every difference by name."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pipeline import __version__
from pipeline.config import Settings, Target
from pipeline.domain.redaction import Pii
from pipeline.errors import OptionRefused
from pipeline.planning.file_checks import parse_expected
from pipeline.reconciling import (
    RECORDS,
    Legacy,
    Terms,
    bridge,
    choose,
    compare,
    count_candidates,
    from_legacy,
    tell_changes,
    to_look_up,
)
from pipeline.reporting import (
    differences_shown,
    read_once,
    reconciliation_tables,
    render_reconciliation,
    shown_as,
)
from pipeline.storage.files import write_bytes
from pipeline.storage.known_customers import known_to
from pipeline.storage.ledger import Ledger
from pipeline.storage.run_folder import RunFolder
from pipeline.storage.xlsx import write_text_book
from pipeline.workflows.input_rows import stage_records
from pipeline.workflows.progress import CLOCK, NOBODY, StopRequest, Watch
from pipeline.workflows.reconcile.actual import Billed, blocks, stage_export, stage_look_ups
from pipeline.workflows.reconcile.expected import fields_of, stage_meant
from pipeline.workflows.reconcile.ledger_queries import (
    agreements,
    ask_for_strangers,
    ask_when_settled,
    resolve_doubts,
)
from pipeline.workflows.reconcile.lookups import look_up
from pipeline.workflows.reconcile.result import Compared, figures, write_differences
from pipeline.workflows.reconcile.run_selection import TakenIn
from pipeline.workflows.reconcile.workspace import folder_by_export, folder_by_look_ups
from pipeline.workflows.report.open_items import home_key, naming
from pipeline.workflows.report.render import as_sheet

_MOST_SHOWN = 20_000  #: differences, in the workbook
NO_LEGACY = Legacy()
Read = tuple[str, str, int, int]  #: fate, currency, records, minor units


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a reconciliation came to; `content` is what its summary.json holds."""

    content: dict[str, Any]

    @property
    def exit_code(self) -> int:
        """0 where all agrees, 1 where a person has something to look at, 7 where it is out of balance."""
        return int(self.content["exit_code"])


def reconcile(
    taken_in: TakenIn,
    settings: Settings,
    *,
    exports: Sequence[Path] = (),
    target: Target | None = None,
    place: str | None = None,
    sample: int | None = None,
    legacy: Legacy = NO_LEGACY,
    stopping: StopRequest | None = None,
    watch: Watch = NOBODY,
) -> Reconciled:
    """Hold what these runs meant against billing: an export of it, or else a lookup of each customer (`target`).

    In a migration `legacy` says what the legacy system holds, and the bridge begins there. `place`: what billing's address is called
    where it moves, as a sandbox's does. Leaves a folder of its own under the reports folder; lookups that were stopped or killed go on
    where they were. Raises LedgerLocked where the same reconciliation goes on in another process.
    """
    runs = taken_in.runs
    environment = runs[0].read_plan()["environment"]
    home = settings.home / environment["name"]
    asked = _question(runs, sample, target, place)
    known = known_to(home)
    with ExitStack() as open_until_the_end:
        folder, journal = open_until_the_end.enter_context(
            (folder_by_export if exports else folder_by_look_ups)(settings.reports, asked)
        )
        read_before, billed = _both_sides(folder, runs, settings, exports, watch)
        is_fed_again = stage_records(folder, runs)
        workbench = open_until_the_end.enter_context(
            folder.workbench(references=known.path if known else None)
        )
        ledger = open_until_the_end.enter_context(Ledger.read(home))
        folder.show(workbench, "meant")
        resolve_doubts(workbench, ledger)
        chosen = choose(workbench, sample, seed=folder.run_id)
        if billed is None:
            assert target is not None and journal is not None  # noqa: PT018, S101 - the command has seen to it
            answers = look_up(
                lambda: to_look_up(workbench),
                chosen.asked,
                journal,
                settings,
                target,
                stopping or StopRequest(),
                watch,
            )
            billed = stage_look_ups(folder, blocks(answers), fields_of(runs))
        folder.show(workbench, "billed")
        folder.show(workbench, "unanswered")
        ask_for_strangers(workbench, ledger, {run.run_id for run in runs})
        terms = Terms(billed.fields, fields_of(runs), settings.reconcile.tolerances)
        compare(workbench, terms)
        if billed.has_times and ledger is not None:
            ask_when_settled(workbench, ledger)
            tell_changes(workbench)
        steps = from_legacy(
            bridge(workbench, _read_once(folder, workbench, read_before, once=is_fed_again)), legacy
        )
        ledgers = list(agreements(workbench, ledger, runs))
        fed = sum(records for _, _, records, _ in read_before)
        compared = Compared(
            billed, terms, chosen, steps, ledgers, legacy, fed, len(taken_in.left_out)
        )
        content = {
            **_identified(folder, taken_in, environment, settings),
            **figures(workbench, compared),
            "files": {
                name: str(folder.path / name)
                for name in ("differences.csv", "report.html", "report.xlsx")
            },
        }
        write_differences(folder, workbench)
        _write_pages(folder, content, settings.home)
    # What has a summary is a reconciliation that ended: nothing of the way there lies about by then.
    folder.write_json("summary.json", content)
    folder.seal("reconciliation")
    return Reconciled(content)


def legacy_from(totals: Sequence[str], because: Sequence[str]) -> Legacy:
    """`ZAR=1234567` (minor units), `ZAR=12345.67` or `records=2000`, and `ZAR=why it does not come out`; raise OptionRefused."""
    stated = parse_expected(totals, "--legacy-total")
    if twice := sorted(
        {one.what for one in stated if [other.what for other in stated].count(one.what) > 1}
    ):
        raise OptionRefused([(f"--legacy-total {', '.join(twice)}", "stated more than once")])
    pairs = [
        (code.strip(), text.strip()) for code, _, text in (told.partition("=") for told in because)
    ]
    if wrong := [told for told, pair in zip(because, pairs, strict=True) if not all(pair)]:
        expected = (
            "CODE=TEXT is expected, such as ZAR=two accounts were written off by hand;"
            f" CODE is a currency or {RECORDS} of a legacy total, or residual.ZAR for a residual"
        )
        raise OptionRefused([(f"--because {wrong[0]}", expected)])
    return Legacy({one.what: int(one.value) for one in stated}, dict(pairs))


def _question(
    runs: Sequence[RunFolder], sample: int | None, target: Target | None, place: str | None
) -> dict[str, Any]:
    """What lookups are made for, so that none is taken for an answer to another question."""
    return {
        "runs": [run.run_id for run in runs],
        "sample": sample,
        "billing": None
        if target is None
        else [place or target.address.base_url, target.api_key.fingerprint],
    }


def _both_sides(
    folder: RunFolder,
    runs: Sequence[RunFolder],
    settings: Settings,
    exports: Sequence[Path],
    watch: Watch,
) -> tuple[list[Read], Billed | None]:
    """Our side, and beside it an export of billing where there is one."""
    with ThreadPoolExecutor(1, "meant") as beside:
        reading = beside.submit(stage_meant, folder, runs, with_payloads=not exports)
        billed = stage_export(folder, exports, settings, watch) if exports else None
        return reading.result(), billed


def _read_once(
    folder: RunFolder, workbench: duckdb.DuckDBPyConnection, read: list[Read], *, once: bool
) -> list[Read]:
    """What was read, each record once: fate, currency, records, minor units."""
    if once:
        folder.show(workbench, "fed")
        folder.show(workbench, "followed")
        read = read_once(workbench)
    count_candidates(workbench, once=once)
    return read


def _identified(
    folder: RunFolder, taken_in: TakenIn, environment: dict[str, str], settings: Settings
) -> dict[str, Any]:
    return {
        "schema": 1,
        "kind": "reconciliation",
        "reconciliation_id": folder.run_id,
        "runs": [run.run_id for run in taken_in.runs],
        "left_out": taken_in.left_out,
        "damaged_runs": [asdict(one) for one in taken_in.damaged],
        "environment": environment,
        "reviewer": settings.planner,
        "version": __version__,
        "begun_at": folder.read_json("asked.json")["begun_at"],
        "finished_at": CLOCK.now().isoformat(timespec="milliseconds"),
    }


def _write_pages(folder: RunFolder, content: dict[str, Any], home: Path) -> None:
    """The page and the workbook, with the first differences, as far as a report may show them."""
    found = (
        pl.scan_csv(folder.path / "differences.csv", infer_schema=False, glob=False)
        .head(_MOST_SHOWN)
        .collect()
    )
    shown = shown_as(
        differences_shown(found, Pii.MASKED, naming(home_key(home), Pii.MASKED))
    ).to_dicts()
    write_bytes(folder.path / "report.html", render_reconciliation(content, shown).encode())
    write_text_book(
        folder.path / "report.xlsx",
        [as_sheet(table) for table in reconciliation_tables(content, shown)],
    )
