"""The commands `check` and `audit`."""

import os
from pathlib import Path
from typing import Any

import click

from pipeline.cli import invocation, options
from pipeline.cli.output.terminal import show_json, show_line
from pipeline.cli.suggestions import suggested


@click.command()
@click.argument("config", required=False, type=click.Path(path_type=Path))
@options.destination
@options.folders
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(**given: Any) -> int:
    """Check everything that a run needs.

    Checks the config, key, address, certificate, clock, disk, ledger, lock and known customers.
    Each fault comes with what to do about it.
    """
    from pipeline.errors import PipelineError
    from pipeline.workflows.check import CheckRequest, Verdict
    from pipeline.workflows.check import check as check_all

    found = check_all(
        CheckRequest(
            given["config"],
            invocation.destination_given(given, None),
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
        show_json({"checks": [finding.content() for finding in found], "exit_code": code})
        return code
    for finding in found:
        show_line(f"{finding.verdict:<11} {finding.what:<11} {finding.detail}")
        if finding.remedy:
            command = f": {suggested(*finding.suggests)}" if finding.suggests else ""
            show_line(f"{'':23} -> {finding.remedy}{command}")
    return code


@click.group()
def audit() -> None:
    """Check that the ledger is unchanged."""


@audit.command()
@options.places
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(**given: Any) -> int:
    """Recompute each ledger's hash chain.

    Covers every ledger under --home. Names the first changed event and ends with exit 7.
    """
    from dataclasses import asdict

    from pipeline.errors import OutOfBalance
    from pipeline.workflows.audit import audit

    found = audit(invocation.places_of(given).home)
    code = 0 if all(one.holds for one in found) else OutOfBalance.exit_code
    if given["as_json"]:
        show_json({"ledgers": [asdict(one) for one in found], "exit_code": code})
        return code
    for one in found:
        show_line(f"{one.environment}: {one.broken or f'all {one.events:,} events hold'}")
        for damage in one.damage:
            show_line(f"{one.environment}: found when it was opened earlier: {damage}")
    return code
