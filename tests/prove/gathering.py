"""Append results of the long programs as JSON lines, with commit, machine and a hash of the tested code."""

import ast
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
PROGRAMME = Path(__file__).parents[2] / "pipeline"
_VOCABULARY = (
    "domain/closed_list.py",
    "domain/discrepancies.py",
    "domain/fates.py",
    "domain/file_issues.py",
    "domain/reasons.py",
    "domain/responses.py",
)
_SUBMISSION = (
    "billing",
    "domain/customer.py",
    "storage/ledger",
    *_VOCABULARY,
    "sandbox",
    "submission",
    "workflows/apply.py",
    "workflows/open_run.py",
    "workflows/planned_creates.py",
    "workflows/preflight.py",
    "workflows/run_outcomes.py",
    "workflows/submit_run.py",
)
_RECONCILING = (
    "domain/customer.py", "storage/ledger", "transforming/mapping.py", "transforming/normalize", *_VOCABULARY, "reconciling", "storage/aligned_parts.py", "storage/known_customers.py", "sources",
    "transforming/source_totals.py", "workflows/reconcile",
)  # fmt: skip
_VERIFYING = (
    "domain/customer.py",
    *_VOCABULARY,
    "reporting",
    "storage/aligned_parts.py",
    "storage/run_folder.py",
    "storage/workbench.py",
    "sources",
    "workflows/write_results.py",
    "verifier",
)
_DAMAGE = (
    "cli/commands", "storage/aligned_parts.py", "storage/manifest.py", "storage/run_damage.py", "storage/run_folder.py", "storage/run_search.py", "storage/workbench.py", "workflows/reconcile", "workflows/report", "workflows/resubmission.py",
    "workflows/plan_freshness.py", "workflows/status.py", "workflows/trace.py",
)  # fmt: skip
_STATING = (
    "reconciling/bridge.py", "storage/aligned_parts.py", "reporting/current_fates", "reporting/period.py", "reporting/period.sql", "workflows/input_rows.py",
    "workflows/report/became.py", "workflows/report/current.py", "workflows/report/run_rows.py",
)  # fmt: skip
_EXITING = (
    "billing", "domain/machine_faults.py", "cli", "config", "storage/files.py", "storage/ledger", "storage/memory.py", "planning/limits.py", "storage/aligned_parts.py", "storage/run_folder.py", "storage/workbench.py", "workflows",
)  # fmt: skip
#: Program -> the code that it tests; submission and the sandbox by default.
PROVEN = {
    "damaged": _DAMAGE,
    "differences": _RECONCILING,
    "exits": _EXITING,
    "lookups": (*_RECONCILING, "billing", "submission"),
    "names": ("",),
    "reconciling": _RECONCILING,
    "stranded": (*_VERIFYING, *_SUBMISSION),
    "statements": _STATING,
    "verified": _VERIFYING,
}


def gather(programme: str, results: Path = RESULTS, **found: Any) -> Path:
    """Append a result to PROGRAMME.jsonl in a folder of results."""
    results.mkdir(exist_ok=True)
    path = results / f"{programme}.jsonl"
    line = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "code": code(programme),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        **found,
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    return path


def done(programme: str) -> list[dict[str, Any]]:
    """The results for the current code, so that a program can continue where it stopped."""
    ours = code(programme)
    return [line for line in gathered(programme) if line["code"] == ours]


def gathered(programme: str) -> list[dict[str, Any]]:
    """Every result of a program, oldest first."""
    path = RESULTS / f"{programme}.jsonl"
    return (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        if path.is_file()
        else []
    )


def bound(runs: int) -> str:
    """The 95 % confidence bound after runs without a failure, by the rule of three."""
    return (
        f"0 failures in {runs:,}: fewer than {min(1.0, 3 / runs):.2%} of such runs fail, with 95 % confidence"
        if runs
        else "no run"
    )


def _commit() -> str:
    changed = _git(
        "status", "--porcelain", "--", ".", ":!tests/prove/results", ":!tests/benches/results"
    )
    return (_git("rev-parse", "--short", "HEAD") or "unknown") + ("-dirty" if changed else "")


def code(programme: str, package: Path = PROGRAMME) -> str:
    """A hash of the code that a program tests: its definitions and SQL.

    It ignores where code is, its format, comments and docstrings; any other edit changes it.
    """
    pieces = {
        piece
        for name in PROVEN.get(programme, _SUBMISSION)
        for path in _files_of(package / name)
        for piece in _pieces(path)
    }
    return sha256("\0".join(sorted(pieces)).encode()).hexdigest()[:12]


def _files_of(path: Path) -> list[Path]:
    """The code files of a file or folder; FileNotFoundError if there are none."""
    found = (
        [path]
        if path.is_file()
        else [one for one in path.rglob("*") if one.suffix in {".py", ".sql"}]
    )
    if not found:
        raise FileNotFoundError(f"{path} is listed in PROVEN, but has no code")
    return found


def _pieces(path: Path) -> tuple[str, ...]:
    """Of SQL the text, of a module each of its statements."""
    text = path.read_text(encoding="utf-8")
    return (text,) if path.suffix == ".sql" else _statements(text)


@cache
def _statements(text: str) -> tuple[str, ...]:
    """Each top-level statement of a module, without docstrings, and the imported names without their modules."""
    return tuple(_found(ast.parse(text)))


def _found(module: ast.Module) -> Iterator[str]:
    imports = [one for one in ast.walk(module) if isinstance(one, ast.Import | ast.ImportFrom)]
    bare = _Bare({name.asname or name.name for one in imports for name in one.names})
    for statement in module.body:
        if statement not in imports and not _is_text(statement):
            yield ast.dump(bare.visit(statement))
    for one in imports:
        yield from (
            f"import {name.name} as {name.asname}"
            for name in one.names
            if name.name not in bare.modules
        )


class _Bare(ast.NodeTransformer):
    """Remove docstrings, inner imports and the names of modules from a statement."""

    def __init__(self, imported: set[str]) -> None:
        self.imported, self.modules = imported, set[str]()

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if (
            isinstance(node.value, ast.Name)
            and node.value.id in self.imported
            and node.value.id.islower()
        ):
            self.modules.add(node.value.id)
            node.value = ast.Name("module", ast.Load())
        return self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        body = getattr(node, "body", None)
        if isinstance(body, list):
            left_out = [
                one for one in body if _is_text(one) or isinstance(one, ast.Import | ast.ImportFrom)
            ]
            node.body = [one for one in body if one not in left_out]  # type: ignore[attr-defined]
        return super().generic_visit(node)


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], capture_output=True, text=True, check=False
    ).stdout.strip()
