"""The door for people and schedulers: parse, call, print, exit code. Nothing else.

`commands.py` has a function for each command, `exits.py` the one handler that maps everything to an exit code,
`printing.py` and `progress.py` what is shown. Commands import their verbs inside, so that `--help` answers at once.
"""

from pipeline.cli.exit_codes import main, run

__all__ = ["main", "run"]
