"""The source and format of balances: unit, marks, signs, thousands; declared, never guessed."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pipeline.domain.currency import with_minor_unit
from pipeline.domain.currency_signs import currencies_of, customary_signs
from pipeline.domain.declaration import Declaration, OrElse, shorthand
from pipeline.domain.published import JsonObject

Unit = Literal["major", "minor"]


class UnitOf(Declaration):
    """The unit of amounts: one for all records, or from another column."""

    value: Unit | None = Field(
        default=None, description="major: 240.00 is 240 rand. minor: 24000 is 24000 cents."
    )
    column: str | None = Field(
        default=None, min_length=1, description="The column with the unit of each record."
    )
    values: dict[str, Unit] | None = Field(
        default=None, min_length=1, description="The unit for each text of that column."
    )

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
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
    """The marks of a debit (the customer owes) and of a credit; "" means no mark."""

    debit: tuple[str, ...] = Field(
        min_length=1, description='Marks of debits, such as DR; "" if debits have none.'
    )
    credit: tuple[str, ...] = Field(min_length=1, description="Marks of credits, such as CR.")
    column: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="The column with the mark. Without it, the mark follows the amount: 100.00 CR.",
    )

    @model_validator(mode="after")
    def _check_distinct(self) -> Self:
        if both := {mark.casefold() for mark in self.debit} & {
            mark.casefold() for mark in self.credit
        }:
            raise ValueError(
                f"marks mean both debit and credit: {', '.join(sorted(map(repr, both)))}"
            )
        return self


ANY_CURRENCY = "*"  #: the key of signs that the config declares without a currency


def _a_sign(text: str) -> str:
    """A sign that cannot be part of the number beside it."""
    if re.search(r"[0-9()+',\u2212-]|^[\s.]|\s$", text):
        raise ValueError(
            f"{text!r} is not a currency sign: it contains a digit, comma, plus, minus, apostrophe or"
            " parenthesis, or has spaces around it"
        )
    return text


def _by_currency(given: Any) -> Any:
    """A text or a list of texts applies to any currency."""
    return {ANY_CURRENCY: given} if isinstance(given, str | list | tuple) else given


def _known_currencies(signs: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    if unknown := sorted(set(signs) - {ANY_CURRENCY} - with_minor_unit()):
        raise ValueError(
            f"unknown currencies: {', '.join(unknown)};"
            " use ISO 4217 codes of currencies with a minor unit, such as ZAR"
        )
    return signs


_Sign = Annotated[str, Field(min_length=1, max_length=20), AfterValidator(_a_sign)]
_SIGN_SCHEMA: JsonObject = {"type": "string", "minLength": 1, "maxLength": 20}
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
    """The source of a balance: one signed column, or a debit and a credit column without signs."""

    column: str | None = Field(
        default=None, min_length=1, description="One column; positive: the customer owes."
    )
    debit: str | None = Field(
        default=None,
        min_length=1,
        description="The column of debits (customers owe), without signs.",
    )
    credit: str | None = Field(
        default=None,
        min_length=1,
        description="The column of credits (customers are owed), without signs.",
    )
    unit: AmountUnit = Field(description="major or minor units; declared, never guessed.")
    decimal_mark: Literal[".", ","] = Field(
        default=".", description="The mark before the decimals of major units."
    )
    thousands: Literal[".", ",", " ", "'"] | None = Field(
        default=None,
        description="The separator of digit groups; without it, grouped digits are rejected.",
    )
    marks: Marks | None = Field(
        default=None,
        description="Marks of debit or credit, in another column or after an amount without a sign.",
    )
    parentheses: bool = Field(default=False, description="(123.45) is negative.")
    trailing_minus: bool = Field(default=False, description="123.45- is negative.")
    positive_means: Literal["debit", "credit"] = Field(
        default="debit",
        description="Whether a positive amount means that the customer owes (debit) or is owed (credit).",
    )
    surplus_zeros: bool = Field(
        default=False,
        description="Accept zeros beyond the currency's decimals: 500.00 JPY is 500. Never rounds.",
    )
    currency_sign: CurrencySigns = Field(
        default_factory=dict,
        description='Signs beside amounts: R, a list [R, "€"], or by currency {ZAR: R, EUR: "€"}.'
        " An amount with the sign of another currency than its record's is rejected.",
    )
    leading_apostrophe: bool = Field(
        default=False, description="Drop an apostrophe before the amount ('-4,00)."
    )

    @model_validator(mode="after")
    def _check_combination(self) -> Self:
        if (self.column is None) == (self.debit is None and self.credit is None):
            raise ValueError("set column, or debit and credit")
        if (self.debit is None) != (self.credit is None):
            raise ValueError("debit and credit need each other")
        if self.thousands == self.decimal_mark:
            raise ValueError("thousands and decimal_mark cannot be the same")
        if self.column is None and (
            self.marks or self.parentheses or self.trailing_minus or self.positive_means == "credit"
        ):
            raise ValueError(
                "debit and credit columns define the sign;"
                " marks, parentheses, trailing_minus and positive_means need column"
            )
        if self.marks and (
            self.parentheses or self.trailing_minus or self.positive_means == "credit"
        ):
            raise ValueError(
                "marks define the sign; they exclude parentheses, trailing_minus and positive_means"
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
        """The marks of debit and credit that follow the amount itself."""
        if self.marks is None or self.marks.column is not None:
            return ()
        return tuple(mark for mark in (*self.marks.debit, *self.marks.credit) if mark)

    def signs(self) -> dict[str, frozenset[str]]:
        """Currency -> the signs allowed beside its amounts; empty if the config declares none.

        A sign declared without a currency is not allowed for a currency if it is customary only for
        others.
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
        """A copy that also allows the customary signs of each currency."""
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
        """The columns of the file with the amount, without the unit column."""
        return tuple(name for name in (self.column, self.debit, self.credit) if name is not None)
