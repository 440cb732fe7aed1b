"""The command line: parse, call a workflow, print, exit code.

`commands` has a function for each command. `exit_codes` maps every result and error to an exit
code. `output` and `progress` print. Commands import their workflows inside, so that `--help`
answers at once.
"""

from pipeline.cli.exit_codes import main, run

__all__ = ["main", "run"]
