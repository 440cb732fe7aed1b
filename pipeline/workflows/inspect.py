"""`pipeline inspect`: the form of a file and why we think so, its columns, its unreadable lines."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import polars as pl

from pipeline.config import Settings
from pipeline.errors import Interrupted, SourceError
from pipeline.sources import BATCH_BYTES, GIVEN, Declared, SourceFile, in_order
from pipeline.storage.files import renamed_when_whole
from pipeline.transforming.normalize.sensitive import sensitive_kinds
from pipeline.transforming.profiling import Profile
from pipeline.workflows.progress import NOBODY, StopRequest, Watch

_SHAPES_SHOWN = 3


@dataclass(slots=True)
class Inspection:
    """The result of reading one whole file."""

    file: SourceFile
    profile: Profile = field(default_factory=lambda: Profile(sensitive_kinds))
    #: row_id, line, line_count, reason
    unreadable: list[dict[str, Any]] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def exit_code(self) -> int:
        """1 if a record is unreadable."""
        return int(bool(self.unreadable))

    def content(self) -> dict[str, Any]:
        """The result for programs."""
        file = self.file
        return {
            "schema": 1,
            "path": str(file.path),
            "sha256": file.sha256,
            "bytes": file.size,
            "format": file.format,
            "written": file.written,
            "why": file.why,
            "findings": [
                {
                    "code": finding.issue.value,
                    "what": finding.what,
                    "sentence": finding.issue.sentence,
                }
                for finding in file.findings
            ],
            "lines": asdict(file.lines),
            "records": self.profile.records + len(self.unreadable),
            "unreadable": len(self.unreadable),
            "unreadable_by_reason": dict(self.kinds.most_common()),
            "unreadable_lines": self.unreadable,
            "columns": [
                {
                    "name": column.name,
                    "filled": column.filled,
                    "fill_rate": round(column.filled / self.profile.records, 6)
                    if self.profile.records
                    else 0.0,
                    "shapes": dict(column.shapes.most_common(_SHAPES_SHOWN)),
                    "may_be": {look: count for look, count in column.looks.most_common() if count},
                }
                for column in self.profile.columns.values()
            ],
        }


def inspect_file(
    path: Path,
    settings: Settings,
    *,
    output: Path | None = None,
    stopping: StopRequest | None = None,
    watch: Watch = NOBODY,
    batch_bytes: int = BATCH_BYTES,
) -> Inspection:
    """Read one whole file as a run would. Without a mapping, it accepts any columns.

    `output`: the table is written here as CSV, every cell as it was read, without unreadable
    records.
    """
    declared = Declared(**settings.source.model_dump())
    (file,) = in_order([path], declared, settings.mapping, any_columns=settings.mapping is None)
    found = Inspection(file)
    stopping = stopping or StopRequest()
    with _written_to(output, path) as table:
        for batch in file.batches(batch_bytes=batch_bytes):
            if stopping.event.is_set():
                raise Interrupted("stopped while reading; nothing was written")
            _take(found, batch.records, table)
            watch.reading(found.profile.records)
        if file.header is None:
            raise SourceError(f"{path}: empty, not even a header")
        if not found.profile.columns:
            _take(found, _no_records(file), table)
    return found


def _take(found: Inspection, records: pl.DataFrame, table: IO[bytes] | None) -> None:
    is_first = not found.profile.columns
    found.profile.add(records)
    bad = records.filter(pl.col("reason").is_not_null()).select(
        "row_id", "line", "line_count", "reason"
    )
    found.unreadable += bad.to_dicts()
    found.kinds.update(bad["reason"].to_list())
    if table is not None:
        cells = [
            pl.col(name).fill_null("").alias(name.removeprefix(GIVEN))
            for name in records.columns
            if GIVEN in name
        ]
        readable = records.filter(pl.col("reason").is_null()).select(cells)
        readable.write_csv(table, include_header=is_first)


@contextmanager
def _written_to(output: Path | None, source: Path) -> Iterator[IO[bytes] | None]:
    if output is None:
        yield None
        return
    if output.exists() and output.samefile(source):
        raise SourceError(f"{output}: this is the input file; choose another")
    with renamed_when_whole(output) as unfinished, unfinished.open("wb") as table:
        yield table


def _no_records(file: SourceFile) -> pl.DataFrame:
    texts = ["row_id", "reason", *(GIVEN + name for name in file.columns)]
    return pl.DataFrame(
        schema={**dict.fromkeys(texts, pl.String), "line": pl.Int64, "line_count": pl.Int64}
    )
