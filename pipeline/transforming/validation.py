"""The contract of the billing API as a pandera model: all reasons of every invalid row at once.

Measured settings: an eager DataFrame (pandera checks only the schema of a LazyFrame), `lazy=True`,
one failure case each, and the reasons from the full-length check outputs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

from pipeline.domain.causes import Cause
from pipeline.domain.currency import WITHDRAWN, exponents, without_minor_unit
from pipeline.domain.customer import (
    E164_PATTERN,
    FIELDS,
    LARGEST_BALANCE,
    METADATA_KEYS,
    METADATA_PREFIX,
    METADATA_VALUE_LENGTH,
    REFERENCE_PATTERN,
    SENSITIVE_PREFIX,
    TEXT_LENGTH,
    metadata_columns,
)
from pipeline.domain.reasons import Reason


@dataclass(frozen=True, slots=True)
class _Fault:
    reason: Reason
    field: str
    rows: pl.Series  #: Boolean, true if the row has this fault

    @property
    def cause(self) -> str:
        return str(Cause(self.reason, self.field))


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of validation, row by row.

    `reasons`: List(String) of causes (see `causes.py`), empty for an accepted row.
    """

    reasons: pl.Series
    _customers: pl.DataFrame
    _faults: list[_Fault]

    @property
    def rejections(self) -> pl.DataFrame:
        """row_id, field, reason, given (original text); one line per reason of a row."""
        return _rejections(self._customers, self._faults)


def validate(
    customers: pl.DataFrame, *, refuse_sensitive: bool = False, reject_unusual_phones: bool = False
) -> Verdict:
    """Validate normalized customers (see `normalize`); the order of the rows stays.

    `refuse_sensitive`: metadata that looks like a card, bank account or identity number is a fault,
    not only a warning. `reject_unusual_phones`: so is a phone number of unusual length in its
    country.
    """
    faults = [*_mapping_faults(customers), *_kind_faults(customers), *_contract_faults(customers)]
    faults += _metadata_faults(customers)
    if refuse_sensitive:
        faults += _sensitive_faults(customers)
    if reject_unusual_phones:
        is_unusual = customers["phone_unusual"].fill_null(value=False)
        faults.append(_Fault(Reason.VALIDATE_PHONE_UNUSUAL_LENGTH, "phone", is_unusual))
    return Verdict(_reasons(customers.height, faults), customers, faults)


#: Text without a canonical form: (field, kind) -> reason.
KINDS: dict[tuple[str, str], Reason] = {
    ("email", "malformed"): Reason.VALIDATE_EMAIL_MALFORMED,
    ("phone", "unreadable"): Reason.VALIDATE_PHONE_UNREADABLE,
    ("phone", "float"): Reason.VALIDATE_PHONE_DAMAGED,
    ("phone", "not_possible"): Reason.VALIDATE_PHONE_NOT_POSSIBLE,
    ("phone", "not_valid"): Reason.VALIDATE_PHONE_NOT_VALID,
    ("phone", "extension"): Reason.VALIDATE_PHONE_HAS_EXTENSION,
    ("phone", "several"): Reason.VALIDATE_PHONE_SEVERAL,
    ("phone", "no_region"): Reason.VALIDATE_PHONE_REGION_UNKNOWN,
    ("identity", "not_13_digits"): Reason.VALIDATE_IDENTITY_NOT_13_DIGITS,
    ("identity", "no_date"): Reason.VALIDATE_IDENTITY_DATE,
    ("identity", "check_digit"): Reason.VALIDATE_IDENTITY_CHECK_DIGIT,
    ("identity", "passport"): Reason.VALIDATE_PASSPORT_MALFORMED,
    ("identity", "missing"): Reason.VALIDATE_IDENTITY_MISSING,
    ("balance", "decimal"): Reason.VALIDATE_BALANCE_NOT_WHOLE,
    ("balance", "too_many_decimals"): Reason.VALIDATE_BALANCE_TOO_MANY_DECIMALS,
    ("balance", "too_large"): Reason.VALIDATE_BALANCE_TOO_LARGE,
    ("balance", "not_a_number"): Reason.VALIDATE_BALANCE_NOT_A_NUMBER,
    ("balance", "words"): Reason.VALIDATE_BALANCE_WITH_WORDS,
}

#: Faults of mapping: `fault.<field>`, up to a colon and the column -> reason.
FAULTS: dict[str, Reason] = {
    "unlisted": Reason.MAP_VALUE_UNLISTED,
    "no_match": Reason.MAP_NO_MATCH,
    "both_sides": Reason.MAP_DEBIT_AND_CREDIT,
    "signed": Reason.MAP_SIGN_IN_DEBIT_OR_CREDIT,
    "other_currency": Reason.MAP_SIGN_OF_ANOTHER_CURRENCY,
}


def _field(**rules: Any) -> Any:
    """A nullable column; pandera keeps one failure case (it would copy all of them)."""
    return pa.Field(nullable=True, n_failure_cases=1, **rules)


class CustomerContract(pa.DataFrameModel):
    """One row is one create: the field rules of `POST /billing/customers`.

    Rules across fields are Boolean columns made beforehand (`_rules`), because pandera's
    frame-level checks build rows as Python dicts (4.4 s for a million, personal data in messages).
    Null means absent and breaks no rule.
    """

    external_reference: str = _field(
        str_matches=REFERENCE_PATTERN, str_length={"max_value": TEXT_LENGTH}
    )
    name: str = _field(str_length={"max_value": TEXT_LENGTH})
    email: str = _field(str_length={"max_value": TEXT_LENGTH})
    phone: str = _field(str_matches=E164_PATTERN)
    currency: str = _field(isin=[*exponents(), *WITHDRAWN], notin=list(WITHDRAWN))
    balance: int = _field(in_range={"min_value": -LARGEST_BALANCE, "max_value": LARGEST_BALANCE})

    reference_given: bool = _field(alias="rule.reference_given", eq=True)
    reference_undamaged: bool = _field(alias="rule.reference_undamaged", eq=True)
    currency_has_minor_unit: bool = _field(alias="rule.currency_has_minor_unit", eq=True)
    balance_has_currency: bool = _field(alias="rule.balance_has_currency", eq=True)
    metadata_count: bool = _field(alias="rule.metadata_count", eq=True)


#: Broken rule: (column, check) -> (reason, the field to look at).
RULES: dict[tuple[str, str], tuple[Reason, str]] = {
    ("external_reference", "str_matches"): (
        Reason.VALIDATE_REFERENCE_CHARACTERS,
        "external_reference",
    ),
    ("external_reference", "str_length"): (
        Reason.VALIDATE_REFERENCE_TOO_LONG,
        "external_reference",
    ),
    ("name", "str_length"): (Reason.VALIDATE_NAME_TOO_LONG, "name"),
    ("email", "str_length"): (Reason.VALIDATE_EMAIL_TOO_LONG, "email"),
    ("phone", "str_matches"): (Reason.VALIDATE_PHONE_FORMAT, "phone"),
    ("currency", "isin"): (Reason.VALIDATE_CURRENCY_UNKNOWN, "currency"),
    ("currency", "notin"): (Reason.VALIDATE_CURRENCY_WITHDRAWN, "currency"),
    ("balance", "in_range"): (Reason.VALIDATE_BALANCE_TOO_LARGE, "balance"),
    ("rule.reference_given", "equal_to"): (Reason.VALIDATE_REFERENCE_MISSING, "external_reference"),
    ("rule.reference_undamaged", "equal_to"): (
        Reason.VALIDATE_REFERENCE_DAMAGED,
        "external_reference",
    ),
    ("rule.currency_has_minor_unit", "equal_to"): (
        Reason.VALIDATE_CURRENCY_WITHOUT_MINOR_UNIT,
        "currency",
    ),
    ("rule.balance_has_currency", "equal_to"): (Reason.VALIDATE_BALANCE_NEEDS_CURRENCY, "currency"),
    ("rule.metadata_count", "equal_to"): (Reason.VALIDATE_METADATA_TOO_MANY, "metadata"),
}

_BITS = 62  #: faults in the bits of one Int64
_DAMAGED_BY_A_SPREADSHEET = r"^\d+(?:\.\d+)?[Ee]\+\d+$"


def _rules(customers: pl.DataFrame) -> list[pl.Expr]:
    reference, currency = pl.col("external_reference"), pl.col("currency")
    given = [
        pl.col(column).is_not_null().cast(pl.UInt32)
        for column in metadata_columns(customers.columns)
    ]
    return [
        # A text that mapping rejected is still present, and has its own reason.
        (reference.is_not_null() | _has_fault("external_reference", customers)).alias(
            "rule.reference_given"
        ),
        (~reference.str.contains(_DAMAGED_BY_A_SPREADSHEET)).alias("rule.reference_undamaged"),
        (pl.col("kind.balance").is_null() | ~currency.is_in(list(without_minor_unit()))).alias(
            "rule.currency_has_minor_unit"
        ),
        # An unreadable balance still needs its currency: a row reports all its faults at once.
        (
            pl.col("kind.balance").is_null()
            | currency.is_not_null()
            | _has_fault("currency", customers)
        ).alias("rule.balance_has_currency"),
        (pl.sum_horizontal(pl.lit(0, pl.UInt32), *given) <= METADATA_KEYS).alias(
            "rule.metadata_count"
        ),
    ]


def _has_fault(field: str, customers: pl.DataFrame) -> pl.Expr:
    return (
        pl.col(f"fault.{field}").is_not_null()
        if f"fault.{field}" in customers.columns
        else pl.lit(value=False)
    )


def _mapping_faults(customers: pl.DataFrame) -> Iterator[_Fault]:
    for column in customers.columns:
        if column.startswith("fault."):
            found = customers[column].unique().drop_nulls().sort().to_list()
            for fault, reason in FAULTS.items():
                for text in (one for one in found if one.partition(":")[0] == fault):
                    at = text.partition(":")[2] or column.removeprefix("fault.")
                    yield _Fault(reason, at, (customers[column] == text).fill_null(value=False))


def _kind_faults(customers: pl.DataFrame) -> Iterator[_Fault]:
    for (field, kind), reason in KINDS.items():
        yield _Fault(reason, field, (customers[f"kind.{field}"] == kind).fill_null(value=False))


def _sensitive_faults(customers: pl.DataFrame) -> Iterator[_Fault]:
    for column in customers.columns:
        if column.startswith(SENSITIVE_PREFIX):
            field = METADATA_PREFIX + column.removeprefix(SENSITIVE_PREFIX)
            yield _Fault(Reason.VALIDATE_METADATA_SENSITIVE, field, customers[column].is_not_null())


def _contract_faults(customers: pl.DataFrame) -> Iterator[_Fault]:
    try:
        CustomerContract.validate(customers.select(*FIELDS, *_rules(customers)), lazy=True)
    except SchemaErrors as broken:
        for error in broken.schema_errors:
            if (
                error.check_output is None
            ):  # the table has another schema: a bug of ours, not a fault of the data
                raise TypeError(
                    f"normalized table breaks its own schema: {error.reason_code}"
                ) from broken
            reason, field = RULES[error.schema.name, error.check.name]
            yield _Fault(reason, field, ~error.check_output["check_output"].fill_null(value=True))


def _metadata_faults(customers: pl.DataFrame) -> Iterator[_Fault]:
    """Not in the model: pandera's time is quadratic in the columns, and there may be thousands."""
    for column in metadata_columns(customers.columns):
        is_long = (customers[column].str.len_chars() > METADATA_VALUE_LENGTH).fill_null(value=False)
        yield _Fault(Reason.VALIDATE_METADATA_TOO_LONG, column, is_long)


def _reasons(height: int, faults: list[_Fault]) -> pl.Series:
    """One list of codes for each row, in the order of the rules.

    Rows have few different sets of faults: each set is written once and shared by its rows.
    """
    found = [fault for fault in faults if fault.rows.any()]
    if not found:
        return pl.repeat([], height, dtype=pl.List(pl.String), eager=True).alias("reasons")
    table = pl.DataFrame({str(at): fault.rows for at, fault in enumerate(found)})
    masks = [
        pl.sum_horizontal(
            pl.col(str(at)).cast(pl.Int64) * (1 << place) for place, at in enumerate(part)
        ).alias(f"#{part[0]}")
        for part in (
            range(first, min(first + _BITS, len(found))) for first in range(0, len(found), _BITS)
        )
    ]
    sets = table.select(masks)
    each = sets.unique(maintain_order=True)
    lists = [
        [fault.cause for at, fault in enumerate(found) if row[at // _BITS] >> at % _BITS & 1]
        for row in each.iter_rows()
    ]
    each = each.with_columns(reasons=pl.Series(lists, dtype=pl.List(pl.String)))
    return sets.join(each, on=sets.columns, how="left", maintain_order="left")["reasons"]


def _rejections(customers: pl.DataFrame, faults: list[_Fault]) -> pl.DataFrame:
    schema = {"row_id": pl.String, "field": pl.String, "reason": pl.String, "given": pl.String}
    parts = [
        customers.filter(fault.rows).select(
            "row_id",
            field=pl.lit(fault.field),
            reason=pl.lit(fault.reason.value),
            given=_given(fault.field, customers),
        )
        for fault in faults
    ]
    return pl.concat([pl.DataFrame(schema=schema), *parts])


def _given(field: str, customers: pl.DataFrame) -> pl.Expr:
    column = next(
        (name for name in (f"mapped.{field}", f"given.{field}") if name in customers.columns), None
    )
    return pl.lit(None, pl.String) if column is None else pl.col(column)
