"""The commands `demo` and `sandbox`."""

from pathlib import Path
from typing import Any

import click

from pipeline.cli import invocation
from pipeline.cli.output.report import show_report
from pipeline.cli.output.terminal import say, show_line
from pipeline.domain.plurals import number_of


@click.command()
@click.option(
    "--reports",
    type=click.Path(path_type=Path),
    help="Folder for the runs.  [default: reports/demo]",
)
def demo(**given: Any) -> int:
    """Run the sample data in a new sandbox.

    Its runs are in a folder of their own, apart from yours. The last line names the report.
    """
    import secrets

    from pipeline import open_sandbox
    from pipeline.cli.progress import watching
    from pipeline.config import DEMO_HOMES, sandbox_target
    from pipeline.storage.files import private_folder
    from pipeline.workflows.demo import run_demo

    reports = private_folder(invocation.settings(given, destination="sandbox").reports)
    if given["reports"] is None:
        # Apart from the user's runs: their ledger does not know the run of a demo, so no
        # reconciliation that covers it can be signed.
        reports = private_folder(reports / "demo")
    # Each demo has its own home, so that it creates every customer. The home is kept: the commands
    # that the page suggests need it.
    home = private_folder(private_folder(reports / DEMO_HOMES) / secrets.token_hex(4))
    with (
        invocation.stoppable() as stopping,
        open_sandbox(home) as sandbox,
        watching(quiet=False) as watch,
    ):
        settings = invocation.settings(
            {**given, "home": home, "reports": reports}, destination="sandbox"
        )
        target = sandbox_target(sandbox.base_url, sandbox.api_key, sandbox.account_key)
        result = run_demo(settings, target, stopping=stopping, watch=watch)
    show_report(result.report.content)
    sums = ", ".join(
        f"{amount:,} {currency}" for currency, amount in sorted(result.held.sums.items())
    )
    show_line(
        f"the sandbox holds {number_of(result.held.customers, 'customer')}, in minor units: {sums}"
    )
    show_line(f"report: {result.report.content.files['report.html']}")
    for difference in result.surprises:
        say(difference)
    return 0 if not result.surprises and result.report.holds else (result.report.exit_code or 7)


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port to listen on; 0: any free port.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="SQLite file for its customers.  [default: in memory]",
)
@click.option("--api-key", help="Test key that it accepts; not a secret.  [default: a new one]")
@click.option("--faults", default="", help='Faults to simulate, such as "lost_reply=0.05".')
@click.option("--seed", type=int, help="Seed that makes the faults repeatable.")
def sandbox(
    port: int, state: Path | None, api_key: str | None, faults: str, seed: int | None
) -> int:
    """Start a billing API to practise on.

    Serves this machine only. Prints one JSON line when it is ready.
    """
    from pipeline.sandbox import SandboxServer, StateError, parse_faults, serve_forever

    try:
        settings = parse_faults(faults)
    except ValueError as wrong:
        raise click.BadParameter(str(wrong), param_hint="--faults") from None
    try:
        serve_forever(SandboxServer(state, api_key, port, settings, seed))
    except StateError as wrong:
        raise click.ClickException(str(wrong)) from None
    return 0
