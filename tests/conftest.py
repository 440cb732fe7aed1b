"""Fixtures that are things: the command line as a process, a sandbox as another, and files of customers."""

import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import httpx
import polars as pl
import pytest
from hypothesis import HealthCheck, settings

import pipeline.billing.client as client_module
from pipeline.cli import run
from pipeline.sandbox import SandboxServer
from pipeline.sources import Declared
from pipeline.workflows import write_results
from tests import kill_points
from tests.small_billing import SmallBilling, small_billing

KEY = "sk_test_fixture0000000000000000"
HEADER = "external_reference,name,email,phone,currency,balance,metadata.plan"
REPOSITORY = Path(__file__).parents[1]
AS_INSTALLED = Path(__file__).parent / "as_installed"
#: What RFC 4180 describes, in the encoding of our time.
RFC_4180 = Declared(",", "utf-8", trailing_delimiter=False)


# Compiled modules are kept, whatever is set here: each worker and each process would compile the package anew, for half a second.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# No test asserts how long something takes; a busy machine would fail it. The suite tries the same examples every time, so that
# it judges a change and not the day; `pytest --hypothesis-profile search tests/properties` looks for new ones.
settings.register_profile(
    "suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", settings.get_profile("suite"), derandomize=False)
settings.load_profile("suite")


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than cores, because tests also wait for processes and retries; so one thread of polars each.

    With two workers a core, the same tests take an eighth more CPU and no less time.
    """
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    return 1 + (os.cpu_count() or 1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a fixture of their module run on one worker, so that it is made once."""
    for item in items:
        definitions = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009 - of pytest, and not public
        shared = [name for name, found in definitions.items() if found[-1].scope == "module"]
        if shared and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(f"{item.path.stem} {shared[0]}"))


@dataclass(frozen=True)
class Outside:
    """A sandbox that outlives whoever sends to it. (Of http no certificate is verified; to load them costs more than to ask.)"""

    base_url: str
    api_key: str
    pid: int

    def customers(self) -> dict[str, dict]:
        lines = self._ask("GET", "customers").text.splitlines()
        return {customer["external_reference"]: customer for customer in map(json.loads, lines)}

    def stats(self) -> dict:
        return self._ask("GET", "stats").json()

    def faults(self, **faults: object) -> None:
        self._ask("POST", "faults", json=faults)

    def advance(self, seconds: float) -> None:
        self._ask("POST", "clock", json={"advance_seconds": seconds})

    def _ask(self, method: str, page: str, **more: Any) -> httpx.Response:
        url, key = f"{self.base_url}/_sandbox/{page}", {"Authorization": f"Bearer {self.api_key}"}
        answer = httpx.request(
            method, url, headers=key, trust_env=False, verify=False, timeout=60, **more
        )
        return answer.raise_for_status()

    def change(self, reference: str, **fields: object) -> None:
        """Change a customer, as somebody else would."""
        headers = {"Authorization": f"Bearer {self.api_key}", "Idempotency-Key": str(uuid.uuid4())}
        url = f"{self.base_url}/billing/customers/{reference}"
        httpx.patch(
            url, json=fields, headers=headers, trust_env=False, verify=False
        ).raise_for_status()

    @property
    def environment(self) -> dict[str, str]:
        return {"BILLING_API_KEY": self.api_key}


@dataclass(frozen=True)
class Command:
    """The command line, in a folder of its own."""

    folder: Path

    def start(
        self, *arguments: str | Path, environment: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", kill_points.program(environment or {}), *_told(arguments)],
            cwd=self.folder,
            env=environment_of_ours(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(
        self, *arguments: str | Path, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, environment=environment)
        out, err = process.communicate(timeout=240)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def summary(self) -> dict:
        """The summary of the newest run."""
        return json.loads((self.newest() / "summary.json").read_text())

    def newest(self) -> Path:
        """The newest run folder."""
        plans = (self.folder / "reports").glob("*/plan.json")
        return max(plans, key=lambda path: path.stat().st_mtime_ns).parent


@dataclass(frozen=True)
class Inside(Command):
    """The same within this process, several times as soon: for tests of what a command says, not of how a process ends."""

    def __call__(
        self, *arguments: str | Path, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        if kill_points.VARIABLE in (environment or {}):
            return Command.__call__(self, *arguments, environment=environment)
        out, err, before = io.StringIO(), io.StringIO(), os.umask(0o077)
        told = ["pipeline", *_told(arguments)]
        try:
            with (
                contextlib.chdir(self.folder),
                patch.dict(os.environ, environment_of_ours(environment), clear=True),
                patch.object(sys, "argv", told),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
            ):
                code = run()
        finally:
            os.umask(before)
        return subprocess.CompletedProcess(told, code, out.getvalue(), err.getvalue())


def _told(arguments: tuple[str | Path, ...]) -> list[str]:
    """The words of a command; look-ups at a sandbox do not lag, and no test waits for that unless it says so."""
    words = [*map(str, arguments)]
    asks_billing = (
        words
        and words[0] in {"run", "apply", "resume", "reconcile"}
        and not {"--help", "-h"} & {*words}
    )
    return (
        [*words, "--lookup-lag", "0.1"] if asks_billing and "--lookup-lag" not in words else words
    )


def environment_of_ours(extra: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of a process: nothing that the user has set, and only what users have installed."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("BILLING_", "PIPELINE_"))
    }
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join([str(AS_INSTALLED), str(REPOSITORY)]),
        **(extra or {}),
    }


@pytest.fixture
def without_pages(monkeypatch) -> None:
    """Plans and runs write no page and no workbook, which cost a third of a small run: for tests that do not look at them."""
    steps = tuple(step for step in write_results.STEPS if step.__name__ != "_write_pages")
    assert len(steps) == len(write_results.STEPS) - 1
    monkeypatch.setattr(write_results, "STEPS", steps)


@pytest.fixture
def pipeline(tmp_path) -> Inside:
    return Inside(tmp_path)


@pytest.fixture
def inside(pipeline) -> Inside:
    return pipeline


@pytest.fixture
def billing(monkeypatch) -> Iterator[SmallBilling]:
    """A billing server apart from our sandbox; whoever it does not answer waits a third of a second."""
    monkeypatch.setattr(client_module, "SILENT_SECONDS", 0.3)
    with small_billing() as server:
        yield server


@dataclass(frozen=True)
class Lived:
    """A folder and what billing held when something had been done there: many tests go on from copies of it."""

    folder: Path
    billing: dict[str, Any]

    @classmethod
    def here(cls, folder: Path, live: Callable[[Inside, SmallBilling], object]) -> "Lived":
        """What it is after `live`, with a billing server of its own."""
        with small_billing() as billing:
            live(Inside(folder), billing)
            return cls(folder, billing.state())

    def again(self, pipeline: Inside, billing: SmallBilling) -> None:
        """The same in another folder and at another billing server."""
        shutil.copytree(self.folder, pipeline.folder, dirs_exist_ok=True)
        billing.go_on_from(self.billing)


@pytest.fixture
def outside(tmp_path) -> Iterator[Outside]:
    with running_sandbox(tmp_path / "billing.sqlite") as sandbox:
        yield sandbox


@contextmanager
def running_sandbox(
    state: Path, *arguments: str, history: Path | None = None, port: int = 0
) -> Iterator[Outside]:
    """The sandbox in a thread of this process; with arguments or a history, in a process of its own."""
    if arguments or history:
        with sandbox_process(state, *arguments, history=history) as sandbox:
            yield sandbox
        return
    with SandboxServer(state, KEY, port) as server:
        yield Outside(server.base_url, server.api_key, os.getpid())


@contextmanager
def lived_at_a_sandbox(
    folder: Path, live: Callable[[Inside, Outside], object]
) -> Iterator[Outside]:
    """What `live` has done in `folder / "place"` is there, and so is its billing; the state of it is kept for `sandbox_of_ones_own`."""
    (folder / "place").mkdir()
    with running_sandbox(folder / "billing.sqlite") as outside:
        live(Inside(folder / "place"), outside)
    shutil.copy(folder / "billing.sqlite", folder / "kept.sqlite")
    with running_sandbox(
        folder / "billing.sqlite", port=int(outside.base_url.rpartition(":")[2])
    ) as outside:
        yield outside


@contextmanager
def sandbox_of_ones_own(lived: Path, pipeline: Inside) -> Iterator[Outside]:
    """The place of `lived_at_a_sandbox` once more, and a copy of its billing at another address."""
    shutil.copytree(lived / "place", pipeline.folder, dirs_exist_ok=True)
    shutil.copy(lived / "kept.sqlite", pipeline.folder / "billing.sqlite")
    with running_sandbox(pipeline.folder / "billing.sqlite") as outside:
        yield outside


@contextmanager
def sandbox_process(state: Path, *arguments: str, history: Path | None = None) -> Iterator[Outside]:
    """`pipeline sandbox` as a process, ended by its id; with `history` it records there what it sees and does."""
    program = ["tests.prove.recorded_sandbox", str(history)] if history else ["pipeline"]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            *program,
            "sandbox",
            "--state",
            str(state),
            "--api-key",
            KEY,
            *arguments,
        ],
        env=environment_of_ours(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        ready = json.loads(process.stdout.readline())
        yield Outside(ready["base_url"], ready["api_key"], ready["pid"])
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


def hold(workbench: duckdb.DuckDBPyConnection, name: str, table: pl.DataFrame) -> None:
    """Make the view of a table in a workbench; what is only registered can be seen by no other cursor of it."""
    workbench.register("handed_over", table)
    workbench.execute(f"CREATE TABLE held_{name} AS FROM handed_over")
    workbench.execute(f"CREATE VIEW {name} AS FROM held_{name}")
    workbench.unregister("handed_over")


def customers_csv(path: Path, count: int, *, start: int = 0, balance: int = 100) -> Path:
    """A clean file of `count` customers."""
    rows = (
        f"ref-{n},Person {n},person{n}@example.com,0821{n:06d},ZAR,{n * balance},gold"
        for n in range(start, start + count)
    )
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path
