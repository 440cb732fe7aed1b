"""The evidence of a report: the files that a sign-off covers, and a run's reconciliations."""

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.domain.sign_offs import digest
from pipeline.storage.files import open_regular, sha256_of
from pipeline.storage.manifest import MANIFEST, SIGNATURES
from pipeline.storage.run_damage import RECONCILIATION, DamagedRun, RunDamaged, object_in, reading
from pipeline.storage.run_folder import PAGES, PLAN_FILE, RESULT_FILES, RunFolder

_FILES_OF_A_RUN = {PLAN_FILE, "rows.parquet", SIGNATURES}
Reconciliation = tuple[Path, dict[str, Any]]  #: its folder, and its summary
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
class Reconciliations:
    """Every finished reconciliation of a reports folder, by its runs."""

    by_run: Mapping[str, list[Reconciliation]]
    damaged: Sequence[DamagedRun] = ()  #: folders of reconciliations that cannot be read

    @classmethod
    def of(cls, reports: Path) -> "Reconciliations":
        """Read all reconciliations of a reports folder."""
        found: defaultdict[str, list[Reconciliation]] = defaultdict(list)
        damaged: list[DamagedRun] = []
        for path in sorted(reports.glob("*-reconcile-*/summary.json")):
            if not _FILES_OF_A_RUN.isdisjoint(inside.name for inside in path.parent.iterdir()):
                continue  # a run of an input file whose name has "-reconcile-"
            try:
                summary = object_in(path, RECONCILIATION)
            except RunDamaged as damage:
                damaged.append(damage.damage)
                continue
            for run_id in summary["runs"]:
                found[run_id].append((path.parent, summary))
        return cls(found, damaged)

    def newest(self, run_id: str) -> Reconciliation | None:
        """The newest one of a run. A sample counts only if there is no complete reconciliation."""
        found = self.by_run.get(run_id, [])
        whole = [one for one in found if "sample" not in one[1]]
        return max(
            whole or found, key=lambda one: (one[1]["finished_at"], one[0].name), default=None
        )

    def all_of(self, run_id: str) -> list[dict[str, Any]]:
        """The result of each reconciliation of a run, the newest first."""
        found = sorted(
            self.by_run.get(run_id, []), key=lambda one: one[1]["finished_at"], reverse=True
        )
        return [
            {
                **{
                    name: one[name]
                    for name in (
                        "reconciliation_id",
                        "finished_at",
                        "method",
                        "exit_code",
                        "verdict",
                    )
                },
                "is_sample": "sample" in one,
            }
            for _, one in found
        ]


def newest_reconciliation(folder: RunFolder) -> Reconciliation | None:
    """The newest reconciliation of a run."""
    return Reconciliations.of(folder.path.parent).newest(folder.run_id)


def differences_of(reconciliation: Reconciliation) -> pl.DataFrame:
    """Every difference of a reconciliation, each column as text; raise RunDamaged if unreadable."""
    folder = reconciliation[0]
    with reading(folder, _DIFFERENCES):
        os.close(open_regular(folder / _DIFFERENCES))  # polars would wait for a pipe forever
        found = pl.read_csv(folder / _DIFFERENCES, infer_schema=False, glob=False)
    if missing := [name for name in _COLUMNS if name not in found.columns]:
        raise RunDamaged(folder, f"{_DIFFERENCES} has no column {missing[0]}")
    return found


def plan_digest(plan: Mapping[str, Any]) -> str:
    """The SHA-256 of a plan, for sign-offs."""
    # Earlier versions kept in the plan who accepted a file issue, which could change on apply.
    bare = {name: value for name, value in plan.items() if name != "accepted"}
    return digest({"plan": json.dumps(bare, sort_keys=True, ensure_ascii=False)})


def signed_digests(
    folder: RunFolder, role: str, reconciliation: Reconciliation | None
) -> dict[str, str]:
    """Name -> SHA-256 of what a sign-off covers: the plan, and for a reviewer all results too."""
    plan = folder.read_plan_of_any_version()
    found = {"plan": plan_digest(plan)}
    if role != "reviewer":
        return found
    for name in RESULT_FILES:
        if name not in {*PAGES, SIGNATURES} and (folder.path / name).is_file():
            found[name] = sha256_of(folder.path / name)
    for file in [*plan["inputs"], *([plan["config"]] if plan["config"] else [])]:
        path = Path(file["path"])  # a missing file counts as unchanged: it may have been moved
        found[f"input {file.get('name', path.name)}"] = (
            sha256_of(path) if path.is_file() else file["sha256"]
        )
    if reconciliation is not None:
        manifest = reconciliation[0] / MANIFEST  # it has the digests of the other files
        found["reconciliation"] = sha256_of(
            manifest if manifest.is_file() else reconciliation[0] / "summary.json"
        )
    return found
