"""What a supplier's columns mean: where each field of a customer comes from, in which unit its amounts are written.

Said in the `mapping` of a config; a file with canonical headers needs none (`canonical_layout`). Texts are taken as they
stand: nothing here guesses a unit, a sign, a region or a currency.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from pipeline.customer import METADATA_KEY_LENGTH, METADATA_PREFIX, TEXT_FIELDS

BILLING_ID = "billing_id"  #: never sent; known customers are recognized by it
REGION = "region"  #: never sent; phone numbers in national form are read by it
#: Fields that a column may be mapped to, besides `balance` and metadata.
TEXTS = (*TEXT_FIELDS, BILLING_ID, REGION)
Unit = Literal["major", "minor"]


class Declaration(BaseModel):
    """A part of what a job declares: frozen, and nothing in it that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Text(Declaration):
    """Where a text comes from: one column, several joined, or the same text for every record."""

    column: str | None = Field(default=None, min_length=1, description="The column, as the file writes its name.")
    columns: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Several columns, joined in this order; absent cells are left out."
    )
    separator: str = Field(default=" ", description="Stands between joined columns.")
    value: str | None = Field(default=None, min_length=1, description="The same text for every record.")
    values: dict[str, str] | None = Field(
        default=None, min_length=1, description="What each text of the column stands for; the cell is trimmed first."
    )
    unlisted: Literal["reject", "keep"] = Field(
        default="reject",
        description="What becomes of a text that `values` does not list: the row is rejected, or it stays.",
    )
    default: str | None = Field(default=None, min_length=1, description="Taken where the cell is absent.")

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        said = [name for name in ("column", "columns", "value") if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError(f"say one of column, columns and value (said: {', '.join(said) or 'none'})")
        if self.value is not None and (self.values or self.default):
            raise ValueError("a constant value takes neither values nor a default")
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of the file that this is made of."""
        return self.columns or ((self.column,) if self.column is not None else ())


class UnitOf(Declaration):
    """In which unit amounts are written: the same for all, or told by another column of the record."""

    value: Unit | None = Field(default=None, description="major: 240.00 is 240 rand. minor: 24000 is 24000 cents.")
    column: str | None = Field(default=None, min_length=1, description="The column that tells the unit of each record.")
    values: dict[str, Unit] | None = Field(
        default=None, min_length=1, description="Which text of that column means which unit."
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        by_column = self.column is not None and self.values is not None
        if (self.value is not None) == by_column or (self.column is None) != (self.values is None):
            raise ValueError("say major, minor, or a column with values that name the unit of each record")
        return self


def _shorthand(name: str) -> BeforeValidator:
    """A plain text stands for the one member that it most often is."""
    return BeforeValidator(lambda given: {name: given} if isinstance(given, str) else given)


def _or_text(model: type[BaseModel], what: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [what, model.model_json_schema()]})


TextOf = Annotated[Text, _shorthand("column"), _or_text(Text, {"type": "string", "minLength": 1})]
AmountUnit = Annotated[UnitOf, _shorthand("value"), _or_text(UnitOf, {"enum": ["major", "minor"]})]


class Amount(Declaration):
    """Where a balance comes from: one signed column, or one of debits and one of credits, which hold no signs."""

    column: str | None = Field(default=None, min_length=1, description="One column; positive: the customer owes.")
    debit: str | None = Field(
        default=None, min_length=1, description="The column of what customers owe, without signs."
    )
    credit: str | None = Field(
        default=None, min_length=1, description="The column of what customers are owed, without signs."
    )
    unit: AmountUnit = Field(description="major or minor units, declared and never guessed.")
    decimal_mark: Literal[".", ","] = Field(default=".", description="What stands before the decimals of major units.")
    thousands: Literal[".", ",", " ", "'"] | None = Field(
        default=None, description="What parts groups of three digits; without it grouped digits are rejected."
    )
    surplus_zeros: bool = Field(
        default=False,
        description="Take 500.00 JPY for 500: zeros beyond the currency's decimals say nothing. Never rounds.",
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.column is None) == (self.debit is None and self.credit is None):
            raise ValueError("say a column, or debit and credit")
        if (self.debit is None) != (self.credit is None):
            raise ValueError("debit and credit go together")
        if self.thousands == self.decimal_mark:
            raise ValueError("thousands and decimal_mark cannot be the same")
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of the file that hold the amount, without that of its unit."""
        return tuple(name for name in (self.column, self.debit, self.credit) if name is not None)


MetadataKey = Annotated[str, Field(min_length=1, max_length=METADATA_KEY_LENGTH)]


class Layout(Declaration):
    """Where every field of a customer comes from. Columns that are named nowhere are kept in the lists and not sent."""

    external_reference: TextOf
    name: TextOf | None = None
    email: TextOf | None = None
    phone: TextOf | None = None
    currency: TextOf | None = None
    region: TextOf | None = Field(
        default=None, description="ISO 3166 region of the record's phone number, where it is national."
    )
    billing_id: TextOf | None = Field(
        default=None, description="Billing's own id, to recognize known customers by; never sent."
    )
    balance: Amount | None = None
    metadata: dict[MetadataKey, TextOf] = Field(default_factory=dict)
    sensitive_metadata: Literal["warn", "refuse"] = Field(
        default="warn",
        description="What becomes of metadata that looks like a card, bank account or identity number: told, or rejected.",
    )
    absent: tuple[str, ...] = Field(default=(), description='Texts that mean "nothing is given", such as NULL or "-".')
    never_sent: tuple[str, ...] = Field(
        default=(), description="Columns that must not be mapped to anything, such as identity numbers."
    )

    @model_validator(mode="after")
    def _keeps_its_word(self) -> Self:
        forbidden = set(self.never_sent)
        broken = [f"{column!r} (mapped to {field})" for field, column in self.sources() if column in forbidden]
        if broken:
            raise ValueError(f"columns that are never_sent are mapped: {', '.join(broken)}")
        return self

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
        if self.balance is not None:
            yield from (("balance", column) for column in self.balance.sources)
            if self.balance.unit.column is not None:
                yield "unit of balance", self.balance.unit.column

    @property
    def columns(self) -> frozenset[str]:
        """All columns of the file that are mapped."""
        return frozenset(column for _, column in self.sources())


def is_canonical(column: str) -> bool:
    """Whether a column has a place without a mapping."""
    return column in TEXT_FIELDS or column in {"balance", BILLING_ID} or column.startswith(METADATA_PREFIX)


def canonical_layout(columns: Iterable[str]) -> Layout:
    """The layout of a file that writes our own names: every column means itself, balances are in minor units."""
    present = [column for column in columns if is_canonical(column)]
    fields = {field: field for field in (*TEXT_FIELDS, BILLING_ID) if field in present}
    metadata = {
        column.removeprefix(METADATA_PREFIX): column for column in present if column.startswith(METADATA_PREFIX)
    }
    balance = {"column": "balance", "unit": "minor"} if "balance" in present else None
    return Layout.model_validate(
        {"external_reference": "external_reference", **fields, "metadata": metadata, "balance": balance}
    )
