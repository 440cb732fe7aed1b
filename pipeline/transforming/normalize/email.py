"""Email addresses: the domain lower-cased, the local part untouched.

email-validator decides 45 to 50 thousand a second, so plain addresses are settled by an expression, and only what the
expression does not know goes to the library (without DNS). A property test holds the two together.
"""

import polars as pl

from pipeline.domain.characters import HIDDEN
from pipeline.transforming.normalize.text import Kinds

# Every address that this takes, email-validator takes too: ASCII, dots inside the local part only, LDH labels without
# "--" at the third place (that is how internationalized labels begin), a top-level domain of letters.
_PLAIN = r"^[A-Za-z0-9]+(?:[._+-][A-Za-z0-9]+)*@(?:[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*\.)+[A-Za-z]{2,}$"
# Special-use names (RFC 6761 and friends) are left to the library, which knows the list.
_SPECIAL = r"(?i)(?:^|[.@])(?:arpa|invalid|local|localhost|onion|test|alt|internal|example)$"
_LONG_LABEL = r"[A-Za-z0-9-]{64}"
#: Addresses that email-validator surely refuses: ASCII without or with a second @, with a space or a mark that only quoted
#: local parts have, with an empty label or part, or whose domain is one label.
_HOPELESS = r"""^(?:[^@]*|.*@.*@.*|.*[\x00-\x20()<>\[\]:;,"\\].*|[.@].*|.*(?:\.\.|\.@|@\.).*|.*[@.]|.*@[^.]*)$"""


def email_kinds(texts: pl.Series) -> Kinds:
    """Trimmed text -> address and kind: ok or malformed."""
    text = pl.col("text")
    table = texts.alias("text").to_frame().lazy().with_columns(settled=_is_plain(text)).collect()
    unsettled = table.filter(~pl.col("settled") & text.is_not_null())["text"].unique()
    undecided = unsettled.filter(~is_hopeless(unsettled))
    decided = {address: _by_library(address) for address in undecided}
    value: pl.Expr = pl.when("settled").then(_domain_lowered(text))
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
    """Whether a text is certainly no address; the library judges the others.

    An invisible character is refused here, for the library drops some of them from a domain.
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
    # Its own normal form lower-cases some local parts (INFO@) and decodes domains; ours changes what nobody can mind.
    local, _, domain = text.rpartition("@")
    return f"{local}@{domain.lower() if domain.isascii() else validated.domain}"
