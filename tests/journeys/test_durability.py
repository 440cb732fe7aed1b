"""Kills cannot show durability (a killed process loses nothing that the kernel has); the order of system calls can.

For every idempotency key: its intent was written to the journal, the journal was flushed to the disk, and only then did the
first byte with that key leave.
"""

import re
import shutil
import subprocess
import sys

import pytest

from tests.conftest import customers_csv, environment_of_ours

pytestmark = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed: the order cannot be seen"
)

AS_IT_IS = "from pipeline.cli import main; main()"
UNFLUSHED = """\
import sqlite3

class Loose(sqlite3.Connection):
    def execute(self, sql, *values):
        return super().execute(sql.replace("synchronous = FULL", "synchronous = OFF"), *values)

connect = sqlite3.connect
sqlite3.connect = lambda *told, **more: connect(*told, factory=Loose, **more)
from pipeline.cli import main
main()
"""
_KEY = re.compile(r"idempotency-key: ([0-9a-f-]{36})", re.IGNORECASE)
_SEEN = "trace=fsync,fdatasync,write,writev,sendto,sendmsg,pwrite64,pwritev"


@pytest.mark.parametrize(
    ("program", "is_safe"),
    [
        pytest.param(AS_IT_IS, True, id="flushed"),
        pytest.param(UNFLUSHED, False, id="unflushed", marks=pytest.mark.long),
    ],
)
def test_an_intent_is_on_the_disk_before_the_first_byte_of_its_request_leaves(
    pipeline, outside, tmp_path, program, is_safe
):
    customers_csv(tmp_path / "c.csv", 40)
    assert (
        pipeline(
            "plan", "c.csv", "--base-url", outside.base_url, environment=outside.environment
        ).returncode
        == 0
    )
    log = tmp_path / "calls"

    ran = subprocess.run(
        ["strace", "-f", "-yy", "-s", "8192", "-e", _SEEN, "-o", log, sys.executable, "-c", program, "apply", pipeline.newest().name],
        cwd=pipeline.folder,
        env=environment_of_ours(outside.environment),
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip

    if "Operation not permitted" in ran.stderr:
        pytest.skip("this machine lets nobody trace a process")
    assert ran.returncode == 0, ran.stderr
    sent_too_soon, keys = _sent_before_it_was_durable(log.read_text(errors="replace").splitlines())
    assert len(keys) == outside.stats()["keys_seen"] == 40
    assert (sent_too_soon == []) == is_safe


def _sent_before_it_was_durable(lines: list[str]) -> tuple[list[str], set[str]]:
    """Keys whose request left before the write of their intent was flushed; and all keys that were sent."""
    written, durable, sent, too_soon = "", "", set(), []
    flushing = set()
    for line in lines:
        process, _, call = line.partition(" ")
        call = call.lstrip()
        is_flush = call.startswith(("fsync(", "fdatasync("))
        if call.startswith("pwrite") and "ledger.sqlite-wal>" in call:
            written += call
        elif is_flush and "ledger.sqlite-wal>" in call and "unfinished" in call:
            flushing.add(process)
        elif (is_flush and "ledger.sqlite-wal>" in call) or (
            process in flushing and "sync resumed>" in call
        ):
            flushing.discard(process)
            durable += written
            written = ""
        elif (found := _KEY.search(call)) and "TCP" in call:
            key = found[1]
            if key not in sent and key not in durable:
                too_soon.append(key)
            sent.add(key)
    return too_soon, sent
