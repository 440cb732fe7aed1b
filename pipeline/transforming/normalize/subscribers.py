"""The length of subscriber numbers, for countries whose fixed lines all have one length.

Google's metadata accepts more numbers as valid: service numbers, and patterns that are too wide
(082123 matches South African mobiles). From the same metadata: a plan is fixed if all fixed lines
have one length. Its subscribers have that length, or any length from the example of a mobile number
to the longest mobile number.
"""

from functools import cache

import polars as pl
from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    PhoneMetadata,
    PhoneNumberType,
    example_number_for_type,
    national_significant_number,
)


def is_unusual_length(numbers: pl.Series) -> pl.Series:
    """Whether an E.164 number has an unusual length in its country; null if there is none."""
    has_plan, is_usual = (numbers.str.contains(pattern) for pattern in _patterns())
    return has_plan & ~is_usual


@cache
def _patterns() -> tuple[str, str]:
    """Patterns of calling codes with a fixed plan, and of numbers with a subscriber's length."""
    found = {code: _length_of(regions[0]) for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()}
    lengths = {code: length for code, length in found.items() if length is not None}
    usual = (f"{code}[0-9]{{{least},{most}}}" for code, (least, most) in lengths.items())
    return rf"^\+(?:{'|'.join(map(str, lengths))})", rf"^\+(?:{'|'.join(usual)})$"


def _length_of(region: str) -> tuple[int, int] | None:
    metadata = PhoneMetadata.metadata_for_region(region)
    example = example_number_for_type(region, PhoneNumberType.MOBILE)
    if (
        metadata is None
        or metadata.fixed_line is None
        or metadata.mobile is None
        or example is None
    ):
        return None
    fixed = set(metadata.fixed_line.possible_length)
    if len(fixed) != 1:
        return None
    mobile = len(national_significant_number(example))
    return min(*fixed, mobile), max(*fixed, *metadata.mobile.possible_length)
