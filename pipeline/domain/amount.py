"""Where a balance comes from and how its amounts are written: unit, marks, signs, thousands; declared and never guessed."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pipeline.domain.currency import with_minor_unit
from pipeline.domain.currency_signs import currencies_of, customary_signs
from pipeline.domain.declaration import Declaration, OrElse, shorthand

Unit = Literal["major", "minor"]


class UnitOf(Declaration):
    """The unit of amounts: the same for all, or by another column of the record."""

    value: Unit | None = Field(
        default=None, description="major: 240.00 is 240 rand. minor: 24000 is 24000 cents."
    )
    column: str | None = Field(
        default=None, min_length=1, description="The column that tells the unit of each record."
    )
    values: dict[str, Unit] | None = Field(
        default=None, min_length=1, description="Which text of that column means which unit."
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        by_column = self.column is not None and self.values is not None
        if (self.value is not None) == by_column or (self.column is None) != (self.values is None):
            raise ValueError(
                "set major, minor, or a column with values that name the unit of each record"
            )
        return self


AmountUnit = Annotated[
    UnitOf,
    BeforeValidator(lambda given: {} if given is None else given),
    shorthand("value"),
    OrElse((("enum", ["major", "minor"]),)),
]


class Marks(Declaration):
    """Which texts say that an amount is a debit (the customer owes) or a credit; "" is no mark at all."""

    debit: tuple[str, ...] = Field(
        min_length=1, description='Marks of debits, such as DR; "" where debits have none.'
    )
    credit: tuple[str, ...] = Field(min_length=1, description="Marks of credits, such as CR.")
    column: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="The column that holds the mark; without it the mark ends the amount itself: 100.00 CR.",
    )

    @model_validator(mode="after")
    def _are_apart(self) -> Self:
        if twice := {mark.casefold() for mark in self.debit} & {
            mark.casefold() for mark in self.credit
        }:
            raise ValueError(
                f"marks mean debit and credit at once: {', '.join(sorted(map(repr, twice)))}"
            )
        return self


ANY_CURRENCY = "*"  #: where the job declares signs without a currency


def _a_sign(text: str) -> str:
    """A sign that cannot be taken for a part of the number beside it."""
    if re.search(r"[0-9()+',\u2212-]|^[\s.]|\s$", text):
        raise ValueError(
            f"{text!r} is no currency sign: it holds a digit, a comma, plus, minus, apostrophe or parenthesis, or has spaces around it"
        )
    return text


def _by_currency(given: Any) -> Any:
    """A text or a list of texts goes with any currency."""
    return {ANY_CURRENCY: given} if isinstance(given, str | list | tuple) else given


def _known_currencies(signs: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    if unknown := sorted(set(signs) - {ANY_CURRENCY} - with_minor_unit()):
        raise ValueError(
            f"unknown currencies: {', '.join(unknown)}; use ISO 4217 codes of currencies with balances, such as ZAR"
        )
    return signs


_Sign = Annotated[str, Field(min_length=1, max_length=20), AfterValidator(_a_sign)]
_SIGN_SCHEMA: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 20}
_SignsOfOne = Annotated[
    tuple[_Sign, ...],
    BeforeValidator(lambda given: (given,) if isinstance(given, str) else given),
    OrElse(tuple(_SIGN_SCHEMA.items())),
]
CurrencySigns = Annotated[
    dict[str, _SignsOfOne],
    BeforeValidator(_by_currency),
    AfterValidator(_known_currencies),
    OrElse((("type", "array"), ("items", _SIGN_SCHEMA))),
    OrElse(tuple(_SIGN_SCHEMA.items())),
]


class Amount(Declaration):
    """Where a balance comes from: one signed column, or one of debits and one of credits, which hold no signs."""

    column: str | None = Field(
        default=None, min_length=1, description="One column; positive: the customer owes."
    )
    debit: str | None = Field(
        default=None, min_length=1, description="The column of what customers owe, without signs."
    )
    credit: str | None = Field(
        default=None,
        min_length=1,
        description="The column of what customers are owed, without signs.",
    )
    unit: AmountUnit = Field(description="major or minor units, declared and never guessed.")
    decimal_mark: Literal[".", ","] = Field(
        default=".", description="What stands before the decimals of major units."
    )
    thousands: Literal[".", ",", " ", "'"] | None = Field(
        default=None,
        description="What parts groups of three digits; without it grouped digits are rejected.",
    )
    marks: Marks | None = Field(
        default=None,
        description="Marks that say debit or credit, in another column or after the amount, which has no sign.",
    )
    parentheses: bool = Field(default=False, description="(123.45) is negative.")
    trailing_minus: bool = Field(default=False, description="123.45- is negative.")
    positive_means: Literal["debit", "credit"] = Field(
        default="debit", description="Whether the customer owes a positive amount, or is owed it."
    )
    surplus_zeros: bool = Field(
        default=False,
        description="Take 500.00 JPY for 500: zeros beyond the currency's decimals say nothing. Never rounds.",
    )
    currency_sign: CurrencySigns = Field(
        default_factory=dict,
        description='Signs beside amounts: R, a list [R, "€"], or by currency {ZAR: R, EUR: "€"}. An amount with a sign of another currency than its record\'s is rejected.',
    )
    leading_apostrophe: bool = Field(
        default=False, description="Drop an apostrophe before the amount ('-4,00)."
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.column is None) == (self.debit is None and self.credit is None):
            raise ValueError("say a column, or debit and credit")
        if (self.debit is None) != (self.credit is None):
            raise ValueError("debit and credit go together")
        if self.thousands == self.decimal_mark:
            raise ValueError("thousands and decimal_mark cannot be the same")
        if self.column is None and (
            self.marks or self.parentheses or self.trailing_minus or self.positive_means == "credit"
        ):
            raise ValueError(
                "debit and credit say the sign; marks, parentheses, trailing_minus and positive_means go with a column"
            )
        if self.marks and (
            self.parentheses or self.trailing_minus or self.positive_means == "credit"
        ):
            raise ValueError(
                "marks say the sign; parentheses, trailing_minus and positive_means say it another way"
            )
        marks = {mark.casefold() for mark in self.marks_behind}
        if both := sorted(
            sign
            for signs in self.currency_sign.values()
            for sign in signs
            if sign.casefold() in marks
        ):
            raise ValueError(f"currency_sign and marks both list {', '.join(map(repr, both))}")
        return self

    @property
    def marks_behind(self) -> tuple[str, ...]:
        """The marks of debit and credit that end the amount itself."""
        if self.marks is None or self.marks.column is not None:
            return ()
        return tuple(mark for mark in (*self.marks.debit, *self.marks.credit) if mark)

    def signs(self) -> dict[str, frozenset[str]]:
        """Currency -> the signs that may stand beside its amounts; empty where the job declares none.

        A sign that is declared without a currency and is customary for others alone is none of this one.
        """
        if not self.currency_sign:
            return {}
        for_any = self.currency_sign.get(ANY_CURRENCY, ())
        return {
            code: frozenset(
                sign for sign in for_any if not currencies_of(sign) or code in currencies_of(sign)
            )
            | frozenset(self.currency_sign.get(code, ()))
            for code in with_minor_unit()
        }

    def with_customary_signs(self) -> Self:
        """The same, where each currency's own words may stand beside its amounts."""
        declared, marks = self.signs(), {mark.casefold() for mark in self.marks_behind}
        signs = {
            code: tuple(
                sorted(
                    {sign for sign in own if sign.casefold() not in marks}
                    | declared.get(code, set())
                )
            )
            for code, own in customary_signs().items()
        }
        return self.model_copy(update={"currency_sign": signs})

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of the file that hold the amount, without that of its unit."""
        return tuple(name for name in (self.column, self.debit, self.credit) if name is not None)
