"""The command that a message suggests: it repeats the options of this invocation that it needs to find the same things."""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import wraps
from typing import Any

import click

#: Parameters that say where things are, where customers go, and how fast.
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


def remembering(command: click.Command) -> None:
    """Make a command, or each command of a group, keep its parameters in the context's object."""
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            remembering(inner)
    elif command.callback is not None:
        command.callback = _remembering(command.callback)


def _remembering(callback: Callable[..., Any]) -> Callable[..., Any]:
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
    """The command with these words, such as `pipeline resume RUN_ID`, as a shell takes it; from within a command."""
    return suggested_by(click.get_current_context().obj or {}, words)


def suggested_by(given: Mapping[str, Any], words: Sequence[str]) -> str:
    """The same for the parameters of an invocation."""
    return shlex.join(["pipeline", *words, *_repeated(given, words)])


def with_suggestion(given: Mapping[str, Any], message: str, words: Sequence[str]) -> str:
    """A message, and the command that goes on from there, where there is one."""
    return f"{message}: {suggested_by(given, words)}" if words else message


def _repeated(given: Mapping[str, Any], words: Sequence[str]) -> Iterator[str]:
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
