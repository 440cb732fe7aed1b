"""`pipeline demo`: import the sample file into a new sandbox and compare the result."""

import json
import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx

from pipeline.config import Settings, Target
from pipeline.domain.plurals import number_of
from pipeline.domain.published import Count, Published, Sums
from pipeline.errors import SourceError
from pipeline.reporting import Report
from pipeline.workflows.progress import StopRequest, Watch
from pipeline.workflows.run import run_import


class SandboxCustomers(Published):
    """How many customers the sandbox holds, and the sums of their balances."""

    customers: Count
    sums: Sums


@dataclass(frozen=True, slots=True)
class DemoResult:
    """The report, what the sandbox holds, and every count that differs from the expected one."""

    report: Report
    held: SandboxCustomers
    surprises: list[str]


def run_demo(
    settings: Settings, target: Target, *, stopping: StopRequest, watch: Watch
) -> DemoResult:
    """Import the sample customers and compare their fates with the expected ones."""
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
    found = report.content.fates
    surprises = [
        f"{fate}: {number_of(found[fate], 'record')}, expected {expected.get(fate, 0)}"
        for fate in found
        if found[fate] != expected.get(fate, 0)
    ]
    headers = {"Authorization": f"Bearer {target.api_key.reveal()}"}
    # Plain HTTP to this machine. With this context httpx reads no environment variables.
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stats = f"{target.address.base_url}/_sandbox/stats"
    answer = httpx.get(stats, headers=headers, verify=plain, trust_env=False)
    held = SandboxCustomers.model_validate(answer.json())
    return DemoResult(report, held, surprises)


def sample_folder() -> Path:
    """The folder of the sample data, in an installed package or in a checkout."""
    package = Path(__file__).parents[1]
    for folder in (package / "sample_data", package.parent / "sample_data"):
        if (folder / "customers.csv").is_file():
            return folder
    raise SourceError(
        "the sample data is neither in the installed package nor next to it; clone the repository"
    )
