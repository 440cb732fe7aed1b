"""Make `reports/sample/`: what a run of the sample data leaves, without personal data.

    python docs/pictures/make_sample.py

Runs the commands of the tool against its sandbox, then unpacks a part of the evidence bundle,
which masks personal data. `reports/README.md` says what differs from one time to the next.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SAMPLE = REPOSITORY / "reports" / "sample"
#: The summary names the path of the input, so it is the same on every machine.
WORKPLACE = Path("/tmp/pipeline-sample")  # noqa: S108 - made new, and refused if it exists
PEOPLE = {"planner": "Palesa Planner", "reviewer": "Robin Reviewer"}
NOTE = "Sent back 50 rejected records; 10 held records wait for a decision."
#: A key that is no secret: these people do not exist, and their tokens stay the same.
TOKEN_KEY = b"the key of the sample's home, 32"
#: Members of the bundle -> files of the sample. The journal and rows.parquet are left out: large,
#: and for programs.
FILES = {
    "report.html": "report.html",
    "report.xlsx": "report.xlsx",
    "run/summary.json": "summary.json",
    "run/manifest.json": "manifest.json",
    "run/signatures.jsonl": "signatures.jsonl",
    "rows.parquet": "rows.parquet",
    "lists/created.csv": "created.csv",
    "lists/held.csv": "held.csv",
    "lists/in_doubt.csv": "in_doubt.csv",
    "lists/rejected.csv": "rejected.csv",
    "lists/skipped.csv": "skipped.csv",
    "lists/unprocessed.csv": "unprocessed.csv",
    "reconciliation/differences.csv": "differences.csv",
    "reconciliation/summary.json": "reconciliation.json",
}


def make_sample(folder: Path = SAMPLE) -> None:
    """Replace the files of `folder` with those of a new run."""
    WORKPLACE.mkdir(mode=0o700)
    try:
        bundle = _run(WORKPLACE)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with zipfile.ZipFile(bundle) as archive:
            for member, name in FILES.items():
                (folder / name).write_bytes(archive.read(member))
    finally:
        shutil.rmtree(WORKPLACE)


def _run(workplace: Path) -> Path:
    """Plan, send, reconcile, sign and bundle the sample data; return the archive."""
    shutil.copy(REPOSITORY / "sample_data" / "customers.csv", workplace)
    home = workplace / ".pipeline"
    home.mkdir(mode=0o700)
    (home / "token.key").write_bytes(TOKEN_KEY)
    planner = ("--planner", PEOPLE["planner"])
    # One worker, so that customers are created in the order of the file.
    sending = ("--sandbox", "--yes", "--workers", "1", *planner)
    _pipeline(workplace, "run", "customers.csv", *sending, expected=1)
    _pipeline(workplace, "reconcile", "--sandbox", "--workers", "1")
    _pipeline(workplace, "sign", "latest", "--name", PEOPLE["reviewer"], "--note", NOTE)
    _pipeline(workplace, "bundle", "latest", "--output", "bundle.zip")
    return workplace / "bundle.zip"


def _pipeline(workplace: Path, *arguments: str, expected: int = 0) -> None:
    command = [sys.executable, "-m", "pipeline", *arguments]
    environment = {**os.environ, "TZ": "UTC", "PIPELINE_PLANNER": PEOPLE["planner"]}
    ended = subprocess.run(  # noqa: S603 - our own command
        command, cwd=workplace, env=environment, capture_output=True, text=True, check=False
    )
    if ended.returncode != expected:
        raise SystemExit(f"pipeline {arguments[0]} ended with {ended.returncode}:\n{ended.stderr}")


if __name__ == "__main__":
    make_sample()
