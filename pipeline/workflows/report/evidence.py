"""The evidence of a report: the files that a sign-off covers, and a run's reconciliations."""

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.domain.reconciliation import Reconciliation, ReconciliationOutcome
from pipeline.domain.sign_offs import digest
from pipeline.storage.files import open_regular, sha256_of
from pipeline.storage.manifest import MANIFEST, SIGNATURES
from pipeline.storage.run_damage import DamagedRun, RunDamaged, document_in, reading
from pipeline.storage.run_folder import PAGES, PLAN_FILE, RESULT_FILES, RunFolder

_FILES_OF_A_RUN = {PLAN_FILE, "rows.parquet", SIGNATURES}
_DIFFERENCES = "differences.csv"
#: The columns of a reconciliation's differences that pages need.
_COLUMNS = (
    "kind",
    "external_reference",
    "run_id",
    "row_id",
    "field",
    "ours",
    "theirs",
    "currency",
    "amount",
    "pattern",
)


@dataclass(frozen=True, slots=True)
class FoundReconciliation:
    """A finished reconciliation in its folder."""

    path: Path
    content: Reconciliation


@dataclass(frozen=True, slots=True)
class Reconciliations:
    """Every finished reconciliation of a reports folder, by its runs."""

    by_run: Mapping[str, list[FoundReconciliation]]
    damaged: Sequence[DamagedRun] = ()  #: folders of reconciliations that cannot be read

    @classmethod
    def of(cls, reports: Path) -> "Reconciliations":
        """Read all reconciliations of a reports folder."""
        found: defaultdict[str, list[FoundReconciliation]] = defaultdict(list)
        damaged: list[DamagedRun] = []
        for path in sorted(reports.glob("*-reconcile-*/summary.json")):
            if not _FILES_OF_A_RUN.isdisjoint(inside.name for inside in path.parent.iterdir()):
                continue  # a run of an input file whose name has "-reconcile-"
            try:
                content = document_in(path, Reconciliation.of)
            except RunDamaged as damage:
                damaged.append(damage.damage)
                continue
            for run_id in content.runs:
                found[run_id].append(FoundReconciliation(path.parent, content))
        return cls(found, damaged)

    def newest(self, run_id: str) -> FoundReconciliation | None:
        """The newest one of a run. A sample counts only if there is no complete reconciliation."""
        found = self.by_run.get(run_id, [])
        whole = [one for one in found if not one.content.is_sample]
        return max(
            whole or found, key=lambda one: (one.content.finished_at, one.path.name), default=None
        )

    def all_of(self, run_id: str) -> list[ReconciliationOutcome]:
        """The result of each reconciliation of a run, the newest first."""
        found = [one.content.outcome() for one in self.by_run.get(run_id, [])]
        return sorted(found, key=lambda one: one.finished_at, reverse=True)


def newest_reconciliation(folder: RunFolder) -> FoundReconciliation | None:
    """The newest reconciliation of a run."""
    return Reconciliations.of(folder.path.parent).newest(folder.run_id)


def differences_of(reconciliation: FoundReconciliation) -> pl.DataFrame:
    """Every difference of a reconciliation, each column as text; raise RunDamaged if unreadable."""
    folder = reconciliation.path
    with reading(folder, _DIFFERENCES):
        os.close(open_regular(folder / _DIFFERENCES))  # polars would wait for a pipe forever
        found = pl.read_csv(folder / _DIFFERENCES, infer_schema=False, glob=False)
    if missing := [name for name in _COLUMNS if name not in found.columns]:
        raise RunDamaged(folder, f"{_DIFFERENCES} has no column {missing[0]}")
    return found


def plan_digest(folder: RunFolder) -> str:
    """The SHA-256 of a plan as its version wrote it, for sign-offs."""
    # Earlier versions kept in the plan who accepted a file issue, which could change on apply.
    plan = folder.read_json(PLAN_FILE)
    bare = {name: value for name, value in plan.items() if name != "accepted"}
    return digest({"plan": json.dumps(bare, sort_keys=True, ensure_ascii=False)})


def signed_digests(
    folder: RunFolder, role: str, reconciliation: FoundReconciliation | None
) -> dict[str, str]:
    """Name -> SHA-256 of what a sign-off covers: the plan, and for a reviewer all results too."""
    plan = folder.read_plan_of_any_version()
    found = {"plan": plan_digest(folder)}
    if role != "reviewer":
        return found
    for name in RESULT_FILES:
        if name not in {*PAGES, SIGNATURES} and (folder.path / name).is_file():
            found[name] = sha256_of(folder.path / name)
    files = [(file.name, file.path, file.sha256) for file in plan.inputs]
    if plan.config:
        files.append((Path(plan.config.path).name, plan.config.path, plan.config.sha256))
    for name, path, digest_then in files:
        there = Path(path).is_file()  # a missing file counts as unchanged: it may have been moved
        found[f"input {name}"] = sha256_of(Path(path)) if there else digest_then
    if reconciliation is not None:
        manifest = reconciliation.path / MANIFEST  # it has the digests of the other files
        found["reconciliation"] = sha256_of(
            manifest if manifest.is_file() else reconciliation.path / "summary.json"
        )
    return found
