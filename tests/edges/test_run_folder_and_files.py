"""Files stand whole or not at all, for their owner alone; and the workbench reaches nothing but its own run."""

import json
import os
import shutil
import stat
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipeline.domain.machine_faults import breakage
from pipeline.domain.reconciliation import Reconciliation
from pipeline.domain.sign_offs import Acceptance
from pipeline.errors import LedgerLocked, OutputRefused, RunNotFound
from pipeline.reporting import render_run
from pipeline.storage import files
from pipeline.storage.files import (
    private_folder,
    renamed_when_whole,
    sha256_of,
    write_bytes,
    written_whole,
)
from pipeline.storage.ledger.lock import run_lock
from pipeline.storage.run_damage import RunDamaged, lines_in, object_in, refuse_unreadable_table
from pipeline.storage.run_folder import RESULT_FILES, RunFolder
from pipeline.storage.run_search import (
    all_runs,
    damage_of,
    find_run_folder,
    find_runs,
    matching_runs,
)
from pipeline.storage.workbench import open_workbench
from pipeline.verifier.manifest import read_manifest
from pipeline.workflows.account import kept_account
from pipeline.workflows.report.evidence import FoundReconciliation, differences_of
from tests.conftest import customers_csv
from tests.sample_plans import a_plan

RUN_ID = "20260302T091400Z-customers-3f9a1c"


@contextmanager
def umask(mask: int):
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


_RECONCILIATION = Reconciliation.of(
    json.loads((Path(__file__).parents[1] / "golden" / "reconciliation.json").read_text())
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# a pipe is no file


def test_no_reader_of_a_run_folder_waits_for_a_pipe(tmp_path):
    pipe = tmp_path / "summary.json"
    os.mkfifo(pipe)

    for read in (object_in, lambda path: lines_in(path, Acceptance.of)):
        with pytest.raises(RunDamaged, match="not a regular file"):
            read(pipe)
    with pytest.raises(RunDamaged, match="not a regular file"):
        refuse_unreadable_table(tmp_path, pipe, [], wholly=True)
    with pytest.raises(OSError, match="not a regular file"):
        sha256_of(pipe)


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b"{}", b'{"asked": "1", "agreed": 1, "is_known": true}', b"\xff"]
)
def test_the_account_record_of_a_run_is_read_or_ignored_and_never_stops_it(tmp_path, content):
    folder = RunFolder(tmp_path / RUN_ID)
    folder.staged.mkdir(parents=True)
    (folder.staged / "account.json").write_bytes(content)

    assert kept_account(folder) is None


@pytest.mark.parametrize("content", [b"[" * 4096, b"[]", b"{}", b"\xff"])
def test_a_held_lock_is_refused_whatever_its_content(tmp_path, content):
    with run_lock(tmp_path, RUN_ID, "now"):
        (tmp_path / "lock").write_bytes(content)
        with (
            pytest.raises(LedgerLocked, match="in use by another run"),
            run_lock(tmp_path, "other", "now"),
        ):
            pass


# whole or not at all


def test_a_written_file_is_complete_and_private(tmp_path):
    with umask(0):
        write_bytes(tmp_path / "summary.json", b"new")

    assert (tmp_path / "summary.json").read_bytes() == b"new"
    assert mode(tmp_path / "summary.json") == 0o600
    assert names(tmp_path) == ["summary.json"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_an_error_inside_leaves_the_old_content_and_no_other_file(tmp_path, error):
    path = tmp_path / "summary.json"
    path.write_bytes(b"old")

    with pytest.raises(error):
        write_half(path, error)
    with pytest.raises(error):
        write_half_through_a_library(path, error)

    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["summary.json"]


def write_half(path: Path, error: type[BaseException]) -> None:
    with written_whole(path) as file:
        file.write(b"half of the new")
        raise error


def write_half_through_a_library(path: Path, error: type[BaseException]) -> None:
    with renamed_when_whole(path) as temporary:
        temporary.write_bytes(b"half of the new")
        raise error


def test_a_library_that_writes_nothing_leaves_the_old_content(tmp_path):
    (tmp_path / "rows.parquet").write_bytes(b"old")

    with pytest.raises(OSError), renamed_when_whole(tmp_path / "rows.parquet"):
        pass

    assert (tmp_path / "rows.parquet").read_bytes() == b"old"
    assert names(tmp_path) == ["rows.parquet"]


def test_a_reader_meets_the_old_content_or_the_new_and_nothing_between(tmp_path):
    path = tmp_path / "summary.json"
    path.write_bytes(b"old")

    with written_whole(path) as file:
        file.write(b"half")
        file.flush()
        during = path.read_bytes()
        file.write(b" and half")

    assert (during, path.read_bytes()) == (b"old", b"half and half")


def test_what_a_library_wrote_is_private_under_its_final_name(tmp_path):
    with umask(0), renamed_when_whole(tmp_path / "rows.parquet") as temporary:
        temporary.write_bytes(b"x")

    assert mode(tmp_path / "rows.parquet") == 0o600


def test_content_and_name_are_flushed_to_the_disk_before_the_call_returns(tmp_path, monkeypatch):
    flushed: list[str] = []
    monkeypatch.setattr(
        os,
        "fsync",
        lambda descriptor: flushed.append(str(Path(f"/proc/self/fd/{descriptor}").readlink())),
    )

    write_bytes(tmp_path / "summary.json", b"x")

    assert ".summary.json" in flushed[0]
    assert flushed[1] == str(tmp_path)


def test_half_written_files_of_a_killed_run_do_not_block_the_next_and_are_removed(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(
        files.shutil, "rmtree", lambda *_, **__: None
    )  # as if killed: what was begun stays
    with suppress(KeyboardInterrupt), renamed_when_whole(tmp_path / "rows.parquet") as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    monkeypatch.undo()
    left = [path.name for path in tmp_path.iterdir()]
    (tmp_path / ".summary.json.0123456789abcdef.part").write_bytes(b"half, of an earlier version")

    write_bytes(tmp_path / "rows.parquet", b"whole")
    files.remove_unfinished(tmp_path)

    assert len(left) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]
    assert (tmp_path / "rows.parquet").read_bytes() == b"whole"


def test_files_of_a_running_process_are_kept_and_removed_once_it_ended(tmp_path):
    run = tmp_path / "reports" / RUN_ID / "staged"
    run.mkdir(parents=True)
    program = (
        "import sys, time, pathlib; from pipeline.storage.files import *;"
        " made = renamed_when_whole(pathlib.Path(sys.argv[1]) / 'rows.parquet'); made.__enter__().write_bytes(b'half');"
        " print('there', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(run)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"there\n"
        (folder,) = run.iterdir()
        files.remove_left_behind(tmp_path / "home", tmp_path / "reports")
        assert [mode(folder), *(mode(path) for path in folder.iterdir())] == [0o700, 0o600]
        process.kill()
    (run / "records-00000.parquet").touch()

    files.remove_left_behind(tmp_path / "home", tmp_path / "reports")

    assert [path.name for path in run.iterdir()] == ["records-00000.parquet"]


def test_a_link_named_like_an_abandoned_file_is_not_followed(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / ".x.0123456789abcdef.part").symlink_to(tmp_path / "precious")

    files.remove_left_behind(tmp_path / "home", tmp_path / "reports")

    assert (tmp_path / "precious" / "file").exists()


# links


@pytest.mark.parametrize("is_dangling", [False, True])
def test_a_symbolic_link_in_place_of_a_file_is_refused_and_its_target_untouched(
    tmp_path, is_dangling
):
    elsewhere = tmp_path / "elsewhere"
    if not is_dangling:
        elsewhere.write_bytes(b"precious")
    (tmp_path / "summary.json").symlink_to(elsewhere)

    with pytest.raises(OutputRefused, match="symbolic link"):
        write_bytes(tmp_path / "summary.json", b"new")
    with (
        pytest.raises(OutputRefused, match="symbolic link"),
        renamed_when_whole(tmp_path / "summary.json"),
    ):
        pass

    assert elsewhere.exists() is not is_dangling
    assert is_dangling or elsewhere.read_bytes() == b"precious"


def test_a_link_planted_under_the_temporary_name_is_not_written_through(tmp_path, monkeypatch):
    monkeypatch.setattr(files.secrets, "token_hex", lambda _: "guessed")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    for name in ("summary.json", "rows.parquet"):
        (tmp_path / f".{name}.guessed{files.UNFINISHED}").symlink_to(elsewhere)

    with pytest.raises(FileExistsError):
        write_bytes(tmp_path / "summary.json", b"new")
    with pytest.raises(FileExistsError):
        write_through_a_library(tmp_path / "rows.parquet")

    assert elsewhere.read_bytes() == b"precious"


def write_through_a_library(path: Path) -> None:
    with renamed_when_whole(path) as temporary:
        temporary.write_bytes(b"new")


@pytest.mark.parametrize("is_dangling", [False, True])
def test_a_folder_that_is_a_symbolic_link_is_refused(tmp_path, is_dangling):
    if not is_dangling:
        (tmp_path / "real").mkdir()
    (tmp_path / "reports").symlink_to(tmp_path / "real")

    with pytest.raises(OutputRefused):
        RunFolder.create(tmp_path / "reports", RUN_ID)


def test_folders_that_we_make_are_private_all_the_way_and_those_that_were_there_stay_as_they_are(
    tmp_path,
):
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o755)
    theirs.chmod(0o755)

    with umask(0):
        private_folder(theirs / "a" / "b")

    assert (mode(theirs), mode(theirs / "a"), mode(theirs / "a" / "b")) == (0o755, 0o700, 0o700)


# the run folder


def test_a_run_folder_and_all_in_it_are_private_even_where_the_umask_is_not(tmp_path):
    with umask(0):
        folder = RunFolder.create(tmp_path / "reports", RUN_ID)
        folder.stage_records(1, pl.DataFrame({"position": [1]}))
        folder.write_json("plan.json", {"a": "é"})
        with open_workbench(folder.path) as workbench:
            workbench.execute("SELECT * FROM records").fetchall()

    found = [folder.path.parent, folder.path, *folder.path.rglob("*")]
    assert {oct(mode(path)) for path in found if path.is_dir()} == {"0o700"}
    assert {oct(mode(path)) for path in found if path.is_file()} == {"0o600"}
    assert names(folder.path) == ["plan.json", "staged"]
    assert folder.read_json("plan.json") == {"a": "é"}


@pytest.mark.parametrize(
    "name",
    ["..", ".", "", "../other", "/etc", RUN_ID + "/../..", RUN_ID.upper(), RUN_ID + "\n", "x"],
)
def test_a_name_that_cannot_be_a_run_is_not_searched(tmp_path, name):
    RunFolder.create(tmp_path, RUN_ID).write_json("plan.json", {})

    with pytest.raises(RunNotFound, match=RUN_ID):
        find_run_folder(tmp_path, name)


def test_every_beginning_of_an_id_names_the_runs_that_begin_with_it_and_no_pattern_does(tmp_path):
    ids = [
        RUN_ID,
        RUN_ID.replace("0302", "0303"),
        f"{RUN_ID}-abcdef",
        RUN_ID.replace("customers", "c"),
    ]
    for run_id in ids:
        RunFolder.create(tmp_path, run_id).write_json("plan.json", {})
    runs, wrong = all_runs(tmp_path), []
    for text in {run_id[:length] for run_id in ids for length in range(1, len(run_id) + 1)}:
        beginning = [run_id for run_id in sorted(ids) if run_id.startswith(text)]
        if [run.run_id for run in matching_runs(text, runs)] != (
            [text] if text in ids else beginning
        ):
            wrong.append(text)
    patterns = [
        "*",
        "?",
        "2026*",
        "[0-9]",
        "2026.*",
        f"{RUN_ID[:-1]}?",
        "LATEST",
        "Latest",
        f" {RUN_ID}",
        f"{RUN_ID} ",
    ]

    assert wrong == []
    assert [text for text in [*patterns, "", ".", ".."] if matching_runs(text, runs)] == []
    assert [run.run_id for run in matching_runs("latest", runs)] == [max(ids)]
    assert matching_runs("latest", []) == []


def test_runs_are_those_that_have_a_plan_oldest_first(tmp_path):
    later, earlier = RUN_ID.replace("0302", "0303"), RUN_ID
    for run_id in (later, earlier):
        RunFolder.create(tmp_path, run_id).write_json("plan.json", {})
    RunFolder.create(tmp_path, RUN_ID.replace("0302", "0304"))
    (tmp_path / "notes.txt").write_text("hello")

    assert [run.run_id for run in all_runs(tmp_path)] == [earlier, later]
    assert all_runs(tmp_path / "nowhere") == []
    assert find_run_folder(tmp_path, earlier).path == tmp_path / earlier


def test_a_folder_that_cannot_be_read_is_a_value_beside_the_runs_that_can(pipeline):
    customers_csv(pipeline.folder / "c.csv", 2)
    pipeline("plan", "c.csv")
    good, reports = pipeline.newest(), pipeline.folder / "reports"
    odd = "20269999T999999Z-x-aaaaaa"
    for name in (
        odd,
        "20200101T000000Z-c-aaaaaa",
        "20200102T000000Z-c-aaaaaa",
        "20200103T000000Z-c-aaaaaa",
    ):
        shutil.copytree(good, reports / name)
    (reports / "20200102T000000Z-c-aaaaaa" / "plan.json").write_text("{")
    (reports / "20200103T000000Z-c-aaaaaa" / "plan.json").unlink()

    found = find_runs(reports)

    assert [run.run_id for run in found.readable] == [good.name]
    assert {one.run_id: one.reason for one in found.damaged} == {
        "20200101T000000Z-c-aaaaaa": f"plan.json is that of run {good.name}",
        "20200102T000000Z-c-aaaaaa": "plan.json is not JSON",
        "20200103T000000Z-c-aaaaaa": "plan.json is missing",
        odd: "its name begins with no day and time",
    }
    assert find_run_folder(reports, "latest").run_id == good.name
    asked = pipeline("status", "20200102T000000Z-c-aaaaaa")
    assert asked.returncode == 4
    assert "20200102T000000Z-c-aaaaaa: plan.json is not JSON. Restore this folder" in asked.stderr
    shown = pipeline("runs")
    assert "damaged, cannot be read: plan.json is missing" in shown.stdout
    assert [one["status"] for one in json.loads(pipeline("runs", "--json").stdout)] == [
        *["damaged"] * 3,
        "planned",
        "damaged",
    ]


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"]
)
def test_a_run_of_which_any_table_or_list_is_a_pipe_or_a_device_is_damaged(inside, make):
    customers_csv(inside.folder / "c.csv", 2)
    inside("plan", "c.csv")
    folder = inside.newest()
    pages = {".html", ".xlsx"}
    read = [
        path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix not in pages
    ]

    for path in read:
        path.rename(inside.folder / "whole")
        make(path)
        damage = damage_of(RunFolder(folder))
        path.unlink()
        (inside.folder / "whole").rename(path)

        assert damage is not None, path
        assert path.name in damage.reason, damage
        assert "not a regular file" in damage.reason
    assert damage_of(RunFolder(folder)) is None


def test_the_differences_of_a_reconciliation_are_not_read_from_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "differences.csv")

    with pytest.raises(RunDamaged, match=r"differences\.csv cannot be read \(not a regular file\)"):
        differences_of(FoundReconciliation(tmp_path, _RECONCILIATION))


@pytest.mark.parametrize("write", [written_whole, renamed_when_whole])
def test_a_folder_in_place_of_a_file_is_named_instead_of_the_temporary_file(tmp_path, write):
    (tmp_path / "created.csv").mkdir()

    with pytest.raises(IsADirectoryError) as refused, write(tmp_path / "created.csv") as made:
        made.write_bytes(b"x") if isinstance(made, Path) else made.write(b"x")

    assert refused.value.filename == str(tmp_path / "created.csv")
    assert breakage(refused.value) == (
        f"{tmp_path}/created.csv: Is a directory; a folder is in the place of the file: move it away, then run the same"
        " command again"
    )
    assert names(tmp_path) == ["created.csv"]


@pytest.mark.parametrize("name", ["plan.json", "signatures.jsonl", "accepted.jsonl"])
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_an_interrupted_and_damaged_newest_run_is_not_replaced_by_an_older_one(inside, name, make):
    customers_csv(inside.folder / "c.csv", 2)
    inside("plan", "c.csv")
    older = inside.newest()
    newest = older.with_name("20990101T000000Z-c-aaaaaa")
    shutil.copytree(older, newest)
    (newest / "plan.json").write_text(
        (older / "plan.json").read_text().replace(older.name, newest.name)
    )
    (newest / "unfinished.txt").touch()
    (newest / name).unlink(missing_ok=True)
    make(newest / name)

    for words in (
        "apply latest",
        "resume latest",
        "resume",
        "report latest",
        "report",
        "bundle latest",
        "sign latest",
    ):
        done = inside(*words.split())
        assert done.returncode == 4, words
        assert (
            f"{newest.name}: {name} cannot be opened (not a regular file). Restore this folder"
            in done.stderr
        ), words
    assert inside("verify", "latest").returncode == 7
    shown = inside("status")
    assert (shown.returncode, f"{newest.name} cannot be read: {name}" in shown.stderr) == (0, True)
    assert older.name in shown.stdout
    assert inside("runs").returncode == 0


def test_the_manifest_holds_the_hash_of_every_result_file(tmp_path):
    folder = RunFolder.create(tmp_path, RUN_ID)
    for name in RESULT_FILES:
        write_bytes(folder.path / name, name.encode())

    folder.stage("plan-00001.parquet", pl.DataFrame({"position": [1]}))
    folder.write_manifest(a_plan())

    manifest = json.loads((folder.path / "manifest.json").read_text())
    names = [*RESULT_FILES, "staged/plan-00001.parquet"]
    assert manifest["files"] == {name: sha256_of(folder.path / name) for name in sorted(names)}
    assert read_manifest(folder.path)[1] is None  # its seal holds


# the workbench


@pytest.fixture
def bench(tmp_path):
    folder = RunFolder.create(tmp_path / "reports", RUN_ID)
    folder.stage_records(1, pl.DataFrame({"position": [1, 2]}))
    folder.stage_records(2, pl.DataFrame({"position": [3]}))
    folder.stage("plan-00001.parquet", pl.DataFrame({"position": [1]}))
    (tmp_path / "outside.csv").write_text("secret\n42\n")
    (tmp_path / "reports" / "beside.csv").write_text("secret\n42\n")
    with open_workbench(folder.path) as workbench:
        yield workbench, tmp_path


def test_the_workbench_shows_what_the_run_has_staged(bench):
    workbench, _ = bench

    counts = [
        workbench.execute(f"SELECT count(*) FROM {view}").fetchone()[0]
        for view in ("records", "plan")
    ]

    assert counts == [3, 1]
    with pytest.raises(duckdb.CatalogException):
        workbench.execute("SELECT * FROM history")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('{outside}')",
        "SELECT * FROM read_blob('{outside}')",
        "SELECT * FROM read_csv('{outside}')",
        "SELECT * FROM '{outside}'",
        "SELECT * FROM '{beside}'",
        "SELECT * FROM read_text('{run}/../beside.csv')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_text('/proc/self/environ')",
        "SELECT * FROM read_csv('https://example.com/x.csv')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM glob('{run}/../*')",
        "COPY (SELECT 1) TO '{folder}/written.csv'",
        "COPY (SELECT 1) TO '{run}/../written.csv'",
        "COPY records FROM '{outside}'",
        "EXPORT DATABASE '{folder}/exported'",
        "IMPORT DATABASE '{folder}/exported'",
        "ATTACH '{folder}/other.duckdb' AS other",
        "ATTACH '{folder}/other.sqlite' AS other (TYPE sqlite)",
        "INSTALL httpfs",
        "LOAD httpfs",
        "INSTALL '{outside}'",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "SET allowed_paths = ['/etc/passwd']",
        "SET lock_configuration = false",
        "SET memory_limit = '100GB'",
        "SET temp_directory = '/tmp'",
        "SET autoload_known_extensions = true",
        "SET SESSION memory_limit = '100GB'",
        "PRAGMA memory_limit = '100GB'",
        "RESET lock_configuration",
        "RESET memory_limit",
        "SELECT getenv('PATH')",
    ],
)
def test_the_workbench_refuses_what_leads_out_of_its_run(bench, statement):
    workbench, folder = bench
    before = names(folder) + names(folder / "reports")
    told = statement.format(
        outside=folder / "outside.csv",
        beside=folder / "reports" / "beside.csv",
        run=folder / "reports" / RUN_ID,
        folder=folder,
    )

    with pytest.raises(duckdb.Error):
        workbench.execute(told).fetchall()

    assert names(folder) + names(folder / "reports") == before


def test_the_workbench_leaves_nothing_behind_even_after_an_error(tmp_path):
    folder = RunFolder.create(tmp_path, RUN_ID)

    with pytest.raises(RuntimeError), open_workbench(folder.path):
        raise RuntimeError

    assert names(folder.path) == ["staged"]


@pytest.mark.parametrize(
    "name", ["it's", "a b", "[1]", "a*b", "what?", "{x,y}", "é", "a;b", "%41", "~"]
)
def test_a_folder_of_any_name_is_a_folder(tmp_path, name):
    folder = RunFolder.create(tmp_path / name, RUN_ID)
    folder.stage_records(1, pl.DataFrame({"position": [1, 2]}))

    with open_workbench(folder.path) as workbench:
        count = workbench.execute("SELECT count(*) FROM records").fetchone()[0]
        with renamed_when_whole(folder.path / "out.csv") as path:
            workbench.execute(
                "COPY (SELECT 1) TO $path (FORMAT csv)", {"path": str(path.absolute())}
            )

    assert count == 2
    assert (folder.path / "out.csv").is_file()


def test_a_neighbour_whose_name_matches_a_folder_read_as_a_pattern_is_not_read(tmp_path):
    for name, rows in (("a[1]", 1), ("a1", 5)):
        RunFolder.create(tmp_path / name, RUN_ID).stage_records(
            1, pl.DataFrame({"position": list(range(rows))})
        )

    with open_workbench(RunFolder(tmp_path / "a[1]" / RUN_ID).path) as workbench:
        count = workbench.execute("SELECT count(*) FROM records").fetchone()[0]

    assert count == 1


@pytest.mark.parametrize(
    ("schema", "why"), [(5, "staged tables of an earlier version"), (8, "which is newer")]
)
def test_a_plan_with_staged_tables_of_another_version_is_refused(pipeline, schema, why):
    customers_csv(pipeline.folder / "c.csv", 2)
    pipeline("plan", "c.csv")
    path = pipeline.newest() / "plan.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": schema}))

    result = pipeline("apply", pipeline.newest().name, "--sandbox")

    assert result.returncode == 6
    assert why in result.stderr


def test_a_summary_of_an_earlier_version_is_read_in_the_form_of_this_one(inside):
    customers_csv(inside.folder / "c.csv", 2)
    inside("run", "c.csv", "--sandbox", "--yes")
    folder = RunFolder(inside.newest())
    written = folder.read_summary()
    older = {**written.to_json(), "schema": 1}
    for name in ("left_by_earlier_runs", "other_ledgers", "account", "account_is_doubtful"):
        del older[name]
    folder.write_json("summary.json", older)

    read = folder.read_summary()

    assert read == written
    assert "2 of 2 records were created" in render_run(read)
