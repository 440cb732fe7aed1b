"""Verify, reconcile, report, sign and bundle, from Python."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal, Unpack

from pipeline import verifier
from pipeline.domain.redaction import Pii
from pipeline.errors import OptionRefused
from pipeline.storage.run_search import LATEST
from pipeline.workflows.bundle import workflow as bundle
from pipeline.workflows.progress import StopRequest
from pipeline.workflows.public.call import Call, Files, paths_of, texts_of
from pipeline.workflows.public.options import (
    BundleOptions,
    PlacesOptions,
    ReconcileOptions,
    ReviewOptions,
    SignOptions,
)
from pipeline.workflows.public.results import (
    PeriodResult,
    ReconciliationResult,
    ReportResult,
    SignOffResult,
    VerificationResult,
)
from pipeline.workflows.reconcile import workflow as reconciliation
from pipeline.workflows.reconcile.run_selection import runs_to_reconcile
from pipeline.workflows.report import period, render, sign_off
from pipeline.workflows.status import readable_run, sealed_folder

#: How much personal data a report shows; masked: x for a letter, 9 for a digit.
PiiShown = Literal["none", "masked", "full"]


def verify(
    run_id: str | Path, *, inputs: Files = (), **options: Unpack[PlacesOptions]
) -> VerificationResult:
    """Recompute a run from its files alone; write nothing. As `pipeline verify`.

    Args:
        run_id: a run, a reconciliation or a period: its id, the beginning of one, or latest. Or
            the path of a copied folder or of an evidence bundle.
        inputs: folders to search for inputs and a config that have moved
        **options: see `pipeline.PlacesOptions`

    Returns:
        every check; a check that fails is no error but a result with exit code 7

    Raises:
        RunNotFound: no run has this id (exit code 4)
        ConfigError: the config is wrong (4)
        TypeError: an option does not exist
    """
    call = Call.of("verify", PlacesOptions, options)
    path = Path(run_id)
    if path.is_file():
        return VerificationResult.of(verifier.verify_bundle(path))
    places = call.settings()
    # Path("") is the working folder.
    is_path = str(run_id) not in ("", LATEST) and path.is_dir()
    folder = path if is_path else sealed_folder(places.reports, str(run_id))
    return VerificationResult.of(verifier.verify(folder, _folders(inputs), places.home))


def reconcile(
    run_ids: str | Sequence[str] = (),
    *,
    since: str | None = None,
    export: Files = (),
    sample: int | None = None,
    legacy_total: str | Sequence[str] = (),
    because: str | Sequence[str] = (),
    stopping: StopRequest | None = None,
    **options: Unpack[ReconcileOptions],
) -> ReconciliationResult:
    """Compare the customers of runs with billing, record by record. As `pipeline reconcile`.

    If lookups were stopped or killed, the same call resumes them.

    Args:
        run_ids: runs; none for the newest run
        since: every run since this day (ISO 8601, UTC), in place of `run_ids`
        export: files that billing exported; none to look up the customers
        sample: look up this many random customers; None for all
        legacy_total: control totals of the legacy system, such as records=2000 or ZAR=12345.67
        because: why a total or a residual differs, such as "ZAR=two accounts were written off"
        stopping: call its `interrupt(why)` from another thread to stop in order
        **options: see `pipeline.ReconcileOptions`

    Returns:
        differences per kind, residuals in minor units, verdict, exit code and folder

    Raises:
        RunNotFound: no run has this id, or a run cannot be reconciled (exit code 4)
        OptionRefused: an option has a value that it cannot have (2)
        KeyProblem: the API key is missing, malformed, or of the wrong kind (4)
        SourceError: an export cannot be read reliably (4)
        SubmissionStopped: billing gave an answer after which no lookup may follow (4)
        Interrupted: stopped by a signal or an outage; resumable (5)
        LedgerLocked: the same reconciliation is running in another process (75)
        TypeError: an option does not exist
    """
    call = Call.of("reconcile", ReconcileOptions, options)
    exports, named = _folders(export), texts_of(run_ids)
    if exports and sample is not None:
        raise OptionRefused([("sample", "an export is read whole: use either export or sample")])
    if named and since is not None:
        raise OptionRefused([("since", "use either run_ids or since")])
    if sample is not None and sample < 1:
        raise OptionRefused([("sample", "it is at least 1")])
    legacy = reconciliation.legacy_from(texts_of(legacy_total), texts_of(because))
    places = call.settings()
    selected = runs_to_reconcile(places.reports, places.home, named, since)
    newest = selected.runs[-1]
    settings = call.settings(config=call.planned_config(newest), places=places)
    compare = partial(
        reconciliation.reconcile, selected, settings, legacy=legacy, stopping=stopping
    )
    if exports:
        found = compare(reconciliation.ByExport(exports))
    else:
        place = call.planned_destination(newest)
        with call.planned_target(newest, settings) as target:
            found = compare(reconciliation.ByLookups(target, place, sample))
    return ReconciliationResult.of(found, settings.reports)


def make_report(
    run_id: str = LATEST,
    *,
    pii: PiiShown = "masked",
    output: str | Path | None = None,
    **options: Unpack[ReviewOptions],
) -> ReportResult:
    """Write the page and the workbook of a run again, with later findings. As `pipeline report`.

    Args:
        run_id: the run: its id, the beginning of one, or latest
        pii: how much personal data to show; only with `output` other than masked
        output: a folder for the files; None to replace those in the run's folder
        **options: see `pipeline.ReviewOptions`

    Returns:
        the written files, the summary, and the current fates of an applied run

    Raises:
        RunNotFound: no run has this id, or it was never planned completely (exit code 4)
        RunDamaged: a file of the run cannot be read (4)
        NotApproved: the run has not finished, or an unmasked report would replace its own (6)
        OutputRefused: the files cannot be written there (4)
        TypeError: an option does not exist
    """
    settings = Call.of("make_report", ReviewOptions, options).settings()
    files, summary, now = render.make_report(
        run_id, settings, pii=_pii(pii), output=None if output is None else Path(output)
    )
    return ReportResult(
        summary.run_id, tuple(path.absolute() for path in files), summary.verdict, summary, now
    )


def report_period(
    since: str,
    until: str | None = None,
    *,
    pii: PiiShown = "masked",
    **options: Unpack[ReviewOptions],
) -> PeriodResult:
    """Report all runs of a period, each record once. As `pipeline report --since`.

    Args:
        since: the first day (ISO 8601, UTC)
        until: the last day; None for today
        pii: how much personal data to show
        **options: see `pipeline.ReviewOptions`

    Returns:
        counts per fate, sums in minor units, verdict, exit code and folder

    Raises:
        ConfigError: a day is not one (exit code 4)
        RunNotFound: no run was applied in the period, or runs are of several environments (4)
        TypeError: an option does not exist
    """
    settings = Call.of("report_period", ReviewOptions, options).settings()
    folder, content = period.report_period(settings, since, until, pii=_pii(pii))
    return PeriodResult.of(content, folder.path)


def sign(
    run_id: str,
    *,
    role: Literal["reviewer", "approver"] = "reviewer",
    note: str | None = None,
    evidence: str | None = None,
    inputs: Files = (),
    **options: Unpack[SignOptions],
) -> SignOffResult:
    """Sign off a run with a name. As `pipeline sign`; `role` is its option --as.

    A reviewer signs the result, an approver signs the plan. The run is verified first.

    Args:
        run_id: the run: its id, the beginning of one, or latest
        role: reviewer or approver
        note: a remark; required if the report shows reservations
        evidence: sign only if the digest begins with this text
        inputs: folders to search for inputs and a config that have moved
        **options: see `pipeline.SignOptions`

    Returns:
        the digest of everything that the sign-off covers, and the pages

    Raises:
        RunNotFound: no run has this id (exit code 4)
        NotApproved: a note is missing, the digest is another, or the run has not finished (6)
        OutOfBalance: the run does not verify, or differs from billing without a reason (7)
        OptionRefused: the role or the name is not one (2)
        TypeError: an option does not exist
    """
    if role not in ("reviewer", "approver"):
        raise OptionRefused([("role", f"{role!r} is neither reviewer nor approver")])
    settings = Call.of("sign", SignOptions, options).settings()
    digest, files = sign_off.sign(
        run_id, role, settings, evidence=evidence, note=note, inputs_at=_folders(inputs)
    )
    signed = readable_run(settings.reports, run_id)
    return SignOffResult(
        signed.run_id, role, settings.planner, digest, tuple(path.absolute() for path in files)
    )


def make_bundle(
    run_id: str,
    *,
    output: str | Path | None = None,
    pii: Literal["none", "masked"] = "masked",
    canary: str | Sequence[str] = (),
    allow: str | Sequence[str] = (),
    replace: bool = False,
    **options: Unpack[BundleOptions],
) -> Path:
    """Archive the evidence of a run without names. As `pipeline bundle`.

    Args:
        run_id: the run: its id, the beginning of one, or latest
        output: the archive; None for REPORTS/RUN_ID.evidence.zip
        pii: how much personal data to show
        canary: texts that must not occur in the archive
        allow: texts that may occur although a record has them
        replace: whether to replace an existing archive
        **options: see `pipeline.BundleOptions`

    Returns:
        the path of the archive

    Raises:
        RunNotFound: no run has this id (exit code 4)
        NotApproved: the run has not finished (6)
        OutOfBalance: the run does not verify (7)
        OutputRefused: the archive exists already (4)
        PersonalDataFound: the archive would name a person or has a canary (4)
        TypeError: an option does not exist
    """
    settings = Call.of("make_bundle", BundleOptions, options).settings()
    path = bundle.make_bundle(
        run_id,
        settings,
        output=None if output is None else Path(output),
        pii=_pii(pii),
        canaries=texts_of(canary),
        allowed=texts_of(allow),
        replace=replace,
    )
    return path.absolute()


def _folders(given: Files) -> list[Path]:
    return paths_of(given) if isinstance(given, str | Path) or given else []


def _pii(name: str) -> Pii:
    try:
        return Pii(name)
    except ValueError:
        names = ", ".join(pii.value for pii in Pii)
        raise OptionRefused([("pii", f"{name!r} is none of {names}")]) from None
