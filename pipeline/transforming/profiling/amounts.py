"""Guess how balances are written: columns, marks, signs; the unit only if it is clear."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.domain.currency import exponents
from pipeline.transforming.profiling import Column, Profile
from pipeline.transforming.profiling.forms import DECIMAL, WHOLE, Flag
from pipeline.transforming.profiling.guess import Guess
from pipeline.transforming.profiling.names import words_of

if TYPE_CHECKING:
    from pipeline.domain.published import JsonObject

#: The merchants' daily file as the vendor describes it: rand, in major units.
VENDORS_FILE = frozenset(
    {"account_number", "first_name", "last_name", "mobile_phone_number", "amount_due"}
)
_THOUSANDS = {"thousands by comma": ",", "thousands by point": ".", "thousands by space": " "}
_FEWEST = 3
#: Marks of debits and credits, in lower case; an empty cell among marked credits is a debit.
_MARKS = {
    "debit": {"", "d", "dr", "db", "deb", "debit", "debet", "debiet", "s", "soll", "+"},
    "credit": {"c", "cr", "cre", "credit", "kredit", "krediet", "h", "haben", "-"},
}
_CENTS = {"cents", "cent", "minor", "sent"}


def balance_guess(fields: Mapping[str, str], profile: Profile) -> Iterator[Guess]:
    """The balance from one column or a debit and credit pair; `fields`: found so far."""
    if "debit" in fields and "credit" in fields:
        columns = {"debit": fields["debit"], "credit": fields["credit"]}
    elif "balance" in fields:
        columns = {"column": fields["balance"]}
    else:
        return
    sides = [profile.columns[name] for name in columns.values()]
    looks = sum((side.looks for side in sides), Counter[str]())
    for mark in ("decimal point", "decimal comma"):
        looks[mark] += looks[f"{mark} beside a word"]
    value: JsonObject = {**columns}
    why = ["the names say so" if len(sides) > 1 else "its name says so"]
    marks = _marks_beside(fields, profile) if len(sides) == 1 else []
    for key, declared, reason in (*_separators(looks), *(marks or _signs(looks, sides))):
        value[key] = declared
        why.append(reason)
    unit, sure, reason, asks_about = _unit(fields, sides, looks, profile)
    marks_declared = value.get("marks")
    is_open = isinstance(marks_declared, dict) and "credit" not in marks_declared
    yield Guess(
        "balance",
        {**value, "unit": unit},
        "open" if is_open else sure,
        "; ".join([*why, reason]),
        asks_about,
    )


def _separators(looks: Counter[str]) -> Iterator[tuple[str, str, str]]:
    """Decimal comma and groups of three digits."""
    comma = looks["decimal comma"] > looks["decimal point"]
    if comma:
        yield "decimal_mark", ",", f"{looks['decimal comma']:,} cells have a decimal comma"
    for look, mark in _THOUSANDS.items():
        rival = looks["decimal comma" if mark == "," else "decimal point"] * (mark != " ")
        if looks[look] > rival and (mark == ",") != comma:
            yield "thousands", mark, f"{looks[look]:,} have groups of three"
            return


def _signs(looks: Counter[str], sides: Sequence[Column]) -> Iterator[tuple[str, Any, str]]:
    """Signs that are common in one column; a few strays are left to the reasons."""
    habit = max(_FEWEST, sum(side.present for side in sides) // 50)
    if len(sides) > 1:
        return
    if looks["mark of debit or credit"] >= habit:
        marks = {"debit": ["DR", ""], "credit": ["CR"]}
        yield "marks", marks, f"{looks['mark of debit or credit']:,} amounts end with CR or DR"
        return
    for look, key in (("parentheses", "parentheses"), ("trailing minus", "trailing_minus")):
        if looks[look] >= habit:
            yield key, True, f"{looks[look]:,} amounts are written with {look}"


def _marks_beside(fields: Mapping[str, str], profile: Profile) -> list[tuple[str, Any, str]]:
    """The column of marks, if any; unusual marks are left to a person."""
    if "mark" not in fields:
        return []
    texts = profile.amounts.texts_beside(fields["balance"], fields["mark"])
    known = {
        side: sorted(text for text in texts or () if text.casefold() in words)
        for side, words in _MARKS.items()
    }
    if texts is None or texts - {text for side in known.values() for text in side}:
        return [
            (
                "marks",
                {"column": fields["mark"]},
                f"which texts of {fields['mark']} mark a debit, which a credit?",
            )
        ]
    usual = {"debit": known["debit"] or ["DR"], "credit": known["credit"] or ["CR"]}
    return [
        ("marks", {"column": fields["mark"], **usual}, f"{fields['mark']} marks debits and credits")
    ]


def _unit(
    fields: Mapping[str, str], sides: Sequence[Column], looks: Mapping[str, int], profile: Profile
) -> tuple[Any, Any, str, tuple[str, ...]]:
    """The unit, its certainty and reason, and the column that may state units."""
    amounts = [side.name for side in sides]
    if profile.amounts.are_mixed(amounts) and (mixed := _mixed(fields, amounts, profile)):
        return None, "open", *mixed
    if set(profile.columns) >= VENDORS_FILE:
        return "major", "sure", "the vendor's daily file, which is in rand", ()
    if looks["decimal point"] + looks["decimal comma"]:
        return "major", "likely", "decimals, so major units", ()
    if _CENTS & {word for name in amounts for word in words_of(name).split()}:
        return "minor", "likely", "and they are cents", ()
    return None, "open", "no amount has decimals: major or minor units?", ()


def _mixed(
    fields: Mapping[str, str], amounts: Sequence[str], profile: Profile
) -> tuple[str, tuple[str, ...]] | None:
    """Why the unit is open if whole and decimal amounts mix, and the column that separates them."""
    flags = profile.amounts.flags(amounts)
    if any(
        flag.column == fields.get("currency") and _have_no_decimals(flag.whole) for flag in flags
    ):
        return None
    forms = sum(
        (profile.amounts.forms[name] for name in amounts if name in profile.amounts.forms),
        Counter[str](),
    )
    question = f"of the amounts other than zero, {forms[WHOLE]:,} are whole and {forms[DECIMAL]:,} have one or two decimals; are the whole ones cents?"
    people = {
        fields.get(field)
        for field in ("external_reference", "name", "first name", "last name", "email", "phone")
    }
    flag = next((flag for flag in flags if flag.column not in people), None)
    return (f"{question} {_shown(flag)}", (flag.column,)) if flag else (question, ())


def _shown(flag: Flag) -> str:
    units = {**dict.fromkeys(flag.whole, "minor"), **dict.fromkeys(flag.decimal, "major")}
    values = ", ".join(f"{text or repr(text)}: {unit}" for text, unit in units.items())
    return f"Column {flag.column} tells them apart; if so, unit: {{column: {flag.column}, values: {{{values}}}}}"


def _have_no_decimals(currencies: Sequence[str]) -> bool:
    return all(exponents().get(code.upper()) == 0 for code in currencies)
