"""The help: short summaries, commands under headings, nothing cut at 80 columns, every option explained."""

import click
import pytest
from click.testing import CliRunner

from pipeline.cli.commands import HEADINGS, cli

MOST = 45  #: characters of a summary


def _commands(group, words=()):
    for name, command in group.commands.items():
        yield (*words, name), command
        if isinstance(command, click.Group):
            yield from _commands(command, (*words, name))


COMMANDS = dict(_commands(cli))


def _help(*words):
    return CliRunner().invoke(cli, [*words, "--help"], terminal_width=80, prog_name="pipeline")


def test_each_command_is_under_one_heading_of_the_help():
    under = [command for commands in HEADINGS.values() for command in commands]
    shown = _help().output.splitlines()

    assert sorted(one.name for one in under) == sorted(cli.commands)
    assert [line[:-1] for line in shown if f"{line[:-1]}" in HEADINGS] == list(HEADINGS)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_summary_is_short_and_shown_whole(words):
    summary = COMMANDS[words].help.split("\n\n")[0]
    listed = _help(*words[:-1]).output

    assert len(summary) <= MOST
    assert summary.endswith(".")
    assert f"{words[-1]} " in listed
    assert summary.removesuffix(".") in listed
    assert "..." not in listed.replace("[ARGS]...", "")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_option_has_one_short_line(words):
    options = [one for one in COMMANDS[words].params if isinstance(one, click.Option)]

    assert [one.name for one in options if not one.help or len(one.help) > 90] == []
