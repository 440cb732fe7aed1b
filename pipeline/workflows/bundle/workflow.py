"""The story of an evidence bundle: one file to hand over and to keep, that shows what a run did and names nobody.

The run is verified first. The bundle is searched for people before it is there: what the run's records say of them, and whatever somebody
planted, stops it.
"""

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from pipeline import __version__
from pipeline.config import Settings
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

_LONG_AGO = (1980, 1, 1, 0, 0, 0)  #: of every member: when it was packed is nobody's evidence
_NAMED_LEAKS = 5
_README = """Evidence of the import {run_id}, made {made_at} by {maker} with pipeline {version}.

It holds the report as a page and as a workbook, the run's own manifest, summary, plan and signatures, a line for each record
(rows.parquet), its six lists, the job that it was made by, what the ledger's journal says of the run, and the newest
reconciliation. Idempotency keys and fingerprints stand under the key of the home that made this: whoever could guess a customer
could else try whether it is there.
{pii}
To check it on any machine:  pipeline verify {name}
"""
_PII = {
    Pii.MASKED: "Of people it shows shapes (x for a letter, 9 for a digit, ? for a sign) and tokens: the same person has the same token everywhere.",
    Pii.NONE: "Of people it shows nothing.",
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
    """Write the evidence of an applied run as a ZIP archive, beside the run folders where no `output` is named.

    Raises OutOfBalance where the run does not verify, OutputRefused where something stands there already (unless `replace`), and
    PersonalDataFound where one of the run's people or one of `canaries` stands in it; then nothing is left behind. `allowed`: texts
    that may stand in it although a record says them; the manifest says how many there were.
    """
    folder = find_readable_run(settings.reports, run_id)
    target = output or settings.reports / f"{folder.run_id}.evidence.zip"
    _refuse(folder, pii, target, settings.home, replace=replace)
    with renamed_when_whole(target) as path:
        hashes: dict[str, str] = {}
        with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=6) as archive:
            told = {
                "run_id": folder.run_id,
                "made_at": _now(),
                "maker": settings.planner,
                "version": __version__,
            }
            readme = _README.format(**told, pii=_PII[pii], name=target.name).encode()
            for name, blocks in itertools.chain(
                [("README.txt", [readme])], members(folder, settings, pii)
            ):
                hashes[name] = _written(archive, name, blocks)
            _written(
                archive, MANIFEST, [sealed(_manifest(folder, settings, pii, hashes, len(allowed)))]
            )
        if found := list(dict.fromkeys(leaks(path, folder, settings, canaries, allowed))):
            raise PersonalDataFound(_told(found))
    return target


def _refuse(folder: RunFolder, pii: Pii, target: Path, home: Path, *, replace: bool) -> None:
    if pii is Pii.FULL:
        raise NotApproved("a bundle is made to be handed on: it shows people masked, or not at all")
    refuse_unfinished(folder)
    if not folder.was_applied:
        raise RunNotFound(f"run {folder.run_id} was never applied: there is no evidence of it")
    if not folder.parts("fates") or len(folder.parts("fates")) != len(folder.parts("records")):
        raise RunNotFound(
            f"run {folder.run_id}: its staged files fell under retention, so nobody can say any more whom a bundle must not name"
        )
    if target.exists() and not replace:
        raise OutputRefused(
            f"{target} stands there already, and may be evidence: name another place, or say --replace"
        )
    found = verify(folder.path, home=home)
    if broken := [f"{check.what}: {check.found}" for check in found.checks if check.holds is False]:
        raise OutOfBalance(
            "; ".join([f"run {folder.run_id} does not verify, and is no evidence", *broken])
        )


def _manifest(
    folder: RunFolder, settings: Settings, pii: Pii, hashes: dict[str, str], allowed: int
) -> dict[str, Any]:
    content = folder.read_summary()
    with Ledger.read(settings.home / content["environment"]["name"]) as ledger:
        end = ledger.end() if ledger is not None else None
    return {
        "schema": 2,
        "kind": "evidence",
        "run_id": folder.run_id,
        "made_at": _now(),
        "made_by": settings.planner,
        "pii": pii.value,
        "allowed_texts": allowed,
        "environment": content["environment"],
        "tools": tools(),
        "journal_end": end,
        "files": hashes,
    }


def _written(archive: ZipFile, name: str, blocks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    info = ZipInfo(name, _LONG_AGO)
    info.compress_type, info.external_attr = ZIP_DEFLATED, 0o600 << 16
    with archive.open(info, "w", force_zip64=True) as member:
        for block in blocks:
            digest.update(block)
            member.write(block)
    return digest.hexdigest()


def _told(found: list[Leak]) -> str:
    first = "; ".join(
        f"{leak.member}: {leak.column + ' of ' if leak.column else ''}{leak.row_id}"
        for leak in found[:_NAMED_LEAKS]
    )
    more = f" and {len(found) - _NAMED_LEAKS} more" if len(found) > _NAMED_LEAKS else ""
    return f"no bundle was made, for it would name people: {first}{more}. What may stand there all the same: --allow TEXT"


def _now() -> str:
    return CLOCK.now().isoformat(timespec="seconds")
