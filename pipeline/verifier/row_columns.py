"""Compare the rows of a list with the same rows of rows.parquet, as columns."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.domain.characters import INVISIBLE
from pipeline.domain.customer import create_key
from pipeline.domain.fates import Fate
from pipeline.domain.plan_file import PlanFile
from pipeline.verifier.column_faults import require
from pipeline.verifier.keyed_hashes import are_first_keys
from pipeline.verifier.list_columns import ListRows
from pipeline.verifier.listed_rows import causes_in
from pipeline.verifier.recomputed import Recomputed
from pipeline.verifier.row_by_row import DAMAGED, GENERATIONS, KNOWN_CODES, SENT, WAITS, code_of

_BETWEEN = "\x1f"  #: between the reasons of a row
_TEXTS = ("row_id", "fate", "billing_id", "idempotency_key", "fingerprint")
#: The columns of rows.parquet that are compared.
SCHEMA = pa.schema([*((name, pa.string()) for name in _TEXTS), ("reasons", pa.list_(pa.string()))])


@dataclass(frozen=True, slots=True)
class Reasons:
    """What the reasons of each row say."""

    is_damaged: Any  #: a cell is damaged: the record is readable, but listed as one text
    waits: Any  #: it was not sent: an earlier request is in doubt


@dataclass(slots=True)
class Kept:
    """What is compared once all rows are read."""

    #: Row id -> the row that it repeats, and its fingerprint.
    repeats: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    #: 64 bits of each billing id of a sent row, to save memory; a collision is very unlikely.
    billing_ids: "array[int]" = field(default_factory=lambda: array("q"))

    def add(self, other: "Kept") -> None:
        """Add what further rows leave to compare."""
        self.repeats |= other.repeats
        self.billing_ids += other.billing_ids

    def has_equal_ids(self) -> bool:
        """Whether two sent rows have the same billing id."""
        hashes = pa.Array.from_buffers(
            pa.int64(), len(self.billing_ids), [None, pa.py_buffer(self.billing_ids)]
        )
        return int(pc.count_distinct(hashes).as_py()) < len(self.billing_ids)


@dataclass(frozen=True, slots=True)
class RowColumns:
    """The comparison of lists with rows.parquet."""

    plan: PlanFile
    columns: Sequence[str]
    reference: str | None  #: the column of references, if keys can be recomputed from it

    def compare(self, listed: ListRows, rows: Any, found: Recomputed, kept: Kept) -> Reasons:
        """Compare and count the rows; NotInColumns if one differs or lacks what its fate needs."""
        for name in ("row_id", "fate"):
            require(listed.our(name).equals(rows[name]))
        for name in ("billing_id", "idempotency_key"):
            require(listed.our(name).equals(rows[name].fill_null("")))
        require(listed.our("run_id").unique().to_pylist() == [self.plan.run_id])
        found.records += len(listed)
        for fate, count in _counted(rows["fate"]):
            found.fates[fate] += count
        reasons = _reasons(listed.our("reasons"), rows["reasons"], found)
        _compare_sent(rows, kept)
        _keep_repeats(listed, rows, kept)
        self._compare_keys(listed, rows)
        return reasons

    def _compare_keys(self, listed: ListRows, rows: Any) -> None:
        """Each key follows from environment, reference and content."""
        if self.reference is None or self.reference not in self.columns:
            return
        has_key = rows["idempotency_key"].is_valid()
        keys, prints = (rows[name].filter(has_key) for name in ("idempotency_key", "fingerprint"))
        prints = prints.fill_null("")
        cells = listed.cell(self.columns.index(self.reference)).filter(has_key)
        references = pc.utf8_trim(cells, INVISIBLE)
        environment = self.plan.environment
        is_first = are_first_keys(keys, environment, references, prints)
        for at in pc.indices_nonzero(pc.invert(is_first)).to_pylist():
            reference, content = references[at].as_py(), prints[at].as_py()
            require(
                keys[at].as_py()
                in {create_key(environment, reference, content, one) for one in GENERATIONS}
            )


def _reasons(cells: Any, rows: Any, found: Recomputed) -> Reasons:
    """Compare and count the reasons of each row; each text of a cell is parsed once."""
    encoded = cells.dictionary_encode()
    causes = [causes_in(text) for text in encoded.dictionary.to_pylist()]
    codes = [{code_of(cause) for cause in one} for one in causes]
    require(all(one <= KNOWN_CODES for one in codes))
    joined = [_BETWEEN.join(one) for one in causes]
    require(
        all(
            one.count(_BETWEEN) == max(0, len(of) - 1)
            for one, of in zip(joined, causes, strict=True)
        )
    )
    there = pc.binary_join(rows, _BETWEEN).fill_null("")
    require(_looked_up(joined, pa.string(), encoded).equals(there))
    counts = _looked_up([len(one) for one in causes], pa.int32(), encoded)
    require(counts.equals(pc.list_value_length(rows).fill_null(0)))
    for at, count in _counted(encoded.indices):
        for cause in causes[at]:
            found.reasons[cause] += count
    return Reasons(
        _looked_up([DAMAGED in one for one in codes], pa.bool_(), encoded),
        _looked_up([WAITS in one for one in causes], pa.bool_(), encoded),
    )


def _compare_sent(rows: Any, kept: Kept) -> None:
    """A sent row has a key, a fingerprint and a billing id."""
    sent = rows.filter(pc.is_in(rows["fate"], pa.array(sorted(SENT), pa.string())))
    for name in ("idempotency_key", "fingerprint", "billing_id"):
        require(
            pc.all(pc.greater(pc.binary_length(sent[name]).fill_null(0), 0), min_count=0).as_py()
        )
    kept.billing_ids.extend(map(hash, sent["billing_id"].to_pylist()))


def _keep_repeats(listed: ListRows, rows: Any, kept: Kept) -> None:
    repeats = pc.equal(rows["fate"], Fate.DUPLICATE_IN_FILE.value)
    if not pc.any(repeats, min_count=0).as_py():
        return
    originals = listed.our("same_as").filter(repeats).to_pylist()
    require(all(originals))
    ids, prints = (rows[name].filter(repeats).to_pylist() for name in ("row_id", "fingerprint"))
    kept.repeats.update(zip(ids, zip(originals, prints, strict=True), strict=True))


def _looked_up(values: list[Any], kind: Any, encoded: Any) -> Any:
    return pc.take(pa.array(values, kind), encoded.indices)


def _counted(values: Any) -> list[tuple[Any, int]]:
    return [(one["values"], one["counts"]) for one in values.value_counts().to_pylist()]
