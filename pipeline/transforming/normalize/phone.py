"""Phone numbers -> E.164 by Google's metadata; national forms use a default region."""

import re

import phonenumbers
import polars as pl
from phonenumbers import (
    SUPPORTED_REGIONS,
    NumberParseException,
    PhoneNumberFormat,
    ValidationResult,
)

from pipeline.domain.characters import HIDDEN
from pipeline.transforming.normalize.numbering import decided
from pipeline.transforming.normalize.text import Kinds

# Two runs of seven or more digits, separated by a mark that no single number uses.
_SEVERAL = re.compile(
    r"(?:\d[\s().-]*){7,}\s*(?:[/;,|&]|\bor\b|\band\b)\s*(?:\+?\d[\s().-]*){7,}", re.IGNORECASE
)

#: Numbers as spreadsheets and float columns write them: 821234567.0, +4930123456.5, 821,234,567.0,
#: 8.21E+08, +4,93012E+10. A single zero after the only full stop is not a group of digits either:
#: +49 30 123456.0.
_FLOAT = (
    r"^[+-]?(?:[0-9]+[.,][0-9]{1,2}|[0-9(][0-9 ()/-]*[.,]0|[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]{1,2}"
    r"|[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]{1,2}|[0-9]+(?:[.,][0-9]+)?\s?[eE][+-]?[0-9]+)$"
)
_NO_DIGIT = r"^[\x00-/:-\x7f]*$"  #: ASCII without a digit is never a number: "n/a", "unknown", "-"
_LONGEST = 60  #: characters; E.164 has 15 digits
# Digits of any script and common marks; phonenumbers knows all of them.
_PLAIN = re.compile(
    r"[+\uff0b]?[\d\s().\-/\u2010-\u2015\u2212\u30fc\uff0d\uff08\uff09\uff0e\uff0f\u00b7\u2060\u3000~\u223c\uff5e]+"
)
_WRONG_LENGTH = {
    NumberParseException.TOO_LONG,
    NumberParseException.TOO_SHORT_AFTER_IDD,
    NumberParseException.TOO_SHORT_NSN,
}


def phone_kinds(texts: pl.Series, regions: pl.Series) -> Kinds:
    """Trimmed text and its region -> E.164 and kind.

    Kinds: ok, unreadable, float, not_possible, not_valid, extension, several or no_region (a
    national form without a region). Floats and invisible characters, which phonenumbers ignores,
    are decided here. phonenumbers decides what the expressions leave open: each distinct text of a
    region once.
    """
    given = pl.DataFrame({"text": texts, "region": regions})
    text = pl.col("text")
    strange = (
        pl.when(text.str.contains(_FLOAT)).then(pl.lit("float"))
        .when(text.str.contains(_NO_DIGIT) | text.str.contains(HIDDEN)).then(pl.lit("unreadable"))
    )  # fmt: skip
    quick = decided(texts, regions).with_columns(given.select(strange=strange)["strange"])
    quick = quick.select(
        value=pl.when(pl.col("strange").is_null()).then("value"),
        kind=pl.coalesce("strange", "kind"),
    )
    left = given.filter(quick["kind"].is_null())
    distinct = left.filter(pl.col("text").is_not_null()).unique()
    if not distinct.height:
        return Kinds(quick["value"], quick["kind"])
    judged = [judged_by_library(text, region) for text, region in distinct.iter_rows()]
    answers = distinct.with_columns(
        value=pl.Series([value for value, _ in judged], dtype=pl.String),
        kind=pl.Series([kind for _, kind in judged], dtype=pl.String),
    )
    found = given.join(answers, on=["text", "region"], how="left", maintain_order="left")
    return Kinds(quick["value"].fill_null(found["value"]), quick["kind"].fill_null(found["kind"]))


def is_abroad(numbers: pl.Series, stated: pl.Series) -> pl.Series:
    """Whether the country code differs from the region of the record; null if one is missing.

    Regions with one code (+1, +7, +44) count as equal.
    """
    regions = [region for region in stated.unique() if region in SUPPORTED_REGIONS]
    codes = {region: f"+{phonenumbers.country_code_for_region(region)}" for region in regions}
    if not codes:
        return pl.repeat(None, len(numbers), dtype=pl.Boolean, eager=True)
    table = pl.DataFrame({"number": numbers, "region": stated})
    code = pl.col("region").replace_strict(codes, default=None, return_dtype=pl.String)
    return table.select(abroad=~pl.col("number").str.starts_with(code))["abroad"]


def judged_by_library(text: str, region: str) -> tuple[str | None, str]:
    """The result of phonenumbers for one text: E.164 (or null) and kind."""
    if len(text) > _LONGEST:
        return None, "unreadable"
    if _SEVERAL.search(text):
        return None, "several"
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException as refused:
        if (
            refused.error_type == NumberParseException.INVALID_COUNTRY_CODE
            and region not in SUPPORTED_REGIONS
        ):
            return None, "no_region"
        return None, "not_possible" if refused.error_type in _WRONG_LENGTH else "unreadable"
    if number.extension:
        return None, "extension"
    if not _PLAIN.fullmatch(text):
        return (
            None,
            "unreadable",
        )  # parse would extract a number from any text
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return None, "not_possible"
    if not phonenumbers.is_valid_number(number):
        return None, "not_valid"
    return phonenumbers.format_number(number, PhoneNumberFormat.E164), "ok"
