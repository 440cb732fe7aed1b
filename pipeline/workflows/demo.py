"""The story of a first look: the sample file, a fresh sandbox, and whether everything ended as the sample says."""

import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pipeline.config import Settings, Target
from pipeline.errors import SourceError
from pipeline.reporting import Report
from pipeline.workflows.progress import StopRequest, Watch
from pipeline.workflows.run import run_import


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The report, what the sandbox holds after it, and every figure that is not the one that the sample states."""

    report: Report
    held: dict[str, Any]
    surprises: list[str]


def run_demo(
    settings: Settings, target: Target, *, stopping: StopRequest, watch: Watch
) -> DemoResult:
    """Import the sample customers and hold the fates against those that stand beside them."""
    folder = sample_folder()
    report = run_import(
        [folder / "customers.csv"],
        settings,
        target,
        approve=lambda _: None,
        stopping=stopping,
        watch=watch,
    )
    expected = json.loads((folder / "customers.expected.json").read_text(encoding="utf-8"))["fates"]
    found = report.content["fates"]
    surprises = [
        f"{fate}: {found[fate]} records, the sample states {expected.get(fate, 0)}"
        for fate in found
        if found[fate] != expected.get(fate, 0)
    ]
    headers = {"Authorization": f"Bearer {target.api_key.reveal()}"}
    # Plain HTTP to this machine; with a context of its own httpx asks no variable of the environment for another.
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stats = f"{target.address.base_url}/_sandbox/stats"
    held = httpx.get(stats, headers=headers, verify=plain, trust_env=False).json()
    return DemoResult(report, held, surprises)


def sample_folder() -> Path:
    """The sample data: packed with an installed package, beside it in a checkout."""
    package = Path(__file__).parents[1]
    for folder in (package / "sample_data", package.parent / "sample_data"):
        if (folder / "customers.csv").is_file():
            return folder
    raise SourceError(
        "the sample data is neither in the installed package nor beside it; clone the repository"
    )
