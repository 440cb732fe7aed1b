"""What a supplier's columns mean: where each field of a customer comes from, in which unit its amounts are written.

Said in the `mapping` of a config; a file with canonical headers needs none (`canonical_layout`). Texts are taken as they
stand: nothing here guesses a unit, a sign, a region or a currency.
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

BILLING_ID = "billing_id"  #: never sent; known customers are recognized by it
REGION = "region"  #: never sent; phone numbers in national form are read by it
#: Fields that a column may be mapped to, besides `balance` and metadata.
TEXTS = (*TEXT_FIELDS, BILLING_ID, REGION)


def _an_expression(pattern: str) -> str:
    """A regular expression that the engine which will be asked understands, with one group at most."""
    try:
        groups = re.compile(pattern).groups
        pl.Series([""]).str.extract(pattern, min(groups, 1))
    except (re.error, pl.exceptions.ComputeError):
        raise ValueError(
            f"{pattern!r} is not a regular expression that can be asked (no look-around, no back-references)"
        ) from None
    if groups > 1:
        raise ValueError(f"{pattern!r} has {groups} groups; put one around the text that is meant")
    return pattern


Pattern = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_an_expression)]


class Split(Declaration):
    """A part of a text that is cut at a mark."""

    at: Annotated[str, Field(min_length=1)] = Field(
        description="What stands between the parts, such as a comma."
    )
    part: int = Field(description="Which part, from 1; -1 is the last.")

    @model_validator(mode="after")
    def _counts_from_one(self) -> Self:
        if self.part == 0:
            raise ValueError("parts are counted from 1, or from -1 at the end")
        return self


class When(Declaration):
    """A condition on another column of the record; texts are compared as they stand, trimmed."""

    column: Annotated[str, Field(min_length=1)] = Field(description="The column that is asked.")
    is_one_of: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description='The condition holds for these; "" is an empty cell.',
    )
    is_none_of: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="The condition holds for all but these."
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.is_one_of is None) == (self.is_none_of is None):
            raise ValueError("say is_one_of or is_none_of")
        return self


class Text(Declaration):
    """Where a text comes from: one column, several joined, or the same text for every record.

    In this order: the cells, joined or the first of them; `split`; `extract`; `values`; `escape`; `prefix` and `suffix`;
    `when`; `default`.
    """

    column: str | None = Field(
        default=None, min_length=1, description="The column, as the file writes its name."
    )
    columns: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="Several columns, joined in this order; absent cells are left out.",
    )
    separator: str = Field(default=" ", description="Stands between joined columns.")
    take: Literal["all", "first"] = Field(
        default="all",
        description="Of several columns: all, joined, or the first that is not absent.",
    )
    split: Split | None = Field(default=None, description="Take one part of the text.")
    extract: Pattern | None = Field(
        default=None,
        description="Take what this regular expression finds, or its group where it has one.",
    )
    unmatched: Literal["reject", "absent", "keep"] = Field(
        default="reject",
        description="What becomes of a text without that part, or in which nothing is found.",
    )
    value: str | None = Field(
        default=None, min_length=1, description="The same text for every record."
    )
    values: dict[str, str] | None = Field(
        default=None,
        min_length=1,
        description="What each text of the column stands for; the cell is trimmed first.",
    )
    unlisted: Literal["reject", "keep"] = Field(
        default="reject",
        description="What becomes of a text that `values` does not list: the row is rejected, or it stays.",
    )
    otherwise: str | None = Field(
        default=None,
        min_length=1,
        description="What every text stands for that `values` does not list.",
    )
    escape: Literal["_", "-"] | None = Field(
        default=None,
        description="Of references: characters that billing does not take become this mark and two hexadecimal digits, so does the mark itself; reversible.",
    )
    leading_apostrophe: bool = Field(
        default=False, description="Of phones: drop an apostrophe before the number ('0821234567)."
    )
    prefix: str = Field(
        default="", max_length=100, description="Stands before every text that is present."
    )
    suffix: str = Field(default="", max_length=100, description="Stands after it.")
    when: When | None = Field(
        default=None, description="Where this does not hold the text is absent."
    )
    default: str | None = Field(
        default=None, min_length=1, description="Taken where the cell is absent."
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        said = [name for name in ("column", "columns", "value") if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError(
                f"say one of column, columns and value (said: {', '.join(said) or 'none'})"
            )
        if self.value is not None and (self.values or self.default or self.split or self.extract):
            raise ValueError("a constant value takes neither split, extract, values nor a default")
        if self.otherwise is not None and (self.values is None or self.unlisted == "keep"):
            raise ValueError("otherwise goes with values, and without unlisted: keep")
        if self.take == "first" and self.columns is None:
            raise ValueError("take goes with columns")
        if self.unmatched != "reject" and not (self.split or self.extract):
            raise ValueError("unmatched goes with split or extract")
        return self

    @property
    def cells(self) -> tuple[str, ...]:
        """The columns of the file whose texts this is made of."""
        return self.columns or ((self.column,) if self.column is not None else ())

    @property
    def sources(self) -> tuple[str, ...]:
        """All columns of the file that this depends on."""
        return (*self.cells, *([self.when.column] if self.when else []))

    @property
    def is_plain(self) -> bool:
        """Whether it takes its cells as they are, by way of `values` and a default at most."""
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
    """Where identity numbers stand: they are checked and never sent; who is the same person is told by a keyed hash."""

    number: str | None = Field(
        default=None, min_length=1, description="The column of South African identity numbers."
    )
    passport: str | None = Field(
        default=None, min_length=1, description="The column of passport numbers."
    )
    required: bool = Field(default=False, description="A row that has neither is rejected.")

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if self.number is None and self.passport is None:
            raise ValueError("say number, passport, or both")
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of the file that hold them."""
        return tuple(name for name in (self.number, self.passport) if name is not None)


MetadataKey = Annotated[str, Field(min_length=1, max_length=METADATA_KEY_LENGTH)]


class Layout(Declaration):
    """Where every field of a customer comes from. Columns that are named nowhere are kept in the lists and not sent."""

    external_reference: TextOf
    name: TextOf | None = None
    email: TextOf | None = None
    phone: TextOf | None = None
    currency: TextOf | None = None
    region: TextOf | None = Field(
        default=None,
        description="ISO 3166 region of the record's phone number, where it is national.",
    )
    billing_id: TextOf | None = Field(
        default=None, description="Billing's own id, to recognize known customers by; never sent."
    )
    balance: Amount | None = None
    identity: Identity | None = None
    metadata: dict[MetadataKey, TextOf] = Field(default_factory=dict)
    sensitive_metadata: Literal["warn", "refuse"] = Field(
        default="warn",
        description="What becomes of metadata that looks like a card, bank account or identity number: told, or rejected.",
    )
    unusual_phones: Literal["warn", "reject"] = Field(
        default="warn",
        description="What becomes of valid phone numbers that are shorter or longer than the subscriber numbers of their country: a warning, or rejected.",
    )
    absent: tuple[str, ...] = Field(
        default=(), description='Texts that mean "nothing is given", such as NULL or "-".'
    )
    never_sent: tuple[str, ...] = Field(
        default=(),
        description="Columns that must not be mapped to anything, such as identity numbers.",
    )

    @model_validator(mode="after")
    def _keeps_its_word(self) -> Self:
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
                    f"{field} is taken as it stands, or by values, otherwise and default"
                )
        if escaped := [
            field for field, text in self.texts() if text.escape and field != "external_reference"
        ]:
            raise ValueError(
                f"escape is for the external reference alone, not for {', '.join(escaped)}"
            )
        if others := [
            field for field, text in self.texts() if text.leading_apostrophe and field != "phone"
        ]:
            raise ValueError(
                f"leading_apostrophe is for phone and balance alone, not for {', '.join(others)}"
            )
        return self

    def of_workbook(self) -> Self:
        """The same for texts that a number format shows: words of an amount's own currency may stand beside it."""
        if self.balance is None:
            return self
        return self.model_copy(update={"balance": self.balance.with_customary_signs()})

    def texts(self) -> Iterator[tuple[str, Text]]:
        """The fields that are texts, metadata as `metadata.<key>`, each with where it comes from."""
        for field in TEXTS:
            text = getattr(self, field)
            if text is not None:
                yield field, text
        for key in sorted(self.metadata):
            yield METADATA_PREFIX + key, self.metadata[key]

    def sources(self) -> Iterator[tuple[str, str]]:
        """Every field with each column of the file that it is made of."""
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
    """Whether a column has a place without a mapping."""
    return (
        column in TEXT_FIELDS
        or column in {"balance", BILLING_ID}
        or column.startswith(METADATA_PREFIX)
    )


def canonical_layout(columns: Iterable[str]) -> Layout:
    """The layout of a file that writes our own names: every column means itself, balances are in minor units."""
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
