"""Search a new evidence bundle for the people in the records of its run, and for canaries."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import polars as pl
from pyarrow import parquet

from pipeline.config import Settings
from pipeline.domain.characters import fold_name
from pipeline.domain.customer import METADATA_PREFIX
from pipeline.reporting import our_own_words
from pipeline.reporting.pii_scan import (
    Leak,
    SharedWords,
    find_canaries,
    find_people,
    folded_text,
    needles,
    plain,
    together,
)
from pipeline.storage.run_folder import RunFolder

_BLOCK_OF_TEXT = 1 << 26  #: characters that are searched together
_ROWS_AT_ONCE = 100_000
#: Fields that are personal even if several records share a value.
_PERSONAL = ("external_reference", "name", "email", "phone", "identity", "text")


def leaks(
    path: Path,
    folder: RunFolder,
    settings: Settings,
    canaries: Sequence[str],
    allowed: Sequence[str],
) -> Iterator[Leak]:
    """Every place in an archive that names a person of the run or has a canary.

    `allowed`: texts that a person has checked, which may occur.
    """
    handed = SharedWords.nothing()
    with ZipFile(path) as archive:
        for name in archive.namelist():
            for lines in _lines_of(name, archive):
                handed.add(lines)
                yield from find_canaries(name, lines, list(canaries))
        wanted = together(_needles(folder, handed))
        if wanted.is_empty():
            return
        ours = folded_text("\n".join(_our_words(folder, settings, allowed)))
        for name in archive.namelist():
            for lines in _lines_of(name, archive):
                yield from find_people(name, lines, wanted, ours)


def _our_words(folder: RunFolder, settings: Settings, allowed: Sequence[str]) -> Iterator[str]:
    """Texts that are not from records: our pages, planners and signers, the job, column names."""
    summary, plan = folder.read_summary(), folder.read_plan_of_any_version()
    yield our_own_words()
    yield from (settings.planner, summary.planner, *astuple(summary.environment))
    yield from (one.name for one in folder.signers())
    yield from folder.accepted().values()
    yield from plan.columns
    yield from (f"{name} {version}" for name, version in summary.tools.items())
    if plan.config:
        yield from _constants(plan.config.job.get("mapping") or {})
    yield from allowed


def _constants(mapping: Any, name: str = "") -> Iterator[str]:
    """The texts that a mapping itself puts into records: defaults, values, prefixes, suffixes."""
    if isinstance(mapping, dict):
        for key, inner in mapping.items():
            yield from (
                (text for text in inner.values() if isinstance(text, str))
                if key == "values" and isinstance(inner, dict)
                else _constants(inner, key)
            )
    elif isinstance(mapping, list):
        for inner in mapping:
            yield from _constants(inner, name)
    elif isinstance(mapping, str) and name in {"default", "value", "otherwise", "prefix", "suffix"}:
        yield mapping


def _needles(folder: RunFolder, handed: SharedWords) -> Iterator[pl.DataFrame]:
    """The personal texts of the records: names, addresses, phones, references, metadata.

    Also the columns that must never be sent, and the text of unreadable records.
    """
    config = folder.read_plan_of_any_version().config
    mapping: Any = (config.job.get("mapping") if config else None) or {}
    never_sent = {f"given.{fold_name(column)}" for column in mapping.get("never_sent", ())}
    phones = {
        "phone",
        "mapped.phone",
        "given.phone",
        *(f"given.{column}" for column in _columns(mapping.get("phone"))),
    }
    for part in folder.parts("records"):
        columns = pl.scan_parquet(part, glob=False).collect_schema()
        personal = [
            name
            for name in columns
            if name.removeprefix("mapped.").removeprefix("given.") in _PERSONAL
        ]
        shared = [
            name
            for name in columns
            if fold_name(name) in never_sent
            or name.startswith("sensitive.")
            or name.removeprefix("mapped.").removeprefix("given.").startswith(METADATA_PREFIX)
        ]
        numbers = [name for name in columns if name in phones]
        wanted = sorted({"row_id", *personal, *shared, *numbers})
        yield needles(
            pl.read_parquet(part, columns=wanted, glob=False),
            [*personal, *shared],
            handed,
            shared=shared,
            phones=numbers,
        )


def _columns(rule: Any) -> list[str]:
    """The columns from which a mapping builds a field."""
    if not isinstance(rule, dict):
        return []
    return [*([rule["column"]] if rule.get("column") else []), *(rule.get("columns") or ())]


def _lines_of(name: str, archive: ZipFile) -> Iterator[pl.Series]:
    """A member as lines of text, whatever its format."""
    if name.endswith(".parquet"):
        for batch in parquet.ParquetFile(io.BytesIO(archive.read(name))).iter_batches(
            _ROWS_AT_ONCE
        ):
            table = pl.from_arrow(batch)
            assert isinstance(table, pl.DataFrame)  # noqa: S101 - of a record batch
            for column in table.iter_columns():
                texts = (
                    column.list.join(" ")
                    if column.dtype == pl.List(pl.String)
                    else column.cast(pl.String)
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
