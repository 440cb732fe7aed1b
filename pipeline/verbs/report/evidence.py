"""What lies beneath a report: the files that a signature is for, and the newest reconciliation of a run."""

import json
from pathlib import Path
from typing import Any

from pipeline.files import sha256_of
from pipeline.run_folder import PAGES, RESULT_FILES, SIGNATURES, RunFolder
from pipeline.signatures import digest


def newest_reconciliation(folder: RunFolder) -> tuple[Path, dict[str, Any]] | None:
    """The newest finished reconciliation that took this run in: its folder and its summary."""
    found = []
    for path in folder.path.parent.glob("*-reconcile-*/summary.json"):
        told = json.loads(path.read_text(encoding="utf-8"))
        if folder.run_id in told.get("runs", ()):
            found.append((told["finished_at"], path.stat().st_mtime_ns, path.parent, told))
    if found:
        *_, place, newest = max(found, key=lambda one: one[:2])
        return place, newest
    return None


def lies_beneath(folder: RunFolder, role: str, reconciliation: tuple[Path, dict[str, Any]] | None) -> dict[str, str]:
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
        found[f"input {path.name}"] = sha256_of(path) if path.is_file() else file["sha256"]
    if reconciliation is not None:
        found["reconciliation"] = sha256_of(reconciliation[0] / "summary.json")
    return found
