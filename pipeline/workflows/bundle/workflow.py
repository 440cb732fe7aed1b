"""Make an evidence bundle: one file to share and keep, which shows what a run did and names nobody.

The run is verified first. Then the new bundle is searched for people of the run and for canaries.
If it has one, no bundle is written.
"""

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from pipeline import __version__
from pipeline.config import Settings
from pipeline.domain.manifest import BundleManifest, JournalEnd
from pipeline.domain.redaction import Pii
from pipeline.errors import NotApproved, OutOfBalance, OutputRefused, PersonalDataFound, RunNotFound
from pipeline.reporting.pii_scan import Leak
from pipeline.storage.files import renamed_when_whole
from pipeline.storage.ledger import Ledger
from pipeline.storage.manifest import MANIFEST, sealed
from pipeline.storage.run_folder import RunFolder
from pipeline.storage.run_search import find_readable_run
from pipeline.verifier import verify
from pipeline.workflows.bundle.members import members
from pipeline.workflows.bundle.pii_check import leaks
from pipeline.workflows.progress import CLOCK
from pipeline.workflows.report.render import refuse_unfinished
from pipeline.workflows.versions import tools

_LONG_AGO = (1980, 1, 1, 0, 0, 0)  #: of every member; the manifest has the real time
_REDACTED: dict[Pii, Literal["masked", "none"]] = {Pii.MASKED: "masked", Pii.NONE: "none"}
_MOST_NAMED = 5  #: leaks, in the message
_README = """Evidence of the import {run_id}, made {made_at} by {maker} with pipeline {version}.

It has the report as a page and as a workbook, and the run's manifest, summary, plan and signatures.
It has one row for each record (rows.parquet), the six lists, the job, the events of the run in the
ledger (journal.csv), and the newest reconciliation.

Idempotency keys and fingerprints are hashed with the key of the home that made this bundle. So no
reader can test whether a guessed customer is in it.
{pii}

To check it on any machine:  pipeline verify {name}
"""
_PII = {
    Pii.MASKED: "Personal data is masked: x is a letter, 9 a digit, ? a sign.\n"
    "A token stands for a person, and the same person has the same token everywhere.",
    Pii.NONE: "It shows no personal data, not even masked.",
}


def make_bundle(
    run_id: str,
    settings: Settings,
    *,
    output: Path | None = None,
    pii: Pii = Pii.MASKED,
    canaries: Sequence[str] = (),
    allowed: Sequence[str] = (),
    replace: bool = False,
) -> Path:
    """Write the evidence of an applied run as a ZIP archive.

    Args:
        run_id: the run
        settings: where runs and ledgers are
        output: the archive; None for a file in the reports folder
        pii: how to redact personal data
        canaries: texts that must not occur in the bundle
        allowed: texts that may occur although a record has them; the manifest counts them
        replace: whether to replace an existing file

    Raises:
        OutOfBalance: if the run does not verify
        OutputRefused: if the file exists already
        PersonalDataFound: if the bundle names a person of the run or has a canary; it is deleted
    """
    folder = find_readable_run(settings.reports, run_id)
    target = output or settings.reports / f"{folder.run_id}.evidence.zip"
    _refuse(folder, pii, target, settings.home, replace=replace)
    with renamed_when_whole(target) as path:
        hashes: dict[str, str] = {}
        with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=6) as archive:
            readme = _README.format(
                run_id=folder.run_id,
                made_at=_now(),
                maker=settings.planner,
                version=__version__,
                pii=_PII[pii],
                name=target.name,
            ).encode()
            for name, blocks in itertools.chain(
                [("README.txt", [readme])], members(folder, settings, pii)
            ):
                hashes[name] = _written(archive, name, blocks)
            _written(
                archive, MANIFEST, [sealed(_manifest(folder, settings, pii, hashes, len(allowed)))]
            )
        if found := list(dict.fromkeys(leaks(path, folder, settings, canaries, allowed))):
            raise PersonalDataFound(_message(found))
    return target


def _refuse(folder: RunFolder, pii: Pii, target: Path, home: Path, *, replace: bool) -> None:
    if pii is Pii.FULL:
        raise NotApproved("a bundle is for others: use --pii masked or --pii none")
    refuse_unfinished(folder)
    if not folder.was_applied:
        raise RunNotFound(f"run {folder.run_id} was never applied, so there is no evidence")
    if not folder.parts("fates") or len(folder.parts("fates")) != len(folder.parts("records")):
        raise RunNotFound(
            f"run {folder.run_id}: its staged files fell under retention,"
            " so a bundle cannot be searched for personal data"
        )
    if target.exists() and not replace:
        raise OutputRefused(
            f"{target} exists already and may be evidence: use --output FILE or --replace"
        )
    found = verify(folder.path, home=home)
    if broken := [f"{check.what}: {check.found}" for check in found.checks if check.holds is False]:
        raise OutOfBalance(
            "; ".join([f"run {folder.run_id} does not verify, so no bundle was made", *broken])
        )


def _manifest(
    folder: RunFolder, settings: Settings, pii: Pii, hashes: dict[str, str], allowed: int
) -> BundleManifest:
    environment = folder.read_summary().environment
    with Ledger.read(settings.home / environment.name) as ledger:
        end = ledger.last_link() if ledger is not None else None
    return BundleManifest(
        run_id=folder.run_id,
        made_at=_now(),
        made_by=settings.planner,
        pii=_REDACTED[pii],
        allowed_texts=allowed,
        environment=environment,
        tools=tools(),
        journal_end=JournalEnd(**asdict(end)) if end is not None else None,
        files=hashes,
    )


def _written(archive: ZipFile, name: str, blocks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    info = ZipInfo(name, _LONG_AGO)
    info.compress_type, info.external_attr = ZIP_DEFLATED, 0o600 << 16
    with archive.open(info, "w", force_zip64=True) as member:
        for block in blocks:
            digest.update(block)
            member.write(block)
    return digest.hexdigest()


def _message(found: list[Leak]) -> str:
    first = "; ".join(
        f"{leak.member}: {leak.column + ' of ' if leak.column else ''}{leak.row_id}"
        for leak in found[:_MOST_NAMED]
    )
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return (
        f"no bundle was made, for it would name people: {first}{more}."
        " To allow a text: --allow TEXT"
    )


def _now() -> str:
    return CLOCK.now().isoformat(timespec="seconds")
