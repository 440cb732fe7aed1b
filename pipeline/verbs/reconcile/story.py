"""The story of a reconciliation: what the runs meant, what the ledger knows, what billing holds; every difference by name."""

import csv
import io
import secrets
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pipeline import __version__
from pipeline.config import Settings, Target
from pipeline.errors import ConfigError, RunNotFound
from pipeline.files import token_key, write_bytes
from pipeline.ledger import Ledger
from pipeline.masking import Pii
from pipeline.outcomes import Discrepancy, Fate, State
from pipeline.receiving import parse_expected
from pipeline.reconciling import (
    Chosen,
    Found,
    Legacy,
    Sampled,
    Step,
    Terms,
    at_most,
    bridge,
    changed_references,
    choose,
    compare,
    from_legacy,
    judge,
    not_determinable,
    residuals,
    strangers,
    tell_changes,
    unexplained,
)
from pipeline.references import known_to
from pipeline.reporting import differences_shown, render_reconciliation, shown_as
from pipeline.run_folder import RunFolder, all_runs
from pipeline.verbs.reconcile.billed import Billed, stage_export, stage_look_ups
from pipeline.verbs.reconcile.look_ups import look_up
from pipeline.verbs.reconcile.meant import stage_meant
from pipeline.verbs.report.open_rows import naming
from pipeline.verbs.watch import CLOCK, NOBODY, StopRequest, Watch

JOURNAL = "looked_up.jsonl"
MOST_ON_A_PAGE = 200  #: differences
CONFIDENCE = 0.95
NO_LEGACY = Legacy()
_OURS = {State.CREATED, State.CREATED_DIFFERENT, State.ADOPTED}  #: what the ledger calls what a run has created
_DIFFERENCE_COLUMNS = (
    "kind", "external_reference", "run_id", "row_id", "field", "ours", "theirs", "currency", "amount", "pattern",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a reconciliation came to; `content` is what its summary.json holds."""

    content: dict[str, Any]

    @property
    def exit_code(self) -> int:
        """0 where all agrees, 1 where a person has something to look at, 7 where it is out of balance."""
        return int(self.content["exit_code"])


@dataclass(frozen=True, slots=True)
class _Found:
    """What comparing came to, in the order in which a summary tells it."""

    billed: Billed
    terms: Terms
    steps: Sequence[Step]
    sampled: Sampled | None
    ledger: list[dict[str, Any]]  #: per run what it reported and what the ledger recorded
    legacy: Legacy


def reconcile(
    runs: Sequence[RunFolder],
    settings: Settings,
    *,
    exports: Sequence[Path] = (),
    target: Target | None = None,
    sample: int | None = None,
    legacy: Legacy = NO_LEGACY,
    stopping: StopRequest | None = None,
    watch: Watch = NOBODY,
) -> Reconciled:
    """Hold what these runs meant against billing: an export of it, or else a look-up of each customer (`target`).

    In a migration `legacy` says what the legacy system holds, and the bridge begins there.
    Leaves a folder of its own under the reports folder; look-ups that were stopped or killed go on where they were.
    """
    plans = [_applied(run) for run in runs]
    environment = _one_environment(plans)
    folder = (None if exports else _unfinished(settings.reports, runs, sample)) or _new(settings.reports, runs, sample)
    home = settings.home / environment["name"]
    try:
        with ThreadPoolExecutor(1, "meant") as beside:
            reading = beside.submit(stage_meant, folder, runs, with_payloads=not exports)
            billed = stage_export(folder, exports, settings, watch) if exports else None
            read_before = reading.result()
        known = known_to(home)
        with folder.workbench(references=known.path if known else None) as workbench, Ledger.read(home) as ledger:
            folder.show(workbench, "candidates")
            chosen = choose(workbench, sample, seed=folder.run_id)
            if billed is None:
                assert target is not None  # noqa: S101 - the command has seen to it
                answers = look_up(
                    _to_ask(workbench), folder.path / JOURNAL, settings, target, stopping or StopRequest(), watch
                )
                billed = stage_look_ups(folder, answers)
            folder.show(workbench, "billed")
            _ask_the_ledger(workbench, ledger, {run.run_id for run in runs})
            terms = Terms(_compared(workbench, billed), settings.reconcile.tolerances)
            compare(workbench, terms)
            if billed.has_times and ledger is not None:
                _tell_changes(workbench, ledger)
            steps = from_legacy(bridge(workbench, read_before), legacy)
            sampled = None if chosen.asked == chosen.of else _sampled(workbench, chosen)
            found = _Found(billed, terms, steps, sampled, _ledger_agrees(ledger, runs), legacy)
            content = {
                **_identified(folder, runs, environment, settings),
                **_figures(workbench, found),
                **({} if sampled is None else {"sample": asdict(sampled)}),
                "files": {name: str(folder.path / name) for name in ("differences.csv", "report.html")},
            }
            _write_differences(folder, workbench)
    except BaseException:
        if exports:
            shutil.rmtree(folder.path)
        raise
    folder.write_json("summary.json", content)
    write_bytes(folder.path / "report.html", render_reconciliation(content, _first(folder, settings.home)).encode())
    shutil.rmtree(folder.staged)  # people's data once more; the runs have it
    (folder.path / JOURNAL).unlink(missing_ok=True)
    return Reconciled(content)


def _first(folder: RunFolder, home: Path) -> list[dict[str, Any]]:
    """The first differences, as far as a page may show them."""
    found = pl.scan_csv(folder.path / "differences.csv", infer_schema=False, glob=False).head(MOST_ON_A_PAGE).collect()
    return shown_as(differences_shown(found, Pii.MASKED, naming(token_key(home), Pii.MASKED))).to_dicts()


def runs_to_reconcile(reports: Path, run_ids: Sequence[str], since: str | None) -> list[RunFolder]:
    """The runs that were named; else every applied run since a day (ISO 8601), or the newest one."""
    if run_ids:
        return [RunFolder.find(reports, run_id) for run_id in run_ids]
    applied = [run for run in all_runs(reports) if _was_applied(run)]
    if since is not None:
        day = datetime.fromisoformat(since).strftime("%Y%m%d")
        applied = [run for run in applied if run.run_id[:8] >= day]
    else:
        applied = applied[-1:]
    if not applied:
        raise RunNotFound(
            f"{reports}: no run was applied{f' since {since}' if since else ''}; there is nothing to reconcile"
        )
    return applied


def _was_applied(run: RunFolder) -> bool:
    return (run.path / "summary.json").is_file() and run.read_json("summary.json")["status"] != "planned"


def _applied(run: RunFolder) -> dict[str, Any]:
    if not _was_applied(run):
        raise RunNotFound(f"run {run.run_id} was planned and never applied: there is nothing of it in billing")
    if not run.parts("records") or len(run.parts("records")) != len(run.parts("fates")):
        raise RunNotFound(f"run {run.run_id}: its staged files fell under retention, and only they hold what was sent")
    return run.read_plan()


def _one_environment(plans: Sequence[dict[str, Any]]) -> dict[str, str]:
    environments = {tuple(sorted(plan["environment"].items())) for plan in plans}
    if len(environments) > 1:
        names = sorted({plan["environment"]["name"] for plan in plans})
        raise RunNotFound(f"the runs are of several environments ({', '.join(names)}); reconcile each by itself")
    return dict(plans[0]["environment"])


def _new(reports: Path, runs: Sequence[RunFolder], sample: int | None) -> RunFolder:
    folder = RunFolder.create(reports, f"{CLOCK.now():%Y%m%dT%H%M%SZ}-reconcile-{secrets.token_hex(3)}")
    folder.write_json("asked.json", {"runs": [run.run_id for run in runs], "sample": sample})
    return folder


def _unfinished(reports: Path, runs: Sequence[RunFolder], sample: int | None) -> RunFolder | None:
    """The same reconciliation by look-up, begun within a day and never ended; what billing said longer ago says little."""
    wanted = {"runs": [run.run_id for run in runs], "sample": sample}
    a_day_ago = CLOCK.now().timestamp() - 86_400
    for path in sorted(reports.glob("*-reconcile-*"), reverse=True):
        folder = RunFolder(path)
        begun = (path / JOURNAL).is_file() and not (path / "summary.json").is_file()
        if begun and folder.read_json("asked.json") == wanted and (path / JOURNAL).stat().st_mtime > a_day_ago:
            return folder
    return None


def _to_ask(workbench: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    found = workbench.execute(
        "SELECT external_reference, payload FROM expected WHERE role IN ('expected', 'in_doubt') ORDER BY run_id, place"
    )
    return found.fetchall()


def _compared(workbench: duckdb.DuckDBPyConnection, billed: Billed) -> list[str]:
    """The fields that are compared: billing's side states them, and both tables have a column for them."""
    of_expected, of_billed = (
        {row[0] for row in workbench.execute(f"DESCRIBE SELECT * FROM {side}").fetchall()}
        for side in ("expected", "billed")
    )
    for name in billed.fields:
        if name not in of_expected:
            workbench.execute(f'ALTER TABLE expected ADD COLUMN "{name}" VARCHAR')
    return [name for name in billed.fields if name in of_billed]


def _ask_the_ledger(workbench: duckdb.DuckDBPyConnection, ledger: Ledger | None, run_ids: set[str]) -> None:
    """Who made the customers that billing holds and these runs do not expect: the table `elsewhere`."""
    workbench.execute("CREATE TABLE elsewhere (external_reference VARCHAR, run_id VARCHAR)")
    if ledger is None:
        return
    for block in list(strangers(workbench)):
        known = ledger.states(block)
        made = [(name, one.run_id) for name, one in known.items() if one.state in _OURS and one.run_id not in run_ids]
        _insert(workbench, "elsewhere", made, {"external_reference": pl.String, "run_id": pl.String})


def _tell_changes(workbench: duckdb.DuckDBPyConnection, ledger: Ledger) -> None:
    workbench.execute("CREATE TABLE settled (external_reference VARCHAR, settled_at BIGINT)")
    for block in list(changed_references(workbench)):
        settled = [
            (name, round(datetime.fromisoformat(at).astimezone(UTC).timestamp() * 1e6))
            for name, at in ledger.settled_at(block)
        ]
        _insert(workbench, "settled", settled, {"external_reference": pl.String, "settled_at": pl.Int64})
    tell_changes(workbench)


def _insert(
    workbench: duckdb.DuckDBPyConnection, table: str, rows: list[tuple[Any, ...]], schema: dict[str, Any]
) -> None:
    if rows:
        workbench.register("rows_to_insert", pl.DataFrame(rows, schema=schema, orient="row"))
        workbench.execute(f"INSERT INTO {table} SELECT * FROM rows_to_insert")
        workbench.unregister("rows_to_insert")


def _ledger_agrees(ledger: Ledger | None, runs: Sequence[RunFolder]) -> list[dict[str, Any]]:
    """For each run: what it says that it created, and what the ledger says that it did."""
    told = []
    for run in runs:
        fates = run.read_json("summary.json")["fates"]
        said = sum(fates[fate.value] for fate in (Fate.CREATED, Fate.CREATED_DIFFERENT))
        states = ledger.counts(run.run_id) if ledger is not None else {}
        recorded = sum(states.get(state.value, 0) for state in _OURS)
        told.append({"run_id": run.run_id, "reported": said, "recorded": recorded, "agrees": said == recorded})
    return told


def _identified(
    folder: RunFolder, runs: Sequence[RunFolder], environment: dict[str, str], settings: Settings
) -> dict[str, Any]:
    return {
        "schema": 1,
        "kind": "reconciliation",
        "reconciliation_id": folder.run_id,
        "runs": [run.run_id for run in runs],
        "environment": environment,
        "reviewer": settings.planner,
        "version": __version__,
        "finished_at": CLOCK.now().isoformat(timespec="seconds"),
    }


def _figures(workbench: duckdb.DuckDBPyConnection, found: _Found) -> dict[str, Any]:
    billed, terms, steps = found.billed, found.terms, found.steps
    counts = dict(workbench.execute("SELECT kind, count(*) FROM differences GROUP BY kind").fetchall())
    patterns = workbench.execute(
        "SELECT pattern, count(*) FROM differences WHERE pattern IS NOT NULL GROUP BY 1"
    ).fetchall()
    residual = residuals(steps)
    by_look_up = billed.method == "look-ups"
    fields = dict(
        workbench.execute(
            "SELECT field, count(*) FROM differences WHERE kind = 'field_differs' GROUP BY field ORDER BY field"
        ).fetchall()
    )
    verdict = judge(
        Found(counts, fields.get("currency", 0), _faults(residual, found)),
        by_look_up=by_look_up,
        has_tolerances=bool(terms.tolerances),
        sampled=found.sampled,
    )
    return {
        "exit_code": verdict.exit_code,
        "signable": verdict.is_signable,
        "verdict": verdict.sentence,
        "method": billed.method,
        "export": list(billed.inputs),
        "export_unusable": billed.unusable,
        "compared": [*terms.fields, "currency", "balance"],
        "tolerances": dict(terms.tolerances),
        "differences": {kind.value: counts.get(kind.value, 0) for kind in Discrepancy},
        "fields": fields,
        "patterns": dict(patterns),
        "not_determinable": not_determinable(by_look_up=by_look_up, has_times=billed.has_times),
        "bridge": [
            {
                "step": step.name,
                "sentence": step.sentence,
                "is_total": step.is_total,
                "records": step.records,
                "figures": _as_json(step.figures),
            }
            for step in steps
        ],
        "residual": _as_json(residual),
        "legacy": {"totals": dict(found.legacy.totals), "because": dict(found.legacy.because)},
        "ledger": found.ledger,
        "examples": _examples(workbench),
    }


def _faults(residual: dict[str, tuple[int, int]], found: _Found) -> list[str]:
    """Why the evidence itself does not hold together."""
    unusable, first = found.billed.unusable, ", ".join(found.billed.unusable_rows)
    return [
        *unexplained(found.steps, found.legacy, residual),
        *([] if all(one["agrees"] for one in found.ledger) else ["the ledger and a report disagree"]),
        *(
            [
                f"{unusable} records of the export that name no customer ({first}{', …' * (unusable > len(found.billed.unusable_rows))})"
            ]
            if unusable
            else []
        ),
    ]


def _sampled(workbench: duckdb.DuckDBPyConnection, chosen: Chosen) -> Sampled:
    differing = _count(workbench, "SELECT count(DISTINCT external_reference) FROM differences")
    share = at_most(chosen.asked, differing, CONFIDENCE) if chosen.asked else 1.0
    return Sampled(chosen.asked, chosen.of, differing, CONFIDENCE, share)


def _as_json(figures: Mapping[str, tuple[int | None, int]]) -> dict[str, dict[str, int | None]]:
    return {code: {"records": records, "sum": amount} for code, (records, amount) in sorted(figures.items())}


def _examples(workbench: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """The first rows of each kind, by row id: references may be people's names for all that we know."""
    found = workbench.execute(
        "SELECT kind, list(coalesce(row_id, theirs) ORDER BY place, billed_place)[:5] FROM differences GROUP BY kind"
    ).fetchall()
    return {kind: [text for text in rows if text] for kind, rows in found}


def _write_differences(folder: RunFolder, workbench: duckdb.DuckDBPyConnection) -> None:
    found = workbench.execute(
        f"SELECT {', '.join(_DIFFERENCE_COLUMNS)} FROM differences ORDER BY kind, run_id, place, billed_place, field"
    )
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_DIFFERENCE_COLUMNS)
    while block := found.fetchmany(100_000):
        writer.writerows(block)
    write_bytes(folder.path / "differences.csv", text.getvalue().encode())


def _count(workbench: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(workbench.execute(query).fetchall()[0][0])


def legacy_from(totals: Sequence[str], because: Sequence[str]) -> Legacy:
    """`ZAR=1234567` (minor units), `ZAR=12345.67` or `records=2000`, and `ZAR=why it does not come out`; raise ConfigError."""
    stated = {one.what: int(one.value) for one in parse_expected(totals, "--legacy-total")}
    pairs = [(code.strip(), text.strip()) for code, _, text in (told.partition("=") for told in because)]
    if wrong := [told for told, pair in zip(because, pairs, strict=True) if not all(pair)]:
        raise ConfigError(
            f"--because {wrong[0]}: CODE=TEXT is expected, such as ZAR=two accounts were written off by hand"
        )
    return Legacy(stated, dict(pairs))
