"""The exit codes of the command line, and the errors behind each of them."""

import re
from collections.abc import Iterator

from generated.markdown import code, defined, escaped
from pipeline.errors import ExitCode, PipelineError


def exit_codes() -> str:
    """Every exit code, and the errors that end a command with it."""
    return "\n".join(
        defined(code(str(int(one))), escaped(one.sentence), "\n".join(_causes(one)))
        for one in ExitCode
    )


def _causes(one: ExitCode) -> Iterator[str]:
    for error in _errors(PipelineError):
        if error.exit_code == one and error.__doc__:
            sentence = re.split(r"[;.](?: |$)", error.__doc__.splitlines()[0])[0]
            yield f"- {escaped(sentence)}."


def _errors(parent: type[PipelineError]) -> Iterator[type[PipelineError]]:
    for error in parent.__subclasses__():
        yield error
        yield from _errors(error)
