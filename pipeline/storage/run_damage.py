"""Unreadable run folders: a value for readers of other runs, an error for this run."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from pipeline.domain.machine_faults import is_of_the_machine
from pipeline.domain.published import JsonObject, first_fault
from pipeline.domain.upgrades import Document
from pipeline.errors import PipelineError
from pipeline.storage.files import kind_fault, open_regular, read_regular

#: Exceptions of libraries for a damaged table. A panic of polars is not an `Exception`.
UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException, OSError)
_ONLY_WRITTEN = (".html", ".xlsx")  #: endings of pages, which can be made again
Parsed = TypeVar("Parsed")


@dataclass(frozen=True, slots=True)
class DamagedRun:
    """An unreadable folder among the reports; `reason` names the file and the fault."""

    run_id: str  #: the name of the folder
    reason: str

    def __str__(self) -> str:
        """One line for a terminal or a page."""
        return f"{self.run_id} cannot be read: {self.reason}"


class RunDamaged(PipelineError):
    """A file of the requested run cannot be read."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(
            f"{folder}: {reason}. Restore this folder from a backup, or move it out of {folder.parent} to go on without it"
        )
        self.damage = DamagedRun(folder.name, reason)


def object_in(path: Path) -> JsonObject:
    """The JSON object in a file; raise RunDamaged if it cannot be read or is none."""
    try:
        content = json.loads(read_regular(path))
    except FileNotFoundError:
        raise RunDamaged(path.parent, f"{path.name} is missing") from None
    except OSError as error:
        if is_of_the_machine(error):
            raise
        raise RunDamaged(path.parent, f"{path.name} cannot be opened ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise RunDamaged(path.parent, f"{path.name} is not JSON") from None
    if not isinstance(content, dict):
        raise RunDamaged(path.parent, f"{path.name} has no JSON object")
    return content


def document_in(path: Path, parse: Callable[[Document], Parsed]) -> Parsed:
    """The JSON object in a file as a model; raise RunDamaged with the file and its first fault."""
    content = object_in(path)
    try:
        return parse(content)
    except ValidationError as error:
        raise RunDamaged(path.parent, f"{path.name} has {first_fault(error)}") from None


def lines_in(path: Path, parse: Callable[[Document], Parsed]) -> list[tuple[str, Parsed]]:
    """Each line of a JSON lines file, with its model; empty if the file is missing.

    Raises:
        RunDamaged: if a line is cut, or of another shape
    """
    try:
        lines = read_regular(path).decode("utf-8").split("\n")
        contents = [json.loads(line) for line in lines[:-1]]
    except FileNotFoundError:
        return []
    except OSError as error:
        if is_of_the_machine(error):
            raise
        raise RunDamaged(path.parent, f"{path.name} cannot be opened ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise RunDamaged(path.parent, f"{path.name} is not made of JSON lines") from None
    other_kind = RunDamaged(path.parent, f"{path.name} has a line that is cut or of another kind")
    if lines[-1] or not all(isinstance(content, dict) for content in contents):
        raise other_kind
    try:
        return [(line, parse(one)) for line, one in zip(lines[:-1], contents, strict=True)]
    except ValidationError:
        raise other_kind from None


def refuse_other_kinds(folder: Path) -> None:
    """Raise RunDamaged if a table or list is a pipe or device: a library would wait forever."""
    for inside in (folder, folder / "staged"):
        with suppress(FileNotFoundError), os.scandir(inside) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False) or entry.name.endswith(_ONLY_WRITTEN):
                    continue
                path = Path(entry)  # a link may lead to a device or be broken
                if path.is_dir() or not path.exists():
                    continue
                if (fault := kind_fault(path)) is not None:
                    raise RunDamaged(folder, f"{path.relative_to(folder)} {fault}")


def refuse_unreadable_table(
    folder: Path, path: Path, columns: Sequence[str], *, wholly: bool
) -> None:
    """Raise RunDamaged if a Parquet file is damaged or lacks columns; `wholly`: decode it all."""
    name = path.relative_to(folder).as_posix()
    with reading(folder, name):
        os.close(open_regular(path))  # a library would wait forever for a pipe
        there = set(pq.read_schema(path).names)
        missing = [column for column in columns if column not in there]
        if wholly:
            pl.scan_parquet(path, glob=False).select(pl.all().len()).collect()
            for batch in pq.ParquetFile(path).iter_batches(1 << 16):
                del batch
    if missing:
        raise RunDamaged(folder, f"{name} has no column {missing[0]}")


@contextmanager
def reading(folder: Path, name: str = "a table") -> Iterator[None]:
    """Turn the exceptions of a damaged table into RunDamaged."""
    try:
        yield
    except UNREADABLE as error:
        if is_of_the_machine(error):
            raise
        cause = error.strerror if isinstance(error, OSError) and error.strerror else "it is damaged"
        raise RunDamaged(folder, f"{name} cannot be read ({cause})") from None
