"""The meaning of a supplier's columns: the source of each customer field, the unit of amounts.

A config declares it under `mapping`; a file with canonical headers needs none (`canonical_layout`).
Nothing here guesses a unit, a sign, a region or a currency.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, Self

import polars as pl
from pydantic import AfterValidator, Field, model_validator

from pipeline.domain.amount import Amount
from pipeline.domain.characters import fold_name
from pipeline.domain.customer import METADATA_KEY_LENGTH, METADATA_PREFIX, TEXT_FIELDS
from pipeline.domain.declaration import Declaration, OrElse, shorthand

BILLING_ID = "billing_id"  #: never sent; identifies known customers
REGION = "region"  #: never sent; the region of national phone numbers
#: Fields for a mapped column, in addition to `balance` and metadata.
TEXTS = (*TEXT_FIELDS, BILLING_ID, REGION)


def _an_expression(pattern: str) -> str:
    """A regular expression that polars accepts, with one group at most."""
    try:
        groups = re.compile(pattern).groups
        pl.Series([""]).str.extract(pattern, min(groups, 1))
    except (re.error, pl.exceptions.ComputeError):
        raise ValueError(
            f"{pattern!r} is not a supported regular expression (no look-around, no back-references)"
        ) from None
    if groups > 1:
        raise ValueError(f"{pattern!r} has {groups} groups; use one, around the text to extract")
    return pattern


Pattern = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_an_expression)]


class Split(Declaration):
    """One part of a text that is split at a separator."""

    at: Annotated[str, Field(min_length=1)] = Field(
        description="The separator of the parts, such as a comma."
    )
    part: int = Field(description="Which part, from 1; -1 is the last.")

    @model_validator(mode="after")
    def _check_part(self) -> Self:
        if self.part == 0:
            raise ValueError("parts are counted from 1, or from -1 at the end")
        return self


class When(Declaration):
    """A condition on another column of the record; texts are compared after trimming."""

    column: Annotated[str, Field(min_length=1)] = Field(description="The column to test.")
    is_one_of: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description='The condition holds for these texts; "" is an empty cell.',
    )
    is_none_of: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="The condition holds for all other texts."
    )

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        if (self.is_one_of is None) == (self.is_none_of is None):
            raise ValueError("set is_one_of or is_none_of")
        return self


class Text(Declaration):
    """The source of a text: one column, several joined columns, or one text for all records.

    The steps, in order: the cells (joined, or the first); `split`; `extract`; `values`; `escape`;
    `prefix` and `suffix`; `when`; `default`.
    """

    column: str | None = Field(
        default=None, min_length=1, description="The name of the column in the file."
    )
    columns: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Several columns, joined in this order; absent cells are left out.",
    )
    separator: str = Field(default=" ", description="The text between joined columns.")
    take: Literal["all", "first"] = Field(
        default="all",
        description="With several columns: join all, or take the first that is present.",
    )
    split: Split | None = Field(default=None, description="Take one part of the text.")
    extract: Pattern | None = Field(
        default=None,
        description="Take the match of this regular expression, or of its group if it has one.",
    )
    unmatched: Literal["reject", "absent", "keep"] = Field(
        default="reject",
        description="What to do with a text without that part or match.",
    )
    value: str | None = Field(
        default=None, min_length=1, description="The same text for every record."
    )
    values: dict[str, str] | None = Field(
        default=None,
        min_length=1,
        description="The value for each text of the column; cells are trimmed first.",
    )
    unlisted: Literal["reject", "keep"] = Field(
        default="reject",
        description="What to do with a text that `values` does not list: reject the row, or keep it.",
    )
    otherwise: str | None = Field(
        default=None,
        min_length=1,
        description="The value for every text that `values` does not list.",
    )
    escape: Literal["_", "-"] | None = Field(
        default=None,
        description="References only: replace each character that billing does not accept, and this"
        " mark itself, by the mark and two hexadecimal digits. Reversible.",
    )
    leading_apostrophe: bool = Field(
        default=False,
        description="Phones only: drop an apostrophe before the number ('0821234567).",
    )
    prefix: str = Field(
        default="", max_length=100, description="Put before every text that is present."
    )
    suffix: str = Field(default="", max_length=100, description="Put after it.")
    when: When | None = Field(
        default=None, description="If this does not hold, the text is absent."
    )
    default: str | None = Field(
        default=None, min_length=1, description="The value if the cell is absent."
    )

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        given = [name for name in ("column", "columns", "value") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"say one of column, columns and value (found: {', '.join(given) or 'none'})"
            )
        if self.value is not None and (self.values or self.default or self.split or self.extract):
            raise ValueError("a constant value excludes split, extract, values and default")
        if self.otherwise is not None and (self.values is None or self.unlisted == "keep"):
            raise ValueError("otherwise needs values, and excludes unlisted: keep")
        if self.take == "first" and self.columns is None:
            raise ValueError("take needs columns")
        if self.unmatched != "reject" and not (self.split or self.extract):
            raise ValueError("unmatched needs split or extract")
        return self

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns of the file that supply the text."""
        return self.columns or ((self.column,) if self.column is not None else ())

    @property
    def sources(self) -> tuple[str, ...]:
        """All columns of the file that the text depends on."""
        return (*self.cells, *([self.when.column] if self.when else []))

    @property
    def is_plain(self) -> bool:
        """Whether the cells are used unchanged, except for `values` and `default`."""
        return not (
            self.split
            or self.extract
            or self.escape
            or self.prefix
            or self.suffix
            or self.when
            or self.take == "first"
        )


TextOf = Annotated[Text, shorthand("column"), OrElse((("type", "string"), ("minLength", 1)))]


class Identity(Declaration):
    """The columns of identity numbers: checked, never sent, and compared as keyed hashes."""

    number: str | None = Field(
        default=None, min_length=1, description="The column of South African identity numbers."
    )
    passport: str | None = Field(
        default=None, min_length=1, description="The column of passport numbers."
    )
    required: bool = Field(default=False, description="Reject a row that has neither.")

    @model_validator(mode="after")
    def _check_any(self) -> Self:
        if self.number is None and self.passport is None:
            raise ValueError("set number, passport, or both")
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of the file with identity numbers."""
        return tuple(name for name in (self.number, self.passport) if name is not None)


MetadataKey = Annotated[str, Field(min_length=1, max_length=METADATA_KEY_LENGTH)]


class Layout(Declaration):
    """The source of every customer field. Other columns stay in the lists and are not sent."""

    external_reference: TextOf
    name: TextOf | None = None
    email: TextOf | None = None
    phone: TextOf | None = None
    currency: TextOf | None = None
    region: TextOf | None = Field(
        default=None,
        description="ISO 3166 region of the record's phone number, if it is in national form.",
    )
    billing_id: TextOf | None = Field(
        default=None, description="Billing's own id, which identifies known customers; never sent."
    )
    balance: Amount | None = None
    identity: Identity | None = None
    metadata: dict[MetadataKey, TextOf] = Field(default_factory=dict)
    sensitive_metadata: Literal["warn", "refuse"] = Field(
        default="warn",
        description="What to do if metadata looks like a card, bank account or identity number: warn,"
        " or reject the row.",
    )
    unusual_phones: Literal["warn", "reject"] = Field(
        default="warn",
        description="What to do if a valid phone number is shorter or longer than the subscriber numbers"
        " of its country: warn, or reject the row.",
    )
    absent: tuple[str, ...] = Field(
        default=(), description='Texts that mean "no value", such as NULL or "-".'
    )
    never_sent: tuple[str, ...] = Field(
        default=(),
        description="Columns that must never be mapped, such as identity numbers.",
    )

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        forbidden = {
            fold_name(name)
            for name in (*self.never_sent, *(self.identity.sources if self.identity else ()))
        }
        sent = ((field, column) for field, column in self.sources() if field != "identity")
        broken = [
            f"{column!r} (mapped to {field})"
            for field, column in sent
            if fold_name(column) in forbidden
        ]
        if broken:
            raise ValueError(f"columns that are never_sent are mapped: {', '.join(broken)}")
        for field in ("currency", "region"):
            text = getattr(self, field)
            if text is not None and not text.is_plain:
                raise ValueError(
                    f"{field} allows only values, otherwise and default, no other step"
                )
        if escaped := [
            field for field, text in self.texts() if text.escape and field != "external_reference"
        ]:
            raise ValueError(
                f"escape works only for external_reference, not for {', '.join(escaped)}"
            )
        if others := [
            field for field, text in self.texts() if text.leading_apostrophe and field != "phone"
        ]:
            raise ValueError(
                f"leading_apostrophe works only for phone and balance, not for {', '.join(others)}"
            )
        return self

    def of_workbook(self) -> Self:
        """A copy for workbooks, whose number formats may add the customary signs of a currency."""
        if self.balance is None:
            return self
        return self.model_copy(update={"balance": self.balance.with_customary_signs()})

    def texts(self) -> Iterator[tuple[str, Text]]:
        """The text fields and their sources; metadata as `metadata.<key>`."""
        for field in TEXTS:
            text = getattr(self, field)
            if text is not None:
                yield field, text
        for key in sorted(self.metadata):
            yield METADATA_PREFIX + key, self.metadata[key]

    def sources(self) -> Iterator[tuple[str, str]]:
        """Every field with each of its columns of the file."""
        for field, text in self.texts():
            yield from ((field, column) for column in text.sources)
        if self.identity is not None:
            yield from (("identity", column) for column in self.identity.sources)
        if self.balance is not None:
            yield from (("balance", column) for column in self.balance.sources)
            if self.balance.marks is not None and self.balance.marks.column is not None:
                yield "mark of debit or credit", self.balance.marks.column
            if self.balance.unit.column is not None:
                yield "unit of balance", self.balance.unit.column

    @property
    def columns(self) -> frozenset[str]:
        """All columns of the file that are mapped."""
        return frozenset(column for _, column in self.sources())


def is_canonical(column: str) -> bool:
    """Whether a column needs no mapping."""
    return (
        column in TEXT_FIELDS
        or column in {"balance", BILLING_ID}
        or column.startswith(METADATA_PREFIX)
    )


def canonical_layout(columns: Iterable[str]) -> Layout:
    """The layout of a file with our own column names and balances in minor units."""
    present = [column for column in columns if is_canonical(column)]
    fields = {field: field for field in (*TEXT_FIELDS, BILLING_ID) if field in present}
    metadata = {
        column.removeprefix(METADATA_PREFIX): column
        for column in present
        if column.startswith(METADATA_PREFIX)
    }
    balance = {"column": "balance", "unit": "minor"} if "balance" in present else None
    return Layout.model_validate(
        {
            "external_reference": "external_reference",
            **fields,
            "metadata": metadata,
            "balance": balance,
        }
    )
