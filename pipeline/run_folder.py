"""`reports/<run_id>/`: everything that one run leaves behind, written whole or not at all, and read back from there.

staged/     what stages hand on to each other: records-*, history-*, outcomes-*.parquet and plan.parquet
plan.json   what the plan was made from and what it comes to; with staged/plan.parquet it is all that `apply` needs
the rest    the result files, named in `RESULT_FILES`
"""

import glob
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pipeline.errors import RunNotFound
from pipeline.files import private_folder, remove_unfinished, renamed_when_whole, sha256_of, write_bytes
from pipeline.outcomes import LISTS

RESULT_FILES = (
    "summary.json",
    "rows.parquet",
    *(f"{name}.csv" for name in LISTS),
    "differences.csv",
    "report.html",
)
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[A-Za-z0-9_-]+-[0-9a-f]{6}")


class RunFolder:
    """One run's folder under the reports folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run_id = path.name
        self.staged = path / "staged"

    @classmethod
    def create(cls, reports: Path, run_id: str) -> "RunFolder":
        """Make the folder of a new run, for the owner only."""
        folder = cls(private_folder(reports) / run_id)
        private_folder(folder.staged)
        return folder

    @classmethod
    def find(cls, reports: Path, run_id: str) -> "RunFolder":
        """The folder of a run that was planned before."""
        folder = cls(reports / run_id)
        if not _RUN_ID.fullmatch(run_id) or not (folder.path / "plan.json").is_file():
            known = ", ".join(run.run_id for run in all_runs(reports)[-3:]) or "none"
            raise RunNotFound(f"{reports}: no run {run_id!r}; the latest are: {known}")
        return folder

    def remove_unfinished(self) -> None:
        """Remove what a killed process of this run was just writing; the caller holds the lock."""
        remove_unfinished(self.path)
        remove_unfinished(self.staged)

    def stage_records(self, number: int, records: pl.DataFrame) -> None:
        """Keep one batch of judged records for the stages that need the whole run."""
        self.stage(f"records-{number:05}.parquet", records)

    def stage_blocks(self, name: str, blocks: Iterable[pl.DataFrame]) -> None:
        """Keep a table that comes in blocks, none of which has to wait in memory for the next; replaces an older one."""
        for old in self.staged.glob(f"{name}-*.parquet"):
            old.unlink()
        for number, block in enumerate(blocks):
            self.stage(f"{name}-{number:05}.parquet", block)

    def stage(self, name: str, table: pl.DataFrame) -> None:
        """Keep a table under `staged/`."""
        with renamed_when_whole(self.staged / name) as path:
            table.write_parquet(path, compression="zstd", compression_level=1)

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file, readable by people and machines."""
        write_bytes(self.path / name, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())

    def read_json(self, name: str) -> dict[str, Any]:
        """Read back what `write_json` wrote."""
        content: dict[str, Any] = json.loads((self.path / name).read_text(encoding="utf-8"))
        return content

    @contextmanager
    def workbench(self, memory_limit: str = "1GB") -> Iterator[duckdb.DuckDBPyConnection]:
        """An in-memory DuckDB that sees this run's folder and nothing else, with the views that stages read.

        External access off, no extensions, configuration locked: what a file's cells say can reach no other file.
        """
        spill = private_folder(self.path / "spill")
        connection = duckdb.connect(
            ":memory:",
            config={
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "memory_limit": memory_limit,
                "temp_directory": str(spill),
            },
        )
        try:
            home = str(self.path.absolute())
            allowed = ", ".join(_literal(f"{folder}/") for folder in (home, glob.escape(home)))
            connection.execute(f"SET allowed_directories = [{allowed}]")
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            for view in ("records", "history", "plan", "outcomes"):
                pattern = "plan.parquet" if view == "plan" else f"{view}-*.parquet"
                if any(self.staged.glob(pattern)):
                    source = _literal(f"{glob.escape(str(self.staged.absolute()))}/{pattern}")
                    connection.execute(f"CREATE VIEW {view} AS SELECT * FROM read_parquet({source})")
            yield connection
        finally:
            connection.close()
            shutil.rmtree(spill, ignore_errors=True)  # DuckDB leaves its folder behind

    def write_manifest(self, inputs: list[dict[str, Any]], settings: dict[str, Any]) -> None:
        """Write the SHA-256 of the inputs and of every result file."""
        hashes = {name: sha256_of(self.path / name) for name in RESULT_FILES}
        self.write_json(
            "manifest.json",
            {"schema": 1, "run_id": self.run_id, "inputs": inputs, "settings": settings, "files": hashes},
        )


def all_runs(reports: Path) -> list[RunFolder]:
    """Every planned run of a reports folder, oldest first."""
    if not reports.is_dir():
        return []
    found = [path for path in reports.iterdir() if _RUN_ID.fullmatch(path.name) and (path / "plan.json").is_file()]
    return [RunFolder(path) for path in sorted(found, key=lambda path: path.name)]


def _literal(text: str) -> str:
    """A text as an SQL literal, for the few statements that take no bound values."""
    return "'" + text.replace("'", "''") + "'"
