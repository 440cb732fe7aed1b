"""What must not have moved between a plan and its application: inputs, config, options, references, the ledger's history."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.config import Settings, load_config
from pipeline.currency import grouped_digits
from pipeline.customer import Environment
from pipeline.errors import ConfigError, OutOfBalance, PlanStale
from pipeline.files import sha256_of
from pipeline.ledger import HOME_IS_NEW, Ledger
from pipeline.manifest import MANIFEST, SIGNATURES, sealed_manifest
from pipeline.references import known_to
from pipeline.run_folder import PLAN_FILE, RunFolder
from pipeline.verbs.again import planning_again
from pipeline.verbs.report.evidence import plan_digest


def refuse_stale(
    folder: RunFolder, ledger: Ledger, settings: Settings, environment: Environment, said: Mapping[str, Any]
) -> None:
    """Raise PlanStale, naming everything that moved since the plan was made."""
    refuse_damaged(folder, environment)
    _refuse_applied(folder, ledger, accepts_new_home=HOME_IS_NEW in settings.accept)
    plan = folder.read_plan()
    moved = [
        *_moved_inputs(plan),
        *_moved_config(plan, settings),
        *_moved_options(plan, said),
        *_moved_references(plan, settings, environment),
        *_moved_history(folder, plan, ledger),
    ]
    if moved:
        raise PlanStale(
            f"plan {folder.run_id} is stale: {' and '.join(moved)} changed since; to make a new plan",
            suggests=planning_again(plan, said),
        )


def _refuse_applied(folder: RunFolder, ledger: Ledger, *, accepts_new_home: bool) -> None:
    """Raise PlanStale where a plan was applied, or where its application has begun and not finished.

    If the home of an unfinished run is lost, a new home may finish it: it looks every customer up before it sends one.
    """
    run = ledger.run(folder.run_id)
    if run is None:
        if folder.was_applied:
            raise PlanStale(
                f"plan {folder.run_id} was applied, and this home has no record of it; use the --home that it was applied with"
            )
        if folder.is_unfinished and not accepts_new_home:
            raise PlanStale(
                f"plan {folder.run_id} was begun, and this home has no record of it; use the --home that it was begun with."
                f" If that is lost: --accept {HOME_IS_NEW}; then every customer is looked up before it is sent"
            )
    elif run["status"] == "finished" and not folder.is_unfinished:
        raise PlanStale(f"plan {folder.run_id} was applied; it finished at {_moment(run['ended_at'])}")
    else:
        raise PlanStale(
            f"plan {folder.run_id} has begun at {_moment(run['started_at'])} and has not finished",
            suggests=("resume", folder.run_id),
        )


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def refuse_damaged(folder: RunFolder, environment: Environment) -> None:
    """A plan is applied as it was made, in the environment that it was made for, or not at all."""
    plan = folder.read_plan()
    _refuse_changed(folder, plan)
    if plan["environment"] != asdict(environment):
        made_for = Environment(**plan["environment"])
        raise PlanStale(
            f"plan {folder.run_id} was made for {made_for}, not for {environment}; to make a new plan",
            suggests=planning_again(plan, there=False),
        )
    changed = [name for name, digest in plan["staged"].items() if not _is_whole(folder.staged / name, digest)]
    if changed:
        raise PlanStale(
            f"plan {folder.run_id}: {', '.join(changed)} changed or vanished since; to make a new plan",
            suggests=planning_again(plan),
        )


def _refuse_changed(folder: RunFolder, plan: Mapping[str, Any]) -> None:
    """Raise PlanStale where plan.json is not the one that the manifest and the signatures name.

    A run that has begun has no manifest until its results are whole; its signatures stay.
    """
    suggests = ("plan", "FILE")
    signed_for = {json.loads(line)["beneath"].get("plan") for line in folder.signatures()}
    try:
        named = sealed_manifest(folder.path)["files"] if (folder.path / MANIFEST).exists() else {}
    except (OutOfBalance, OSError):
        raise PlanStale(
            f"plan {folder.run_id}: {MANIFEST} is not as it was written, so nothing shows that the plan is; to make a new plan",
            suggests=suggests,
        ) from None
    if not signed_for or (named and PLAN_FILE not in named):
        raise PlanStale(
            f"plan {folder.run_id}: {SIGNATURES} does not name the plan, so nothing shows that it is as it was made;"
            " to make a new plan",
            suggests=suggests,
        )
    is_sealed = not named or named[PLAN_FILE] == sha256_of(folder.path / PLAN_FILE)
    if not is_sealed or signed_for != {plan_digest(plan)}:
        raise PlanStale(
            f"plan {folder.run_id}: {PLAN_FILE} is not as it was written; restore it, or make a new plan",
            suggests=suggests,
        )


def _moved_inputs(plan: dict[str, Any]) -> Iterator[str]:
    for file in plan["inputs"]:
        if not _is_whole(Path(file["path"]), file["sha256"]):
            yield f"input {file['path']}"


def _moved_config(plan: dict[str, Any], settings: Settings) -> Iterator[str]:
    """The config by its bytes, and which of its settings say something else now."""
    planned, now = plan["config"], settings.config
    if planned is None and now is not None:
        yield f"the config (planned without one, now {now.path})"
    elif planned is not None and now is not None and now.sha256 != planned["sha256"]:
        yield f"config {now.path} ({_differing(planned['job'], now.job.model_dump(mode='json'))})"
    elif planned is not None and not _is_whole(Path(planned["path"]), planned["sha256"]):
        yield f"config {planned['path']} ({_what_changed(planned)})"


def _what_changed(planned: dict[str, Any]) -> str:
    try:
        return _differing(planned["job"], load_config(Path(planned["path"])).job.model_dump(mode="json"))
    except ConfigError:
        return "it cannot be read now"


def _differing(before: dict[str, Any], after: dict[str, Any]) -> str:
    names = sorted(_names_that_differ(before, after, ""))
    return ", ".join(names) or "in its comments or its form only"


def _names_that_differ(before: Any, after: Any, name: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {*before, *after}:
            yield from _names_that_differ(before.get(key), after.get(key), f"{name}.{key}" if name else str(key))
    elif before != after:
        yield name


def _moved_options(plan: dict[str, Any], said: Mapping[str, Any]) -> Iterator[str]:
    for name, value in said.items():
        if value != plan["settings"].get(name):
            yield f"the option {name} (planned: {plan['settings'].get(name)}, now: {value})"


def _moved_references(plan: dict[str, Any], settings: Settings, environment: Environment) -> Iterator[str]:
    known = known_to(settings.home / environment.name)
    planned = plan["references"]
    if (known.version if known else None) != (planned["version"] if planned else None):
        yield "the references"


def _moved_history(folder: RunFolder, plan: dict[str, Any], ledger: Ledger) -> Iterator[str]:
    """Planned rows whose reference some other run has moved."""
    references = set(ledger.moved_since(plan["ledger_event"]))
    if not references:
        return
    moved = pl.Series(list(references), dtype=pl.String).implode()
    hit: list[str] = []
    for part in folder.parts("records"):
        accepted = pl.scan_parquet(part, glob=False).filter(pl.col("fate").is_null())
        hit += accepted.filter(pl.col("external_reference").is_in(moved)).select("row_id").collect()["row_id"].to_list()
    if hit:
        yield f"the ledger's history of {grouped_digits(len(hit))} planned rows ({', '.join(hit[:3])}{' …' if len(hit) > 3 else ''})"


def _is_whole(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_of(path) == digest
