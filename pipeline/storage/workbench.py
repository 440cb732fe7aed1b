"""The DuckDB of a run: in memory, sees only the folder of the run, and has views of its staged tables."""

import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from pipeline.domain.machine_faults import is_of_the_machine
from pipeline.domain.sql import COLUMNS, SOURCES, identifier, literal
from pipeline.errors import ReferencesError
from pipeline.storage.files import plain_path, temporary_folder

_KNOWN = (
    "CREATE VIEW known AS SELECT rowid AS place, * FROM kept.known;"
    "CREATE VIEW known_fields AS SELECT unnest(fields) AS field FROM kept.meta"
)
_STORED_HASHES = "CREATE VIEW stored_hashes AS FROM kept.hashes"
_NOTHING_KNOWN = files(__package__).joinpath("nothing_known.sql").read_text(encoding="utf-8")
_GIVEN = "given."  #: prefix of columns with the cells of the files
_STAGED = "staged"  #: the variable of a workbench with the path of the staged tables


@contextmanager
def open_workbench(
    run: Path, memory_limit: str = "600MB", *, references: Path | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory DuckDB that sees only a run's folder, with the views that stages read.

    No external access, no extensions, locked configuration: the text of a cell can reach no
    other file. The known customers of `references` are the read-only view `known`.
    `known_fields` has their fields, and `stored_hashes` their stored hashes, if any.
    """
    try:
        with (
            temporary_folder(run, "spill") as spill,
            plain_path(run) as inside,
            _bounded(inside / spill.name, memory_limit) as workbench,
        ):
            if references is not None:
                _attach(workbench, references, inside / spill.name / "references.duckdb")
            workbench.execute(f"SET VARIABLE {_STAGED} = {literal(str(inside / 'staged'))}")
            workbench.execute(f"SET allowed_directories = [{literal(f'{inside}/')}]")
            workbench.execute("SET enable_external_access = false")
            workbench.execute("SET lock_configuration = true")
            _show_all(workbench, has_references=references is not None)
            yield workbench
    except duckdb.Error as error:
        if references is not None and _is_damage(error):
            raise _damaged(references) from None
        raise


def source(workbench: duckdb.DuckDBPyConnection, name: str) -> str:
    """A staged file, or all that match a pattern, as an SQL relation."""
    return f"read_parquet({literal(str(staged_path(workbench, name)))})"


def staged_path(workbench: duckdb.DuckDBPyConnection, name: str) -> Path:
    """The path of a staged file as the workbench sees it."""
    ((folder,),) = workbench.execute(f"SELECT getvariable('{_STAGED}')").fetchall()
    return Path(folder) / name


def show(workbench: duckdb.DuckDBPyConnection, name: str) -> None:
    """Make the view of a staged table, if it has any parts."""
    if _parts(workbench, name):
        all_parts = source(workbench, f"{name}-*.parquet")
        workbench.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM {all_parts}")


def parts_to_plan(workbench: duckdb.DuckDBPyConnection) -> list[tuple[str, Path]]:
    """For each part of the records: its relation, and the path for its plan."""
    return [
        (
            source(workbench, records.name),
            staged_path(workbench, records.name.replace("records", "plan")),
        )
        for records in _parts(workbench, "records")
    ]


def _parts(workbench: duckdb.DuckDBPyConnection, name: str) -> list[Path]:
    return sorted(staged_path(workbench, "").glob(f"{name}-*.parquet"))


def _show_all(workbench: duckdb.DuckDBPyConnection, *, has_references: bool) -> None:
    workbench.execute(_KNOWN if has_references else _NOTHING_KNOWN)
    if has_references and _has_hashes(workbench):
        workbench.execute(_STORED_HASHES)
    if parts := _parts(workbench, "records"):
        _show_records(workbench, parts[0])
    for name in ("history", "plan", "outcomes"):
        show(workbench, name)


def _show_records(workbench: duckdb.DuckDBPyConnection, first: Path) -> None:
    """Make `cells` (all staged columns, see `sql`) and the view `records` (without cells)."""
    records = source(workbench, "records-*.parquet")
    written = pq.read_schema(first).names
    described = written
    if not all(written) or len({name.casefold() for name in written}) < len(written):
        described = [
            name for name, *_ in workbench.execute(f"SELECT * FROM {records} LIMIT 0").description
        ]
    workbench.execute(
        f"CREATE OR REPLACE TABLE {COLUMNS} AS SELECT unnest($1) AS name, unnest($2) AS written",
        [described, written],
    )
    workbench.execute(f"CREATE OR REPLACE TABLE {SOURCES} AS SELECT {literal(records)} AS source")
    names = ", ".join(identifier(name) for name in described if not name.startswith(_GIVEN))
    workbench.execute(f"CREATE OR REPLACE VIEW records AS SELECT {names} FROM {records}")


@contextmanager
def _bounded(spill: Path, memory_limit: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory DuckDB without extensions that spills into a folder of ours."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "memory_limit": memory_limit,
        "temp_directory": str(spill),
    }
    with closing(duckdb.connect(":memory:", config=config)) as connection:
        yield connection


def _attach(connection: duckdb.DuckDBPyConnection, references: Path, link: Path) -> None:
    """Attach the known customers by a hard link in our own folder, and remove the link at once.

    DuckDB allows every statement to write to the path of an attached file and to its journal, even
    if it is attached read only; and it follows symbolic links. A hard link has no other path.
    """
    link.unlink(missing_ok=True)
    try:
        try:
            os.link(references.resolve(), link)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(references, link)
        connection.execute(f"ATTACH {literal(str(link.absolute()))} AS kept (READ_ONLY)")
    except (OSError, duckdb.Error) as error:
        if is_of_the_machine(error):
            raise  # an error of the copy
        raise _damaged(references) from None
    finally:
        link.unlink(missing_ok=True)


def _has_hashes(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the attached known customers have hashes; an earlier version stored none."""
    kept = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'kept'"
    ).fetchall()
    return ("hashes",) in kept


def _is_damage(error: duckdb.Error) -> bool:
    """Whether an error means that a DuckDB file is damaged."""
    return "Corrupt database file" in str(error) or "references.duckdb" in str(error)


def _damaged(references: Path) -> ReferencesError:
    return ReferencesError(
        f"{references} cannot be read; load the known customers again",
        suggests=("references", "load", "FILE"),
    )
