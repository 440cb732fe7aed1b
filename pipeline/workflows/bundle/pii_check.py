"""The search of an evidence bundle, before it is there: for everybody whom the records of its run name, and for what was planted."""

import io
import json
from collections.abc import Iterator, Sequence
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
_OWN = (
    "external_reference",
    "name",
    "email",
    "phone",
    "identity",
    "text",
)  #: a person's, however many records share it


def leaks(
    path: Path,
    folder: RunFolder,
    settings: Settings,
    canaries: Sequence[str],
    allowed: Sequence[str],
) -> Iterator[Leak]:
    """What of the run's people, and of what was planted, stands in an archive; `allowed`: what somebody has looked at and lets stand."""
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
    """What is said whatever the records say: our pages, who plans and signs, the job's own words, the columns' names."""
    content, plan = folder.read_summary(), folder.read_plan_of_any_version()
    yield our_own_words()
    yield from (settings.planner, content["planner"], *content["environment"].values())
    yield from (json.loads(line)["name"] for line in folder.signatures())
    yield from folder.accepted().values()
    yield from plan["columns"]
    yield from (f"{name} {version}" for name, version in content["tools"].items())
    if plan["config"]:
        yield from _declared(plan["config"]["job"].get("mapping") or {})
    yield from allowed


def _declared(mapping: Any, name: str = "") -> Iterator[str]:
    """The texts that a mapping gives to records by itself: defaults, values, what codes stand for; not the suppliers' texts."""
    if isinstance(mapping, dict):
        for key, inner in mapping.items():
            yield from (
                (text for text in inner.values() if isinstance(text, str))
                if key == "values" and isinstance(inner, dict)
                else _declared(inner, key)
            )
    elif isinstance(mapping, list):
        for inner in mapping:
            yield from _declared(inner, name)
    elif isinstance(mapping, str) and name in {"default", "value", "otherwise", "prefix", "suffix"}:
        yield mapping


def _needles(folder: RunFolder, handed: SharedWords) -> Iterator[pl.DataFrame]:
    """What the records say of people: names, addresses, numbers, references, metadata, what was never to be sent, what nobody could read."""
    job = (folder.read_plan_of_any_version()["config"] or {}).get("job", {})
    mapping = job.get("mapping") or {}
    never_sent = {f"given.{fold_name(column)}" for column in mapping.get("never_sent", ())}
    phones = {
        "phone",
        "mapped.phone",
        "given.phone",
        *(f"given.{column}" for column in _columns(mapping.get("phone"))),
    }
    for part in folder.parts("records"):
        columns = pl.scan_parquet(part, glob=False).collect_schema()
        own = [
            name for name in columns if name.removeprefix("mapped.").removeprefix("given.") in _OWN
        ]
        shared = [
            name
            for name in columns
            if fold_name(name) in never_sent
            or name.startswith("sensitive.")
            or name.removeprefix("mapped.").removeprefix("given.").startswith(METADATA_PREFIX)
        ]
        numbers = [name for name in columns if name in phones]
        wanted = sorted({"row_id", *own, *shared, *numbers})
        yield needles(
            pl.read_parquet(part, columns=wanted, glob=False),
            [*own, *shared],
            handed,
            shared=shared,
            phones=numbers,
        )


def _columns(said: Any) -> list[str]:
    """The columns that a mapping makes a field of."""
    return (
        []
        if not isinstance(said, dict)
        else [*([said["column"]] if said.get("column") else []), *(said.get("columns") or ())]
    )


def _lines_of(name: str, archive: ZipFile) -> Iterator[pl.Series]:
    """A member as lines, whatever it is written in."""
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
