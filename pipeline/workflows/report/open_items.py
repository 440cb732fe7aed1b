"""The oldest open records, and the names of people in a report."""

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.domain.redaction import Pii, token
from pipeline.errors import ConfigError
from pipeline.reporting import OpenRow, days_between
from pipeline.storage.files import token_key


def oldest(items: pl.DataFrame, until: datetime, person: Any, most: int) -> Iterator[OpenRow]:
    """The open rows that wait longest, with people as `person` names them."""
    number = pl.col("row_id").str.extract(r"(\d+)$").cast(pl.Int64, strict=False)
    for one in (
        items.sort("since", "run_id", "file", number, maintain_order=True)
        .head(most)
        .iter_rows(named=True)
    ):
        yield OpenRow(
            row_id=one["row_id"],
            run_id=one["run_id"],
            person=person(one["external_reference"]) if one["external_reference"] else None,
            fate=one["fate"],
            reasons=one["reasons"],
            since=one["since"],
            days=days_between(one["since"], until.isoformat()),
            runs=one["runs"],
        )


def home_key(home: Path) -> bytes:
    """The key for tokens of a home; raise ConfigError if the home does not exist.

    With the key of another home, the same person would have another token.
    """
    if not home.is_dir():
        raise ConfigError(f"{home}: no ledgers found; is this the right --home?")
    return token_key(home)


def naming(key: bytes, pii: Pii) -> Any:
    """A function from an external reference to the name that a report shows."""
    if pii is Pii.FULL:
        return lambda reference: reference
    return partial(token, key) if pii is Pii.MASKED else lambda _reference: None
