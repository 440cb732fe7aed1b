"""Google's metadata of numbering plans (the `phonenumbers` package) as column expressions.

phonenumbers parses 41,000 to 50,000 numbers a second. One expression of its patterns per calling
code decides one to two million. phonenumbers itself decides the rest: transform rules, numbers that
begin with their own calling code, and anything but digits and common marks. A property test
compares both.

The steps are those of `phonenumbers.parse`, `is_possible_number` and `is_valid_number`, in order.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl
from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    SUPPORTED_REGIONS,
    PhoneMetadata,
    country_code_for_valid_region,
)

#: Texts that are decided here: digits and common marks, at most one plus in front.
SIMPLE = r"^(?:\+[1-9]|\(?[0-9])[0-9 ().\-]{2,28}[0-9]$"

_TYPES = (
    "fixed_line", "mobile", "toll_free", "premium_rate", "shared_cost", "personal_number", "voip", "pager", "uan",
    "voicemail",
)  # fmt: skip
_SHORTEST, _LONGEST = 3, 15  #: digits of a national number


@dataclass(frozen=True, slots=True)
class _Prefix:
    """The prefix of national numbers, and their lengths."""

    pattern: str | None
    has_transform: bool
    general: str | None
    possible: tuple[int, ...]
    local_only: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Validity:
    """The rules for a valid number in one region of a calling code."""

    leading_digits: str | None
    general: str | None
    types: str | None


def decided(texts: pl.Series, regions: pl.Series) -> pl.DataFrame:
    """Trimmed texts and their regions -> `value` (E.164) and `kind`, in their order.

    `kind`: ok, not_possible, not_valid; null if not decided here.
    """
    given = pl.DataFrame({"text": texts, "region": regions}).with_row_index("at")
    numbers = _with_calling_codes(
        given.lazy().filter(pl.col("text").str.contains(SIMPLE))
    ).collect()
    parts = [_judged(part, int(code), str(plan)) for (code, plan), part in _groups(numbers)]
    empty = pl.DataFrame(schema={"at": pl.UInt32, "value": pl.String, "kind": pl.String})
    return (
        given.select("at")
        .join(pl.concat([empty, *parts]), on="at", how="left", maintain_order="left")
        .drop("at")
    )


def _groups(numbers: pl.DataFrame) -> list[tuple[tuple[Any, ...], pl.DataFrame]]:
    return list(numbers.partition_by("code", "plan", as_dict=True, include_key=True).items())


def _with_calling_codes(simple: pl.LazyFrame) -> pl.LazyFrame:
    """Add `code` (calling code), `plan` (for its prefixes) and `rest` (the remaining digits)."""
    digits = pl.col("text").str.replace_many(
        [" ", "(", ")", ".", "-"], [""] * 5
    )  # everything that SIMPLE allows between digits
    plus = simple.with_columns(digits=digits).with_columns(
        # 00 is the international prefix of most regions; phonenumbers handles the others.
        foreign=pl.when(pl.col("digits").str.starts_with("+"))
        .then(pl.col("digits").str.slice(1))
        .when(
            pl.col("region").is_in(_regions_with_00()) & pl.col("digits").str.contains("^00[1-9]")
        )
        .then(pl.col("digits").str.slice(2))
    )
    code_of = pl.col("foreign").str.extract(_calling_codes(), 1)
    own_code = pl.col("region").replace_strict(
        _codes_of_regions(), default=None, return_dtype=pl.Int64
    )
    is_national = pl.col("foreign").is_null()
    return (
        plus.with_columns(
            code=pl.when(is_national).then(own_code).otherwise(code_of.cast(pl.Int64)),
            plan=pl.when(is_national).then("region").otherwise(pl.lit("")),
            rest=pl.when(is_national)
            .then("digits")
            .otherwise(pl.col("foreign").str.slice(code_of.str.len_bytes().fill_null(0))),
        )
        .filter(pl.col("code").is_not_null())
        .filter(pl.col("rest").str.len_bytes().is_between(_SHORTEST, _LONGEST))
        .select("at", "code", "plan", "rest")
    )


def _judged(numbers: pl.DataFrame, code: int, region: str) -> pl.DataFrame:
    """Numbers of one calling code, with the prefixes of one region (default: its main region)."""
    prefix, main = _prefix(region or _main_region(code), code), _prefix(_main_region(code), code)
    rest = pl.col("rest")
    undecided = pl.lit(value=False)
    national = rest
    if region:  # it may be an international number
        undecided |= rest.str.contains(_international_prefix(region)) | rest.str.starts_with(
            str(code)
        )
    if prefix.pattern is not None:
        begins = rest.str.contains(f"^(?:{prefix.pattern})")
        if prefix.has_transform:
            undecided |= begins
        else:
            national = _without_prefix(rest, begins, prefix)
    table = numbers.lazy().select("at", "rest", national=national, undecided=undecided)
    number, length = pl.col("national"), pl.col("national").str.len_bytes().cast(pl.Int64)
    possible = length.is_in(list(main.possible)) & ~length.is_in(list(main.local_only))
    kind = (
        pl.when(pl.col("undecided") | (length < _SHORTEST)).then(None)
        .when(~possible).then(pl.lit("not_possible"))
        .when(~_is_valid(number, code)).then(pl.lit("not_valid"))
        .otherwise(pl.lit("ok"))
    )  # fmt: skip
    found = table.select("at", "national", kind=kind)
    value = pl.when(pl.col("kind") == "ok").then(pl.concat_str(pl.lit(f"+{code}"), "national"))
    return found.select("at", value=value, kind=pl.col("kind")).collect(engine="in-memory")


def _without_prefix(rest: pl.Expr, begins: pl.Expr, prefix: _Prefix) -> pl.Expr:
    """The number without its national prefix, if the rest is possible."""
    bare = rest.str.replace(f"^(?:{prefix.pattern})", "")
    taken = begins
    if prefix.general is not None:
        whole = f"^(?:{prefix.general})$"
        taken &= ~(rest.str.contains(whole) & ~bare.str.contains(whole))
    length = bare.str.len_bytes().cast(pl.Int64)
    fits = (length.is_in(list(prefix.possible)) | (length > prefix.possible[-1])) & ~length.is_in(
        list(prefix.local_only)
    )
    return pl.when(taken & fits).then(bare).otherwise(rest)


def _is_valid(number: pl.Expr, code: int) -> pl.Expr:
    """Whether the region of a number, among those with its calling code, has such numbers."""
    plans = _validities(code)
    if len(plans) == 1:
        return _matches(number, plans[0])
    valid = pl.lit(value=False)
    for plan in reversed(plans):
        if plan.leading_digits is not None:
            leads = number.str.contains(f"^(?:{plan.leading_digits})")
            valid = pl.when(leads).then(_matches(number, plan)).otherwise(valid)
        else:
            valid = _matches(number, plan) | valid
    return valid


def _matches(number: pl.Expr, plan: _Validity) -> pl.Expr:
    if plan.general is None or plan.types is None:
        return pl.lit(value=False)
    return number.str.contains(plan.general) & number.str.contains(plan.types)


@cache
def _prefix(region: str, code: int) -> _Prefix:
    metadata = _metadata(region, code)
    general = metadata.general_desc
    assert general is not None  # noqa: S101 - the schema of the metadata demands it
    return _Prefix(
        metadata.national_prefix_for_parsing,
        metadata.national_prefix_transform_rule is not None,
        general.national_number_pattern,
        tuple(general.possible_length),
        tuple(general.possible_length_local_only),
    )


@cache
def _validities(code: int) -> tuple[_Validity, ...]:
    return tuple(_validity(region, code) for region in COUNTRY_CODE_TO_REGION_CODE[code])


def _validity(region: str, code: int) -> _Validity:
    metadata = _metadata(region, code)
    kinds = [kind for name in _TYPES if (kind := getattr(metadata, name)) is not None]
    patterns = [kind.national_number_pattern for kind in kinds if kind.national_number_pattern]
    general = metadata.general_desc.national_number_pattern if metadata.general_desc else None
    return _Validity(
        metadata.leading_digits,
        f"^(?:{general})$" if general else None,
        f"^(?:{'|'.join(patterns)})$" if patterns else None,
    )


def _metadata(region: str, code: int) -> PhoneMetadata:
    found = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    assert found is not None  # noqa: S101 - codes and regions come from the same tables
    return found


def _main_region(code: int) -> str:
    return COUNTRY_CODE_TO_REGION_CODE[code][0]


@cache
def _international_prefix(region: str) -> str:
    return f"^(?:{_metadata(region, _codes_of_regions()[region]).international_prefix})"


@cache
def _regions_with_00() -> list[str]:
    codes = _codes_of_regions()
    return [
        region
        for region, code in codes.items()
        if _metadata(region, code).international_prefix == "00"
    ]


@cache
def _codes_of_regions() -> dict[str, int]:
    return {region: country_code_for_valid_region(region) for region in sorted(SUPPORTED_REGIONS)}


@cache
def _calling_codes() -> str:
    """No code is a prefix of another, so the order does not matter."""
    return f"^({'|'.join(str(code) for code in sorted(COUNTRY_CODE_TO_REGION_CODE))})"
