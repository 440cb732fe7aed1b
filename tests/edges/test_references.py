"""Known customers stand whole or not at all, their version is of their content, and a workbench reads nothing else by them."""

import fcntl
import json
import os
import stat
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.plan_file import LineCounts
from pipeline.errors import OutputRefused, ReferencesError
from pipeline.storage.known_customers import COLUMNS, LoadedFile, References, known_to, load
from pipeline.storage.run_folder import RunFolder
from pipeline.storage.workbench import open_workbench

NOW = datetime(2026, 3, 2, 9, 14, tzinfo=UTC)
RUN_ID = "20260302T091400Z-customers-3f9a1c"
FIELDS = ("external_reference", "email", "balance")
SCHEMA = {name: pl.Int64 if name == "balance" else pl.String for name in COLUMNS}
ROWS = [
    {
        "row_id": f"known.csv:{n}",
        "external_reference": f"k-{n}",
        "email": f"p{n}@example.com",
        "balance": n,
    }
    for n in range(5)
]
ODD_NAMES = [
    "it's",
    "a b",
    "[1]",
    "a*b",
    "what?",
    "{x,y}",
    "é",
    "a;b",
    "%41",
    "~",
    "a#b",
    'say "hi"',
]


def a_file(records: int = 5) -> LoadedFile:
    lines = LineCounts(physical=records + 1, header=1, records=records)
    return LoadedFile(name="known.csv", sha256="0" * 64, bytes=100, lines=lines)


def frame(rows: list[dict]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA)


def loaded(folder: Path, *batches: list[dict], fields: tuple[str, ...] = FIELDS) -> References:
    return load(folder, map(frame, batches), fields=fields, inputs=lambda: [a_file()], now=NOW)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def umask(mask: int):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


# loading


def test_a_load_makes_customers_known_and_leaves_no_other_file(tmp_path):
    given_back = loaded(tmp_path, ROWS[:2], [], ROWS[2:])

    found = known_to(tmp_path)
    assert found == given_back
    assert (found.rows, found.fields, found.inputs) == (5, FIELDS, [a_file()])
    assert found.loaded_at == "2026-03-02T09:14:00+00:00"
    assert found.path == tmp_path / "references.duckdb"
    assert names(tmp_path) == ["references.duckdb"]


def test_without_a_load_no_customer_is_known(tmp_path):
    assert known_to(tmp_path) is None
    assert known_to(tmp_path / "nowhere") is None


def test_a_load_replaces_the_one_before(tmp_path):
    first = loaded(tmp_path, ROWS)
    second = loaded(tmp_path, ROWS[:1])

    assert known_to(tmp_path) == second
    assert first.version != second.version


def test_an_empty_load_knows_no_customer(tmp_path):
    assert loaded(tmp_path, []).rows == 0
    assert known_to(tmp_path).rows == 0


def test_the_inputs_are_described_after_all_batches_are_read(tmp_path):
    read: list[int] = []

    def batches():
        for number in (1, 2):
            read.append(number)
            yield frame(ROWS)

    found = load(
        tmp_path, batches(), fields=FIELDS, inputs=lambda: [a_file(records=len(read))], now=NOW
    )

    assert found.inputs == [a_file(records=2)]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_a_failed_load_keeps_the_known_customers_and_leaves_no_other_file(tmp_path, error):
    before = loaded(tmp_path, ROWS)

    def batches():
        yield frame(ROWS[:1])
        raise error

    with pytest.raises(error):
        load(tmp_path, batches(), fields=FIELDS, inputs=list, now=NOW)

    assert known_to(tmp_path) == before
    assert names(tmp_path) == ["references.duckdb"]


def test_the_next_load_removes_the_files_of_a_killed_one(tmp_path):
    (tmp_path / ".loading-x1" / "spill").mkdir(parents=True)
    (tmp_path / ".loading-x1" / "references.duckdb").write_bytes(b"half")
    (tmp_path / ".references.duckdb.0123.part").write_bytes(b"")
    (tmp_path / "ledger.sqlite").write_bytes(b"not ours")

    loaded(tmp_path, ROWS)

    assert names(tmp_path) == ["ledger.sqlite", "references.duckdb"]


def test_two_loads_at_once_are_refused_and_the_lock_goes_with_its_holder(tmp_path):
    descriptor = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)

    with pytest.raises(ReferencesError, match="being loaded by another process"):
        loaded(tmp_path, ROWS)
    os.close(descriptor)

    assert loaded(tmp_path, ROWS).rows == 5


def test_everything_of_a_load_is_private_also_while_it_is_written(tmp_path):
    seen: dict[str, int] = {}

    def batches():
        for _ in range(2):
            yield frame(ROWS)
            seen.update(
                {
                    path.name: mode(path)
                    for path in tmp_path.rglob("*")
                    if path.parent == tmp_path / "home"
                }
            )

    with umask(0):
        load(tmp_path / "home", batches(), fields=FIELDS, inputs=list, now=NOW)

    assert mode(tmp_path / "home") == 0o700
    assert mode(tmp_path / "home" / "references.duckdb") == 0o600
    assert set(seen.values()) == {0o700}, "what is written is in private folders"


def test_a_symbolic_link_in_place_of_the_known_customers_is_refused(tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"precious")
    (tmp_path / "references.duckdb").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OutputRefused):
        loaded(tmp_path, ROWS)

    assert (tmp_path / "elsewhere").read_bytes() == b"precious"


@pytest.mark.parametrize("name", ODD_NAMES)
def test_known_customers_in_a_folder_of_any_name_are_read_by_a_run_of_any_name(tmp_path, name):
    references = loaded(tmp_path / name / "home", ROWS)
    folder = RunFolder.create(tmp_path / name / "reports", RUN_ID)

    with open_workbench(folder.path, references=references.path) as workbench:
        count = workbench.execute("SELECT count(*) FROM known").fetchone()[0]

    assert count == 5
    assert known_to(tmp_path / name / "home") == references
    assert names(tmp_path / name / "home") == ["references.duckdb"]


# the version


def version_of(folder: Path, *batches: list[dict], fields: tuple[str, ...] = FIELDS) -> str:
    return loaded(folder, *batches, fields=fields).version


def test_the_version_depends_on_the_content_alone_not_on_order_batches_or_place(
    tmp_path,
):
    version = version_of(tmp_path, ROWS)

    assert version_of(tmp_path, ROWS) == version
    assert version_of(tmp_path, ROWS[::-1]) == version
    assert version_of(tmp_path, *([row] for row in ROWS)) == version
    assert version_of(tmp_path, [{**row, "row_id": "other.csv:1"} for row in ROWS]) == version
    assert version_of(tmp_path, ROWS, fields=FIELDS[::-1]) == version


def test_a_version_is_the_same_for_ever(tmp_path):
    assert (
        version_of(tmp_path, ROWS)
        == "d65aa890e3190fa1b664091771cf4040c17e35aab7212dbb136314c6534c452f"
    )


def changed(at: int, **values: object) -> list[dict]:
    return [{**row, **values} if n == at else row for n, row in enumerate(ROWS)]


@pytest.mark.parametrize(
    ("rows", "fields"),
    [
        (ROWS[:-1], FIELDS),
        ([*ROWS, ROWS[0]], FIELDS),
        ([*ROWS, {}], FIELDS),
        ([], FIELDS),
        (changed(0, email="P0@example.com"), FIELDS),
        (changed(0, email=None), FIELDS),
        (changed(0, email=""), FIELDS),
        (changed(0, balance=-1), FIELDS),
        (changed(0, balance=None), FIELDS),
        (changed(0, name="p0@example.com", email=None), FIELDS),
        (changed(0, external_reference="k-1", email="p0@example.com"), FIELDS),
        (ROWS, (*FIELDS, "name")),
        (ROWS, FIELDS[:-1]),
    ],
)
def test_another_value_another_field_or_a_row_more_or_less_is_another_version(
    tmp_path, rows, fields
):
    assert version_of(tmp_path, rows, fields=fields) != version_of(tmp_path, ROWS)


texts = st.none() | st.text("ab:-,0123 \x00é", max_size=4)
customers = st.fixed_dictionaries(
    {
        **dict.fromkeys(("external_reference", "billing_id", "email", "name"), texts),
        "balance": st.none() | st.integers(-11, 11),
    }
)


@settings(max_examples=5, deadline=None)
@given(
    st.lists(customers, max_size=4),
    st.lists(customers, max_size=4),
    st.randoms(use_true_random=False),
)
def test_two_loads_have_one_version_exactly_where_they_hold_the_same_rows(
    tmp_path_factory, one, other, dice
):
    folder = tmp_path_factory.mktemp("home")
    shuffled = dice.sample(one, len(one))

    versions = [version_of(folder, rows) for rows in (one, shuffled, other)]

    assert versions[0] == versions[1]
    assert (versions[0] == versions[2]) == (sorted(map(repr, one)) == sorted(map(repr, other)))


def test_more_rows_than_one_block_have_one_version_in_any_order(tmp_path):
    numbers = pl.DataFrame({"n": range(300_000)}).select(
        pl.format("k-{}", "n").alias("external_reference"), pl.col("n").alias("balance")
    )
    whole = pl.concat([frame([]), numbers], how="diagonal")

    versions = {
        load(tmp_path, table.iter_slices(size), fields=FIELDS, inputs=list, now=NOW).version
        for table, size in ((whole, 250_000), (whole.reverse(), 70_000), (whole.sample(fraction=1, shuffle=True, seed=7), 300_000))
    }  # fmt: skip

    assert len(versions) == 1


# damage


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 20_000])
def test_a_file_that_is_not_a_database_is_refused_with_what_to_do(tmp_path, content):
    (tmp_path / "references.duckdb").write_bytes(content)

    with pytest.raises(ReferencesError, match="pipeline references load"):
        known_to(tmp_path)
    with pytest.raises(ReferencesError, match="pipeline references load"):
        attach(tmp_path)


def attach(folder: Path) -> None:
    run = RunFolder.create(folder / "reports", RUN_ID)
    with open_workbench(run.path, references=folder / "references.duckdb") as workbench:
        workbench.execute("SELECT count(DISTINCT external_reference) FROM known").fetchall()


def test_a_database_of_another_kind_is_not_a_file_of_known_customers(tmp_path):
    with duckdb.connect(str(tmp_path / "references.duckdb")) as connection:
        connection.execute("CREATE TABLE known AS SELECT 1 AS a")

    with pytest.raises(ReferencesError):
        known_to(tmp_path)


def test_a_byte_that_was_changed_on_the_disk_is_found_at_the_latest_when_it_is_read(tmp_path):
    path = loaded(
        tmp_path, [{**ROWS[0], "external_reference": f"k-{n}"} for n in range(50_000)]
    ).path
    content = bytearray(path.read_bytes())
    for at in range(20_000, len(content), 4096):
        content[at] ^= 0xFF
    path.write_bytes(content)

    with pytest.raises(ReferencesError, match="pipeline references load"):
        attach(tmp_path)


# in the workbench


@pytest.fixture
def bench(tmp_path):
    references = loaded(tmp_path / "home", ROWS)
    (tmp_path / "home" / "ledger.sqlite").write_bytes(b"secret")
    folder = RunFolder.create(tmp_path / "reports", RUN_ID)
    folder.stage_records(1, pl.DataFrame({"position": [1, 2]}))
    with open_workbench(folder.path, references=references.path) as workbench:
        yield workbench, tmp_path


def test_a_workbench_shows_the_known_customers_and_what_they_state(bench):
    workbench, _ = bench

    known = workbench.execute(
        "SELECT external_reference, balance FROM known ORDER BY balance"
    ).fetchall()

    assert known == [(f"k-{n}", n) for n in range(5)]
    assert workbench.execute("SELECT field FROM known_fields").fetchall() == [
        (field,) for field in FIELDS
    ]
    assert workbench.execute("SELECT count(*) FROM records").fetchone() == (2,)


def test_a_workbench_shows_the_stored_hashes_of_what_customers_are_found_by(bench):
    workbench, _ = bench
    same = "stored.external_reference = hash(known.external_reference) AND stored.email = hash(known.email)"

    found = workbench.execute(
        f"SELECT count(*) FROM known JOIN stored_hashes AS stored USING (place) WHERE {same} AND stored.phone IS NULL"
    )

    assert found.fetchone() == (5,)


def test_known_customers_of_an_earlier_version_without_hashes_are_read(tmp_path):
    references = loaded(tmp_path / "home", ROWS)
    with duckdb.connect(str(references.path)) as connection:
        connection.execute("DROP TABLE hashes")

    assert known_to(tmp_path / "home") == references
    folder = RunFolder.create(tmp_path / "reports", RUN_ID)
    with open_workbench(folder.path, references=references.path) as workbench:
        assert workbench.execute("SELECT count(*) FROM known").fetchone() == (5,)
        assert not workbench.execute(
            "SELECT 1 FROM duckdb_views() WHERE view_name = 'stored_hashes'"
        ).fetchall()


def test_a_workbench_without_known_customers_has_the_same_columns_and_no_rows(tmp_path):
    references = loaded(tmp_path / "home", ROWS)
    folder = RunFolder.create(tmp_path / "reports", RUN_ID)

    def shown(path: Path | None) -> list:
        with open_workbench(folder.path, references=path) as workbench:
            return [
                workbench.execute(f"DESCRIBE {view}").fetchall()
                for view in ("known", "known_fields")
            ]

    assert shown(None) == shown(references.path)
    with open_workbench(folder.path) as workbench:
        assert workbench.execute("SELECT * FROM known, known_fields").fetchall() == []


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_blob('{home}/references.duckdb')",
        "SELECT * FROM read_blob('{home}/ledger.sqlite')",
        "SELECT * FROM glob('{home}/*')",
        "COPY (SELECT 1) TO '{home}/references.duckdb' (USE_TMP_FILE false)",
        "COPY (SELECT 1) TO '{home}/references.duckdb.wal'",
        "COPY (SELECT 1) TO '{home}/written.csv'",
        "ATTACH '{home}/references.duckdb' AS again",
        "ATTACH '{home}/references.duckdb' AS again (READ_ONLY)",
        "CREATE TABLE kept.other (a INT)",
        "INSERT INTO kept.known (external_reference) VALUES ('k-9')",
        "UPDATE kept.known SET email = NULL",
        "DELETE FROM kept.known",
        "DROP TABLE kept.known",
        "SELECT * FROM read_text('/etc/passwd')",
        "SET enable_external_access = true",
        "SET allowed_paths = ['{home}/references.duckdb']",
        "LOAD httpfs",
    ],
)
def test_a_workbench_with_known_customers_reaches_no_other_file_and_changes_nothing(
    bench, statement
):
    workbench, folder = bench
    before = (folder / "home" / "references.duckdb").read_bytes()

    with pytest.raises(duckdb.Error):
        workbench.execute(statement.format(home=folder / "home")).fetchall()

    assert (folder / "home" / "references.duckdb").read_bytes() == before
    assert names(folder / "home") == ["ledger.sqlite", "references.duckdb"]
    assert workbench.execute("SELECT count(*) FROM known").fetchone() == (5,)


def test_what_a_workbench_may_write_is_its_own_folder_and_never_the_references(bench):
    workbench, folder = bench
    before = (folder / "home" / "references.duckdb").read_bytes()
    allowed = workbench.execute("SELECT unnest(current_setting('allowed_paths'))").fetchall()

    for (path,) in allowed:
        with suppress(duckdb.Error):
            workbench.execute(f"COPY (SELECT 1) TO '{path}' (USE_TMP_FILE false)")

    assert all(Path(path).is_relative_to(folder / "reports" / RUN_ID) for (path,) in allowed)
    assert (folder / "home" / "references.duckdb").read_bytes() == before
    assert workbench.execute("SELECT count(DISTINCT external_reference) FROM known").fetchone() == (
        5,
    )


def test_known_customers_that_cannot_be_linked_are_copied(tmp_path, monkeypatch):
    references = loaded(tmp_path / "home", ROWS)
    folder = RunFolder.create(tmp_path / "reports", RUN_ID)

    def another_file_system(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", another_file_system)
    with open_workbench(folder.path, references=references.path) as workbench:
        assert workbench.execute("SELECT count(*) FROM known").fetchone() == (5,)

    assert names(folder.path) == ["staged"]


def test_known_customers_behind_a_symbolic_link_are_read_safely(tmp_path):
    references = loaded(tmp_path / "home", ROWS)
    (tmp_path / "link.duckdb").symlink_to(references.path)
    folder = RunFolder.create(tmp_path / "reports", RUN_ID)

    with open_workbench(folder.path, references=tmp_path / "link.duckdb") as workbench:
        allowed = json.dumps(
            workbench.execute("SELECT current_setting('allowed_paths')").fetchall()
        )

    assert "home" not in allowed


def test_a_load_while_a_workbench_reads_disturbs_neither(tmp_path):
    references = loaded(tmp_path / "home", ROWS)
    folder = RunFolder.create(tmp_path / "reports", RUN_ID)

    with open_workbench(folder.path, references=references.path) as workbench:
        loaded(tmp_path / "home", ROWS[:1])
        during = workbench.execute("SELECT count(*) FROM known").fetchone()

    assert during == (5,)
    assert known_to(tmp_path / "home").rows == 1
