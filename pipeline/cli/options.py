"""The shared options, and what is built from them: settings, destination, stop signal."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.output.plan import show_plan
from pipeline.cli.output.terminal import say
from pipeline.errors import NotApproved, OptionRefused
from pipeline.storage.files import remove_left_behind

if TYPE_CHECKING:
    from pipeline.config import ConfigFile, Naming, Settings, Target
    from pipeline.workflows.plan import PlannedRun
    from pipeline.workflows.progress import StopRequest
    from pipeline.workflows.status import RunFolder

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
        help="Folder of the ledgers.  [default: home of the config, else .pipeline]",
    ),
    click.option(
        "--reports",
        type=click.Path(path_type=Path),
        help="Folder of the runs.  [default: reports of the config, else reports]",
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
    "--default-region", "region", help="Region of national phone numbers.  [default: ZA]"
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
        help="Refuse (exit 3) if more are rejected.  [default: 20%, from 50 records on]",
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
    help="Stop (resumable) after this long without an answer.  [default: 300]",
)
_lag = click.option(
    "--lookup-lag",
    type=float,
    help="Seconds for which a lookup may be out of date.  [default: 30; 0 for the sandbox]",
)
sending = _together(
    click.option("--workers", type=int, help="Parallel requests.  [default: 8]"),
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
        help="Create this many first, look them up and compare.  [default: 3 if live]",
    ),
    click.option(
        "--stop-by",
        help='Stop (resumable) at this time: 05:30 or "05:30 Africa/Johannesburg".',
    ),
)
looking_up = _together(
    click.option("--workers", type=int, help="Parallel lookups.  [default: 8]"),
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
    click.option("--quote", help='Quote character, or none.  [default: "]'),
    click.option("--escape", help="Escape character, such as a backslash.  [default: none]"),
    click.option(
        "--skip-lines", type=int, help="Skip this many lines before the header.  [default: 0]"
    ),
    click.option("--footer-lines", type=int, help="Skip this many lines at the end.  [default: 0]"),
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the content of summary.json.")


_FORM = (
    "delimiter",
    "encoding",
    "header",
    "quote",
    "escape",
    "skip_lines",
    "footer_lines",
    "sheet",
)


def config(given: dict[str, Any]) -> "ConfigFile | None":
    """The config that --config names, if any."""
    from pipeline.config import load_config

    return load_config(given["config"]) if given.get("config") else None


def settings(
    given: dict[str, Any], config: "ConfigFile | None" = None, *, destination: str | None = None
) -> "Settings":
    """Settings from a config and a command's options; options take precedence.

    Also removes the unfinished files that killed commands left in the home and the reports folder.
    """
    from pipeline.config import Settings, person_from

    known = {
        name: value
        for name, value in given.items()
        if name in Settings.model_fields and name != "config"
    }
    if form := {name: given[name] for name in _FORM if given.get(name) is not None}:
        known["source"] = {**(config.job.source.model_dump() if config else {}), **form}
    known = {name: value for name, value in known.items() if value != ()}
    planner = known.pop("planner", None) or person_from()
    name = given.get("environment")
    try:
        found = Settings.of(
            config, **known, planner=planner, destination=destination, environment=name
        )
    except OptionRefused as refused:
        raise OptionRefused(
            [(_option(setting), what) for setting, what in refused.faults]
        ) from None
    remove_left_behind(found.home, found.reports)
    return found


def _option(setting: str) -> str:
    """The option of a setting, such as --delimiter for source.delimiter."""
    last = next(part for part in reversed(setting.split(".")) if not part.isdigit())
    given = {option.name: option.opts[0] for option in click.get_current_context().command.params}
    return given.get(last, setting)


def places_of(given: dict[str, Any]) -> "Settings":
    """Home, reports and planner alone, for commands that read existing runs."""
    return settings(
        {name: given.get(name) for name in ("home", "reports", "planner")}, config(given)
    )


def destination_given(given: dict[str, Any], config: "ConfigFile | None") -> str | None:
    """The destination of the options or the config: "sandbox", an address or None."""
    if given["sandbox"] and given["base_url"]:
        raise click.UsageError("Two destinations: use either --sandbox or --base-url URL.")
    if given["sandbox"]:
        return "sandbox"
    return given["base_url"] or (config.job.address if config else None)


def required_destination(given: dict[str, Any], config: "ConfigFile | None") -> str:
    """As `destination_given`; raise UsageError without a destination."""
    place = destination_given(given, config)
    if place is None:
        raise click.UsageError("No destination: use --sandbox or --base-url URL.")
    return place


def naming(place: str, given: dict[str, Any], config: "ConfigFile | None") -> "Naming":
    """The names of environment and merchant at a destination."""
    from pipeline.config import Naming

    return Naming.from_options(
        place,
        job=config.job if config else None,
        environment=given["environment"],
        merchant=given["merchant"],
        live=given["live"],
    )


def planned_config(folder: "RunFolder") -> "ConfigFile | None":
    """The config that a plan was made with."""
    from pipeline.workflows.destination import planned_config

    return planned_config(folder)


def planned_naming(folder: "RunFolder", given: dict[str, Any]) -> "Naming":
    """The names of environment and merchant from the options, else from the plan."""
    from pipeline.workflows.destination import planned_naming

    return planned_naming(folder, given["environment"], given["merchant"], live=given["live"])


def warned_of_damaged(reports: Path) -> "list[dict[str, str]]":
    """Warn of each damaged run; return them for JSON."""
    from dataclasses import asdict

    from pipeline.workflows.status import damaged_runs

    found = damaged_runs(reports)
    for one in found:
        say(f"Warning: {one}. Restore the folder, or move it out of {reports}.")
    return [asdict(one) for one in found]


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


@contextmanager
def target(place: str, naming: "Naming", home: Path) -> "Iterator[Target]":
    """A destination with its key: the sandbox inside this process, or billing."""
    from pipeline.workflows.destination import opened_target

    with opened_target(place, naming, home) as found:
        yield found


@contextmanager
def stoppable() -> "Iterator[StopRequest]":
    """On Ctrl-C, SIGTERM or SIGHUP, stop in order; on a second Ctrl-C, stop at once."""
    from pipeline.workflows.progress import StopRequest

    request = StopRequest()

    def stop(number: int, _frame: FrameType | None) -> None:
        if request.event.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.interrupt(signal.Signals(number).name)
        say("stopping: no new requests, waiting for those in flight (Ctrl-C again stops at once)")

    # Under `nohup` SIGHUP stays ignored.
    handled = [
        number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if _is_handled(number)
    ]
    before = {number: signal.signal(number, stop) for number in handled}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_handled(number: signal.Signals) -> bool:
    return number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN


def approval(given: dict[str, Any]) -> "Callable[[PlannedRun], None]":
    """Ask for approval on a terminal, by the merchant's name if live; elsewhere require --yes."""

    def approve(planned: "PlannedRun") -> None:
        content = planned.report.content
        environment = content["environment"]
        if given["yes"] or not planned.plan.creates:
            return
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise NotApproved(
                f"{planned.run_id} is planned and nothing was sent; use --yes, or apply the plan",
                suggests=_to_apply(planned),
            )
        show_plan(planned)
        with _ctrl_c_means_no(planned):
            if environment["mode"] == "live":
                question = (
                    f"{planned.plan.creates:,} REAL customers. Type the merchant's name to proceed"
                )
                is_approved = click.prompt(question, err=True) == environment["merchant"]
            else:
                is_approved = click.confirm(
                    f"Create {planned.plan.creates:,} customers in {environment['name']}?", err=True
                )
        if not is_approved:
            raise _not_approved(planned)

    return approve


@contextmanager
def _ctrl_c_means_no(planned: "PlannedRun") -> Iterator[None]:
    """Take Ctrl-C at the question as a no: no request is in flight."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except (click.Abort, KeyboardInterrupt):
        raise _not_approved(planned) from None
    finally:
        signal.signal(signal.SIGINT, before)


def _not_approved(planned: "PlannedRun") -> NotApproved:
    return NotApproved("nothing was sent; to apply the plan later", suggests=_to_apply(planned))


def _to_apply(planned: "PlannedRun") -> tuple[str, ...]:
    from pipeline.workflows.accepting import open_issues, to_apply

    content = planned.report.content
    return to_apply(planned.run_id, open_issues(content["findings"], content["accepted"]))
