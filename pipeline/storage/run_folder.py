"""`reports/<run_id>/`: write and read the files of one run, completely or not at all.

staged/     tables between stages, in parts of some 170,000 records to limit memory: records-*,
            plan-* (of accepted records) and fates-*.parquet, the same rows in the same order for
            each number; and as a whole history-*, outcomes-*.parquet
plan.json   the inputs and totals of the plan, written once; with records-* and plan-* it is all
            that `apply` needs. accepted.jsonl has a line for each accepted issue
the rest    the result files, see `domain.run_files`
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import polars as pl
import pyarrow.parquet as pq
from pydantic import ValidationError

from pipeline.domain.manifest import FolderManifest, RunManifest
from pipeline.domain.plan_file import PLAN_SCHEMA, PlanFile
from pipeline.domain.plan_versions import STAGED_TABLES_SINCE, plan_of, schema_of
from pipeline.domain.published import JsonObject, first_fault
from pipeline.domain.run_files import RUN_FILES
from pipeline.domain.run_summary import RunSummary
from pipeline.domain.sign_offs import Acceptance, Signature, first_acceptances
from pipeline.domain.summary_versions import summary_of
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


class RunFolder:
    """One run's folder under the reports folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run_id = path.name
        self.staged = path / "staged"
        self._plan: tuple[int, PlanFile] | None = None  #: the schema of plan.json, and its content

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

    def write_json(self, name: str, content: Mapping[str, object]) -> None:
        """Write a JSON file, readable by people and machines."""
        write_bytes(
            self.path / name, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
        )

    def read_json(self, name: str) -> JsonObject:
        """Read a JSON file of the run; raise RunDamaged if it cannot be read."""
        return object_in(self.path / name)

    def write_plan(self, plan: PlanFile) -> None:
        """Write plan.json, once."""
        self.write_json(PLAN_FILE, plan.to_json())
        self._plan = plan.schema_version, plan

    def read_plan(self) -> PlanFile:
        """plan.json; raise PlanStale if this version cannot read its staged tables."""
        schema, plan = self._read_plan()
        if schema > PLAN_SCHEMA:
            raise PlanStale(
                f"plan {self.run_id} was made by version {plan.version} of this program, which is"
                " newer; use that version, or make a new plan",
                suggests=("plan", "FILE"),
            )
        if schema < STAGED_TABLES_SINCE:
            raise PlanStale(
                f"plan {self.run_id} has staged tables of an earlier version ({plan.version}), which"
                " this version cannot read. A new run of the same file also settles the open"
                " requests of this one",
                suggests=("run" if self.is_unfinished else "plan", "FILE"),
            )
        return plan

    def read_plan_of_any_version(self) -> PlanFile:
        """plan.json of any version; raise RunDamaged if it cannot be read or is of another run."""
        return self._read_plan()[1]

    @property
    def has_tables_of_this_version(self) -> bool:
        """Whether the staged tables have the form that this version reads."""
        return STAGED_TABLES_SINCE <= self._read_plan()[0] <= PLAN_SCHEMA

    def _read_plan(self) -> tuple[int, PlanFile]:
        """The schema that plan.json was written with, and its content; parsed once."""
        if self._plan is None:
            content = self.read_json(PLAN_FILE)
            try:
                plan = plan_of(content)
            except ValidationError as invalid:
                raise RunDamaged(self.path, f"{PLAN_FILE} has {first_fault(invalid)}") from None
            self._refuse_other_run(PLAN_FILE, plan.run_id)
            self._plan = schema_of(content), plan
        return self._plan

    def read_summary(self) -> RunSummary:
        """The summary; raise RunDamaged if it cannot be read or is of another run."""
        try:
            summary = summary_of(object_in(self.path / SUMMARY_FILE))
        except ValidationError as invalid:
            raise RunDamaged(self.path, f"{SUMMARY_FILE} has {first_fault(invalid)}") from None
        self._refuse_other_run(SUMMARY_FILE, summary.run_id)
        return summary

    def _refuse_other_run(self, name: str, run_id: str) -> None:
        if run_id != self.run_id:
            raise RunDamaged(self.path, f"{name} is that of run {run_id}")

    def write_manifest(self, plan: PlanFile) -> None:
        """Write the manifest: SHA-256 of inputs, config and files of this folder, and a seal."""
        known = {f"staged/{name}": digest for name, digest in plan.staged.items()}
        paths = (
            path
            for path in sorted(self.path.rglob("*"))
            if path.is_file() and path.name not in {MANIFEST, UNFINISHED}
        )
        names = [path.relative_to(self.path).as_posix() for path in paths]
        hashes = sha256_of_each(self.path / name for name in names if name not in known)
        manifest.write_sealed(
            self.path,
            RunManifest(
                run_id=self.run_id,
                inputs=plan.inputs,
                config=plan.config.file if plan.config else None,
                files={name: known.get(name) or hashes[self.path / name] for name in names},
            ),
        )

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
        return has_summary and not self.read_summary().is_planned

    def seal(self, kind: Literal["reconciliation", "period"]) -> None:
        """Write the manifest of a folder that is not a run: a reconciliation or a period."""
        paths = [
            path
            for path in sorted(self.path.rglob("*"))
            if path.is_file() and path.name != MANIFEST
        ]
        hashes = sha256_of_each(paths)
        files = {path.relative_to(self.path).as_posix(): hashes[path] for path in paths}
        manifest.write_sealed(self.path, FolderManifest(kind=kind, id=self.run_id, files=files))

    def amend_manifest(self) -> None:
        """Update the pages in the manifest; all other files keep their SHA-256."""
        manifest.amend(self.path, PAGES)

    def signatures(self) -> list[str]:
        """The lines of all sign-offs, oldest first; raise RunDamaged if they cannot be read."""
        return [line for line, _ in lines_in(self.path / SIGNATURES, Signature.of)]

    def signers(self) -> list[Signature]:
        """All sign-offs, oldest first; raise RunDamaged if they cannot be read."""
        return [signature for _, signature in lines_in(self.path / SIGNATURES, Signature.of)]

    def refuse_other_signatures(self) -> None:
        """Raise OutOfBalance if the sign-offs do not match the manifest."""
        manifest.refuse_other_lines(self.path, SIGNATURES)

    def sign(self, line: str) -> None:
        """Append a sign-off; raise OutOfBalance if earlier ones do not match the manifest."""
        manifest.append_lines(self.path, SIGNATURES, self.signatures(), [line])

    def accepted(self) -> dict[str, str]:
        """Code of a file issue -> who accepted it first; raise RunDamaged if unreadable."""
        return first_acceptances(
            [accepted for _, accepted in lines_in(self.path / ACCEPTED, Acceptance.of)]
        )

    def accept(self, codes: Iterable[str], who: str, at: str) -> None:
        """Append a line for each issue not accepted yet; `at` is the time (ISO 8601)."""
        before, known = lines_in(self.path / ACCEPTED, Acceptance.of), self.accepted()
        if new := [code for code in sorted(set(codes)) if code not in known]:
            lines = [json.dumps(Acceptance(code=code, who=who, at=at).to_json()) for code in new]
            manifest.append_lines(self.path, ACCEPTED, [line for line, _ in before], lines)
