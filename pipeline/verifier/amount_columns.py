"""Add up amounts as columns, with the reading of `amounts` for everything unusual.

An amount is split into the text before its digits, the digits with their marks, and the text after
them. There are few different texts before and after digits: `amounts` reads each of them once. The
digits are then converted and added as columns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.domain.characters import INVISIBLE
from pipeline.domain.fates import Fate
from pipeline.verifier.amounts import ABSENT, UNUSABLE, Amounts, named
from pipeline.verifier.list_columns import ListRows
from pipeline.verifier.recomputed import Recomputed

_SIGNIFICANT = 18  #: digits that fit 64 bits
_SUM = pa.decimal128(38, 0)
_BETWEEN = "\x1f"


class AmountColumns:
    """The amounts of some rows of one input."""

    def __init__(self, amounts: Amounts, columns: Sequence[str], *, in_workbook: bool) -> None:
        self._amounts, self._in_workbook = amounts, in_workbook
        self._form = amounts.in_workbook if in_workbook else amounts.form
        self._columns = list(columns)
        marks = self._form.marks
        mark_column = marks.column if marks else None
        context = (amounts.currency_column, amounts.unit_column, mark_column)
        #: The columns that decide how an amount is read.
        self._context = [name for name in dict.fromkeys(context) if name is not None]

    def add(self, listed: ListRows, waits: Any, found: Recomputed) -> None:
        """Count and add the balances of rows; an unreadable record may have one or not."""
        fates = listed.our("fate")
        readable = pc.not_equal(fates, Fate.UNREADABLE.value)
        unreadable = len(fates) - (pc.sum(readable).as_py() or 0)
        if unreadable:
            found.kinds[Fate.UNREADABLE.value][UNUSABLE] += unreadable
        used = [*dict.fromkeys((*self._amounts.columns, *self._context))]
        cells = {name: listed.cell(self._columns.index(name)).filter(readable) for name in used}
        rows = _Rows(cells, fates.filter(readable), waits.filter(readable))
        if not len(rows.fates):
            return
        if len(self._amounts.columns) > 1:
            self._one_by_one(rows, found)
            return
        self._add(rows, found)

    def _add(self, rows: "_Rows", found: Recomputed) -> None:
        (column,) = self._amounts.columns
        texts = pc.utf8_trim(rows.cells[column], INVISIBLE)
        absent = pc.is_in(texts, pa.array(["", *self._amounts.absent], pa.string()))
        rows.count(absent, ABSENT, found)
        parts = pc.extract_regex(texts, self._shape())
        unusual = pc.and_(pc.invert(absent), parts.is_null())
        self._one_by_one(rows.filter(unusual), found)
        usual = pc.and_(pc.invert(absent), parts.is_valid())
        rows, parts = rows.filter(usual), parts.filter(usual)
        if not len(parts):
            return
        how = self._read_around(rows, parts)
        values = self._values(parts, how)
        rows.count(values.is_null(), UNUSABLE, found)
        is_amount = values.is_valid()
        _add_up(rows.filter(is_amount), values.filter(is_amount), how.name.filter(is_amount), found)

    def _shape(self) -> str:
        """What is before the digits of a usual amount, its whole part, decimals, and the rest."""
        mark = _escaped(self._form.decimal_mark)
        thousands = self._form.thousands
        grouped = ""
        if thousands is not None:
            between = "[ \u00a0\u202f]" if thousands == " " else _escaped(thousands)
            grouped = f"|[0-9]{{1,3}}(?:{between}[0-9]{{3}})+"
        before = f"[^0-9{mark}]*"
        return (
            rf"\A(?P<before>{before})(?P<whole>[0-9]+{grouped})(?:{mark}(?P<decimals>[0-9]+))?"
            r"(?P<behind>[^0-9]*)\z"
        )

    def _read_around(self, rows: "_Rows", parts: Any) -> "_How":
        """How each amount is read, by the texts around its digits and the cells that decide."""
        names = [pc.struct_field(parts, "before"), pc.struct_field(parts, "behind")]
        names += [rows.cells[name] for name in self._context]
        keys = pc.binary_join_element_wise(*names, _BETWEEN).dictionary_encode()
        ways = [self._way(key) for key in keys.dictionary.to_pylist()]
        columns = zip(*ways, strict=True) if ways else ([], [], [], [])
        kinds = (pa.int64(), pa.int64(), pa.bool_(), pa.string())
        return _How(
            *(
                pc.take(pa.array(values, kind), keys.indices)
                for values, kind in zip(columns, kinds, strict=True)
            )
        )

    def _way(self, key: str) -> tuple[int | None, int | None, bool, str]:
        """Sign, decimals, whether the unit is minor, and name of the currency."""
        before, behind, *cells = key.split(_BETWEEN)
        row = dict(zip(self._context, cells, strict=True))
        code, unit = self._amounts.code(row), self._amounts.unit_of(row)
        bare = self._form.bare(f"{before}1{behind}", code, self._amounts.mark(row))
        sign = {"1": 1, "+1": 1, "-1": -1}.get(bare or "")
        exponent = self._amounts.exponent(unit, code)
        return sign, exponent, unit == "minor", named(code)

    def _values(self, parts: Any, how: "_How") -> Any:
        """The minor units of each amount; null if it has too many digits or decimals."""
        whole = pc.replace_substring_regex(pc.struct_field(parts, "whole"), "[^0-9]", "")
        decimals = pc.struct_field(parts, "decimals").fill_null("")
        written = pc.binary_length(decimals).cast(pa.int64())
        is_exact = pc.invert(pc.and_(how.is_minor, pc.greater(written, 0)))
        if self._form.surplus_zeros:
            stripped = pc.utf8_rtrim(decimals, "0")
            decimals = pc.if_else(pc.greater(written, how.exponent), stripped, decimals)
        missing = pc.subtract(how.exponent, pc.binary_length(decimals).cast(pa.int64()))
        is_exact = pc.and_(is_exact, pc.greater_equal(missing, 0))
        zeros = pc.binary_repeat("0", pc.max_element_wise(missing, 0))
        digits = pc.utf8_ltrim(pc.binary_join_element_wise(whole, decimals, zeros, ""), "0")
        is_exact = pc.and_(is_exact, pc.less_equal(pc.binary_length(digits), _SIGNIFICANT))
        usable = pc.and_(is_exact, how.sign.is_valid()).fill_null(False)
        text = pc.if_else(usable, pc.binary_join_element_wise("0", digits, ""), None)
        return pc.multiply(text.cast(pa.int64()), how.sign)

    def _one_by_one(self, rows: "_Rows", found: Recomputed) -> None:
        for at, (fate, waits) in enumerate(
            zip(rows.fates.to_pylist(), rows.waits.to_pylist(), strict=True)
        ):
            row = {name: column[at].as_py() for name, column in rows.cells.items()}
            amount = self._amounts.of(row, in_workbook=self._in_workbook)
            found.add_amount(fate, amount, waits=waits)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Readable rows: the cells that decide, their fates, and which wait for an earlier request."""

    cells: Mapping[str, Any]
    fates: Any
    waits: Any

    def filter(self, mask: Any) -> "_Rows":
        """The rows for which the mask is true."""
        cells = {name: column.filter(mask) for name, column in self.cells.items()}
        return _Rows(cells, self.fates.filter(mask), self.waits.filter(mask))

    def count(self, mask: Any, kind: str, found: Recomputed) -> None:
        """Count the balances of a kind."""
        for one in self.fates.filter(mask).value_counts().to_pylist():
            found.kinds[one["values"]][kind] += one["counts"]


@dataclass(frozen=True, slots=True)
class _How:
    """How each amount is read."""

    sign: Any  #: 1 or -1; null if the texts around the digits break a rule
    exponent: Any  #: decimals at most; null without a unit or a currency
    is_minor: Any
    name: Any  #: of the currency in sums


def _add_up(rows: _Rows, values: Any, names: Any, found: Recomputed) -> None:
    """Count the sides of amounts and add them, per currency and fate."""
    zero = pc.equal(values, 0)
    rows.count(zero, "zero", found)
    sides = (
        ("debit", pc.greater(values, 0), found.debits),
        ("credit", pc.less(values, 0), found.credits),
    )
    for side, mask, sums in sides:
        rows.count(mask, side, found)
        table = pa.table(
            {
                "code": names.filter(mask),
                "fate": rows.fates.filter(mask),
                "waits": rows.waits.filter(mask),
                "value": values.filter(mask).cast(_SUM),
            }
        )
        totals = table.group_by(["code", "fate", "waits"]).aggregate([("value", "sum")])
        for total in totals.to_pylist():
            amount = int(total["value_sum"])
            sums[total["code"]][total["fate"]] += amount
            if total["waits"]:
                found.waiting[total["code"]][f"{side}s"] += amount


def _escaped(mark: str) -> str:
    return rf"\x{ord(mark):02x}"
