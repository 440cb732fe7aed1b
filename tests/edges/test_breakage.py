"""What breaks around the program: the code and the message of a full disk, a panic, a pipe in place of a file; never a cell."""

import errno
import os
import signal
import socket
import sqlite3
import subprocess
import sys

import duckdb
import polars as pl
import pytest
from xlsxwriter.exceptions import FileCreateError

from pipeline.cli import invocation
from pipeline.config import load_config, read_api_key
from pipeline.domain.machine_faults import breakage
from pipeline.errors import ConfigError, KeyProblem
from pipeline.storage.memory import memory_ceiling
from pipeline.storage.run_damage import RunDamaged, reading
from pipeline.workflows import plan as plan_verb
from tests.conftest import customers_csv, environment_of_ours
from tests.prove.pressures import dripping_server
from tests.prove.stranded import FULL

PERSON = "Thandi Nkosi"
THEIRS = "sk_test_P1antedSecretKey4f9a2c"

#: What a reader may raise, the exit code, and what the message has to say.
RAISED = {
    "a panic of polars": (
        pl.exceptions.PanicException(f"called `unwrap()` on '{PERSON}'"),
        4,
        "native code",
    ),
    "a fatal error of DuckDB": (
        duckdb.FatalException(f"invalidated by '{PERSON}'"),
        4,
        "native code",
    ),
    "a full disk in polars": (
        pl.exceptions.ComputeError("underlying IO error: No space left on device (os error 28)"),
        4,
        "No space left on device; make room",
    ),
    "a hidden cause in polars": (
        pl.exceptions.ComputeError("Invalid thrift: transport error"),
        4,
        "the disk has room",
    ),
    "a panic for want of threads": (
        pl.exceptions.PanicException(
            'Os { code: 11, message: "Resource temporarily unavailable" }'
        ),
        4,
        "raise the limits on processes and memory",
    ),
    "no memory": (MemoryError(PERSON), 4, "out of memory"),
    "no memory in DuckDB": (
        duckdb.OutOfMemoryException(f"failed to allocate '{PERSON}'"),
        4,
        "out of memory",
    ),
    "no memory for a library": (
        ImportError("x.so: failed to map segment from shared object"),
        4,
        "out of memory",
    ),
    "no thread": (RuntimeError("can't start new thread"), 4, "no more threads"),
    "a full disk in SQLite": (sqlite3.OperationalError("database or disk is full"), 4, "SQLite"),
    "a full disk in a writer of workbooks": (FileCreateError(FULL), 4, "No space left on device"),
    "a full disk": (FULL, 4, "No space left on device"),
    "too many open files": (OSError(errno.EMFILE, "Too many open files"), 4, "ulimit -n"),
    "an error over a cell": (
        pl.exceptions.ComputeError(f"cannot parse '{PERSON}'"),
        70,
        "Internal error",
    ),
    "a bug": (KeyError(PERSON), 70, "Internal error"),
}


@pytest.mark.parametrize("what", RAISED)
def test_errors_of_readers_have_their_code_and_name_no_person(inside, monkeypatch, what):
    error, code, says = RAISED[what]
    customers_csv(inside.folder / "c.csv", 3)

    def broken(*_given: object, **_more: object) -> None:
        raise error

    monkeypatch.setattr(plan_verb, "read", broken)
    done = inside("plan", "c.csv", "--sandbox")

    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr
    assert PERSON not in done.stderr
    assert not list((inside.folder / "reports").glob("*-*"))


def test_an_error_of_the_system_that_rust_wraps_is_no_bug_of_ours():
    script = (
        "import os, resource, pyreqwest.client as client\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))\n"
        "from pipeline.domain.machine_faults import breakage\n"
        "while True:\n"
        "    try: os.open(os.devnull, os.O_RDONLY)\n"
        "    except OSError: break\n"
        "try: client.SyncClientBuilder().build()\n"
        "except Exception as error: print(type(error).__name__, breakage(error))\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout

    assert shown.startswith(
        "RuntimeError a system limit was reached: Too many open files; raise the limit"
    )


def test_a_panic_inside_a_library_is_no_bug_of_ours():
    """The kind that every library in Rust raises lives in a module of its own, and is no Exception."""
    kind = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})

    assert "native code" in breakage(kind(PERSON))
    assert PERSON not in breakage(kind(PERSON))


PANICS = f"""
import os
import polars as pl
from pipeline.cli import main
from pipeline.workflows import plan

def read(*_given, **_more):
    os.write(2, b"thread '<unnamed>' panicked: {PERSON}")  # as the library does by itself
    raise pl.exceptions.PanicException("{PERSON}")

plan.read = read
main()
"""


def test_the_output_of_a_native_panic_is_withheld_too(tmp_path):
    customers_csv(tmp_path / "c.csv", 3)

    done = subprocess.run(
        [sys.executable, "-c", PANICS, "plan", "c.csv", "--sandbox"],
        cwd=tmp_path,
        env=environment_of_ours(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("Error: a library in Rust failed in its native code")
    assert PERSON not in done.stderr


def test_a_full_disk_is_not_damage_of_the_run_being_read(tmp_path):
    with pytest.raises(OSError, match="No space left"), reading(tmp_path / "a-run"):
        raise FULL
    with pytest.raises(RunDamaged, match="it is damaged"), reading(tmp_path / "a-run"):
        raise pl.exceptions.ComputeError("out of spec")


def test_a_hangup_of_the_terminal_stops_in_order_unless_hangups_are_ignored():
    with invocation.stoppable() as asked:
        os.kill(os.getpid(), signal.SIGHUP)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with invocation.stoppable() as ignored:
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)

    assert asked.stop.exit_code == 5
    assert ignored.stop is None


# what is no file


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "socket", "group", "others"])
def test_a_key_file_of_another_kind_or_writable_by_others_is_refused_unread(tmp_path, kind):
    path = tmp_path / "the key"
    with socket.socket(socket.AF_UNIX) as unix:
        match kind:
            case "pipe":
                os.mkfifo(path, 0o600)
            case "device":
                path.symlink_to("/dev/zero")
            case "folder":
                path.mkdir()
            case "socket":
                unix.bind(str(path))
            case _:
                path.write_text(THEIRS)
                path.chmod(0o620 if kind == "group" else 0o602)

        with pytest.raises(KeyProblem) as refused:
            read_api_key({"BILLING_API_KEY_FILE": str(path)})

    says = f"chmod 600 '{path}'" if kind in {"group", "others"} else "a regular file"
    assert says in str(refused.value)
    assert "P1anted" not in str(refused.value)


@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")], ids=["pipe", "device"]
)
def test_a_config_that_is_no_regular_file_is_refused_unread(tmp_path, make):
    make(tmp_path / "job.yaml")

    with pytest.raises(ConfigError, match="not a regular file"):
        load_config(tmp_path / "job.yaml")


DEEP = {
    "lists": "mapping: " + "[" * 1_200 + "]" * 1_200,
    "maps": "mapping: " + "{a: " * 1_200 + "1" + "}" * 1_200,
    "indented": "\n".join(f"{' ' * depth}a:" for depth in range(1_200)),
    "somewhat": "mapping: " + "[" * 60 + "]" * 60,
}


@pytest.mark.parametrize("how", DEEP)
def test_a_config_that_is_nested_too_deeply_is_refused(tmp_path, how):
    (tmp_path / "job.yaml").write_text(f"environment: test\n{DEEP[how]}\n")

    with pytest.raises(ConfigError, match="nested more than 32 deep"):
        load_config(tmp_path / "job.yaml")


def test_aliases_that_would_grow_without_end_are_refused(tmp_path):
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (tmp_path / "job.yaml").write_text("\n".join(["a0: &a0 x", *levels]) + "\n")

    with pytest.raises(ConfigError, match="anchors and aliases are not supported"):
        load_config(tmp_path / "job.yaml")


# what has no end


def test_an_expression_that_needs_too_much_memory_is_refused_with_its_option(inside):
    customers_csv(inside.folder / "c.csv", 3)

    done = inside("plan", "c.csv", "--sandbox", "--where", "lpad(name, 2000000000, 'x') = 'y'")

    assert done.returncode == 4
    assert done.stderr.startswith("Error: --where: it needs too much memory")
    assert not list((inside.folder / "reports").glob("*-*"))


def test_a_ceiling_on_memory_ends_with_its_block():
    with memory_ceiling(1 << 26), pytest.raises(MemoryError):
        bytearray(1 << 28)

    assert len(bytearray(1 << 28)) == 1 << 28


def test_check_has_one_deadline_for_a_server_that_sends_a_byte_a_second(tmp_path):
    from pipeline.workflows.check import CheckRequest, Verdict, check

    with dripping_server() as url:
        asked = CheckRequest(
            None, url, tmp_path / "home", tmp_path / "reports", {"BILLING_API_KEY": THEIRS}
        )
        found = {one.what: one for one in check(asked, seconds=2.5)}

    assert found["address"].verdict is Verdict.FAULT
    assert "no complete answer within 2.5 s" in found["address"].detail
    assert found["lock"].verdict is Verdict.OK
