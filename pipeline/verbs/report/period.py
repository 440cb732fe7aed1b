"""The story of a month: every run since a day, the files that they took, each record once, what is open and for how long."""

import secrets
import shutil
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import polars as pl

from pipeline import __version__
from pipeline.config import Settings
from pipeline.errors import RunNotFound
from pipeline.files import token_key, write_bytes
from pipeline.masking import Pii
from pipeline.outcomes import LISTS
from pipeline.reporting import Beside, add_up_once, ages, render_period, verdict_on_period
from pipeline.run_folder import RunFolder, all_runs
from pipeline.signatures import signed
from pipeline.verbs.reconcile.story import runs_to_reconcile
from pipeline.verbs.report.evidence import lies_beneath, newest_reconciliation
from pipeline.verbs.report.open_rows import naming, oldest, open_items, placed, rows_of
from pipeline.verbs.watch import CLOCK

_MOST_OPEN = 100  #: rows on the page
_FED = pl.Schema(
    {
        "run": pl.Int32, "file": pl.Int32, "place": pl.String, "row_id": pl.String, "fate": pl.String,
        "currency": pl.String, "balance": pl.Int64,
    }
)  # fmt: skip
_ROOTS = pl.Schema({"origin_run": pl.String, "origin_row": pl.String, "root_file": pl.Int32, "root_place": pl.String})


def report_period(
    settings: Settings, since: str, until: str | None = None, *, pii: Pii = Pii.MASKED
) -> tuple[RunFolder, dict[str, Any]]:
    """Report every applied run from one day to another (ISO 8601, both included), in a folder of its own.

    All of one environment. What is open is told as of the last of these runs.
    """
    runs = _applied(settings, since, until)
    environment = runs[0].read_plan()["environment"]
    folder = RunFolder.create(settings.reports, f"{CLOCK.now():%Y%m%dT%H%M%SZ}-since-{secrets.token_hex(3)}")
    try:
        received = _stage_fed(folder, runs)
        with folder.workbench() as workbench:
            folder.show(workbench, "fed")
            once = add_up_once(workbench, received)
        last = datetime.fromisoformat(runs[-1].read_json("summary.json")["finished_at"])
        items = open_items(runs[-1], settings.home, last)
        content = {
            "schema": 1,
            "kind": "period",
            "since": since,
            "until": until or f"{CLOCK.now():%Y-%m-%d}",
            "environment": environment,
            "reviewer": settings.planner,
            "version": __version__,
            "finished_at": CLOCK.now().isoformat(timespec="seconds"),
            "runs": [_told(run) for run in runs],
            "files": received,
            "once": once,
            "open": ages(items, last.isoformat()),
            "without_sums": [run.run_id for run in runs if not run.parts("fates")],
        }
        content["exit_code"] = _exit_code(content)
        content["verdict"] = verdict_on_period(content)
        shown = oldest(items, last, naming(token_key(settings.home), pii), _MOST_OPEN)
        beside = Beside(pii=pii, open_items=content["open"], oldest=list(shown))
    except BaseException:
        shutil.rmtree(folder.path)
        raise
    write_bytes(folder.path / "report.html", render_period(content, beside).encode())
    folder.write_json("summary.json", content)
    shutil.rmtree(folder.staged)
    return folder, content


def _applied(settings: Settings, since: str, until: str | None) -> list[RunFolder]:
    runs = runs_to_reconcile(settings.reports, (), since)
    if until is not None:
        end = datetime.combine(date.fromisoformat(until) + timedelta(days=1), time(), UTC)
        runs = [run for run in runs if run.run_id[:8] < f"{end:%Y%m%d}"]
    names = {run.read_plan()["environment"]["name"] for run in runs}
    if len(names) != 1:
        told = (
            f"runs of several environments ({', '.join(sorted(names))}): keep each in a reports folder of its own"
            if names
            else "no run was applied in this span"
        )
        raise RunNotFound(f"{settings.reports}: {told}")
    return runs


def _stage_fed(folder: RunFolder, runs: list[RunFolder]) -> list[dict[str, Any]]:
    """Stage every row that was fed under the file and place where it first came; what files there were.

    Files of this span are numbered from 0 on, those before it, whose rows came back, from -1 down.
    """
    received: dict[str, dict[str, Any]] = {}
    here = {run.run_id: at for at, run in enumerate(runs)}
    every = {run.run_id: run for run in all_runs(runs[0].path.parent)}
    before: dict[str, int] = {}
    for at, run in enumerate(runs):
        plan = run.read_plan()
        for file in plan["inputs"]:
            known = received.setdefault(file["sha256"], _received(len(received), file, plan["planned_at"]))
            known["times"] += 1
        numbers = {sha256: known["file"] for sha256, known in received.items()}
        fed = rows_of(run).collect().with_columns(run=pl.lit(at), file=_numbered(numbers))
        linked = fed.select("origin_run", "origin_row").drop_nulls().unique()
        roots = [
            _roots_here(folder, here[run_id], some)
            if run_id in here
            else _roots_before(every.get(run_id), some, before)
            for run_id, some in (
                (str(key[0]), some) for key, some in linked.group_by("origin_run", maintain_order=True)
            )
        ]
        if roots:
            fed = fed.join(pl.concat(roots), on=["origin_run", "origin_row"], how="left", maintain_order="left")
            mended = Counter(fed.filter(pl.col("root_file").is_not_null())["file"].to_list())
            for file in plan["inputs"]:
                of_file = received[file["sha256"]]
                of_file["mends"] = mended.get(of_file["file"], 0)
            fed = fed.with_columns(file=pl.coalesce("root_file", "file"), place=pl.coalesce("root_place", "place"))
        folder.stage(f"fed-{at:05}.parquet", fed.select(_FED.names()).cast(_FED))
    return list(received.values())


def _received(number: int, file: dict[str, Any], taken_at: str) -> dict[str, Any]:
    named = {name: file[name] for name in ("name", "sha256", "records")}
    return {"file": number, **named, "taken_at": taken_at, "times": 0, "mends": 0}


def _numbered(numbers: dict[str, int]) -> pl.Expr:
    return pl.col("file").replace_strict(numbers, default=None, return_dtype=pl.Int32)


def _roots_here(folder: RunFolder, at: int, linked: pl.DataFrame) -> pl.DataFrame:
    """Where rows of a run in this span stood first: origin_run, origin_row, root_file, root_place."""
    staged = pl.read_parquet(folder.staged / f"fed-{at:05}.parquet", columns=["row_id", "file", "place"], glob=False)
    roots = staged.rename({"row_id": "origin_row", "file": "root_file", "place": "root_place"})
    return linked.join(roots, on="origin_row", how="inner").select(_ROOTS.names())


def _roots_before(origin: RunFolder | None, linked: pl.DataFrame, before: dict[str, int]) -> pl.DataFrame:
    """The same of a run before this span; where its folder is gone its rows are as if they came now."""
    if origin is None:
        return pl.DataFrame(schema=_ROOTS)
    inputs = origin.read_json("plan.json")["inputs"]
    for one in inputs:
        before.setdefault(one["sha256"], -1 - len(before))
    found = placed(linked.lazy().with_columns(row_id="origin_row"), inputs).collect()
    return found.select("origin_run", "origin_row", root_file=_numbered(before), root_place="place").cast(_ROOTS)


def _told(run: RunFolder) -> dict[str, Any]:
    summary, against = run.read_json("summary.json"), newest_reconciliation(run)
    (reviewed,) = (
        one for one in signed(run.signatures(), lies_beneath(run, "reviewer", against)) if one.role == "reviewer"
    )
    return {
        "run_id": run.run_id,
        "planned_at": summary["planned_at"],
        "planner": summary["planner"],
        "read": summary["records"]["read"],
        "created": sum(summary["fates"][fate] for fate in LISTS["created"]),
        "exit_code": summary["exit_code"],
        "reviewed": {"state": reviewed.state, "name": reviewed.name, "at": reviewed.at},
        "against": against[1]["verdict"] if against else None,
    }


def _exit_code(content: dict[str, Any]) -> int:
    if not content["once"]["conservation"]["holds"] or any(run["exit_code"] == 7 for run in content["runs"]):
        return 7
    return 1 if content["open"] else 0
