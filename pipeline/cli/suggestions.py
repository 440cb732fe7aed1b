"""The command that a message suggests.

It repeats the options of this invocation that it needs: home, reports, destination and pace.
"""

import shlex
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from typing import Any

import click

from pipeline.cli.given import Given

#: Parameters for the folders, the destination and the pace.
_REPEATED = (
    "config",
    "exports",
    "home",
    "reports",
    "sandbox",
    "base_url",
    "environment",
    "merchant",
    "live",
    "workers",
    "per_second",
)


def remember_parameters(command: click.Command) -> None:
    """Make a command, or each command of a group, keep its parameters in the context's object."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            remember_parameters(inner)
    elif command.callback is not None:
        command.callback = _with_memory(command.callback)


def _with_memory(callback: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(callback)
    def call(*arguments: Any, **given: Any) -> Any:
        remember(**given)
        return callback(*arguments, **given)

    return call


def remember(**given: Any) -> None:
    """Keep parameters for the suggestions of this invocation."""
    context = click.get_current_context()
    if context.obj is not None:
        context.obj.update(given)


def suggested(*words: str) -> str:
    """The command with these words, such as `pipeline resume RUN_ID`, quoted for a shell."""
    return suggested_by(click.get_current_context().obj or {}, words)


def suggested_by(given: Given, words: Sequence[str]) -> str:
    """The same as `suggested`, outside of a command: for the parameters of an invocation."""
    return shlex.join(["pipeline", *words, *_repeated(given, words)])


def with_suggestion(given: Given, message: str, words: Sequence[str]) -> str:
    """A message, followed by the suggested command if there is one."""
    return f"{message}: {suggested_by(given, words)}" if words else message


def _repeated(given: Given, words: Sequence[str]) -> Iterator[str]:
    for option in _options(words):
        value, name = given.get(str(option.name)), option.opts[0]
        if value and option.name in _REPEATED and name not in words:
            values = value if option.multiple else [value]
            yield from (
                [name] if option.is_flag else (word for one in values for word in (name, str(one)))
            )


def _options(words: Sequence[str]) -> Iterator[click.Option]:
    """The options of the command that these words name."""
    from pipeline.cli.commands import cli

    command: click.Command | None = cli
    for word in words:
        if not isinstance(command, click.Group):
            break
        command = command.commands.get(word)
    yield from (one for one in (command.params if command else ()) if isinstance(one, click.Option))
