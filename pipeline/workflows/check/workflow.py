"""Run every check: the config, the names, billing, and this machine."""

from functools import partial
from pathlib import Path

from pipeline.billing import Address, ApiKey
from pipeline.billing.probe import Probe, probe
from pipeline.config import ConfigFile, Job, Settings, environment_from, load_config
from pipeline.domain.customer import Environment
from pipeline.errors import AddressRefused, ConfigError
from pipeline.workflows.check.billing import of_billing
from pipeline.workflows.check.finding import Deadline, Finding, Verdict, fault, late
from pipeline.workflows.check.machine import of_disks, of_known_customers, of_ledger, of_lock
from pipeline.workflows.check.request import CheckRequest, naming_of
from pipeline.workflows.progress import CLOCK

SECONDS = 30.0  #: for all checks together


def check(request: CheckRequest, seconds: float = SECONDS) -> list[Finding]:
    """Run every check within `seconds`; a fault in one does not prevent the others."""
    deadline = Deadline(CLOCK.monotonic() + seconds)
    config, file = _config(request.config)
    job = file.job if file else None
    place = request.destination or (job.address if job else None)
    places, other_ledger = _places(request, file, place)
    environment, unnamed = _environment(request, place, job)
    is_undecided = any(one.verdict is Verdict.FAULT for one in other_ledger)
    folder = places.home / environment.name if environment and not is_undecided else None
    local = [  # first, so that a slow server cannot use up their time
        *of_disks(places, deadline),
        *(
            Finding(what, Verdict.NOT_CHECKED, "no home is chosen")
            for what in ("lock", "references")
            if is_undecided
        ),
        *(
            deadline.wait_for(partial(look, folder, environment), late(name, folder))
            for name, look in (
                ("ledger", of_ledger),
                ("lock", of_lock),
                ("references", of_known_customers),
            )
            if folder and environment
        ),
    ]
    remote = of_billing(request, place, job, partial(_probe_in_time, deadline, seconds))
    return [config, *unnamed, *other_ledger, *remote, *local]


def _probe_in_time(
    deadline: Deadline, seconds: float, address: Address, key: ApiKey | None = None
) -> Probe:
    """Probe within the time limit; the limits of `probe` itself start again with each byte."""
    unanswered = Probe(
        None, silence=f"no complete answer within {seconds:g} s, the time limit of check"
    )
    return deadline.wait_for(partial(probe, address, key), unanswered)


def _config(path: Path | None) -> tuple[Finding, ConfigFile | None]:
    if path is None:
        return Finding(
            "config", Verdict.OK, "none given: canonical columns and default settings are used"
        ), None
    try:
        file = load_config(path)
    except ConfigError as broken:
        return fault(
            "config", str(broken), "fix each line; the schema lists what is allowed", "schema"
        ), None
    job = file.job
    return Finding(
        "config", Verdict.OK, f"{path}: {job.merchant} in {job.environment} ({job.mode})"
    ), file


def _places(
    request: CheckRequest, file: ConfigFile | None, place: str | None
) -> tuple[Settings, list[Finding]]:
    """The folders of ledgers and runs, and a finding if another ledger is next to the config."""
    known, job = (
        partial(Settings.of, home=request.home, reports=request.reports),
        file.job if file else None,
    )
    try:
        settings = known(file, destination=place, environment=request.environment)
    except ConfigError as refused:
        return known(), [
            fault("ledger", str(refused), "choose one with home in the config, or --home")
        ]
    environment, _ = _environment(request, place, job)
    unused = settings.unused_ledger(environment.name) if environment else None
    return settings, [
        Finding("ledger", Verdict.WARNING, unused, "use the same home for both")
    ] if unused else []


def _environment(
    request: CheckRequest, place: str | None, job: Job | None
) -> tuple[Environment | None, list[Finding]]:
    """The environment whose ledger and known customers are checked, or a finding without one."""
    if place is None:
        return None, []
    try:
        return environment_from(place, naming_of(request, place, job)), []
    except AddressRefused:
        return None, []  # the check of the address reports it
    except ConfigError as unnamed:
        return None, [
            fault("environment", str(unnamed), "give the names, or a config that has them")
        ]
