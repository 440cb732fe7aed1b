"""Guess the meaning of columns from their names in several languages and from their cells.

A person reads the guesses before anything is planned: each states its certainty and reason. A
column without cells is never used. Unit and currency stay open unless the file states them.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from pipeline.domain.column_mapping import canonical_layout
from pipeline.domain.customer import METADATA_KEY_LENGTH, METADATA_KEYS, METADATA_PREFIX
from pipeline.transforming.profiling import Column, Profile
from pipeline.transforming.profiling.amounts import VENDORS_FILE, balance_guess
from pipeline.transforming.profiling.currencies import currency_guess
from pipeline.transforming.profiling.guess import Guess, Sureness
from pipeline.transforming.profiling.names import (
    field_named,
    is_account,
    is_holder,
    reference_rank,
    words_of,
)
from pipeline.transforming.profiling.sensitive import sensitive_columns

_FIELD_ORDER = (
    "external_reference",
    "name",
    "email",
    "phone",
    "currency",
    "region",
    "billing_id",
    "balance",
)
#: The kind of the texts of a field.
_LOOKS = {
    "email": ("email",),
    "phone": ("phone", "international phone"),
    "currency": ("currency",),
    "region": ("two letters",),
}
_SEEN = ("email", "phone", "currency")  #: fields that their texts alone identify
#: Parts of a name, signs of amounts, and remarks, which may contain personal data: no metadata.
_NO_METADATA = ("first name", "last name", "mark", "remark")
_OF_PEOPLE = ("name", "first name", "last name")  #: fields whose texts are not numbers
_MOST, _HALF = 0.8, 0.5
_UNNAMED = re.compile(r"column_\d+")  #: the reader's names for columns without a name


@dataclass(frozen=True, slots=True)
class Guesses:
    """The guesses for a mapping."""

    fields: list[Guess]
    metadata: list[Guess]
    never_sent: list[Guess]
    absent: dict[str, int] = field(default_factory=dict)  #: texts that mean no value -> count
    left_out: list[str] = field(default_factory=list)  #: columns without a mapping
    empty: list[str] = field(default_factory=list)  #: columns without cells

    @property
    def todo_count(self) -> int:
        """How many things a person must decide."""
        return sum(1 for guess in self.fields if guess.sure == "open")


@dataclass(frozen=True, slots=True)
class _Meaning:
    """The column of a field, its certainty and its reason."""

    column: str
    sure: Sureness
    why: str


def guess(profile: Profile) -> Guesses:
    """Guess the meaning of the columns of a profiled file."""
    sensitive = sensitive_columns(profile.columns)
    reference = profile.columns.get("external_reference")
    if reference and reference.name not in sensitive and (reference.present or not profile.records):
        return _canonical(profile, _never_sent(sensitive))
    usable = {
        name: column
        for name, column in profile.columns.items()
        if name not in sensitive and column.present
    }
    meanings = _meanings(usable, profile)
    accounts = _other_accounts(usable, meanings)
    fields = [made for name in _FIELD_ORDER for made in _field(name, meanings, profile)]
    taken = _columns_in(fields)
    spare = [
        column
        for name, column in usable.items()
        if name not in taken and name not in accounts and field_named(name) not in _NO_METADATA
    ]
    return _sorted_out(
        profile, fields, _metadata(spare, profile), _never_sent({**sensitive, **accounts})
    )


def _other_accounts(
    usable: Mapping[str, Column], meanings: Mapping[str, _Meaning]
) -> dict[str, tuple[str, str]]:
    """Account columns if another is the reference, holder columns if another is the name."""
    mapped = {meaning.column for meaning in meanings.values()}
    spare = [name for name in usable if name not in mapped]
    holders = dict.fromkeys(
        filter(is_holder, spare), ("a bank account", "it may name the holder of one")
    )
    accounts = dict.fromkeys(
        filter(is_account, spare),
        ("a bank account", "it may be one, and another column is the reference"),
    )
    return {**holders, **accounts}


def _sorted_out(
    profile: Profile, fields: list[Guess], metadata: list[Guess], never_sent: list[Guess]
) -> Guesses:
    taken = _columns_in([*fields, *metadata, *never_sent])
    left_out = [name for name in profile.columns if name not in taken]
    empty = [name for name in left_out if not profile.columns[name].present]
    return Guesses(fields, metadata, never_sent, _absent(profile), left_out, empty)


def _canonical(profile: Profile, never_sent: list[Guess]) -> Guesses:
    kept = {guess.value for guess in never_sent}
    columns = [
        name
        for name, column in profile.columns.items()
        if name not in kept and (column.present or not profile.records) and _is_mappable(name)
    ]
    layout, why = canonical_layout(columns), "the file writes our own names"
    texts = [
        (field, text) for field, text in layout.texts() if not field.startswith(METADATA_PREFIX)
    ]
    fields = [Guess(field, text.column, "sure", why) for field, text in texts]
    if layout.balance is not None:
        amount = {"column": layout.balance.column, "unit": layout.balance.unit.value}
        fields.append(Guess("balance", amount, "sure", f"{why}, whose balances are minor units"))
    metadata = [Guess(key, text.column, "sure", why) for key, text in layout.metadata.items()]
    return _sorted_out(profile, fields, metadata, never_sent)


def _is_mappable(column: str) -> bool:
    """Whether the rest after `metadata.` is a valid key."""
    return (
        not column.startswith(METADATA_PREFIX)
        or 0 < len(column) - len(METADATA_PREFIX) <= METADATA_KEY_LENGTH
    )


def _never_sent(sensitive: Mapping[str, tuple[str, str]]) -> list[Guess]:
    return [
        Guess("never_sent", column, "likely", f"{what}: {why}")
        for column, (what, why) in sensitive.items()
    ]


def _meanings(usable: Mapping[str, Column], profile: Profile) -> dict[str, _Meaning]:
    """Field -> its probable column, by names first, then by cells."""
    found: dict[str, _Meaning] = {}
    named: dict[str, list[Column]] = {}
    for column in usable.values():
        named_field = field_named(column.name)
        if named_field is not None and not (
            named_field in _OF_PEOPLE and column.numeric_share >= _HALF
        ):
            named.setdefault(named_field, []).append(column)
    for name, columns in named.items():
        best = max(columns, key=partial(_suitability, name, profile))
        if name != "region" or _fits(name, best):
            found[name] = _Meaning(best.name, *_named(name, best))
    taken = {meaning.column for meaning in found.values()}
    for name in (name for name in _SEEN if name not in found):
        seen = next(
            (one for one in usable.values() if one.name not in taken and _fits(name, one)), None
        )
        if seen is not None:
            share = max(seen.share(look) for look in _LOOKS[name])
            found[name] = _Meaning(seen.name, "likely", f"{share:.0%} of its texts look like one")
            taken.add(seen.name)
    if "external_reference" not in found and (
        reference := _unnamed_reference(usable, taken, profile)
    ):
        found["external_reference"] = _Meaning(
            reference, "a guess", "every record has one, and none twice"
        )
    return _one_name(found, profile)


def _suitability(name: str, profile: Profile, column: Column) -> tuple[float, ...]:
    """How well a column fits the field of its name; the first of equals wins."""
    if name == "external_reference":
        return (_is_nearly_key(column, profile), reference_rank(column.name), column.present)
    return (_fits(name, column) is not False, not is_holder(column.name), column.present)


def _named(name: str, column: Column) -> tuple[Sureness, str]:
    fits = _fits(name, column)
    also = {True: ", and so do its cells", False: ", its cells do not", None: ""}[fits]
    return "likely" if fits is False else "sure", f"its name says so{also}"


def _one_name(found: dict[str, _Meaning], profile: Profile) -> dict[str, _Meaning]:
    """The name in one column or two: the fuller ones, and two before an account holder."""
    parts = [
        profile.columns[found[part].column].present
        for part in ("first name", "last name")
        if part in found
    ]
    if "name" in found and parts:
        single = profile.columns[found["name"].column]
        is_fuller = min(parts) > single.present or (
            is_holder(single.name) and min(parts) >= _MOST * single.present
        )
        for part in ("name",) if is_fuller else ("first name", "last name"):
            found.pop(part, None)
    return found


def _unnamed_reference(
    usable: Mapping[str, Column], taken: set[str], profile: Profile
) -> str | None:
    """The first full column with valid, unique references."""
    keys = (
        column
        for column in usable.values()
        if column.name not in taken and _is_key(column, profile)
    )
    return next(
        (
            column.name
            for column in keys
            if field_named(column.name) is None and column.share("reference") == 1.0
        ),
        None,
    )


def _is_nearly_key(column: Column, profile: Profile) -> bool:
    """Whether most values are unique; such files often have duplicates and gaps."""
    return min(column.present, profile.records - column.repeated) >= _MOST * profile.records


def _is_key(column: Column, profile: Profile) -> bool:
    return column.present == profile.records and column.repeated == 0


def _fits(name: str, column: Column) -> bool | None:
    """Whether the cells of a column fit the field; None if unknown."""
    if name not in _LOOKS or not column.present:
        return None
    return max(column.share(look) for look in _LOOKS[name]) >= _MOST


def _field(name: str, meanings: Mapping[str, _Meaning], profile: Profile) -> Iterator[Guess]:
    columns = {field: meaning.column for field, meaning in meanings.items()}
    if name == "balance":
        yield from balance_guess(columns, profile)
    elif (
        name == "name"
        and "name" not in columns
        and ("first name" in columns or "last name" in columns)
    ):
        parts = [columns[part] for part in ("first name", "last name") if part in columns]
        value = {"columns": parts} if len(parts) > 1 else parts[0]
        yield Guess(
            "name",
            value,
            "sure" if len(parts) > 1 else "likely",
            "their names say so; joined by a space",
        )
    elif name in meanings:
        meaning = meanings[name]
        column = profile.columns[meaning.column]
        why = f"{meaning.why}; {_filled(column, profile)}"
        plain = Guess(name, meaning.column, meaning.sure, why)
        yield (
            currency_guess(column, why, profile.records) if name == "currency" else None
        ) or plain
    elif name == "external_reference":
        yield Guess(name, None, "open", "which column names a customer, the same for ever?")
    elif name == "currency" and ("balance" in columns or {"debit", "credit"} <= set(columns)):
        yield _currency(profile)


def _currency(profile: Profile) -> Guess:
    if set(profile.columns) >= VENDORS_FILE:
        return Guess(
            "currency", {"value": "ZAR"}, "sure", "the vendor's daily file, which is in rand"
        )
    return Guess(
        "currency", None, "open", "no column says it; write {value: ZAR} if all balances are rand"
    )


def _metadata(spare: list[Column], profile: Profile) -> list[Guess]:
    """Other columns, as many as billing accepts; of two with the same key the first.

    A column without a name may contain anything, such as a bank account, and is not proposed.
    """
    keys: dict[str, Column] = {}
    for column in spare:
        if (
            not _is_free_text(column)
            and not _UNNAMED.fullmatch(column.name)
            and len(keys) < METADATA_KEYS
        ):
            keys.setdefault(_key(column.name), column)
    return [
        Guess(key, column.name, "a guess", _why_metadata(key, column, profile))
        for key, column in keys.items()
    ]


def _why_metadata(key: str, column: Column, profile: Profile) -> str:
    is_renamed = column.name.startswith(METADATA_PREFIX) and column.name != METADATA_PREFIX + key
    renamed = f"; renamed: a key has 1 to {METADATA_KEY_LENGTH} characters" if is_renamed else ""
    return f"no other field fits; {column.present:,} of {profile.records:,} filled{renamed}"


def _columns_in(guesses: list[Guess]) -> set[str]:
    """The columns in the guesses."""
    found: set[str] = set()
    for guess in guesses:
        found.update(guess.asks_about)
        match guess.value:
            case str(column):
                found.add(column)
            case {"columns": columns}:
                found.update(columns)
            case dict(amount):
                found.update(
                    amount[side] for side in ("column", "debit", "credit") if side in amount
                )
                found.update(column for column in [amount.get("marks", {}).get("column")] if column)
    return found


def _absent(profile: Profile) -> dict[str, int]:
    """Texts that mean no value, as written in this file, with their counts."""
    found = Counter[str]()
    for column in profile.columns.values():
        found.update(column.nothing)
    return dict(found.most_common())


def _is_free_text(column: Column) -> bool:
    """Whether the texts are remarks: many shapes, seldom filled."""
    return len(column.shapes) > max(20, column.present // 3)


def _filled(column: Column, profile: Profile) -> str:
    twice = f", {column.repeated:,} of them repeat another" if column.repeated else ""
    return f"{column.present:,} of {profile.records:,} filled{twice}"


def _key(column: str) -> str:
    """The metadata key of a column: its own, or one made of its words."""
    named = column.removeprefix(METADATA_PREFIX)
    if named != column and _is_mappable(column):
        return named
    return (words_of(named).replace(" ", "_") or "column")[:METADATA_KEY_LENGTH]
