"""The commands `init`, `schema` and `references`."""

from pathlib import Path
from typing import Any

import click

from pipeline.cli import invocation, options
from pipeline.cli.output.draft import show_draft
from pipeline.cli.output.known_customers import show_references
from pipeline.cli.output.terminal import say, show_json, show_line, show_text


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@options.how_written
@options.region
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="File for the config.  [default: FILE's name with .yaml]",
)
@click.option("--force", is_flag=True, help="Replace an existing config.")
@click.option("--json", "as_json", is_flag=True, help="Print the guesses as JSON.")
def init(**given: Any) -> int:
    """Write a config guessed from a file.

    A comment on each line states how sure the guess is.
    """
    from pipeline.cli.progress import watching
    from pipeline.workflows.init import draft_config

    settings = invocation.settings(given)
    output = given["output"] or Path(f"{given['file'].name.partition('.')[0] or 'job'}.yaml")
    with invocation.stoppable() as stopping, watching(quiet=given["as_json"]) as watch:
        draft = draft_config(
            given["file"], settings, output, force=given["force"], stopping=stopping, watch=watch
        )
    if given["as_json"]:
        show_json(draft.content())
    else:
        show_draft(draft)
    return 0


@click.command()
@click.option(
    "--template",
    is_flag=True,
    help="Print a CSV header instead: the columns of the config, else the canonical names.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Write the template to this file; .xlsx makes a workbook of text cells.",
)
@click.option(
    "--of",
    "document",
    type=click.Choice(["config", "plan", "summary", "reconciliation", "period", "manifest"]),
    default="config",
    show_default=True,
    help="The document: a config, or a file that a run writes.",
)
@options.config_file
def schema(*, template: bool, output: Path | None, document: str, config: Path | None) -> int:
    """Print the JSON Schema of a document."""
    from pipeline.config import load_config, template_line
    from pipeline.workflows.published_schemas import SCHEMAS
    from pipeline.workflows.template import write_template

    if output is not None and not template:
        raise click.UsageError("--output needs --template.")
    job = load_config(config).job if config else None
    layout, delimiter = (job.mapping, job.source.delimiter or ",") if job else (None, ",")
    if output is not None:
        write_template(output, layout, delimiter)
        show_line(str(output))
    elif template:
        show_text(template_line(layout, delimiter))
    else:
        show_json(SCHEMAS[document]())
    return 0


@click.group()
def references() -> None:
    """Load or list the known customers."""


@references.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@options.region
@options.destination
@options.places
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def load(**given: Any) -> int:
    """Replace the known customers with FILE."""
    from pipeline.cli.progress import watching
    from pipeline.config import environment_from
    from pipeline.workflows.known_customers import load_known_customers

    config = invocation.config(given)
    place = invocation.required_destination(given, config)
    settings = invocation.settings(given, config, destination=place)
    environment = environment_from(place, invocation.naming(place, given, config))
    with watching(quiet=given["as_json"]) as watch:
        loaded = load_known_customers(list(given["files"]), settings, environment, watch=watch)
    if given["as_json"]:
        show_json(loaded.content(environment.name))
    else:
        show_references([(environment.name, loaded.references)])
    for row_id, reasons in loaded.examples:
        say(f"{row_id} names no customer: {reasons}")
    if loaded.set_aside > len(loaded.examples):
        say(f"… and {loaded.set_aside - len(loaded.examples)} more")
    for reason, times in loaded.incomplete.most_common():
        say(f"{times} kept without the faulty field: {reason}")
    return loaded.exit_code


@references.command("list")
@options.places
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(**given: Any) -> int:
    """List the known customers of each environment.

    Shows how many there are, their version and when they were loaded.
    """
    from pipeline.workflows.known_customers import content_of, listed_references

    home = invocation.places_of(given).home
    found = listed_references(home)
    if given["as_json"]:
        show_json([content_of(name, known) for name, known in found])
    elif found:
        show_references(found)
    else:
        say(f"no known customers in {home}")
    return 0
