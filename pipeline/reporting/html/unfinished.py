"""The page of an unfinished run; the report replaces it."""

from collections.abc import Mapping

from pipeline.reporting.html.templates import template


def render_unfinished(
    run_id: str, environment: Mapping[str, str], version: str, command: str
) -> str:
    """A page that warns that files are partial, and names the command that finishes them."""
    return template("unfinished.html.j2").render(
        run_id=run_id, environment=environment, version=version, command=command
    )
