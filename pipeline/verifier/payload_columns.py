"""Compare payloads, fingerprints and the staged tables as columns.

A payload is canonical JSON: it is written here once more, from the columns of its record. Payloads
with another text, such as those with escapes, are parsed one by one.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from pipeline.domain.currency import NO_CODE, NO_CURRENCY, known
from pipeline.domain.customer import METADATA_PREFIX
from pipeline.verifier.column_faults import require
from pipeline.verifier.in_threads import in_threads
from pipeline.verifier.keyed_hashes import sha256_of_each
from pipeline.verifier.parquet_rows import ColumnsOf, column_of

#: The fields of a payload before and after its metadata, in the order of canonical JSON.
_BEFORE, _AFTER = ("balance", "currency", "email", "external_reference"), ("name", "phone")
_SENT = (*_BEFORE, *_AFTER)
_TEXTS = ("row_id", "payload", "origin_run", "origin_row")
_ROWS = ("row_id", "fingerprint", "fate", "mends_run_id", "mends_row_id")
_FATES = ("row_id", "external_reference", "currency", "fate")
_ESCAPED = r'["\\\x00-\x1f]'  #: what JSON escapes


def compare_payloads(folder: Path, plans: Sequence[str], fates: Sequence[Path]) -> None:
    """Compare the staged tables and rows.parquet; NotInColumns if anything differs."""
    rows = ColumnsOf(folder / "rows.parquet", _typed(_ROWS))
    parts = zip(plans, fates, strict=True)
    blocks = (block for plan, fate in parts for block in _blocks(folder, plan, fate, rows))
    for _ in in_threads(_compare, blocks):
        pass


@dataclass(frozen=True, slots=True)
class _Block:
    """The same rows of all staged tables and of rows.parquet."""

    records: Any
    prints: Any  #: the planned fingerprint of each record; null if nothing was planned
    rows: Any
    fates: Any
    metadata: Sequence[str]  #: columns of metadata


def _blocks(folder: Path, name: str, fate: Path, rows: ColumnsOf) -> Iterator[_Block]:
    """One part of the plan, some rows at a time."""
    plan = ColumnsOf(folder / name, _typed(("fingerprint",), "position"))
    planned = plan.take(plan.rows)
    positions = column_of(planned, "position")
    require(pc.count_distinct(positions).as_py() == len(positions))
    part = folder / name.replace("plan-", "records-")
    metadata = sorted(
        one for one in parquet.read_schema(part).names if one.startswith(METADATA_PREFIX)
    )
    records = ColumnsOf(part, _typed((*_TEXTS, *_SENT[1:], *metadata), "position", "balance"))
    ended = ColumnsOf(fate, _typed(_FATES, "balance"))
    for block in records.blocks():
        at = pc.index_in(column_of(block, "position"), value_set=positions)
        prints = pc.take(column_of(planned, "fingerprint"), at)
        count = block.num_rows
        yield _Block(block, prints, rows.take(count), ended.take(count), metadata)


def _compare(block: _Block) -> None:
    _compare_rows(block.records, block.prints, block.rows)
    _compare_fates(block.records, block.rows, block.fates)
    planned = block.prints.is_valid()
    _compare_texts(block.records.filter(planned), block.prints.filter(planned), block.metadata)


def _typed(texts: Sequence[str], *numbers: str) -> Any:
    return pa.schema(
        [*((name, pa.string()) for name in texts), *((name, pa.int64()) for name in numbers)]
    )


def _compare_rows(records: Any, prints: Any, rows: Any) -> None:
    """Records, their planned fingerprints and rows.parquet agree."""
    for ours, theirs in (
        ("row_id", "row_id"),
        ("origin_run", "mends_run_id"),
        ("origin_row", "mends_row_id"),
    ):
        require(column_of(records, ours).equals(column_of(rows, theirs)))
    stated = column_of(rows, "fingerprint")
    is_stated = stated.is_valid()
    require(stated.filter(is_stated).equals(prints.filter(is_stated)))


def _compare_fates(records: Any, rows: Any, fates: Any) -> None:
    """Records and rows agree with the fates from which sums are computed."""
    for name in ("row_id", "external_reference", "balance"):
        require(column_of(records, name).equals(column_of(fates, name)))
    require(column_of(rows, "fate").equals(column_of(fates, "fate")))
    codes = column_of(records, "currency").fill_null("").dictionary_encode()
    known_codes = known() | {NO_CURRENCY}
    named = [
        one if one in known_codes else NO_CODE
        for one in (code or NO_CURRENCY for code in codes.dictionary.to_pylist())
    ]
    stated = pc.take(pa.array(named, pa.string()), codes.indices)
    require(stated.equals(column_of(fates, "currency")))


def _compare_texts(records: Any, prints: Any, metadata: Sequence[str]) -> None:
    """Each payload has its fingerprint, and the values of its record."""
    payloads = column_of(records, "payload").fill_null("")
    require(column_of(records, "external_reference").null_count == 0)
    require(sha256_of_each(payloads).equals(prints))
    texts = [column_of(records, name) for name in (*_SENT[1:], *metadata)]
    joined = pc.binary_join_element_wise(*texts, "", null_handling="replace", null_replacement="")
    is_plain = pc.invert(pc.match_substring_regex(joined, _ESCAPED))
    agrees = pc.and_(is_plain, pc.equal(_canonical(records, metadata), payloads))
    for record in records.filter(pc.invert(agrees)).to_pylist():
        payload = json.loads(record["payload"])
        require(all(payload.get(name) == record[name] for name in _SENT))


def _canonical(records: Any, metadata: Sequence[str]) -> Any:
    """The canonical JSON of each record, if no text needs an escape."""
    inner = _joined([_member(one.removeprefix(METADATA_PREFIX), records, one) for one in metadata])
    has_inner = pc.greater(pc.binary_length(inner), 0)
    within = pc.binary_join_element_wise('"metadata":{', _without_comma(inner), "},", "")
    members = [
        *(_member(name, records, name) for name in _BEFORE),
        pc.if_else(has_inner, within, ""),
        *(_member(name, records, name) for name in _AFTER),
    ]
    return pc.binary_join_element_wise("{", _without_comma(_joined(members)), "}", "")


def _member(key: str, records: Any, name: str) -> Any:
    """A member with a comma behind it; null without a value."""
    value = column_of(records, name)
    quote = "" if pa.types.is_integer(value.type) else '"'
    before = f"{json.dumps(key, ensure_ascii=False)}:{quote}"
    return pc.binary_join_element_wise(before, value.cast(pa.string()), f"{quote},", "")


def _joined(members: list[Any]) -> Any:
    if not members:
        return pa.scalar("")
    return pc.binary_join_element_wise(*members, "", null_handling="replace", null_replacement="")


def _without_comma(text: Any) -> Any:
    return pc.replace_substring_regex(text, ",$", "")
