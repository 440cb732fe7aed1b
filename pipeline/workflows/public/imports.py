"""Plan, apply, resume, run, and load the known customers, from Python."""

from collections.abc import Callable, Sequence
from typing import Unpack

from pipeline.config import SANDBOX, environment_from
from pipeline.errors import NotApproved, OptionRefused
from pipeline.workflows import apply, known_customers, plan, run
from pipeline.workflows.giving_up import GivingUp
from pipeline.workflows.plan import PlannedRun
from pipeline.workflows.progress import StopRequest
from pipeline.workflows.public.call import Call, Files, paths_of, texts_of, warn_of_unused_ledger
from pipeline.workflows.public.options import (
    ApplyOptions,
    LoadOptions,
    PlanningOptions,
    ResumeOptions,
    RunOptions,
)
from pipeline.workflows.public.results import KnownCustomersResult, RunResult
from pipeline.workflows.status import find_run, named_run


def plan_import(
    files: Files, *, stopping: StopRequest | None = None, **options: Unpack[RunOptions]
) -> RunResult:
    """Plan an import in a new run folder; send nothing. As `pipeline plan`.

    Without a destination, the plan is for the sandbox.

    Args:
        files: one file or several: CSV, Excel or Parquet
        stopping: call its `interrupt(why)` from another thread to stop in order
        **options: see `pipeline.RunOptions`

    Returns:
        the plan: counts per action, sums in minor units, findings, and the folder of the run

    Raises:
        ConfigError: the config or the names of the environment are wrong (exit code 4)
        OptionRefused: an option has a value that it cannot have (2)
        AddressRefused: the address may not be used (4)
        SourceError: a file cannot be read reliably, or has no records (4)
        LedgerError: the ledger cannot be read (4)
        ReferencesError: the known customers cannot be read (4)
        Interrupted: `stopping` was used (5)
        TypeError: an option does not exist
    """
    call = Call.of("plan_import", RunOptions, options)
    place = call.destination or SANDBOX
    settings = call.settings(place)
    environment = environment_from(place, call.naming(place))
    warn_of_unused_ledger(settings, environment.name)
    planned = plan.plan_import(paths_of(files), settings, environment, stopping=stopping)
    return RunResult.of(planned.report, settings.reports)


def run_import(
    files: Files,
    *,
    approve: Callable[[RunResult], bool] | None = None,
    stopping: StopRequest | None = None,
    **options: Unpack[RunOptions],
) -> RunResult:
    """Plan an import and apply it, under one lock. As `pipeline run --yes`.

    A run that was stopped, or failed after it began, is finished by `resume_run`. To send the same
    file again is safe: customers that exist are not created again.

    Args:
        files: one file or several: CSV, Excel or Parquet
        approve: is called with the plan; if it returns False, nothing is sent
        stopping: call its `interrupt(why)` from another thread to stop in order
        **options: see `pipeline.RunOptions`

    Returns:
        the run: counts per fate, sums in minor units, verdict, exit code and folder. A run that
        stopped after the first send is a result, too: see `RunResult.raise_if_stopped`.

    Raises:
        ConfigError: the config or the names of the environment are wrong (exit code 4)
        OptionRefused: an option has a value that it cannot have, or there is no destination (2)
        KeyProblem: the API key is missing, malformed, or of the wrong kind (4)
        AddressRefused: the address may not be used (4)
        SourceError: a file cannot be read reliably, or has no records (4)
        LedgerError: the ledger cannot be opened (4)
        ReferencesError: the known customers cannot be read (4)
        SandboxError: the state of the sandbox cannot be opened (4)
        ThresholdExceeded: a file issue or a threshold stops the plan; nothing was sent (3)
        Interrupted: stopped while planning, or a disk failed after a send; resumable (5)
        NotApproved: `approve` returned False; nothing was sent (6)
        LedgerLocked: another run of the environment is writing (75)
        TypeError: an option does not exist
    """
    call = Call.of("run_import", RunOptions, options)
    place = call.required_destination()
    settings = call.settings(place)

    def approved(planned: PlannedRun) -> None:
        if approve is not None and not approve(RunResult.of(planned.report, settings.reports)):
            raise NotApproved(
                "nothing was sent; to apply the plan later", suggests=("apply", planned.run_id)
            )

    with call.target(place, settings) as target:
        warn_of_unused_ledger(settings, target.environment.name)
        report = run.run_import(
            paths_of(files), settings, target, approve=approved, stopping=stopping
        )
    return RunResult.of(report, settings.reports)


def apply_plan(
    run_id: str, *, stopping: StopRequest | None = None, **options: Unpack[ApplyOptions]
) -> RunResult:
    """Do exactly what a plan lists. As `pipeline apply`.

    Without a destination and a config, those of the plan are used. Planning options may be
    repeated; a value other than the plan's is refused.

    Args:
        run_id: the plan: its id, the beginning of one, or latest
        stopping: call its `interrupt(why)` from another thread to stop in order
        **options: see `pipeline.ApplyOptions`

    Returns:
        the run: counts per fate, sums in minor units, verdict, exit code and folder

    Raises:
        RunNotFound: no run has this id (exit code 4)
        PlanStale: an input, the config, an option or the history has changed (6)
        PipelineError: as for `run_import`
        TypeError: an option does not exist
    """
    call = Call.of("apply_plan", ApplyOptions, options)
    folder = named_run(call.settings().reports, run_id)
    place = call.planned_destination(folder)
    planning = tuple(PlanningOptions.__annotations__)
    settings = call.settings(place, config=call.planned_config(folder), without=planning)
    with call.planned_target(folder, settings) as target:
        report = apply.apply_plan(
            folder.run_id,
            settings,
            target,
            given_again=call.settings_given(planning),
            stopping=stopping,
        )
    return RunResult.of(report, settings.reports)


def resume_run(
    run_id: str | None = None,
    *,
    give_up: str | Sequence[str] = (),
    note: str | None = None,
    stopping: StopRequest | None = None,
    **options: Unpack[ResumeOptions],
) -> RunResult | None:
    """Finish a run that was stopped or killed. As `pipeline resume`.

    Args:
        run_id: the run; None for the newest one that can be resumed
        give_up: external references of records in doubt to give up; needs `run_id` and `note`
        note: the reason to give up
        stopping: call its `interrupt(why)` from another thread to stop in order
        **options: see `pipeline.ResumeOptions`

    Returns:
        the run, or None if there is nothing to resume

    Raises:
        RunNotFound: no run has this id (exit code 4)
        RunDamaged: a file of the run cannot be read (4)
        NothingToGiveUp: the request of a reference is settled, unknown, or another run's (2)
        NotApproved: the plan was never applied (6)
        PipelineError: as for `run_import`
        TypeError: an option does not exist
    """
    references = texts_of(give_up)
    reason = (note or "").strip()
    if references and run_id is None:
        raise OptionRefused([("give_up", "it needs the run_id of the record")])
    if bool(references) != bool(reason):
        raise OptionRefused([("give_up", "give_up and note go together")])
    call = Call.of("resume_run", ResumeOptions, options)
    places = call.settings()
    folder = find_run(places.reports, places.home, run_id, resumable=True)
    if folder is None:
        return None
    place = call.planned_destination(folder)
    settings = call.settings(place, config=call.planned_config(folder))
    with call.planned_target(folder, settings) as target:
        report = apply.resume_run(
            folder.run_id,
            settings,
            target,
            giving_up=GivingUp(references, reason) if references else None,
            stopping=stopping,
        )
    return RunResult.of(report, settings.reports)


def load_known_customers(files: Files, **options: Unpack[LoadOptions]) -> KnownCustomersResult:
    """Replace the known customers of an environment. As `pipeline references load`.

    Args:
        files: one file or several: CSV, Excel or Parquet, of customers that billing has
        **options: see `pipeline.LoadOptions`

    Returns:
        how many customers are known, and which records are set aside or incomplete

    Raises:
        ConfigError: the config or the names of the environment are wrong (exit code 4)
        OptionRefused: an option has a value that it cannot have, or there is no destination (2)
        SourceError: a file cannot be read reliably, or has no records (4)
        ReferencesError: another process is loading, or the file cannot be written (4)
        TypeError: an option does not exist
    """
    call = Call.of("load_known_customers", LoadOptions, options)
    place = call.required_destination()
    settings = call.settings(place)
    environment = environment_from(place, call.naming(place))
    loaded = known_customers.load_known_customers(paths_of(files), settings, environment)
    return KnownCustomersResult.of(loaded, environment.name)
