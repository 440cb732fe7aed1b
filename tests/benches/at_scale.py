"""Compare `resume`, `status` and pages of a run of a million creates with those of a run of a thousand.

Run it: python -m tests.benches.at_scale [--rows 1000000] [--events 10000000] [--folder DIR]
A plan is made, half of it is written into the ledger as created, as a run that was killed leaves it. Then are measured, on
both: `resume` up to its first request, `status` while a run goes on, the history of one reference in a ledger of so many
events (`trace`), the memory of streaming the plan (beside that of a quarter of the rows, which is more than a part too), and
what summing and drawing the report costs of the plan. Appended to results/at_scale.jsonl.
"""

import argparse
import http.server
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl

from pipeline.domain.customer import Environment
from pipeline.domain.fates import State
from pipeline.domain.run_summary import RunSummary
from pipeline.reporting import render_run
from pipeline.storage.ledger import Answer, Intent, Ledger
from tests.benches.planning.__main__ import RESULTS, ROOT, timed
from tests.benches.planning.customers import write_customers
from tests.prove.gathering import gather

FEW = 1_000
TRIES = 3  #: medians of so many; each try is killed at its first request, so that the next finds what a kill leaves
AT_MOST = 3.0  #: times what it takes on a run of FEW rows
REPORT_AT_MOST, PAGE_AT_MOST = 0.1, 2_000_000  #: of its plan; bytes
FLAT = 1.25  #: times the memory at most, for four times the rows
GROUP = 1_000
KEY = "sk_test_scale00000000000000000"
SANDBOX = Environment("sandbox", "sandbox", "test", "loopback")


def main() -> int:
    """Print the table; return 1 if something grows beyond its limit."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--events", type=int, default=10_000_000)
    options.add_argument("--folder", type=Path)
    options.add_argument("--results", type=Path, default=RESULTS)
    given = options.parse_args()
    with nullcontext(given.folder) if given.folder else tempfile.TemporaryDirectory() as folder:
        few = measured(Path(folder) / "few", FEW, 2 * FEW)
        quarter = measured(Path(folder) / "quarter", given.rows // 4, given.rows // 2)
        many = measured(Path(folder) / "many", given.rows, given.events)
    lines = [f"{'':<28}{FEW:>12,}{given.rows // 4:>14,}{given.rows:>14,}{'times':>8}"]
    grown = []
    for name in ("resume", "status", "trace"):
        times = many[name] / few[name]
        lines.append(
            f"{name + ', seconds':<28}{few[name]:>12.2f}{quarter[name]:>14.2f}{many[name]:>14.2f}{times:>8.2f}"
        )
        grown += [f"{name} takes {times:.2f} times as long"] * (times > AT_MOST)
    lines += [
        f"{name.replace('_', ' '):<28}{few[name]:>12,}{quarter[name]:>14,}{many[name]:>14,}"
        for name in ("resume_peak_bytes", "page_bytes")
    ]
    times = many["resume_peak_bytes"] / quarter["resume_peak_bytes"]
    grown += [f"resume takes {times:.2f} times the memory for four times the rows"] * (times > FLAT)
    share = many["report"] / many["plan"]
    shares = "".join(
        f"{one['report'] / one['plan']:>{width}.3f}"
        for one, width in ((few, 12), (quarter, 14), (many, 14))
    )
    lines.append(f"{'report, share of its plan':<28}{shares}")
    grown += [f"the report costs {share:.3f} of its plan"] * (share > REPORT_AT_MOST)
    grown += [f"the page has {many['page_bytes']:,} bytes"] * (many["page_bytes"] > PAGE_AT_MOST)
    print("\n".join([*lines, *grown]))
    gather(
        "at_scale",
        given.results,
        rows=given.rows,
        events=given.events,
        few=few,
        quarter=quarter,
        many=many,
    )
    return int(bool(grown))


def measured(folder: Path, rows: int, events: int) -> dict[str, Any]:
    """Measure one size."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    file, home, reports = folder / "customers.csv", folder / "home", folder / "reports"
    write_customers(file, rows, kind="clean")
    with billing_that_knows_nobody() as (url, first_request):
        where = ["--base-url", url, "--home", home, "--reports", reports]
        os.environ["BILLING_API_KEY"] = KEY
        plan = timed("pipeline", "plan", file, *where, "--json")
        (run,) = reports.iterdir()
        _write_half(home, run, events)
        content = plan["printed"]
        os.sync()  # five gigabytes of ledger on their way to the disk would be measured as ours
        tries = [
            _until_first_request(run.name, where, first_request, home, reports)
            for _ in range(TRIES)
        ]
        life = next(
            iter(
                pl.read_parquet(next((run / "staged").glob("plan-*.parquet")))["external_reference"]
            )
        )
        traces = [
            timed("pipeline", "trace", life, "--home", home, "--reports", reports, "--json")[
                "seconds"
            ]
            for _ in range(TRIES)
        ]
    page = (run / "report.html").stat().st_size
    return {
        "plan": round(plan["seconds"], 2),
        "report": round(content["seconds"]["sum"] + _drawing(content), 3),
        "page_bytes": page,
        "resume": round(median(one["resume"] for one in tries), 2),
        "status": round(median(one["status"] for one in tries), 2),
        "resume_peak_bytes": int(median(one["peak_bytes"] for one in tries)),
        "trace": round(median(traces), 2),
    }


def _drawing(content: dict[str, Any]) -> float:
    """Seconds to make the page of a summary."""
    summary = RunSummary.model_validate(content)
    began = time.perf_counter()
    render_run(summary)
    return time.perf_counter() - began


def _write_half(home: Path, run: Path, events: int) -> None:
    """Record the first half of the plan as created by this run, and earlier creates up to this many events."""
    plan = pl.read_parquet(sorted((run / "staged").glob("plan-*.parquet"))).filter(action="create")
    half = plan.head(plan.height // 2).select("external_reference", "fingerprint", "key")
    earlier = max(0, events // 2 - half.height)
    with Ledger.opened(home / SANDBOX.name, SANDBOX) as ledger:
        ledger.begin_run(run.name, datetime.now(UTC), plan.height, os.getpid())
        record_created(ledger, run.name, half.iter_rows())
        old = ((f"OLD-{at}", f"{at:064x}", f"key-{at}") for at in range(earlier))
        record_created(ledger, "20250101T000000Z-earlier-000000", old)
        ledger.end_run(run.name, datetime.now(UTC), "stopped")


def record_created(ledger: Ledger, run_id: str, rows: Iterator[tuple[str, str, str]]) -> None:
    while group := [next_row for _, next_row in zip(range(GROUP), rows, strict=False)]:
        now = datetime.now(UTC)
        intents = [
            Intent(reference, fingerprint, key, b"{}") for reference, fingerprint, key in group
        ]
        ledger.record_intents(run_id, now, intents, "credential")
        ledger.record(
            run_id,
            now,
            [
                Answer(
                    intent,
                    State.CREATED,
                    "create",
                    "created",
                    201,
                    replayed=False,
                    billing_id=f"cus_{intent.key}",
                )
                for intent in intents
            ],
        )


@contextmanager
def billing_that_knows_nobody() -> Iterator[tuple[str, threading.Event]]:
    """A billing without customers that answers no create; the event is set at the first one."""
    first_create = threading.Event()

    class Answers(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = b'{"type": "not-found", "title": "Not found", "status": 404}'
            self.send_response(404)
            self.send_header("Content-Type", "application/problem+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            first_create.set()
            time.sleep(60)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", first_create
    finally:
        server.shutdown()


def _until_first_request(
    run_id: str, where: list[Any], first_request: threading.Event, home: Path, reports: Path
) -> dict[str, float]:
    """Seconds of `resume` up to its first create and of `status` meanwhile; the peak memory of `resume`."""
    first_request.clear()
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "resume", run_id, "--accept", "ACCOUNT.CHANGED", *map(str, where)],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not first_request.wait(0.01):
        if process.poll() is not None:
            raise RuntimeError(
                f"resume ended before its first request: {process.stderr.read().decode()[-400:]}"
            )
    resume = time.perf_counter() - began
    status = timed("pipeline", "status", run_id, "--home", home, "--reports", reports, "--json")[
        "seconds"
    ]
    # Not ru_maxrss: a child's begins with what its parent held when it was started.
    told = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    peak = int(re.search(r"VmHWM:\s+(\d+) kB", told)[1]) * 1024
    process.kill()
    process.communicate()
    return {"resume": resume, "status": status, "peak_bytes": peak}


if __name__ == "__main__":
    sys.exit(main())
