"""What lies beneath a report: the files that a signature is for, and the newest reconciliation of a run."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.files import sha256_of
from pipeline.run_folder import MANIFEST, PAGES, RESULT_FILES, SIGNATURES, RunFolder
from pipeline.signatures import digest

Reconciliation = tuple[Path, dict[str, Any]]  #: its folder, and its summary


@dataclass(frozen=True, slots=True)
class Reconciliations:
    """Every finished reconciliation of a reports folder, by the runs that it took in."""

    by_run: Mapping[str, list[Reconciliation]]

    @classmethod
    def of(cls, reports: Path) -> "Reconciliations":
        """Read them all, once."""
        found: defaultdict[str, list[Reconciliation]] = defaultdict(list)
        for path in sorted(reports.glob("*-reconcile-*/summary.json")):
            told = json.loads(path.read_text(encoding="utf-8"))
            for run_id in told.get("runs", ()):
                found[run_id].append((path.parent, told))
        return cls(found)

    def newest(self, run_id: str) -> Reconciliation | None:
        """The newest one that took a run in. A sample takes the place of no reconciliation that asked for everybody."""
        found = self.by_run.get(run_id, [])
        whole = [one for one in found if "sample" not in one[1]]
        return max(whole or found, key=lambda one: (one[1]["finished_at"], one[0].name), default=None)

    def all_of(self, run_id: str) -> list[dict[str, Any]]:
        """What each one that took a run in came to, the newest first."""
        told = sorted(self.by_run.get(run_id, []), key=lambda one: one[1]["finished_at"], reverse=True)
        return [
            {
                **{name: one[name] for name in ("reconciliation_id", "finished_at", "method", "exit_code", "verdict")},
                "is_sample": "sample" in one,
            }
            for _, one in told
        ]


def newest_reconciliation(folder: RunFolder) -> Reconciliation | None:
    """That of one run."""
    return Reconciliations.of(folder.path.parent).newest(folder.run_id)


def lies_beneath(folder: RunFolder, role: str, reconciliation: Reconciliation | None) -> dict[str, str]:
    """What lies beneath a signature, name -> SHA-256: the plan, and for a reviewer all that came of it as well."""
    plan = folder.read_json("plan.json")
    bare = {name: value for name, value in plan.items() if name != "accepted"}  # whoever applies may accept an alarm
    found = {"plan": digest({"plan": json.dumps(bare, sort_keys=True, ensure_ascii=False)})}
    if role != "reviewer":
        return found
    for name in RESULT_FILES:
        if name not in {*PAGES, SIGNATURES} and (folder.path / name).is_file():
            found[name] = sha256_of(folder.path / name)
    for file in [*plan["inputs"], *([plan["config"]] if plan["config"] else [])]:
        path = Path(file["path"])  # a file that was put away elsewhere is not changed by that
        found[f"input {file.get('name', path.name)}"] = sha256_of(path) if path.is_file() else file["sha256"]
    if reconciliation is not None:
        seal = reconciliation[0] / MANIFEST  # which names its summary, its differences and its page
        found["reconciliation"] = sha256_of(seal if seal.is_file() else reconciliation[0] / "summary.json")
    return found
