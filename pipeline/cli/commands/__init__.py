"""The commands, one function each: parse the options, call a workflow, print, return the exit code.

- `importing.py`: plan, run, apply, resume
- `looking.py`: inspect, status, runs, trace, explain
- `evidence.py`: verify, reconcile, report, sign, bundle
- `preparing.py`: init, schema, references
- `checking.py`: check, audit
- `practising.py`: demo, sandbox
"""

import click

from pipeline import __version__
from pipeline.cli.commands.checking import audit, check
from pipeline.cli.commands.evidence import bundle, reconcile, report, sign, verify
from pipeline.cli.commands.importing import apply, plan, resume, run
from pipeline.cli.commands.looking import explain, inspect, runs, status, trace
from pipeline.cli.commands.practising import demo, sandbox
from pipeline.cli.commands.preparing import init, references, schema
from pipeline.cli.suggestions import remember_parameters

__all__ = ["HEADINGS", "cli"]


#: Heading in `pipeline --help` -> its commands, in the order of their use.
HEADINGS: dict[str, tuple[click.Command, ...]] = {
    "Import": (plan, run, apply, resume),
    "Review": (status, runs, trace, explain, verify, reconcile, report, sign, bundle, audit),
    "Set up": (inspect, init, check, references, schema),
    "Practise": (demo, sandbox),
}


class _Commands(click.Group):
    """A group whose help lists the commands under headings."""

    def format_commands(self, _context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each heading with its commands and their summaries."""
        widest = max(map(len, self.commands))
        for heading, commands in HEADINGS.items():
            with formatter.section(heading):
                formatter.write_dl(
                    [(f"{one.name:<{widest}}", one.get_short_help_str()) for one in commands]
                )


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pipeline")
def cli() -> None:
    """Import customers into billing, each exactly once. Account for every record and every cent."""


for _commands in HEADINGS.values():
    for _command in _commands:
        cli.add_command(_command)
remember_parameters(cli)
