"""`reports/<run_id>/`: write and read the files of one run, completely or not at all.

staged/     tables between stages, in parts of some 170,000 records to limit memory: records-*,
            plan-* (of accepted records) and fates-*.parquet, the same rows in the same order for
            each number; and as a whole history-*, outcomes-*.parquet
plan.json   the inputs and totals of the plan, written once; with records-* and plan-* it is all
            that `apply` needs. accepted.jsonl has a line for each accepted issue
the rest    the result files, see `domain.run_files`
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from pipeline.domain.run_files import RUN_FILES
from pipeline.errors import PlanStale
from pipeline.storage import manifest
from pipeline.storage.files import (
    private_folder,
    remove_unfinished,
    renamed_when_whole,
    sha256_of_each,
    write_bytes,
)
from pipeline.storage.manifest import ACCEPTED, MANIFEST, SIGNATURES
from pipeline.storage.run_damage import (
    ACCEPTANCE,
    PLAN,
    SIGNATURE,
    SUMMARY,
    RunDamaged,
    lines_in,
    object_in,
)

PLAN_FILE = "plan.json"
SUMMARY_FILE = "summary.json"
RESULT_FILES = tuple(file.name for file in RUN_FILES if file.is_result)
PAGES = (
    "report.html",
    "report.xlsx",
)  #: made from the other files, and again after a sign-off or a reconciliation
_ROW_GROUP = 1 << 16  #: rows; staged tables are always read completely, so they need no statistics
DIFFERING = "differing.parquet"  #: staged: the fields in which held rows differ
UNFINISHED = (
    "unfinished.txt"  #: in a run folder from the first intent until the results are complete
)
#: Results that a run replaces. `trace` reads rows.parquet meanwhile, and created.csv lists
#: customers created so far.
_OUTDATED = tuple(file.name for file in RUN_FILES if file.is_replaced)
PLAN_SCHEMA = 6  #: the version of plan.json and of the staged tables


#: Keys that summaries of earlier versions lack.
_NOT_STATED_EARLIER: dict[str, Any] = {
    "left_by_earlier_runs": {"in_doubt": 0, "named": []},
    "waiting": {
        "records": 0,
        "balances": dict.fromkeys(("debit", "credit", "zero", "absent", "unusable"), 0),
        "sums": {},
    },
    "other_ledgers": [],
    "account": None,
    "account_is_doubtful": False,
}


class RunFolder:
    """One run's folder under the reports folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run_id = path.name
        self.staged = path / "staged"

    @classmethod
    def create(cls, reports: Path, run_id: str) -> "RunFolder":
        """Make the folder of a new run, accessible only to the owner."""
        folder = cls(private_folder(reports) / run_id)
        private_folder(folder.staged)
        return folder

    def remove_unfinished(self) -> None:
        """Remove unfinished files of a killed process of this run; the caller holds the lock."""
        remove_unfinished(self.path)
        remove_unfinished(self.staged)

    def stage_records(self, number: int, records: pl.DataFrame) -> None:
        """Write one batch of validated records for later stages."""
        self.stage(f"records-{number:05}.parquet", records)

    def parts(self, name: str) -> list[Path]:
        """The parts of a staged table, in the order of the input."""
        return sorted(self.staged.glob(f"{name}-*.parquet"))

    @contextmanager
    def written_in_parts(self, name: str) -> Iterator[Callable[[pl.DataFrame], None]]:
        """Write a Parquet result file part by part (at least one); it appears when complete.

        Row ids, hashes and keys are all different, so a dictionary would only cost time.
        """
        with renamed_when_whole(self.path / name) as path, ExitStack() as stack:
            writers: list[pq.ParquetWriter] = []

            def write(part: pl.DataFrame) -> None:
                table = part.to_arrow()
                if not writers:
                    writer = pq.ParquetWriter(
                        path,
                        table.schema,
                        compression="zstd",
                        use_dictionary=["fate", "reasons.list.element"],
                    )
                    writers.append(stack.enter_context(writer))
                writers[0].write_table(table)

            yield write

    def stage_blocks(self, name: str, blocks: Iterable[pl.DataFrame]) -> None:
        """Write a table block by block, which saves memory; replace an older one."""
        for old in self.staged.glob(f"{name}-*.parquet"):
            old.unlink()
        for number, block in enumerate(blocks):
            self.stage(f"{name}-{number:05}.parquet", block)

    def stage(self, name: str, table: pl.DataFrame) -> None:
        """Write a table under `staged/`."""
        with renamed_when_whole(self.staged / name) as path:
            # Read several times within a minute: LZ4 is 1.6 times as large as Zstandard, but takes
            # half the time.
            table.write_parquet(
                path, compression="lz4", statistics=False, row_group_size=_ROW_GROUP
            )

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file, readable by people and machines."""
        write_bytes(
            self.path / name, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
        )

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the run; raise RunDamaged if it cannot be read."""
        return object_in(self.path / name)

    def read_plan(self) -> dict[str, Any]:
        """plan.json; raise PlanStale if another version wrote it in another form."""
        plan = self.read_json(PLAN_FILE)
        if plan.get("schema") != PLAN_SCHEMA:
            raise PlanStale(
                f"plan {self.run_id} was written by version {plan.get('version', 'unknown')} of this program, in a form that "
                "this one does not read: use that version, or make a new plan",
                suggests=("plan", "FILE"),
            )
        return self.read_plan_of_any_version()

    def read_plan_of_any_version(self) -> dict[str, Any]:
        """plan.json of any version, for common keys; raise RunDamaged if it is of another run."""
        return self._of_this_run(PLAN_FILE, PLAN)

    def read_summary(self) -> dict[str, Any]:
        """The summary in this version's form; raise RunDamaged if it is of another run."""
        return {**_NOT_STATED_EARLIER, **self._of_this_run(SUMMARY_FILE, SUMMARY)}

    def _of_this_run(self, name: str, shape: Any) -> dict[str, Any]:
        content = object_in(self.path / name, shape)
        if content["run_id"] != self.run_id:
            raise RunDamaged(self.path, f"{name} is that of run {content['run_id']}")
        return content

    def write_manifest(self, plan: dict[str, Any], config: dict[str, Any] | None = None) -> None:
        """Write the manifest: SHA-256 of inputs, config and files of this folder, and a seal."""
        known = {f"staged/{name}": digest for name, digest in plan["staged"].items()}
        paths = (
            path
            for path in sorted(self.path.rglob("*"))
            if path.is_file() and path.name not in {MANIFEST, UNFINISHED}
        )
        names = [path.relative_to(self.path).as_posix() for path in paths]
        hashes = sha256_of_each(self.path / name for name in names if name not in known)
        content = {
            "schema": 2,
            "run_id": self.run_id,
            "inputs": plan["inputs"],
            "config": config,
            "files": {name: known.get(name) or hashes[self.path / name] for name in names},
        }
        manifest.write_sealed(self.path, content)

    def begin(self, note: str) -> None:
        """Mark the run as sending or writing results; `end` removes the mark.

        Earlier results are no longer true, so they are removed.
        """
        write_bytes(self.path / UNFINISHED, note.encode())
        for name in _OUTDATED:
            (self.path / name).unlink(missing_ok=True)

    def end(self) -> None:
        """Mark the results as complete."""
        (self.path / UNFINISHED).unlink(missing_ok=True)

    @property
    def is_unfinished(self) -> bool:
        """Whether the run has begun without complete results: it is running, or was killed."""
        return (self.path / UNFINISHED).exists()

    @property
    def was_applied(self) -> bool:
        """Whether the run was sent to billing and has a complete report."""
        has_summary = not self.is_unfinished and (self.path / SUMMARY_FILE).is_file()
        return has_summary and self.read_summary()["status"] != "planned"

    def seal(self, kind: str) -> None:
        """Write a manifest of a folder that is not a run: a reconciliation or a span of time."""
        paths = [
            path
            for path in sorted(self.path.rglob("*"))
            if path.is_file() and path.name != MANIFEST
        ]
        hashes = sha256_of_each(paths)
        files = {path.relative_to(self.path).as_posix(): hashes[path] for path in paths}
        content = {"schema": 2, "kind": kind, "id": self.run_id, "files": files}
        manifest.write_sealed(self.path, content)

    def amend_manifest(self) -> None:
        """Update the pages in the manifest; all other files keep their SHA-256."""
        manifest.amend(self.path, PAGES)

    def signatures(self) -> list[str]:
        """The lines of all sign-offs, oldest first; raise RunDamaged if they cannot be read."""
        return lines_in(self.path / SIGNATURES, SIGNATURE)

    def refuse_other_signatures(self) -> None:
        """Raise OutOfBalance if the sign-offs do not match the manifest."""
        manifest.refuse_other_lines(self.path, SIGNATURES)

    def sign(self, line: str) -> None:
        """Append a sign-off; raise OutOfBalance if earlier ones do not match the manifest."""
        manifest.append_lines(self.path, SIGNATURES, self.signatures(), [line])

    def accepted(self) -> dict[str, str]:
        """Code of a file issue -> who accepted it first; raise RunDamaged if unreadable."""
        found: dict[str, str] = {}
        for line in lines_in(self.path / ACCEPTED, ACCEPTANCE):
            acceptance = json.loads(line)
            found.setdefault(acceptance["code"], acceptance["who"])
        return found

    def accept(self, codes: Iterable[str], who: str, at: str) -> None:
        """Append a line for each issue not accepted yet; `at` is the time (ISO 8601)."""
        before = self.accepted()
        if new := [code for code in sorted(set(codes)) if code not in before]:
            lines = [json.dumps({"code": code, "who": who, "at": at}) for code in new]
            manifest.append_lines(
                self.path, ACCEPTED, lines_in(self.path / ACCEPTED, ACCEPTANCE), lines
            )
