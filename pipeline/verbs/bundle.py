"""The story of an evidence bundle: one file to hand over and to keep, that shows what a run did and names nobody.

It is searched for people before it is there: what the run's records say of them, and whatever somebody planted, stops it.
"""

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import polars as pl

from pipeline import __version__
from pipeline.config import Settings
from pipeline.customer import METADATA_PREFIX
from pipeline.errors import NotApproved, PersonalDataFound, RunNotFound
from pipeline.files import renamed_when_whole, sha256_of
from pipeline.ledger import EXTRACT_COLUMNS, Ledger
from pipeline.masking import Pii
from pipeline.outcomes import LISTS
from pipeline.reporting import handed_on, our_own_words, shapes
from pipeline.run_folder import MANIFEST, SIGNATURES, RunFolder, sealed
from pipeline.scanning import Leak, distinct, find_canaries, find_people, needles, plain
from pipeline.verbs.report.evidence import newest_reconciliation
from pipeline.verbs.report.open_rows import home_key, naming
from pipeline.verbs.report.run import refuse_unfinished, write_pages
from pipeline.verbs.tools import tools
from pipeline.verbs.watch import CLOCK

#: Files of the run that say nothing of people and go as they are, so that their hashes can be held against its manifest.
_AS_THEY_ARE = ("summary.json", "plan.json", "rows.parquet", SIGNATURES, MANIFEST)
_ROWS_AT_ONCE = 100_000
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  #: of every member, so that the same evidence is the same bytes
_BLOCK_OF_TEXT = 1 << 26  #: characters that are searched together
_NAMED_LEAKS = 5
_README = """Evidence of the import {run_id}, made {made_at} by {maker} with pipeline {version}.

It holds the report as a page and as a workbook, the run's own manifest, summary, plan, signatures and rows.parquet as they
were written, its six lists, the config, what the ledger's journal says of the run, and the newest reconciliation.
{pii}
To check it on any machine:  pipeline verify {name}
"""
_PII = {
    Pii.MASKED: "Of people it shows shapes (x for a letter, 9 for a digit) and tokens: the same person has the same token everywhere.",
    Pii.NONE: "Of people it shows nothing.",
}


def make_bundle(
    run_id: str, settings: Settings, *, output: Path | None = None, pii: Pii = Pii.MASKED, canaries: Sequence[str] = ()
) -> Path:
    """Write the evidence of an applied run as a ZIP archive, beside the run folders where no `output` is named.

    Raises PersonalDataFound, and leaves nothing behind, where one of the run's people or one of `canaries` stands in it.
    """
    folder = RunFolder.find(settings.reports, run_id)
    refuse_unfinished(folder)
    _refuse_what_cannot_be_shown(folder, pii)
    target = output or settings.reports / f"{run_id}.evidence.zip"
    with renamed_when_whole(target) as path:
        hashes: dict[str, str] = {}
        with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=6) as archive:
            for name, blocks in _members(folder, settings, pii, target.name):
                hashes[name] = _written(archive, name, blocks)
            _written(archive, MANIFEST, [sealed(_manifest(folder, settings, pii, hashes))])
        if leaks := list(_leaks(path, folder, settings, canaries)):
            raise PersonalDataFound(_told(leaks))
    return target


def _refuse_what_cannot_be_shown(folder: RunFolder, pii: Pii) -> None:
    if pii is Pii.FULL:
        raise NotApproved("a bundle is made to be handed on: it shows people masked, or not at all")
    if not folder.was_applied:
        raise RunNotFound(f"run {folder.run_id} was never applied: there is no evidence of it")
    if not folder.parts("fates") or len(folder.parts("fates")) != len(folder.parts("records")):
        raise RunNotFound(
            f"run {folder.run_id}: its staged files fell under retention, so nobody can say any more whom a bundle must not name"
        )


def _members(folder: RunFolder, settings: Settings, pii: Pii, name: str) -> Iterator[tuple[str, Iterable[bytes]]]:
    """Every file of the bundle but its manifest."""
    content, home = folder.read_json("summary.json"), settings.home
    person = naming(home_key(home), pii)
    told = {"run_id": folder.run_id, "made_at": _now(), "maker": settings.planner, "version": __version__}
    yield "README.txt", [_README.format(**told, pii=_PII[pii], name=name).encode()]
    with TemporaryDirectory(prefix=".bundle-", dir=settings.reports) as pages:
        for page in write_pages(folder, content, home, pii=pii, output=Path(pages)):
            yield page.name, [page.read_bytes()]
    for file in _AS_THEY_ARE:
        yield f"run/{file}", _blocks_of(folder.path / file)
    if (config := _config(folder)) is not None:
        yield f"run/{config.name}", _blocks_of(config)
    for list_name in LISTS:
        yield f"lists/{list_name}.csv", _list(folder, list_name, pii, person)
    yield "journal.csv", _journal(folder, home / content["environment"]["name"], pii, person)
    if (against := newest_reconciliation(folder)) is not None:
        # What stands there as an example may be somebody's reference in billing.
        told = {key: value for key, value in against[1].items() if key not in {"examples", "files"}}
        yield "reconciliation/summary.json", [(json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode()]
        yield "reconciliation/differences.csv", _differences(against[0] / "differences.csv", pii, person)


def _config(folder: RunFolder) -> Path | None:
    """The config of the run, where it still lies there as it was."""
    config = folder.read_json("plan.json")["config"]
    path = Path(config["path"]) if config else None
    return path if path is not None and path.is_file() and sha256_of(path) == config["sha256"] else None


def _list(folder: RunFolder, name: str, pii: Pii, person: Any) -> Iterator[bytes]:
    columns = ["row_id", "external_reference", "currency", "balance"]
    identified = pl.concat([pl.read_parquet(part, columns=columns, glob=False) for part in folder.parts("fates")])
    path = folder.path / f"{name}.csv"
    rows = pl.scan_csv(path, infer_schema=False, glob=False)
    header = handed_on(rows.head(0).collect(), identified, pii, person)
    yield header.write_csv().encode()
    for batch in rows.collect_batches(chunk_size=_ROWS_AT_ONCE, maintain_order=True):
        here = identified.join(batch.select(row_id="_import_row_id"), on="row_id", how="semi")
        yield handed_on(batch, here, pii, person).write_csv(include_header=False).encode()


def _journal(folder: RunFolder, home: Path, pii: Pii, person: Any) -> Iterator[bytes]:
    """What the ledger says of the run: every event, its reference a token, its detail a shape."""
    yield (",".join("person" if name == "external_reference" else name for name in EXTRACT_COLUMNS) + "\n").encode()
    with Ledger.read(home) as ledger:
        for block in ledger.extract(folder.run_id) if ledger is not None else ():
            schema = {
                name: pl.Int64 if name in {"seq", "generation", "status", "replayed", "payable"} else pl.String
                for name in EXTRACT_COLUMNS
            }
            events = pl.DataFrame(block, schema=schema, orient="row")
            detail = shapes(pl.col("detail")) if pii is Pii.MASKED else pl.lit(None, pl.String)
            token = pl.col("external_reference").map_elements(person, return_dtype=pl.String, skip_nulls=True)
            shown = events.with_columns(external_reference=token, detail=detail)
            yield shown.write_csv(include_header=False).encode()


def _differences(path: Path, pii: Pii, person: Any) -> Iterator[bytes]:
    found = pl.read_csv(path, infer_schema=False, glob=False)
    is_figure = pl.col("field").is_in(["balance", "currency"])
    sides = {
        side: pl.when(is_figure)
        .then(side)
        .otherwise(shapes(pl.col(side)) if pii is Pii.MASKED else pl.lit(None, pl.String))
        for side in ("ours", "theirs")
    }
    token = pl.col("external_reference").map_elements(person, return_dtype=pl.String)
    yield (
        found.with_columns(**sides, external_reference=token)
        .rename({"external_reference": "person"})
        .write_csv()
        .encode()
    )


def _manifest(folder: RunFolder, settings: Settings, pii: Pii, hashes: dict[str, str]) -> dict[str, Any]:
    content = folder.read_json("summary.json")
    with Ledger.read(settings.home / content["environment"]["name"]) as ledger:
        end = ledger.end() if ledger is not None else None
    return {
        "schema": 1,
        "kind": "evidence",
        "run_id": folder.run_id,
        "made_at": _now(),
        "made_by": settings.planner,
        "pii": pii.value,
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


def _blocks_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            yield block


def _leaks(path: Path, folder: RunFolder, settings: Settings, canaries: Sequence[str]) -> Iterator[Leak]:
    """What of the run's people, and of what was planted, stands in an archive."""
    wanted = distinct(_needles(folder))
    content = folder.read_json("summary.json")
    signers = [json.loads(line)["name"] for line in folder.signatures()]
    ours = "\n".join(
        [our_own_words(), settings.planner, content["planner"], *signers, *content["environment"].values()]
    )
    with ZipFile(path) as archive:
        for name in archive.namelist():
            for lines in _lines_of(name, archive):
                yield from find_people(name, lines, wanted, ours)
                yield from find_canaries(name, lines, list(canaries))


def _needles(folder: RunFolder) -> Iterator[pl.DataFrame]:
    """What the records say of people: names, addresses, numbers, references, metadata, and what was never to be sent."""
    job = (folder.read_json("plan.json")["config"] or {}).get("job", {})
    never_sent = [f"given.{column}" for column in (job.get("mapping") or {}).get("never_sent", ())]
    for part in folder.parts("records"):
        named = ("external_reference", "name", "email", "phone", "identity")
        wanted = [
            column
            for column in pl.read_parquet_schema(part)
            if column in named
            or column in never_sent
            or column.removeprefix("mapped.") in named
            or column.removeprefix("given.") in named
            or column.removeprefix("mapped.").startswith(METADATA_PREFIX)
            or column.startswith("sensitive.")
        ]
        yield needles(pl.read_parquet(part, columns=["row_id", *wanted], glob=False), wanted)


def _lines_of(name: str, archive: ZipFile) -> Iterator[pl.Series]:
    """A member as lines, whatever it is written in."""
    if name.endswith(".parquet"):
        table = pl.read_parquet(io.BytesIO(archive.read(name)))
        for column in table.columns:
            texts = (
                table[column].list.join(" ")
                if table[column].dtype == pl.List(pl.String)
                else table[column].cast(pl.String)
            )
            yield texts.drop_nulls()
    elif name.endswith(".xlsx"):
        with ZipFile(io.BytesIO(archive.read(name))) as book:
            for part in book.namelist():
                yield plain(book.read(part).decode(errors="replace").replace("><", ">\n<"))
    else:
        with archive.open(name) as member:
            text = io.TextIOWrapper(member, encoding="utf-8", errors="replace")
            while block := text.readlines(_BLOCK_OF_TEXT):
                yield plain("".join(block))


def _told(leaks: list[Leak]) -> str:
    first = "; ".join(
        f"{leak.member}: {leak.column + ' of ' if leak.column else ''}{leak.row_id}" for leak in leaks[:_NAMED_LEAKS]
    )
    more = f" and {len(leaks) - _NAMED_LEAKS} more" if len(leaks) > _NAMED_LEAKS else ""
    return f"no bundle was made, for it would name people: {first}{more}"


def _now() -> str:
    return CLOCK.now().isoformat(timespec="seconds")
