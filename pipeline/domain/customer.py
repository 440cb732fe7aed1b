"""The canonical customer: its columns, the bytes that are sent to billing, and the idempotency key of the request.

Identity in three steps, the same in every process and on every machine:
payload      canonical JSON of the customer (sorted keys, UTF-8, no spaces), frozen when a row is planned
fingerprint  SHA-256 of the payload, in hexadecimal
key          UUIDv5 over environment, merchant, mode, endpoint, reference, fingerprint and generation
"""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

METADATA_PREFIX = "metadata."
SENSITIVE_PREFIX = (
    "sensitive."  #: a column next to each metadata column: card, iban, identity or null
)
TEXT_FIELDS = ("external_reference", "name", "email", "phone", "currency")
FIELDS = (*TEXT_FIELDS, "balance")
ROW_ID, RUN_ID = "_import_row_id", "_import_run_id"  #: which row of which run a line of a list is
CHECK = "_import_check"  #: shows that this home wrote the two; see `origin_check.py`
#: The columns that lists and reports add; they are dropped when a list is fed back in.
LIST_COLUMNS = frozenset(
    {
        ROW_ID, RUN_ID, CHECK, "_import_fate", "_import_reasons", "_import_explanation", "_import_hint", "_import_billing_said",
        "_import_same_as", "_import_differs", "_import_billing_id", "_import_idempotency_key", "_import_text",
        "_import_person", "_import_currency", "_import_balance",
    }
)  # fmt: skip

LARGEST_BALANCE = 2**53 - 1  #: beyond it JSON numbers lose cents in readers that use doubles
REFERENCE_PATTERN = r"^[a-zA-Z0-9_-]+$"
E164_PATTERN = r"^\+[1-9][0-9]{1,14}$"
METADATA_KEYS, METADATA_KEY_LENGTH, METADATA_VALUE_LENGTH, TEXT_LENGTH = 10, 40, 500, 255

ENDPOINT = "POST /billing/customers"
#: Fixed for ever: another namespace would give every customer a second key, and so a possible duplicate.
KEY_NAMESPACE = uuid.UUID("5d0b6c6e-7f0f-5f57-9d0a-6f1a52d3c0b4")


@dataclass(frozen=True, slots=True)
class Environment:
    """Where customers are created; part of every idempotency key, and each has a ledger of its own."""

    name: str
    merchant: str
    mode: str  #: "test" or "live"
    host: str  #: without port: a local sandbox may move

    def __str__(self) -> str:
        where = "this machine" if self.host == "loopback" else self.host
        return f"environment {self.name} of merchant {self.merchant} ({self.mode}, {where})"


def is_import_column(name: str) -> bool:
    """Whether a column has the name of one that our lists add; SQL knows no case in names, so neither does this."""
    return name.casefold() in LIST_COLUMNS


def names_origin(header: Iterable[str]) -> bool:
    """Whether a file has the columns that say which row of which run each record was."""
    return {ROW_ID, RUN_ID} <= {name.casefold() for name in header}


def metadata_columns(columns: Sequence[str]) -> list[str]:
    """The columns that hold metadata values, in the order in which canonical JSON sorts their keys."""
    return sorted(column for column in columns if column.startswith(METADATA_PREFIX))


def payload_expression(columns: Sequence[str]) -> pl.Expr:
    r"""Canonical columns -> canonical JSON text (String), byte for byte what `payload_bytes` makes of the same row.

    Absent (null) fields are left out; keys are sorted; nothing but `"`, `\` and control characters is escaped.
    """
    metadata = metadata_columns(columns)
    pieces: list[pl.Expr] = [pl.lit("{")]
    for field in sorted((*FIELDS, "metadata")):
        if field == "balance":
            pieces += _member(field, pl.col(field), pl.col(field).cast(pl.String), quote="")
        elif field != "metadata":
            pieces += _member(field, pl.col(field), _escaped(pl.col(field)))
        elif metadata:
            values = [(column.removeprefix(METADATA_PREFIX), pl.col(column)) for column in metadata]
            members = [
                piece for key, value in values for piece in _member(key, value, _escaped(value))
            ]
            inner = pl.concat_str(members, ignore_nulls=True).str.strip_suffix(",")
            any_given = pl.any_horizontal(value.is_not_null() for _, value in values)
            pieces.append(
                pl.when(any_given).then(pl.concat_str(pl.lit('"metadata":{'), inner, pl.lit("},")))
            )
    # One concatenation, each member with its trailing comma: the column is built once, not once per member.
    body = pl.concat_str(pieces, ignore_nulls=True)
    return pl.concat_str(body.str.strip_suffix(","), pl.lit("}"))


def payload_bytes(customer: Mapping[str, object]) -> bytes:
    """One customer in the form of the API -> the bytes that are sent; `payload_expression` must give the same bytes."""
    return json.dumps(customer, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def key_prefix(environment: Environment) -> str:
    """The part of `key_name` that all customers of an environment share."""
    parts = [environment.name, environment.merchant, environment.mode, ENDPOINT]
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))[:-1]


def key_name(environment: Environment, reference: str, fingerprint: str, generation: int) -> str:
    """The canonical JSON array whose UUIDv5 is the idempotency key; a reference holds nothing that JSON escapes."""
    return f'{key_prefix(environment)},"{reference}","{fingerprint}",{generation}]'


def create_key(
    environment: Environment, reference: str, fingerprint: str, generation: int = 1
) -> str:
    """The idempotency key of one create: no randomness, no personal data, the same wherever it is computed."""
    return str(uuid.uuid5(KEY_NAMESPACE, key_name(environment, reference, fingerprint, generation)))


def _member(key: str, value: pl.Expr, text: pl.Expr, quote: str = '"') -> list[pl.Expr]:
    """The texts before, of and after the value of one key; null if the value is absent."""
    given = value.is_not_null()
    before = pl.lit(f"{json.dumps(key, ensure_ascii=False)}:{quote}")
    return [pl.when(given).then(before), text, pl.when(given).then(pl.lit(f"{quote},"))]


def _escaped(text: pl.Expr) -> pl.Expr:
    # Few cells hold anything to escape; null skips the others.
    of_few = pl.when(text.str.contains(r'["\\\x00-\x1f]')).then(text)
    return pl.coalesce(of_few.str.replace_many(_ESCAPES), text)


# What json.dumps(ensure_ascii=False) escapes, computed with it, so that both always agree.
_ESCAPES = {
    character: json.dumps(character, ensure_ascii=False)[1:-1]
    for character in [*map(chr, range(0x20)), '"', "\\"]
}
