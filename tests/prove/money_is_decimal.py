"""Balances as columns against `decimal`: texts in eleven conventions and all currencies, `python -m tests.prove.money_is_decimal 1000000`.

Each text is made from an exact amount, or damaged; what it means is computed by Python's `decimal` from what it was made of
and by a reading of its own, never by the code that is tried. A rounding would be a balance that differs.
"""

import random
import re
import sys
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

import polars as pl

from pipeline.domain.column_mapping import Layout
from pipeline.domain.currency import exponents, with_minor_unit
from pipeline.domain.customer import LARGEST_BALANCE
from pipeline.transforming.mapping import map_columns
from pipeline.transforming.normalize import Defaults, normalize
from pipeline.transforming.source_totals import ControlTotals
from pipeline.transforming.validation import validate

_SIGN = "¤"  #: of no currency, so that it may stand beside the amounts of any
#: decimal mark, thousands, how a sign is written besides one in front -> what a job declares of it.
CONVENTIONS: dict[str, tuple[str, str | None, dict[str, object]]] = {
    "1234.50": (".", None, {}),
    "1,234.50": (".", ",", {}),
    "1 234.50": (".", " ", {}),
    "1'234.50": (".", "'", {}),
    "1234,50": (",", None, {}),
    "1.234,50": (",", ".", {}),
    "1 234,50": (",", " ", {}),
    "(1,234.50)": (".", ",", {"parentheses": True}),
    "1,234.50-": (".", ",", {"trailing_minus": True}),
    "1234,50 CR": (",", None, {"marks": {"debit": ["DR", ""], "credit": ["CR"]}}),
    "¤ 1,234.50": (".", ",", {"currency_sign": _SIGN}),
}
_BATCH = 50_000


def prove(count: int, seed: int = 0) -> Counter[str]:
    """Try this many texts in all conventions; return the number of amounts and of refusals, or raise."""
    dice, told = random.Random(seed), Counter[str]()
    for name in CONVENTIONS:
        left = count // len(CONVENTIONS)
        while left > 0:
            told += _batch(name, min(_BATCH, left), dice)
            left -= _BATCH
    return told


def _batch(name: str, count: int, dice: random.Random) -> Counter[str]:
    mark, thousands, signs = CONVENTIONS[name]
    layout = Layout.model_validate(
        {
            "external_reference": "ID",
            "currency": "C",
            "balance": {
                "column": "B",
                "unit": "major",
                "decimal_mark": mark,
                "thousands": thousands,
                **signs,
            },
        }
    )
    codes = sorted(with_minor_unit())
    rows = [
        (code := dice.choice(codes), _text(dice, code, mark, thousands, signs))
        for _ in range(count)
    ]
    records = pl.DataFrame(
        {
            "row_id": [str(number) for number in range(count)],
            "given.ID": [f"a-{number}" for number in range(count)],
            "given.C": [code for code, _ in rows],
            "given.B": [text for _, text in rows],
        }
    )
    table = normalize(map_columns(records, layout), layout, Defaults())
    refused = validate(table).reasons.list.len() > 0
    totals, sums = ControlTotals(), Counter[str]()
    totals.add(records, layout)
    found = Counter[str]()
    for (code, text), balance, is_refused in zip(rows, table["balance"], refused, strict=True):
        expected = _meaning(text, code, mark, thousands, signs)
        if expected != (None if is_refused else balance):
            raise AssertionError(
                f"{name}: {text!r} in {code} is {expected} and came to {balance}, refused: {is_refused}"
            )
        found["refused" if expected is None else "amounts"] += 1
        sums[code] += balance or 0
    # What is too large for billing is summed where it fits the ledger; the sums are held to each other all the same.
    if {code: net for code, net in totals.net.items() if net} != {
        code: net for code, net in sums.items() if net
    }:
        raise AssertionError(f"{name}: the sums of the texts are not those of the balances")
    return found


def _text(
    dice: random.Random, code: str, mark: str, thousands: str | None, signs: dict[str, object]
) -> str:
    decimals = exponents()[code] or 0
    minor = dice.randrange(10 ** dice.randrange(1, 17))
    shown = decimals if dice.random() < 0.8 else dice.randrange(0, 6)
    whole, part = divmod(minor, 10**decimals)
    digits = f"{whole:,}".replace(",", thousands or "") if dice.random() < 0.8 else str(whole)
    fraction = str(part).rjust(decimals, "0").ljust(shown, dice.choice("05"))[:shown]
    text = digits + (mark + fraction if fraction else "")
    is_negative = dice.random() < 0.3
    if signs.get("parentheses"):
        text = f"({text})" if is_negative else text
    elif signs.get("trailing_minus"):
        text = f"{text}-" if is_negative else text
    elif signs.get("marks"):
        text = f"{text}{dice.choice(['', ' '])}{'CR' if is_negative else dice.choice(['DR', 'dr', ''])}"
    else:
        sign = "-" if is_negative else dice.choice(["", "", "+"])
        if signs.get("currency_sign"):
            signed = [
                f"{_SIGN} {sign}{text}",
                f"{sign}{_SIGN}{text}",
                f"{sign}{text}\u00a0{_SIGN}",
                f"{sign}{text}",
            ]
            text = dice.choice(signed)
        else:
            text = sign + text
    return _damaged(dice, text) if dice.random() < 0.1 else text


def _damaged(dice: random.Random, text: str) -> str:
    at = dice.randrange(len(text) + 1)
    return dice.choice(
        (
            text[:at] + dice.choice(".,' -+()eE0x٣R\u00a4") + text[at:],
            text[:at] + text[at + 1 :],
            text + text,
        )
    )


def _meaning(
    text: str, code: str, mark: str, thousands: str | None, signs: dict[str, object]
) -> int | None:
    """Minor units that a text states by its convention, None where it states none; character by character, in `decimal`."""
    bare, sign = text.strip(), 1
    if signs.get("marks"):
        letters = re.search(r"[A-Za-z]*$", bare)
        told = (letters[0] if letters else "").upper()
        if told not in {"DR", "CR", ""} or bare[:1] in {"+", "-"}:
            return None
        bare, sign = (
            bare[: len(bare) - len(told)].rstrip(" \t\u00a0\u202f"),
            -1 if told == "CR" else 1,
        )
    elif signs.get("parentheses") and bare.startswith("(") and bare.endswith(")") and len(bare) > 1:
        bare, sign = bare[1:-1].strip(" \t"), -1
        if bare[:1] in {"+", "-"}:
            return None
    elif signs.get("trailing_minus") and bare.endswith("-"):
        bare, sign = bare[:-1].strip(" \t"), -1
        if bare[:1] in {"+", "-"}:
            return None
    elif signs.get("currency_sign") and bare.count(_SIGN) == 1:
        bare = _without_sign(bare)
    if bare[:1] in {"+", "-"}:
        sign, bare = -1 if bare[0] == "-" else 1, bare[1:]
    whole, found, fraction = bare.partition(mark)
    if found and not _is_digits(fraction):
        return None
    if thousands and thousands in whole:
        first, *groups = whole.split(thousands)
        if not (1 <= len(first) <= 3) or any(len(group) != 3 for group in groups):
            return None
        whole = whole.replace(thousands, "")
    if (whole and not _is_digits(whole)) or not (whole or fraction):
        return None
    minor = Decimal(f"{whole or '0'}.{fraction or '0'}").scaleb(exponents()[code] or 0)
    if len(fraction) > (exponents()[code] or 0) or minor > LARGEST_BALANCE:
        return None
    return sign * int(minor)


def _without_sign(text: str) -> str:
    """The amount without the sign at one of its ends, or behind the minus; as it is where the sign is anywhere else."""
    before, _, behind = text.partition(_SIGN)
    if before.strip() in {"", "+", "-"}:
        return before.strip() + behind.lstrip(" \u00a0")
    return before.rstrip(" \u00a0") if not behind.strip() else text


def _is_digits(text: str) -> bool:
    return bool(text) and text.isascii() and text.isdigit()


def main(arguments: list[str]) -> Iterator[str]:
    """What was tried, in a line."""
    count = int(arguments[0]) if arguments else 1_000_000
    told = prove(count, int(arguments[1]) if len(arguments) > 1 else 0)
    yield f"{told['amounts']} amounts and {told['refused']} texts that are none, in {len(CONVENTIONS)} conventions and {len(with_minor_unit())} currencies: 0 differences from decimal, 0 roundings"


if __name__ == "__main__":
    for line in main(sys.argv[1:]):
        print(line)
