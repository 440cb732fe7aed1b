"""Email addresses: lower-case domain, unchanged local part.

email-validator checks 45,000 to 50,000 addresses a second. An expression decides plain addresses,
and only the others go to the library (without DNS). A property test compares both.
"""

import polars as pl

from pipeline.domain.characters import HIDDEN
from pipeline.transforming.normalize.text import Kinds

# email-validator accepts every address that matches: ASCII, dots only inside the local part, LDH
# labels without "--" at the third position (the prefix of internationalized labels), a top-level
# domain of letters.
_PLAIN = r"^[A-Za-z0-9]+(?:[._+-][A-Za-z0-9]+)*@(?:[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\.)+[A-Za-z]{2,}$"
# Special-use names (RFC 6761 and others) are left to the library, which has the list.
_SPECIAL = r"(?i)(?:^|[.@])(?:arpa|invalid|local|localhost|onion|test|alt|internal|example)$"
_LONG_LABEL = r"[A-Za-z0-9-]{64}"
#: Addresses that email-validator always refuses: ASCII without or with a second @, with a space or
#: a mark that only quoted local parts allow, with an empty label or part, or with a domain of one
#: label.
_HOPELESS = r"""^(?:[^@]*|.*@.*@.*|.*[\x00-\x20()<>\[\]:;,"\\].*|[.@].*|.*(?:\.\.|\.@|@\.).*|.*[@.]|.*@[^.]*)$"""


def email_kinds(texts: pl.Series) -> Kinds:
    """Trimmed text -> address and kind: ok or malformed."""
    text = pl.col("text")
    table = texts.alias("text").to_frame().lazy().with_columns(is_plain=_is_plain(text)).collect()
    unsettled = table.filter(~pl.col("is_plain") & text.is_not_null())["text"].unique()
    undecided = unsettled.filter(~is_hopeless(unsettled))
    decided = {address: _by_library(address) for address in undecided}
    value: pl.Expr = pl.when("is_plain").then(_domain_lowered(text))
    if decided:
        value = pl.coalesce(
            value, text.replace_strict(decided, default=None, return_dtype=pl.String)
        )
    table = table.lazy().with_columns(value=value).collect()
    kind = (
        pl.when(text.is_null()).then(None).when(pl.col("value").is_null()).then(pl.lit("malformed"))
    )
    return Kinds(table["value"], table.select(kind=kind.otherwise(pl.lit("ok")))["kind"])


def is_hopeless(texts: pl.Series) -> pl.Series:
    """Whether a text is certainly not an address; the library decides the others.

    An invisible character is refused here, because the library drops some of them from a domain.
    """
    is_ascii = ~texts.str.contains(r"[^\x00-\x7f]")
    return (is_ascii & texts.str.contains(_HOPELESS)) | texts.str.contains(HIDDEN)


def _is_plain(text: pl.Expr) -> pl.Expr:
    at = text.str.find("@", literal=True)
    short = (text.str.len_bytes() <= 254) & (at <= 64) & ~text.str.contains(_LONG_LABEL)
    return (text.str.contains(_PLAIN) & ~text.str.contains(_SPECIAL) & short).fill_null(value=False)


def _domain_lowered(text: pl.Expr) -> pl.Expr:
    mixed = pl.when(text.str.contains("@.*[A-Z]")).then(text)
    at = mixed.str.find("@", literal=True)
    return pl.coalesce(
        pl.concat_str(mixed.str.head(at), mixed.str.slice(at).str.to_lowercase()), text
    )


def _by_library(text: str) -> str | None:
    from email_validator import EmailNotValidError, validate_email

    try:
        validated = validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        return None
    # The library's normal form changes some local parts (INFO@) and decodes domains; ours does not.
    local, _, domain = text.rpartition("@")
    return f"{local}@{domain.lower() if domain.isascii() else validated.domain}"
