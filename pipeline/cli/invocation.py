"""What the parameters of a command mean: settings, destination, approval, stop signal."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from pipeline.cli.given import Given
from pipeline.cli.output.plan import show_plan
from pipeline.cli.output.terminal import say
from pipeline.domain.plurals import number_of
from pipeline.errors import NotApproved, OptionRefused
from pipeline.storage.files import remove_left_behind

if TYPE_CHECKING:
    from pipeline.config import ConfigFile, Naming, Settings, Target
    from pipeline.workflows.plan import PlannedRun
    from pipeline.workflows.progress import StopRequest
    from pipeline.workflows.status import RunFolder

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


def config(given: Given) -> "ConfigFile | None":
    """The config that --config names, if any."""
    from pipeline.config import load_config

    return load_config(given["config"]) if given.get("config") else None


def settings(
    given: Given, config: "ConfigFile | None" = None, *, destination: str | None = None
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


def places_of(given: Given) -> "Settings":
    """Home, reports and planner alone, for commands that read existing runs."""
    return settings(
        {name: given.get(name) for name in ("home", "reports", "planner")}, config(given)
    )


def destination_given(given: Given, config: "ConfigFile | None") -> str | None:
    """The destination of the options or the config: "sandbox", an address or None."""
    if given["sandbox"] and given["base_url"]:
        raise click.UsageError("Two destinations: use either --sandbox or --base-url URL.")
    if given["sandbox"]:
        return "sandbox"
    return given["base_url"] or (config.job.address if config else None)


def required_destination(given: Given, config: "ConfigFile | None") -> str:
    """As `destination_given`; raise UsageError without a destination."""
    place = destination_given(given, config)
    if place is None:
        raise click.UsageError("No destination: use --sandbox or --base-url URL.")
    return place


def naming(place: str, given: Given, config: "ConfigFile | None") -> "Naming":
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


def planned_naming(folder: "RunFolder", given: Given) -> "Naming":
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


def approval(given: Given) -> "Callable[[PlannedRun], None]":
    """Ask for approval on a terminal, by the merchant's name if live; elsewhere require --yes."""

    def approve(planned: "PlannedRun") -> None:
        if given["yes"] or not planned.plan.creates:
            return
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise NotApproved(
                f"{planned.run_id} is planned and nothing was sent; use --yes, or apply the plan",
                suggests=_to_apply(planned),
            )
        show_plan(planned)
        environment = planned.report.content.environment
        with _ctrl_c_means_no(planned):
            if environment.mode == "live":
                question = f"{number_of(planned.plan.creates, 'REAL customer')}. Type the merchant's name to proceed"
                is_approved = click.prompt(question, err=True) == environment.merchant
            else:
                is_approved = click.confirm(
                    f"Create {number_of(planned.plan.creates, 'customer')} in {environment.name}?",
                    err=True,
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
    from pipeline.workflows.accepting import accepted_by, open_issues, to_apply

    plan = planned.folder.read_plan()
    return to_apply(planned.run_id, open_issues(plan.findings, accepted_by(planned.folder, plan)))
