"""The commands, one function each: parse the options, call a workflow, print, return the exit code.

- `imports.py`: plan, run, apply, resume
- `review.py`: status, runs, trace, explain, audit
- `evidence.py`: verify, reconcile, report, sign, bundle
- `setup.py`: inspect, init, check, references, schema
- `practice.py`: demo, sandbox
"""

import click

from pipeline import __version__
from pipeline.cli.commands.evidence import bundle, reconcile, report, sign, verify
from pipeline.cli.commands.imports import apply, plan, resume, run
from pipeline.cli.commands.practice import demo, sandbox
from pipeline.cli.commands.review import audit, explain, runs, status, trace
from pipeline.cli.commands.setup import check, init, inspect, references, schema
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
