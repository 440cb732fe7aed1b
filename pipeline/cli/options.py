"""The options that commands share, and what they come to: settings, a destination, a way to stop."""

import getpass
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.output import say, show_plan
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
    help="The job: mapping, environment, home, reports, pace, thresholds (configs/*.yaml).",
)
folders = _together(
    click.option(
        "--home",
        type=click.Path(path_type=Path),
        help="Folder of ledgers, one for each environment.  [default: home of the config, else .pipeline]",
    ),
    click.option(
        "--reports",
        type=click.Path(path_type=Path),
        help="Folder of run folders.  [default: reports of the config, else reports]",
    ),
)
#: Where ledgers and runs are: by options, else by a config, else in the working folder.
places = _together(config_file, folders)
destination = _together(
    click.option(
        "--sandbox",
        is_flag=True,
        help="Send to a sandbox inside this process, whose state is kept in HOME.",
    ),
    click.option(
        "--base-url",
        help="Send to this billing address, with the key from BILLING_API_KEY or BILLING_API_KEY_FILE.",
    ),
    click.option(
        "--environment", help="Name of the environment at an address that is not this machine."
    ),
    click.option(
        "--merchant", help="Name of the merchant account at an address that is not this machine."
    ),
    click.option("--live", is_flag=True, help="Allow a live key: customers will be real."),
)
region = click.option(
    "--default-region", "region", help="Region of phone numbers in national form.  [default: ZA]"
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
        help="A control total: records=2000, ZAR=1234567 (cents) or ZAR=12345.67; if it is not met, nothing is sent.",
    ),
    click.option(
        "--max-rejected",
        metavar="SHARE|N",
        help="Refuse (exit 3) if more records are rejected.  [default: 20%, from 50 records on]",
    ),
    click.option(
        "--planner",
        help="Who plans this, for the report.  [default: PIPELINE_PLANNER, or the user's name]",
    ),
)
#: Options with whose values a plan is made.
PLANNING = ("region", "retry_refused", "limit", "where")
planning = _together(
    region,
    click.option(
        "--retry-refused",
        is_flag=True,
        default=None,
        help="Send unchanged rows again that billing refused before.",
    ),
    click.option(
        "--limit", type=int, help="Create so many at most; the rest is left for a later wave."
    ),
    click.option(
        "--where",
        help="Create only rows that satisfy this SQL condition on the file's columns, such as \"plan = 'gold'\".",
    ),
)
accepting = click.option(
    "--accept",
    multiple=True,
    metavar="CODE",
    help="Proceed in spite of this alarm, such as STREAM.MISSING_DAY.",
)
_outage = click.option(
    "--outage-seconds",
    type=float,
    help="Stop, resumable, after so long without an answer.  [default: 300]",
)
_lag = click.option(
    "--lookup-lag",
    type=float,
    help="Seconds for which a lookup may still show what was before.  [default: 30; 0 for the sandbox]",
)
sending = _together(
    click.option("--workers", type=int, help="Requests at the same time.  [default: 8]"),
    click.option(
        "--pace",
        "per_second",
        type=float,
        help="At most so many requests a second.  [default: as fast as answers come]",
    ),
    _outage,
    _lag,
    click.option("--max-creates", type=int, help="Refuse (exit 3) to create more than so many."),
    click.option(
        "--canary",
        type=int,
        help="Create so many, look them up and compare, then the rest.  [default: 3 if live]",
    ),
    click.option(
        "--stop-by",
        help='Stop, resumable, at this time, such as 05:30 or "05:30 Africa/Johannesburg".',
    ),
)
looking_up = _together(
    click.option("--workers", type=int, help="Lookups at the same time.  [default: 8]"),
    click.option(
        "--pace",
        "per_second",
        type=float,
        help="At most so many a second.  [default: as fast as answers come]",
    ),
    _outage,
    _lag,
)
pii = click.option(
    "--pii",
    type=click.Choice(["none", "masked", "full"]),
    default="masked",
    show_default=True,
    help="How much of people's data is shown; masked: the shape of a text, x for a letter and 9 for a digit.",
)
reviewer = click.option(
    "--reviewer",
    "planner",
    help="Who looks at this, for the report.  [default: PIPELINE_PLANNER, or the user's name]",
)
maker = click.option(
    "--maker", "planner", help="Who makes this.  [default: PIPELINE_PLANNER, or the user's name]"
)
sheet = click.option(
    "--sheet",
    metavar="NAME",
    help="The sheet of a workbook to read.  [default: the only one that is not hidden]",
)
how_written = _together(
    sheet,
    click.option(
        "--delimiter",
        help="What parts the fields of a CSV file: , ; | or tab.  [default: what the header shows]",
    ),
    click.option(
        "--encoding", help="utf-8, utf-16, cp1252 and so on.  [default: UTF-8, else refused]"
    ),
    click.option(
        "--header",
        type=click.Choice(["none", "first_line"]),
        help="Whether the file has a header.  [default: detected]",
    ),
    click.option("--quote", help='The quote character, or none.  [default: "]'),
    click.option("--escape", help="The escape character, such as a backslash.  [default: none]"),
    click.option("--skip-lines", type=int, help="Skip this many lines before the header."),
    click.option("--footer-lines", type=int, help="Skip this many lines at the end."),
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print the content of summary.json.")


_HOW_WRITTEN = (
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
    """The config that was named, if any."""
    from pipeline.config import load_config

    return load_config(given["config"]) if given.get("config") else None


def settings(
    given: dict[str, Any], config: "ConfigFile | None" = None, *, destination: str | None = None
) -> "Settings":
    """Settings from a config and a command's options, which overrule it; what killed commands left at their places is removed."""
    from pipeline.config import Settings

    known = {
        name: value
        for name, value in given.items()
        if name in Settings.model_fields and name != "config"
    }
    if said := {name: given[name] for name in _HOW_WRITTEN if given.get(name) is not None}:
        known["source"] = {**(config.job.source.model_dump() if config else {}), **said}
    known = {name: value for name, value in known.items() if value != ()}
    planner = known.pop("planner", None) or os.environ.get("PIPELINE_PLANNER") or _user()
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
    """The option that gives a setting, as it is typed: --max-rejected for max_rejected, --delimiter for source.delimiter."""
    last = next(part for part in reversed(setting.split(".")) if not part.isdigit())
    given = {option.name: option.opts[0] for option in click.get_current_context().command.params}
    return given.get(last, setting)


def places_of(given: dict[str, Any]) -> "Settings":
    """Home, reports and planner alone, for commands that look at what is there already."""
    return settings(
        {name: given.get(name) for name in ("home", "reports", "planner")}, config(given)
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"


def where(given: dict[str, Any], config: "ConfigFile | None") -> str | None:
    """The destination that was said: "sandbox", an address, or that of the config; None where nobody said."""
    if given["sandbox"] and given["base_url"]:
        raise click.UsageError("Two destinations: use either --sandbox or --base-url URL.")
    if given["sandbox"]:
        return "sandbox"
    return given["base_url"] or (config.job.address if config else None)


def said_where(given: dict[str, Any], config: "ConfigFile | None") -> str:
    """As `where`, for commands that send."""
    place = where(given, config)
    if place is None:
        raise click.UsageError("No destination: use --sandbox or --base-url URL.")
    return place


def naming(place: str, given: dict[str, Any], config: "ConfigFile | None") -> "Naming":
    """How environment and merchant are called at a place."""
    from pipeline.config import Naming

    return Naming.said(
        place,
        job=config.job if config else None,
        environment=given["environment"],
        merchant=given["merchant"],
        live=given["live"],
    )


def planned_config(folder: "RunFolder") -> "ConfigFile | None":
    """A plan carries the job that it was made for; what its file says today is for the check of staleness."""
    from pipeline.config import ConfigFile, Job

    known = folder.read_plan()["config"]
    return (
        ConfigFile(known["path"], known["sha256"], Job.model_validate(known["job"]))
        if known
        else None
    )


def planned_naming(folder: "RunFolder", given: dict[str, Any]) -> "Naming":
    """The names of environment and merchant need not be said again: the plan knows them."""
    from pipeline.config import Naming

    known = folder.read_plan_of_any_version()["environment"]
    return Naming(
        environment=given["environment"] or known["name"],
        merchant=given["merchant"] or known["merchant"],
        live=given["live"],
    )


def warned_of_damaged(reports: Path) -> "list[dict[str, str]]":
    """The folders of runs that cannot be read, for JSON; a warning names each."""
    from dataclasses import asdict

    from pipeline.workflows.status import damaged_runs

    found = damaged_runs(reports)
    for one in found:
        say(f"Warning: {one}. To be rid of this: restore the folder, or move it out of {reports}")
    return [asdict(one) for one in found]


def day(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """A day as ISO 8601 writes it."""
    from datetime import date

    try:
        return None if text is None else date.fromisoformat(text).isoformat()
    except ValueError:
        raise click.BadParameter(f"{text!r} is no day; write it as 2026-11-01") from None


def somebody(_context: click.Context, _option: click.Parameter, name: str | None) -> str | None:
    """A name that was said has to be one; an empty variable of a shell is none."""
    if name is not None and not name.strip():
        raise click.BadParameter("somebody has a name")
    return name


@contextmanager
def target(place: str, naming: "Naming", home: Path) -> "Iterator[Target]":
    """Where customers go, ready to take them: the sandbox inside this process, or billing with the key at hand."""
    from pipeline.config import read_api_key, sandbox_target, target_from

    if place == "sandbox":
        with sandbox_in_process(home) as sandbox:
            yield sandbox_target(sandbox.base_url, sandbox.api_key, sandbox.account_key)
        return
    yield target_from(place, read_api_key(os.environ), naming)


@contextmanager
def sandbox_in_process(home: Path | None) -> Iterator[Any]:
    """A sandbox in a thread that answers to this process only; its state is a file under `home`, which a second run opens again."""
    from pipeline.sandbox import SandboxServer, StateError
    from pipeline.storage.files import private_folder

    state = private_folder(home / "sandbox") / "billing.sqlite" if home else None
    try:
        with SandboxServer(state=state, for_one_process=True) as sandbox:
            yield sandbox
    except StateError as wrong:
        raise click.ClickException(str(wrong)) from None


@contextmanager
def stoppable() -> "Iterator[StopRequest]":
    """Ctrl-C, SIGTERM or a terminal that hangs up, once: stop in order. Ctrl-C again: stop now."""
    from pipeline.workflows.progress import StopRequest

    request = StopRequest()

    def stop(number: int, _frame: FrameType | None) -> None:
        if request.event.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.interrupt(signal.Signals(number).name)
        say("stopping: no new requests, waiting for those in flight (Ctrl-C again stops at once)")

    # `nohup` ignores SIGHUP, and so do we then.
    hears = [
        number for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if _is_heard(number)
    ]
    before = {number: signal.signal(number, stop) for number in hears}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_heard(number: signal.Signals) -> bool:
    return number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN


def approval(given: dict[str, Any]) -> "Callable[[PlannedRun], None]":
    """Ask a person on a terminal, want --yes off it; a live merchant's name is typed, not nodded through."""

    def approve(planned: "PlannedRun") -> None:
        content = planned.report.content
        where = content["environment"]
        if given["yes"] or not planned.plan.creates:
            return
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise NotApproved(
                f"{planned.run_id} is planned and nothing was sent; use --yes, or apply the plan",
                suggests=_to_apply(planned),
            )
        show_plan(planned)
        with _ctrl_c_means_no(planned):
            if where["mode"] == "live":
                question = (
                    f"{planned.plan.creates} REAL customers. Type the merchant's name to go on"
                )
                said_yes = click.prompt(question, err=True) == where["merchant"]
            else:
                said_yes = click.confirm(
                    f"Create {planned.plan.creates} customers in {where['name']}?", err=True
                )
        if not said_yes:
            raise _not_approved(planned)

    return approve


@contextmanager
def _ctrl_c_means_no(planned: "PlannedRun") -> Iterator[None]:
    """At a question there is nothing in flight to wait for."""
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
    from pipeline.workflows.accepting import open_alarms, to_apply

    content = planned.report.content
    return to_apply(planned.run_id, open_alarms(content["findings"], content["accepted"]))
