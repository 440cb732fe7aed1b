"""Real runs of the real command: every exit code says what happened, stdout is the result, and nobody's data leaks."""

import contextlib
import csv
import io
import json
import os
import pty
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipeline.sandbox import Faults, SandboxServer
from pipeline.storage.ledger import run_lock
from pipeline.storage.run_folder import RESULT_FILES, RunFolder
from pipeline.workflows.report.sign_off import sign_for_plan
from pipeline.workflows.status import status_of
from tests.conftest import REPOSITORY, Inside, customers_csv, environment_of_ours

COMMAND = [sys.executable, "-m", "pipeline"]
HEADER = "external_reference,name,email,phone,currency,balance"
LISTS = ("created", "skipped", "held", "in_doubt", "rejected", "unprocessed")
SECRET = "sk_test_P1antedSecretKey4f9a2c"

#: People who must be met nowhere but in the lists and the staged files.
PEOPLE = [
    (f"Zqx{n}name Planted{n}", f"zqx{n}.planted@example.com", f"+2782555{n:04}")
    for n in range(1000, 1020)
]
PLANTED = [
    word
    for name, email, phone in PEOPLE
    for word in (name, name.split()[0], email, phone, phone[1:])
]


@dataclass
class Place:
    """A working folder and the sandbox that its commands talk to."""

    folder: Path
    sandbox: SandboxServer | None = None

    def variables(self, **more: str) -> dict[str, str]:
        """What is set in the environment for it."""
        key = {"BILLING_API_KEY": self.sandbox.api_key} if self.sandbox else {}
        return {"COLUMNS": "80", "PIPELINE_PLANNER": "tester"} | key | more

    def start(
        self, *words: str, entry: list[str] = COMMAND, env: dict[str, str] | None = None, **more
    ):
        told = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        } | more
        return subprocess.Popen(
            [*entry, *words],
            cwd=self.folder,
            env=environment_of_ours(self.variables(**(env or {}))),
            text=True,
            **told,
        )

    def run(self, *words: str, **more) -> subprocess.CompletedProcess:
        process = self.start(*words, **more)
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
            process.wait()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def within(self, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess:
        """The same within this process: where it is not the end of a process that is looked at."""
        return Inside(self.folder)(*words, environment=self.variables(**(env or {})))

    def to_billing(self) -> list[str]:
        return ["--base-url", self.sandbox.base_url]

    def only_run(self) -> Path:
        (found,) = (self.folder / "reports").glob("[0-9]*")
        return found

    def stats(self) -> dict:
        return self.ask("GET", "stats").json()

    def ask(self, method: str, page: str, **more: Any) -> httpx.Response:
        url, key = (
            f"{self.sandbox.base_url}/_sandbox/{page}",
            {"Authorization": f"Bearer {self.sandbox.api_key}"},
        )
        return httpx.request(method, url, headers=key, trust_env=False, **more)


def run_together(
    folder: Path, cases: dict[str, list[str]], *, within: bool = False, **more: object
) -> dict[str, tuple[Place, subprocess.CompletedProcess]]:
    """Runs that need nothing of each other, each in a folder of its own with three customers: two processes at a time."""

    def run(name: str) -> tuple[Place, subprocess.CompletedProcess]:
        place = Place(folder / name.replace(" ", "-"))
        place.folder.mkdir()
        write_customers(place.folder / "customers.csv", 3)
        return place, place.within(*cases[name]) if within else place.run(*cases[name], **more)

    if within:
        return {name: run(name) for name in cases}
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(cases, pool.map(run, cases), strict=True))


def write_customers(path: Path, count: int, *more: str, prefix: str = "A") -> Path:
    rows = [f"{prefix}-{n},Name {n},,,ZAR,{n}" for n in range(count)]
    path.write_text("\n".join([HEADER, *rows, *more]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def place(tmp_path) -> Place:
    write_customers(tmp_path / "customers.csv", 3)
    return Place(tmp_path)


@contextlib.contextmanager
def billing(folder: Path, count: int = 3, **faults: object) -> Iterator[Place]:
    write_customers(folder / "customers.csv", count)
    with SandboxServer(faults=Faults(**faults)) as sandbox:
        yield Place(folder, sandbox)


of_the_planted = pytest.mark.xdist_group("planted")  # one worker, so that they are planted once


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """One run under umask 000 over twenty people, some refused here, one refused by billing, one there before."""
    folder = Path(tmp_path_factory.mktemp("planted"))
    rows = [
        f"P-{n},{name},{email if n % 5 else email.replace('@', ' at ')},{phone},ZAR,{n * 100}"
        for n, (name, email, phone) in enumerate(PEOPLE)
    ]
    (folder / "customers.csv").write_text(
        "\n".join([HEADER, *rows, rows[7]]) + "\n", encoding="utf-8"
    )
    with SandboxServer(
        api_key=SECRET, faults=Faults.of(opaque_types=True, lost_reply=0.2), seed=3
    ) as sandbox:
        place = Place(folder, sandbox)
        name, email, phone = PEOPLE[3]
        other = {
            "external_reference": "P-3",
            "name": name,
            "email": email,
            "phone": phone,
            "currency": "ZAR",
        }
        place.ask("POST", "seed", content=json.dumps([other]))
        before = os.umask(0)
        try:
            done = place.run("run", "customers.csv", *place.to_billing(), "--yes")
        finally:
            os.umask(before)
        yield place, done


# 0, 1, 2, 4


def test_a_clean_run_exits_0_and_its_json_is_the_summary_and_nothing_else(place):
    done = place.within("run", "customers.csv", "--sandbox", "--yes", "--json")

    summary = json.loads((place.only_run() / "summary.json").read_text(encoding="utf-8"))
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == summary
    assert summary["exit_code"] == 0
    assert summary["fates"]["created"] == summary["records"]["read"] == 3


@of_the_planted
def test_a_run_with_rejected_and_held_rows_exits_1_and_prints_the_result_on_stdout(planted):
    place, done = planted
    summary = json.loads((place.only_run() / "summary.json").read_text(encoding="utf-8"))

    assert done.returncode == 1, done.stderr
    assert summary["exit_code"] == 1
    assert summary["fates"]["invalid"] == 4
    assert summary["fates"]["already_exists_different"] == 1
    assert summary["fates"]["duplicate_in_file"] == 1
    assert summary["accounting"]["holds"]
    assert done.stdout.splitlines()[-1].startswith("21 records: ")
    assert "Traceback" not in done.stderr


def test_wrong_usage_exits_2_and_leaves_nothing_behind(tmp_path):
    cases = {
        "no file": ["run"],
        "no destination": ["run", "customers.csv", "--yes"],
        "two destinations": [
            "run",
            "customers.csv",
            "--sandbox",
            "--base-url",
            "http://127.0.0.1:1",
            "--yes",
        ],
        "no such command": ["no-such-command"],
    }

    done = run_together(tmp_path, cases, within=True)

    assert {name: (one.returncode, one.stdout) for name, (_, one) in done.items()} == dict.fromkeys(
        cases, (2, "")
    )
    assert [path.name for place, _ in done.values() for path in place.folder.iterdir()] == [
        "customers.csv"
    ] * 4


def test_a_fault_that_a_person_must_fix_exits_4_in_one_line_without_a_key(tmp_path):
    elsewhere = ["run", "customers.csv", "--base-url", "http://127.0.0.1:1", "--yes"]
    cases = {
        "no file": ["run", "missing.csv", "--sandbox", "--yes"],
        "no key": elsewhere,
        "line end in the key": elsewhere,
        "live key": elsewhere,
    }
    keys = {"line end in the key": f"{SECRET}\n", "live key": "sk_P1antedLive"}

    done = {}
    write_customers(tmp_path / "customers.csv", 3)
    for name, words in cases.items():
        done[name] = Place(tmp_path).within(
            *words, env={"BILLING_API_KEY": keys[name]} if name in keys else None
        )

    assert {name: (one.returncode, one.stdout) for name, one in done.items()} == dict.fromkeys(
        cases, (4, "")
    )
    assert {
        name: len(one.stderr.strip().splitlines()) for name, one in done.items()
    } == dict.fromkeys(cases, 1)
    assert [name for name, one in done.items() if "P1anted" in one.stderr] == []


def test_a_key_that_billing_refuses_exits_4_before_anything_is_journaled(tmp_path):
    with billing(tmp_path) as place:
        done = place.within(
            "run", "customers.csv", *place.to_billing(), "--yes", env={"BILLING_API_KEY": SECRET}
        )
        stats = place.stats()

    assert done.returncode == 4
    assert "nothing was sent" in done.stderr
    assert SECRET not in done.stderr
    assert stats["requests"]["create"] == 0


def test_a_key_that_is_revoked_mid_run_exits_4_and_a_resume_finishes_with_0(tmp_path):
    with billing(tmp_path, 30, revoked_after=5) as place:
        stopped = place.within("run", "customers.csv", *place.to_billing(), "--yes")
        summary = json.loads((place.only_run() / "summary.json").read_text())
        place.ask("POST", "faults", content="{}")
        resumed = place.within("resume", *place.to_billing(), "--json")
        stats = place.stats()

    assert (stopped.returncode, summary["exit_code"]) == (4, 4)
    assert sum(summary["fates"].values()) == 30
    assert (
        summary["fates"]["created"]
        + summary["fates"]["in_doubt"]
        + summary["fates"]["not_attempted"]
        == 30
    )
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["fates"]["created"] == stats["customers"] == 30
    assert stats["effects_per_reference"]["max"] == 1


def test_a_key_among_the_arguments_is_not_repeated(tmp_path):
    run = ["run", "customers.csv", "--sandbox"]
    cases = {
        "option": [*run, f"--{SECRET}"],
        "value": [*run, f"--workers={SECRET}"],
        "command": [SECRET],
    }

    done = run_together(tmp_path, cases, within=True)

    assert {name: one.returncode for name, (_, one) in done.items()} == dict.fromkeys(cases, 2)
    assert [name for name, (_, one) in done.items() if SECRET in one.stderr + one.stdout] == []


# 5 and 130


def interrupted(place: Place, times: int) -> subprocess.CompletedProcess:
    """A run that gets SIGINT once its first request is under way, and more of them soon after."""
    process = place.start("run", "customers.csv", *place.to_billing(), "--yes", "--workers", "4")
    try:
        deadline = time.monotonic() + 120
        while not place.stats()["requests"]["create"] and time.monotonic() < deadline:
            time.sleep(0.02)
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            time.sleep(0.4)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def test_an_interrupt_lets_requests_finish_exits_5_and_a_resume_creates_the_rest_once(tmp_path):
    with billing(tmp_path, 60, latency=0.2) as place:
        stopped = interrupted(place, 1)
        fates = json.loads((place.only_run() / "summary.json").read_text())["fates"]
        held_then = place.stats()["customers"]
        status = status_of(RunFolder(place.only_run()), place.folder / ".pipeline")
        place.ask("POST", "faults", content="{}")
        resumed = place.within("resume", *place.to_billing(), "--json")
        stats = place.stats()

    assert stopped.returncode == 5, stopped.stderr
    assert "pipeline resume" in stopped.stderr
    assert fates["in_doubt"] == 0
    assert 0 < fates["created"] == held_then < 60
    assert fates["not_attempted"] == 60 - held_then
    assert (status.status, status.exit_code) == ("stopped", 5)
    assert resumed.returncode == 0, resumed.stderr
    assert json.loads(resumed.stdout)["fates"]["created"] == 60
    assert stats["customers"] == 60
    assert stats["effects_per_reference"]["max"] == 1


def test_a_second_interrupt_exits_130_at_once_and_a_resume_creates_each_once(tmp_path):
    with billing(tmp_path, 10, latency=2.0) as place:
        stopped = interrupted(place, 2)
        place.ask("POST", "faults", content="{}")
        time.sleep(0.1)
        resumed = place.within("resume", *place.to_billing(), "--json")
        stats = place.stats()

    assert stopped.returncode == 130, stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert resumed.returncode == 0, resumed.stderr
    assert stats["customers"] == 10
    assert stats["effects_per_reference"]["max"] == 1


def test_an_outage_before_the_first_send_exits_5_and_the_status_does_not_call_that_0(place):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"

    done = place.within(
        "run", "customers.csv", "--base-url", nobody, "--yes", env={"BILLING_API_KEY": SECRET}
    )
    status = status_of(RunFolder(place.only_run()), place.folder / ".pipeline")

    assert done.returncode == 5
    assert "nothing was sent" in done.stderr
    assert status.exit_code in {None, 5}


# 6


def test_a_run_without_yes_off_a_terminal_exits_6_and_sends_nothing(tmp_path):
    with billing(tmp_path) as place:
        done = place.within("run", "customers.csv", *place.to_billing())
        stats = place.stats()

    assert (done.returncode, done.stdout) == (6, "")
    assert "--yes" in done.stderr
    assert stats["requests"]["create"] == 0


@pytest.fixture(scope="module")
def plan_once(tmp_path_factory) -> Path:
    """A folder with a plan that was never applied; made once, copied by whoever needs one."""
    folder = Path(tmp_path_factory.mktemp("planned"))
    write_customers(folder / "customers.csv", 3)
    assert Place(folder).within("plan", "customers.csv", "--sandbox").returncode == 0
    return folder


@pytest.fixture
def planned(plan_once, tmp_path) -> tuple[Place, str]:
    """A place with a plan, and the plan's id."""
    shutil.copytree(plan_once, tmp_path / "copy")
    place = Place(tmp_path / "copy")
    tamper(place, lambda plan: plan["inputs"][0].update(path=str(place.folder / "customers.csv")))
    return place, place.only_run().name


def customers_held(place: Place) -> int:
    """How many customers the sandbox of a folder holds."""
    path = place.folder / ".pipeline" / "sandbox" / "billing.sqlite"
    if not path.is_file():
        return 0
    with contextlib.closing(sqlite3.connect(path)) as state:
        return state.execute("SELECT count(*) FROM customers").fetchone()[0]


def test_a_plan_whose_input_has_changed_is_refused_with_6_by_apply_and_by_resume(planned):
    place, run_id = planned
    write_customers(place.folder / "customers.csv", 4)

    applied = place.within("apply", run_id)
    resumed = place.within("resume", run_id)

    assert applied.returncode == 6
    assert "customers.csv" in applied.stderr
    assert resumed.returncode == 6, "a plan that was never begun cannot be gone on with unchecked"
    assert customers_held(place) == 0


def test_a_plan_whose_staged_rows_have_changed_is_refused_with_6(planned):
    place, run_id = planned
    path = place.only_run() / "staged" / "plan-00001.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"\0")

    applied = place.within("apply", run_id)

    assert applied.returncode == 6
    assert "plan-00001.parquet" in applied.stderr
    assert customers_held(place) == 0


def test_an_unchanged_plan_is_applied_with_0_and_not_a_second_time(planned):
    place, run_id = planned

    first = place.within("apply", run_id)
    second = place.within("apply", run_id)

    assert first.returncode == 0, first.stderr
    assert second.returncode == 6
    assert customers_held(place) == 3


@pytest.mark.parametrize(("typed", "code"), [("\x04", 6)], ids=["end of input"])
def test_on_a_terminal_a_run_asks_and_any_answer_but_yes_exits_6(place, typed, code):
    ours, theirs = pty.openpty()
    process = place.start("run", "customers.csv", "--sandbox", stdin=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    try:
        while b"[y/N]" not in said:
            said += os.read(ours, 4096)
        os.write(ours, typed.encode())
        with contextlib.suppress(OSError):  # the terminal goes away with the process
            while piece := os.read(ours, 4096):
                said += piece
        process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
        os.close(ours)

    assert process.returncode == code, said.decode(errors="replace")


# 7, 70, 75


def tamper(place: Place, change: Callable[[dict], None]) -> None:
    """Change a plan and sign it anew, as one that was made so."""
    run = place.only_run()
    plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))
    change(plan)
    (run / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    for name in ("manifest.json", "signatures.jsonl"):
        (run / name).unlink(missing_ok=True)
    sign_for_plan(RunFolder(run), "planner", "Ann")


def test_a_lost_record_fails_the_accounting_checks_and_exits_7(planned):
    place, run_id = planned
    tamper(place, lambda plan: plan["read"].update(records=plan["read"]["records"] + 1))

    done = place.within("apply", run_id, "--json")

    summary = json.loads(done.stdout)
    assert (done.returncode, summary["exit_code"]) == (7, 7)
    assert not summary["accounting"]["holds"]


def test_planned_creates_that_were_never_sent_are_no_clean_end(planned):
    place, run_id = planned
    tamper(place, lambda plan: plan["actions"].update(create=0))

    done = place.within("apply", run_id, "--json")

    assert customers_held(place) == 3 or done.returncode != 0, done.stdout


BREAKS = f"""
import sys
import pipeline.planning.matching

def breaks(*_args, **_more):
    customer = {{"name": "{PEOPLE[0][0]}", "email": "{PEOPLE[0][1]}", "key": "{SECRET}"}}
    raise RuntimeError(f"no luck with {{customer}}")

pipeline.planning.matching.find_matches = breaks

if __name__ == "__main__":
    from pipeline.cli import main
    main()
"""


def test_an_internal_error_exits_70_and_names_the_place_but_no_person(place):
    done = place.run(
        "run", "customers.csv", "--sandbox", "--yes", entry=[sys.executable, "-c", BREAKS]
    )

    assert (done.returncode, done.stdout) == (70, "")
    assert "RuntimeError" in done.stderr
    assert "in breaks" in done.stderr
    assert [word for word in [*PLANTED, SECRET] if word in done.stderr] == []
    assert list((place.folder / "reports").iterdir()) == []


def test_a_run_beside_another_one_exits_75_and_names_it(place):
    home = place.folder / ".pipeline" / "sandbox"
    with (
        run_lock(home, "20260302T091400Z-customers-3f9a1c", "this morning"),
        SandboxServer() as sandbox,
    ):
        place.sandbox = sandbox
        done = place.within("run", "customers.csv", *place.to_billing(), "--yes")

    assert (done.returncode, done.stdout) == (75, "")
    assert "20260302T091400Z-customers-3f9a1c" in done.stderr
    assert str(os.getpid()) in done.stderr


# what a code must not depend on


def a_closed_pipe() -> int:
    """The writing end of a pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def test_a_closed_stdout_does_not_change_the_exit_code(tmp_path):
    cases = {"text": ["explain"], "json": ["plan", "customers.csv", "--json"]}

    writing = a_closed_pipe()
    done = run_together(tmp_path, cases, stdout=writing)
    os.close(writing)

    assert {
        name: (one.returncode, "Exception" in one.stderr) for name, (_, one) in done.items()
    } == dict.fromkeys(cases, (0, False))


@pytest.mark.long
def test_a_closed_stderr_does_not_change_the_exit_code(tmp_path):
    cases = {
        "not approved": ["run", "customers.csv", "--sandbox"],
        "no such run": ["status", "nothing"],
        "usage": ["run"],
    }

    writing = a_closed_pipe()
    done = run_together(tmp_path, cases, stderr=writing)
    os.close(writing)

    codes = {name: one.returncode for name, (_, one) in done.items()}
    assert codes == {"not approved": 6, "no such run": 4, "usage": 2}


def test_an_ascii_only_output_does_not_change_the_exit_code(place):
    write_customers(place.folder / "kundé.csv", 1)

    done = place.run("plan", "kundé.csv", "--json", env={"PYTHONIOENCODING": "ascii"})

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["actions"]["create"] == 1


def test_a_user_without_a_name_can_run(monkeypatch):
    import pwd

    from pipeline.cli import invocation

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "PIPELINE_PLANNER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        pwd, "getpwuid", lambda uid: {}[uid]
    )  # what it does in a container with a made-up user id

    assert invocation.settings({}).planner


def test_json_for_programs_is_not_changed_by_what_is_unprintable_for_people(capsys):
    from pipeline.cli.output.terminal import show_json

    content = {"path": "zero\u200bwidth\u202e\x7f.csv", "escape": "\x1b[31m", "name": "é 😀"}
    show_json(content)

    told = capsys.readouterr().out
    assert json.loads(told) == content
    assert not set("\x1b\u202e\u200b\x7f") & set(told)


# what nobody may read


@of_the_planted
def test_planted_people_appear_only_in_lists_and_staged_files(planted):
    place, done = planted
    run = place.only_run()
    leaks = {
        name: [word for word in PLANTED if word in text]
        for name, text in {
            "stdout": done.stdout,
            "stderr": done.stderr,
            **{
                path.name: path.read_bytes().decode("latin-1")
                for path in run.iterdir()
                if path.is_file() and path.stem not in LISTS
            },
        }.items()
    }

    assert {"report.html", "summary.json", "rows.parquet", "manifest.json", "plan.json"} <= set(
        leaks
    )
    assert {
        name: words for name, words in leaks.items() if words and name != "differences.csv"
    } == {}


@of_the_planted
def test_rows_parquet_holds_no_planted_person_in_any_value(planted):
    import polars as pl

    place, _ = planted
    told = json.dumps(
        pl.read_parquet(place.only_run() / "rows.parquet").to_dicts(), ensure_ascii=False
    )

    assert [word for word in PLANTED if word in told] == []


@of_the_planted
def test_the_key_is_in_no_output(planted):
    place, done = planted
    files = [path for path in place.folder.rglob("*") if path.is_file()]

    assert SECRET not in done.stdout + done.stderr
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


@of_the_planted
def test_every_artefact_is_private_even_where_the_umask_is_not(planted):
    place, _ = planted
    found = [
        path
        for root in ("reports", ".pipeline")
        for path in (place.folder / root, *(place.folder / root).rglob("*"))
    ]

    modes = {
        str(path.relative_to(place.folder)): oct(stat.S_IMODE(path.stat().st_mode))
        for path in found
    }
    folders = {str(path.relative_to(place.folder)) for path in found if path.is_dir()}

    assert len(modes) > 15
    assert {
        name: mode
        for name, mode in modes.items()
        if mode != ("0o700" if name in folders else "0o600")
    } == {}


@of_the_planted
def test_nothing_is_left_half_written_after_a_run(planted):
    place, _ = planted

    assert [
        path for path in place.folder.rglob("*") if path.suffix == ".part" or path.name == "spill"
    ] == []


@of_the_planted
def test_the_lists_are_a_partition_and_contain_the_original_cells(planted):
    place, _ = planted
    rows = {
        name: list(
            csv.DictReader(
                io.StringIO((place.only_run() / f"{name}.csv").read_text(encoding="utf-8"))
            )
        )
        for name in LISTS
    }
    ids = [row["_import_row_id"] for some in rows.values() for row in some]

    assert len(ids) == len(set(ids)) == 21
    assert {row["email"] for row in rows["rejected"]} == {
        PEOPLE[n][1].replace("@", " at ") for n in (0, 5, 10, 15)
    }
    assert rows["created"][0]["_import_billing_id"].startswith("bcus_")


@of_the_planted
def test_the_manifest_names_the_hash_of_every_result_file(planted):
    import hashlib

    place, _ = planted
    run = place.only_run()
    manifest = json.loads((run / "manifest.json").read_text())

    found = {
        name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in manifest["files"]
    }
    assert manifest["files"] == found
    there = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert there - {"manifest.json"} == set(found)
    assert {*RESULT_FILES} - {"accepted.jsonl"} <= set(found)  # nobody accepted anything
    assert (
        manifest["inputs"][0]["sha256"]
        == hashlib.sha256((place.folder / "customers.csv").read_bytes()).hexdigest()
    )


def test_a_limit_on_file_sizes_leaves_no_cut_bytecode_for_later_starts(tmp_path):
    package = tmp_path / "pipeline"
    shutil.copytree(REPOSITORY / "pipeline", package, ignore=shutil.ignore_patterns("__pycache__"))
    customers_csv(tmp_path / "customers.csv", 3)

    def started(limit: str) -> int:
        command = f"ulimit -f {limit}; exec {sys.executable} -m pipeline plan customers.csv"
        environment = {**environment_of_ours(), "PYTHONPATH": str(tmp_path)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        return subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, check=False
        ).returncode

    assert started("8") == 4  # of 1,024 bytes
    assert started("unlimited") == 0
