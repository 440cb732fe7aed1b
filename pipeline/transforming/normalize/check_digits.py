"""Check digits of columns: Luhn, IBAN, and the structure of South African identity numbers.

Sources: ISO/IEC 7812-1 annex B (Luhn), ISO 13616 with ISO 7064 MOD 97-10 (IBAN), the Identification
Act 68 of 1997 (YYMMDD, four digits, citizenship 0 to 2, a digit, a Luhn digit).
"""

import polars as pl

_DIGITS = 19  #: the longest number for the Luhn check
_IBAN_DIGITS = 68  #: 34 characters, each letter two digits
_CHUNK = 8
_LETTERS = {
    letter: str(number) for number, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ", start=10)
}


def passes_luhn(digits: pl.Expr) -> pl.Expr:
    """Whether at most 19 ASCII digits end with their Luhn digit."""
    padded = digits.str.pad_start(_DIGITS, "0")  # leading zeros do not change the sum
    total = pl.lit(0, pl.Int32)
    for at in range(_DIGITS):
        digit = padded.str.slice(at, 1).cast(pl.Int32, strict=False)
        if (_DIGITS - at) % 2 == 0:
            doubled = digit * 2
            digit = doubled - pl.when(doubled > 9).then(9).otherwise(0)
        total = total + digit
    return (total % 10) == 0


def passes_iban(text: pl.Expr) -> pl.Expr:
    """Whether 15 to 34 upper-case letters and digits have valid IBAN check digits."""
    moved = pl.concat_str(text.str.slice(4), text.str.slice(0, 4))
    digits = moved.str.replace_many(_LETTERS).str.pad_start(
        _IBAN_DIGITS + _CHUNK - _IBAN_DIGITS % _CHUNK, "0"
    )
    rest = pl.lit(0, pl.Int64)
    for at in range(0, _IBAN_DIGITS + _CHUNK - _IBAN_DIGITS % _CHUNK, _CHUNK):
        rest = (rest * 10**_CHUNK + digits.str.slice(at, _CHUNK).cast(pl.Int64, strict=False)) % 97
    return rest == 1


def is_date_of_birth(digits: pl.Expr) -> pl.Expr:
    """Whether the first six digits are a day in one of two possible centuries."""
    day = digits.str.slice(0, 6)
    in_19 = pl.concat_str(pl.lit("19"), day).str.to_date("%Y%m%d", strict=False)
    in_20 = pl.concat_str(pl.lit("20"), day).str.to_date("%Y%m%d", strict=False)
    return in_19.is_not_null() | in_20.is_not_null()


def is_south_african_identity(digits: pl.Expr) -> pl.Expr:
    """Whether 13 digits have the structure of a South African identity number."""
    return (
        digits.str.contains(r"^[0-9]{10}[0-2][0-9]{2}$")
        & is_date_of_birth(digits)
        & passes_luhn(digits)
    ).fill_null(value=False)
