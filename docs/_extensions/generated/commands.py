"""The commands under the headings of `pipeline --help`; sphinx-click writes their options."""

from generated.markdown import code, escaped, section, table
from pipeline.cli.commands import HEADINGS

_DIRECTIVE = """\
```{{eval-rst}}
.. click:: pipeline.cli.commands:{name}
   :prog: pipeline {name}
   :nested: full
```
"""


def commands() -> str:
    """A table of all commands, then each of them with its options."""
    summaries = [
        [f"[{code(f'pipeline {name}')}](#pipeline-{name})", escaped(command.get_short_help_str())]
        for members in HEADINGS.values()
        for command in members
        if (name := command.name)
    ]
    details = [
        "\n".join(
            [
                section(heading, level=2),
                *(_DIRECTIVE.format(name=command.name) for command in members),
            ]
        )
        for heading, members in HEADINGS.items()
    ]
    return "\n".join([table(["Command", "What it does"], summaries), *details])
