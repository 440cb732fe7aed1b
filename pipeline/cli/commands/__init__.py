"""The commands, one function each: what is parsed, which verb is called, what is shown, which exit code it comes to.

`importing.py` holds plan, run, apply and resume; `looking.py` what looks on; `checking.py` what comes before a
run and whether the journal holds, `evidence.py` what is recomputed after it, `preparing.py` init, schema and references;
`practising.py` the demo and the sandbox.
"""

import click

from pipeline import __version__
from pipeline.cli.commands.checking import audit, check
from pipeline.cli.commands.evidence import bundle, reconcile, report, sign, verify
from pipeline.cli.commands.importing import apply, plan, resume, run
from pipeline.cli.commands.looking import explain, inspect, runs, status, trace
from pipeline.cli.commands.practising import demo, sandbox
from pipeline.cli.commands.preparing import init, references, schema
from pipeline.cli.suggestions import remembering

__all__ = ["cli"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pipeline")
def cli() -> None:
    """Bring customers into billing, each exactly once, and account for every record and every cent."""


for _command in (
    demo,
    inspect,
    init,
    check,
    plan,
    run,
    apply,
    resume,
    status,
    runs,
    trace,
    explain,
    verify,
    reconcile,
    report,
    sign,
    bundle,
    audit,
    references,
    schema,
    sandbox,
):
    cli.add_command(_command)
remembering(cli)
