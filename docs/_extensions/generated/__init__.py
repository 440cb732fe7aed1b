"""The reference pages as Markdown, generated from the code of the package.

Nothing here imports Sphinx, so the everyday tests read the same texts as the site.
"""

from collections.abc import Callable

from generated.codes import file_issues, reasons
from generated.commands import commands
from generated.config_keys import config_keys
from generated.exit_codes import exit_codes
from generated.lists import discrepancies, fates
from generated.python_api import python_api
from generated.run_files import run_files
from generated.schemas import schemas

#: The name in `<!-- generated: NAME -->` -> what makes the Markdown that takes its place.
GENERATORS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "config-keys": config_keys,
    "discrepancies": discrepancies,
    "exit-codes": exit_codes,
    "fates": fates,
    "file-issues": file_issues,
    "python-api": python_api,
    "reasons": reasons,
    "run-files": run_files,
    "schemas": schemas,
}
