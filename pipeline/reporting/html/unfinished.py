"""The page of a run that has begun and has not finished; the report takes its place."""

from collections.abc import Mapping

from pipeline.reporting.html.templates import template


def render_unfinished(
    run_id: str, environment: Mapping[str, str], version: str, command: str
) -> str:
    """A page that says that the run's files are partial, and which command finishes them."""
    return template("unfinished.html.j2").render(
        run_id=run_id, environment=environment, version=version, command=command
    )
