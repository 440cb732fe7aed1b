"""Refuse a stale plan: inputs, config, options, known customers and history must be unchanged."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.config import Settings, load_config
from pipeline.domain.currency import grouped_digits
from pipeline.domain.customer import Environment
from pipeline.errors import ConfigError, OutOfBalance, PlanStale
from pipeline.storage.files import sha256_of
from pipeline.storage.known_customers import known_to
from pipeline.storage.ledger import HOME_IS_NEW, LedgerReader
from pipeline.storage.manifest import MANIFEST, SIGNATURES, sealed_manifest
from pipeline.storage.run_folder import PLAN_FILE, RunFolder
from pipeline.workflows.again import planning_again
from pipeline.workflows.report.evidence import plan_digest


def refuse_stale(
    folder: RunFolder,
    ledger: LedgerReader,
    settings: Settings,
    environment: Environment,
    options: Mapping[str, Any],
) -> None:
    """Raise PlanStale with everything that changed since the plan was made.

    `options`: planning options that were given again.
    """
    refuse_damaged(folder, environment)
    _refuse_applied(folder, ledger, accepts_new_home=HOME_IS_NEW in settings.accept)
    plan = folder.read_plan()
    changed = [
        *_changed_inputs(plan),
        *_changed_config(plan, settings),
        *_changed_options(plan, options),
        *_changed_references(plan, settings, environment),
        *_changed_history(folder, plan, ledger),
    ]
    if changed:
        raise PlanStale(
            f"plan {folder.run_id} is stale: {' and '.join(changed)} changed since;"
            " to make a new plan",
            suggests=planning_again(plan, options),
        )


def _refuse_applied(folder: RunFolder, ledger: LedgerReader, *, accepts_new_home: bool) -> None:
    """Raise PlanStale if a plan was applied, or if its application has begun.

    A new home may finish a run whose own home is lost: it looks up every customer before a send.
    """
    run = ledger.runs.find(folder.run_id)
    if run is None:
        if folder.was_applied:
            raise PlanStale(
                f"plan {folder.run_id} was applied, and this home has no record of it;"
                " use the --home that it was applied with"
            )
        if folder.is_unfinished and not accepts_new_home:
            raise PlanStale(
                f"plan {folder.run_id} was begun, and this home has no record of it;"
                " use the --home that it was begun with."
                f" If that is lost: --accept {HOME_IS_NEW};"
                " then every customer is looked up before it is sent"
            )
    elif run.status == "finished" and not folder.is_unfinished:
        raise PlanStale(
            f"plan {folder.run_id} was applied; it finished at {_moment(run.ended_at or '')}"
        )
    else:
        raise PlanStale(
            f"plan {folder.run_id} began at {_moment(run.started_at)} and has not finished",
            suggests=("resume", folder.run_id),
        )


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def refuse_damaged(folder: RunFolder, environment: Environment) -> None:
    """Raise PlanStale if a plan or its tables changed, or if it is for another environment."""
    plan = folder.read_plan()
    _refuse_changed(folder, plan)
    if plan["environment"] != asdict(environment):
        made_for = Environment(**plan["environment"])
        raise PlanStale(
            f"plan {folder.run_id} was made for {made_for}, not for {environment};"
            " to make a new plan",
            suggests=planning_again(plan, with_destination=False),
        )
    changed = [
        name
        for name, digest in plan["staged"].items()
        if not _is_whole(folder.staged / name, digest)
    ]
    if changed:
        raise PlanStale(
            f"plan {folder.run_id}: {', '.join(changed)} changed or were deleted since;"
            " to make a new plan",
            suggests=planning_again(plan),
        )


def _refuse_changed(folder: RunFolder, plan: Mapping[str, Any]) -> None:
    """Raise PlanStale if plan.json is not the one in the manifest and the sign-offs.

    A run that has begun has no manifest until its results are complete; its sign-offs remain.
    """
    suggests = ("plan", "FILE")
    signed_digests = {json.loads(line)["beneath"].get("plan") for line in folder.signatures()}
    try:
        named = sealed_manifest(folder.path)["files"] if (folder.path / MANIFEST).exists() else {}
    except (OutOfBalance, OSError):
        raise PlanStale(
            f"plan {folder.run_id}: {MANIFEST} was changed, so the plan cannot be verified;"
            " to make a new plan",
            suggests=suggests,
        ) from None
    if not signed_digests or (named and PLAN_FILE not in named):
        raise PlanStale(
            f"plan {folder.run_id}: {SIGNATURES} does not name the plan, so it cannot be verified;"
            " to make a new plan",
            suggests=suggests,
        )
    is_sealed = not named or named[PLAN_FILE] == sha256_of(folder.path / PLAN_FILE)
    if not is_sealed or signed_digests != {plan_digest(plan)}:
        raise PlanStale(
            f"plan {folder.run_id}: {PLAN_FILE} was changed; restore it, or make a new plan",
            suggests=suggests,
        )


def _changed_inputs(plan: dict[str, Any]) -> Iterator[str]:
    for file in plan["inputs"]:
        if not _is_whole(Path(file["path"]), file["sha256"]):
            yield f"input {file['path']}"


def _changed_config(plan: dict[str, Any], settings: Settings) -> Iterator[str]:
    """The config, if its bytes changed, with the settings that differ."""
    planned, now = plan["config"], settings.config
    if planned is None and now is not None:
        yield f"the config (planned without one, now {now.path})"
    elif planned is not None and now is not None and now.sha256 != planned["sha256"]:
        yield f"config {now.path} ({_differing(planned['job'], now.job.model_dump(mode='json'))})"
    elif planned is not None and not _is_whole(Path(planned["path"]), planned["sha256"]):
        yield f"config {planned['path']} ({_what_changed(planned)})"


def _what_changed(planned: dict[str, Any]) -> str:
    try:
        return _differing(
            planned["job"], load_config(Path(planned["path"])).job.model_dump(mode="json")
        )
    except ConfigError:
        return "it cannot be read now"


def _differing(before: dict[str, Any], after: dict[str, Any]) -> str:
    names = sorted(_names_that_differ(before, after, ""))
    return ", ".join(names) or "only in comments or layout"


def _names_that_differ(before: Any, after: Any, name: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {*before, *after}:
            yield from _names_that_differ(
                before.get(key), after.get(key), f"{name}.{key}" if name else str(key)
            )
    elif before != after:
        yield name


def _changed_options(plan: dict[str, Any], options: Mapping[str, Any]) -> Iterator[str]:
    for name, value in options.items():
        if value != plan["settings"].get(name):
            yield f"the option {name} (planned: {plan['settings'].get(name)}, now: {value})"


def _changed_references(
    plan: dict[str, Any], settings: Settings, environment: Environment
) -> Iterator[str]:
    known = known_to(settings.home / environment.name)
    planned = plan["references"]
    if (known.version if known else None) != (planned["version"] if planned else None):
        yield "the known customers"


def _changed_history(
    folder: RunFolder, plan: dict[str, Any], ledger: LedgerReader
) -> Iterator[str]:
    """Planned rows whose external reference has new events from another run."""
    references = set(ledger.moved_since(plan["ledger_event"]))
    if not references:
        return
    changed = pl.Series(list(references), dtype=pl.String).implode()
    affected: list[str] = []
    for part in folder.parts("records"):
        accepted = pl.scan_parquet(part, glob=False).filter(pl.col("fate").is_null())
        affected += (
            accepted.filter(pl.col("external_reference").is_in(changed))
            .select("row_id")
            .collect()["row_id"]
            .to_list()
        )
    if affected:
        examples = f"{', '.join(affected[:3])}{' …' if len(affected) > 3 else ''}"
        yield f"the ledger's history of {grouped_digits(len(affected))} planned rows ({examples})"


def _is_whole(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_of(path) == digest
