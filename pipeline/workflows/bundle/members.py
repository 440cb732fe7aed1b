"""The files of an evidence bundle. None names a person or lets a reader test a guess at one."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from pyarrow import parquet

from pipeline.config import Settings
from pipeline.domain.fates import LISTS
from pipeline.domain.redaction import Pii, pseudonym
from pipeline.reporting import differences_shown, redact_list, shapes, without_literals
from pipeline.storage.files import temporary_folder
from pipeline.storage.ledger import EXTRACT_COLUMNS, Ledger
from pipeline.storage.manifest import ACCEPTED, MANIFEST, SIGNATURES
from pipeline.storage.run_folder import RunFolder
from pipeline.workflows.report.evidence import differences_of, newest_reconciliation
from pipeline.workflows.report.open_items import home_key, naming
from pipeline.workflows.report.render import write_pages

Member = tuple[str, Iterable[bytes]]

#: These are hashes of references and payloads, so a reader could test guesses at those. A second
#: hash with the key of the home prevents it, and equal values stay equal.
SECRET = ("idempotency_key", "fingerprint")
_ROWS_AT_ONCE = 100_000
_NUMBERS = {"seq", "generation", "status", "replayed", "payable"}
#: Left out: the hash of billing's answer, which may name a person, and that of the credential.
_LEFT_OUT = {"detail_sha256", "credential"}


def members(folder: RunFolder, settings: Settings, pii: Pii) -> Iterator[Member]:
    """Every file of the bundle except its README and its manifest."""
    content, plan, home = folder.read_summary(), folder.read_plan_of_any_version(), settings.home
    key = home_key(home)
    person, sealed = naming(key, pii), partial(pseudonym, key)
    with temporary_folder(settings.reports, "bundle") as pages:
        for page in write_pages(folder, content, home, pii=pii, output=pages):
            yield page.name, [page.read_bytes()]
    yield f"run/{MANIFEST}", _blocks_of(folder.path / MANIFEST)
    yield f"run/{SIGNATURES}", _blocks_of(folder.path / SIGNATURES)
    if (folder.path / ACCEPTED).is_file():
        yield f"run/{ACCEPTED}", _blocks_of(folder.path / ACCEPTED)
    yield "run/summary.json", _redacted(folder.path / "summary.json", content, pii)
    yield "run/plan.json", _redacted(folder.path / "plan.json", plan, pii)
    if plan["config"]:
        yield "config/job.json", [_json(plan["config"]["job"])]
    yield "rows.parquet", [_rows(folder.path / "rows.parquet", sealed)]
    for list_name in LISTS:
        yield f"lists/{list_name}.csv", _list(folder, list_name, pii, person, sealed)
    yield (
        "journal.csv",
        _journal(folder, home / content["environment"]["name"], pii, person, sealed),
    )
    if (against := newest_reconciliation(folder)) is not None:
        # An example may be a person's reference in billing.
        summary = {
            name: value for name, value in against[1].items() if name not in {"examples", "files"}
        }
        yield "reconciliation/summary.json", [_json(summary)]
        shown = differences_shown(differences_of(against), pii, person)
        yield "reconciliation/differences.csv", [shown.write_csv().encode()]
        if (against[0] / MANIFEST).is_file():
            yield f"reconciliation/{MANIFEST}", _blocks_of(against[0] / MANIFEST)


def _redacted(path: Path, content: dict[str, Any], pii: Pii) -> Iterator[bytes]:
    """A JSON file of the run without personal data; byte by byte if it has none."""
    redacted = without_literals(content)
    if redacted is content and pii is Pii.MASKED:
        yield from _blocks_of(path)
        return
    if pii is Pii.NONE:
        redacted = {**redacted, "samples": {}} if "samples" in redacted else dict(redacted)
        if "reasons" in redacted:
            redacted["reasons"] = [
                {name: value for name, value in one.items() if name != "shown"}
                for one in redacted["reasons"]
            ]
    yield _json(redacted)


def _rows(path: Path, sealed: Any) -> bytes:
    """rows.parquet with its secret columns hashed with the key of the home."""
    file, out = parquet.ParquetFile(path), io.BytesIO()
    with parquet.ParquetWriter(out, file.schema_arrow, compression="zstd") as writer:
        for batch in file.iter_batches(_ROWS_AT_ONCE):
            table = pl.from_arrow(batch)
            assert isinstance(table, pl.DataFrame)  # noqa: S101 - of a record batch
            shown = table.with_columns(_sealed(name, sealed) for name in SECRET)
            writer.write_table(shown.to_arrow().cast(file.schema_arrow))
    return out.getvalue()


def _list(folder: RunFolder, name: str, pii: Pii, person: Any, sealed: Any) -> Iterator[bytes]:
    columns = ["row_id", "external_reference", "currency", "balance"]
    identified = pl.concat(
        [pl.scan_parquet(part, glob=False).select(columns) for part in folder.parts("fates")]
    )
    path = folder.path / f"{name}.csv"
    rows = pl.scan_csv(path, infer_schema=False, glob=False, new_columns=_header_of(path))
    no_identities = identified.head(0).collect()
    yield redact_list(rows.head(0).collect(), no_identities, pii, person).write_csv().encode()
    for batch in rows.collect_batches(chunk_size=_ROWS_AT_ONCE, maintain_order=True):
        here = identified.join(
            batch.lazy().select(row_id="_import_row_id"), on="row_id", how="semi"
        ).collect()
        shown = redact_list(batch, here, pii, person).with_columns(
            _sealed("_import_idempotency_key", sealed)
        )
        yield shown.write_csv(include_header=False).encode()


def _header_of(path: Path) -> list[str]:
    """The column names of a list; polars would leave quotes within a name doubled."""
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


def _journal(folder: RunFolder, home: Path, pii: Pii, person: Any, sealed: Any) -> Iterator[bytes]:
    """Every event of the run in the ledger, with tokens for references and shapes for details."""
    kept = [name for name in EXTRACT_COLUMNS if name not in _LEFT_OUT]
    yield (
        ",".join("person" if name == "external_reference" else name for name in kept) + "\n"
    ).encode()
    schema = {name: pl.Int64 if name in _NUMBERS else pl.String for name in EXTRACT_COLUMNS}
    with Ledger.read(home) as ledger:
        for block in ledger.runs.extract(folder.run_id) if ledger is not None else ():
            events = pl.DataFrame(block, schema=schema, orient="row")
            detail = shapes(pl.col("detail")) if pii is Pii.MASKED else pl.lit(None, pl.String)
            token = pl.col("external_reference").map_elements(
                person, return_dtype=pl.String, skip_nulls=True
            )
            shown = events.with_columns(
                _sealed("key", sealed),
                _sealed("fingerprint", sealed),
                external_reference=token,
                detail=detail,
            )
            yield shown.select(kept).write_csv(include_header=False).encode()


def _sealed(name: str, sealed: Any) -> pl.Expr:
    return pl.col(name).map_elements(sealed, return_dtype=pl.String, skip_nulls=True)


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()


def _blocks_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            yield block
