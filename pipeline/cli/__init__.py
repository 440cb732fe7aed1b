"""The command line: parse, call a workflow, print, exit code.

`commands` has a function for each command, `exit_codes` maps every result and error to an exit code,
`output` and `progress` print. Commands import their workflows inside, so that `--help` answers at
once.
"""

import resource
import sys

if resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY:
    # Python would write cut bytecode under this limit, and every later start would fail.
    sys.dont_write_bytecode = True

from pipeline.cli.exit_codes import main, run

__all__ = ["main", "run"]
