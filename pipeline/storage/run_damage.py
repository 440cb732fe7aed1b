"""Unreadable run folders: a value for readers of other runs, an error for this run."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.domain.fates import Fate
from pipeline.domain.machine_faults import is_of_the_machine
from pipeline.errors import PipelineError
from pipeline.storage.files import kind_fault, open_regular, read_regular

#: Exceptions of libraries for a damaged table. A panic of polars is not an `Exception`.
UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException, OSError)
_FILE = {
    "name": str,
    "path": str,
    "sha256": str,
    "format": str,
    "written": dict,
    "records": int,
    "columns": list,
}
_SUMS = {"debits": dict, "credits": dict}
_OPTIONAL = (dict, type(None))
_ONLY_WRITTEN = (".html", ".xlsx")  #: endings of pages, which can be made again
#: A type, several types, the shapes of a dict's values by key, or `[shape]` of all list items.
Shape = Any
PLAN: Shape = {
    "run_id": str, "planned_at": str, "planner": str, "normalization": int, "environment": dict.fromkeys(("name", "merchant", "mode", "host"), str),
    "destination": str, "config": _OPTIONAL, "settings": dict, "references": _OPTIONAL, "inputs": [_FILE], "findings": [dict],
    "columns": [str], "ledger_event": int, "read": {"records": int, **_SUMS}, "actions": {"create": int}, "staged": dict, "profile": dict,
}  # fmt: skip
SUMMARY: Shape = {
    "run_id": str, "status": str, "exit_code": int, "environment": {"name": str}, "planner": str, "tools": dict, "planned_at": str,
    "finished_at": str, "records": {"read": int}, "read": _SUMS, "actions": dict, "fates": {fate.value: int for fate in Fate}, "sums": dict,
    **_SUMS, "balances": dict, "at_stake": dict, "reasons": [dict], "by_action": dict, "samples": dict, "findings": [dict],
    "control_totals": list, "accepted": dict, "estimate": dict, "conservation": {"holds": bool, "checks": [dict]}, "profile": dict,
    "settings": dict, "config": _OPTIONAL, "inputs": [dict], "files": dict, "verdict": str,
}  # fmt: skip
RECONCILIATION: Shape = {
    "kind": str, "reconciliation_id": str, "runs": [str], "finished_at": str, "exit_code": int, "signable": bool, "verdict": str,
    "method": str, "differences": dict, "bridge": list, "residual": dict,
}  # fmt: skip
SIGNATURE: Shape = {"role": str, "name": str, "at": str, "beneath": dict, "after": str}
ACCEPTANCE: Shape = {"code": str, "who": str, "at": str}


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


def object_in(path: Path, shape: Shape = dict) -> dict[str, Any]:
    """The JSON object in a file; raise RunDamaged if it is invalid or of another shape."""
    try:
        content: dict[str, Any] = json.loads(read_regular(path))
    except FileNotFoundError:
        raise RunDamaged(path.parent, f"{path.name} is missing") from None
    except OSError as error:
        if is_of_the_machine(error):
            raise
        raise RunDamaged(path.parent, f"{path.name} cannot be opened ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise RunDamaged(path.parent, f"{path.name} is not JSON") from None
    if (misfit := _misfit(content, shape, "")) is not None:
        raise RunDamaged(path.parent, f"{path.name} has {misfit}")
    return content


def lines_in(path: Path, shape: Shape) -> list[str]:
    """The lines of a JSON lines file; empty if missing; RunDamaged if of another shape."""
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
    if lines[-1] or any(_misfit(content, shape, "") is not None for content in contents):
        raise RunDamaged(path.parent, f"{path.name} has a line that is cut or of another kind")
    return lines[:-1]


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


def _misfit(value: Any, shape: Shape, name: str) -> str | None:
    """The part of a value that does not match its shape; None if all of it does."""
    if isinstance(shape, Mapping):
        if not isinstance(value, dict):
            return _another_type(name)
        found = (
            _misfit(value.get(key, ...), inner, f"{name}.{key}" if name else key)
            for key, inner in shape.items()
        )
        return next((misfit for misfit in found if misfit is not None), None)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return _another_type(name)
        return next(
            (misfit for one in value if (misfit := _misfit(one, shape[0], name)) is not None), None
        )
    if value is ...:
        return f"no {name!r}"
    is_bool = isinstance(value, bool) and shape is not bool
    return None if isinstance(value, shape) and not is_bool else _another_type(name)


def _another_type(name: str) -> str:
    return f"a value of another type in {name!r}" if name else "no JSON object"
