"""The options and arguments that commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pipeline.domain import defaults

_MOST_REJECTED = f"{defaults.MOST_REJECTED}, from {defaults.FEWEST_FOR_MOST_REJECTED} records on"
_Command = Callable[..., Any]


def _together(*options: Callable[[_Command], _Command]) -> Callable[[_Command], _Command]:
    def add(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


config_file = click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="Config of the job, such as configs/*.yaml.",
)
folders = _together(
    click.option(
        "--home",
        type=click.Path(path_type=Path),
        help=f"Folder of the ledgers.  [default: home of the config, else {defaults.HOME}]",
    ),
    click.option(
        "--reports",
        type=click.Path(path_type=Path),
        help=f"Folder of the runs.  [default: reports of the config, else {defaults.REPORTS}]",
    ),
)
#: Folders of ledgers and runs: from options, else from a config, else in the working folder.
places = _together(config_file, folders)
destination = _together(
    click.option(
        "--sandbox",
        is_flag=True,
        help="Send to a sandbox inside this process; it keeps its state in HOME.",
    ),
    click.option(
        "--base-url",
        help="Send to this billing address; key from BILLING_API_KEY or BILLING_API_KEY_FILE.",
    ),
    click.option("--environment", help="Name of the environment; required for another machine."),
    click.option("--merchant", help="Name of the merchant account; required for another machine."),
    click.option("--live", is_flag=True, help="Allow a live key: it creates real customers."),
)
region = click.option(
    "--default-region",
    "region",
    help=f"Region of national phone numbers.  [default: {defaults.REGION}]",
)
reading = _together(
    click.argument(
        "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
    ),
    click.option(
        "--allow-empty", is_flag=True, default=None, help="Accept a file without records."
    ),
    click.option(
        "--expect",
        multiple=True,
        metavar="WHAT=TOTAL",
        help="Send nothing unless this control total holds: records=2000, ZAR=12345.67.",
    ),
    click.option(
        "--max-rejected",
        metavar="SHARE|N",
        help=f"Refuse (exit 3) if more are rejected.  [default: {_MOST_REJECTED}]",
    ),
    click.option(
        "--planner",
        help="Planner's name for the report.  [default: PIPELINE_PLANNER, or the user's name]",
    ),
)
#: Options that belong to a plan: with other values it is another plan.
PLANNING = ("region", "retry_refused", "limit", "where")
planning = _together(
    region,
    click.option(
        "--retry-refused",
        is_flag=True,
        default=None,
        help="Send rows again that billing refused before.",
    ),
    click.option(
        "--limit",
        type=int,
        help="Create at most this many customers; leave the rest for a later run.",
    ),
    click.option(
        "--where",
        help="Create only rows that meet this SQL condition, such as \"plan = 'gold'\".",
    ),
)
accepting = click.option(
    "--accept",
    multiple=True,
    metavar="CODE",
    help="Proceed despite this issue, such as STREAM.MISSING_DAY.",
)
_outage = click.option(
    "--outage-seconds",
    type=float,
    help="Stop (resumable) after this long without an answer."
    f"  [default: {defaults.OUTAGE_SECONDS:g}]",
)
_lag = click.option(
    "--lookup-lag",
    type=float,
    help="Seconds for which a lookup may be out of date."
    f"  [default: {defaults.LOOKUP_LAG:g}; 0 for the sandbox]",
)
sending = _together(
    click.option("--workers", type=int, help=f"Parallel requests.  [default: {defaults.WORKERS}]"),
    click.option(
        "--pace",
        "per_second",
        type=float,
        help="Maximum requests a second.  [default: unlimited]",
    ),
    _outage,
    _lag,
    click.option("--max-creates", type=int, help="Refuse (exit 3) to create more than this many."),
    click.option(
        "--canary",
        type=int,
        help="Create this many first, look them up and compare."
        f"  [default: {defaults.CANARY_IF_LIVE} if live]",
    ),
    click.option(
        "--stop-by",
        help='Stop (resumable) at this time: 05:30 or "05:30 Africa/Johannesburg".',
    ),
)
looking_up = _together(
    click.option("--workers", type=int, help=f"Parallel lookups.  [default: {defaults.WORKERS}]"),
    click.option(
        "--pace",
        "per_second",
        type=float,
        help="Maximum lookups a second.  [default: unlimited]",
    ),
    _outage,
    _lag,
)
pii = click.option(
    "--pii",
    type=click.Choice(["none", "masked", "full"]),
    default="masked",
    show_default=True,
    help="How much personal data to show; masked: x for a letter, 9 for a digit.",
)
reviewer = click.option(
    "--reviewer",
    "planner",
    help="Reviewer's name for the report.  [default: PIPELINE_PLANNER, or the user's name]",
)
maker = click.option(
    "--maker",
    "planner",
    help="Name of the person who makes it.  [default: PIPELINE_PLANNER, or the user's name]",
)
sheet = click.option(
    "--sheet",
    metavar="NAME",
    help="Sheet of a workbook.  [default: the only one that is not hidden]",
)
how_written = _together(
    sheet,
    click.option(
        "--delimiter",
        help="Delimiter of a CSV file: , ; | or tab.  [default: detected]",
    ),
    click.option(
        "--encoding", help="Encoding: utf-8, utf-16, cp1252 and others.  [default: utf-8]"
    ),
    click.option(
        "--header",
        type=click.Choice(["none", "first_line"]),
        help="Whether the file has a header.  [default: detected]",
    ),
    click.option("--quote", help=f"Quote character, or none.  [default: {defaults.QUOTE}]"),
    click.option("--escape", help="Escape character, such as a backslash.  [default: none]"),
    click.option(
        "--skip-lines", type=int, help="Skip this many lines before the header.  [default: 0]"
    ),
    click.option("--footer-lines", type=int, help="Skip this many lines at the end.  [default: 0]"),
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the content of summary.json.")


def day(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """A day in ISO 8601; raise BadParameter for any other text."""
    from datetime import date

    try:
        return None if text is None else date.fromisoformat(text).isoformat()
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a day; write it as 2026-11-01") from None


def non_empty_name(
    _context: click.Context, _option: click.Parameter, name: str | None
) -> str | None:
    """A name; raise BadParameter if it is empty, as from an unset variable of a shell."""
    if name is not None and not name.strip():
        raise click.BadParameter("the name is empty")
    return name
