"""Checking: everything that can be known before a run, at once; and whether the journal is as it was written."""

import os
from pathlib import Path
from typing import Any

import click

from pipeline.cli import options
from pipeline.cli.output import show_json, show_line
from pipeline.cli.suggestions import suggested


@click.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@options.destination
@options.folders
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def check(**given: Any) -> int:
    """Check everything that a run needs.

    Config, key, address, certificate, clock, disk, ledger, lock and known customers; for each fault it says what to do.
    """
    from dataclasses import asdict

    from pipeline.errors import PipelineError
    from pipeline.workflows.check import Asked, Verdict
    from pipeline.workflows.check import check as look

    found = look(
        Asked(
            given["config"],
            options.where(given, None),
            given["home"],
            given["reports"],
            os.environ,
            given["environment"],
            given["merchant"],
            given["live"],
        )
    )
    code = (
        PipelineError.exit_code if any(finding.verdict is Verdict.FAULT for finding in found) else 0
    )
    if given["as_json"]:
        show_json({"checks": [asdict(finding) for finding in found], "exit_code": code})
        return code
    for finding in found:
        show_line(f"{finding.verdict:<11} {finding.what:<11} {finding.told}")
        if finding.mend:
            command = f": {suggested(*finding.suggests)}" if finding.suggests else ""
            show_line(f"{'':23} -> {finding.mend}{command}")
    return code


@click.group()
def audit() -> None:
    """Check that the ledger was not changed."""


@audit.command()
@options.places
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def verify(**given: Any) -> int:
    """Recompute each ledger's hash chain. Names the first event that was changed (exit 7). The ledgers are those under --home."""
    from dataclasses import asdict

    from pipeline.errors import OutOfBalance
    from pipeline.workflows.audit import audit

    found = audit(options.places_of(given).home)
    code = 0 if all(one.holds for one in found) else OutOfBalance.exit_code
    if given["as_json"]:
        show_json({"ledgers": [asdict(one) for one in found], "exit_code": code})
        return code
    for one in found:
        show_line(f"{one.environment}: {one.broken or f'all {one.events:,} events hold'}")
        for what in one.damage:
            show_line(f"{one.environment}: found at an earlier opening: {what}")
    return code
