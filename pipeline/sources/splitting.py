"""Split framed records into cells."""

import polars as pl

from pipeline.sources.dialect import Dialect
from pipeline.sources.escapes import shown_cells
from pipeline.sources.fast_path import parsed_together
from pipeline.sources.source_file import GIVEN


def split_records(records: pl.DataFrame, header: tuple[str, ...], dialect: Dialect) -> pl.DataFrame:
    """Add `given.<column>` to each record, null if unreadable; the order stays."""
    # The empty cell after a trailing delimiter gets a name that no column has.
    names = [
        *(GIVEN + name for name in header),
        *(["trailing"] if dialect.trailing_delimiter else []),
    ]
    whole = pl.col("reason").is_null()
    good, bad = records.filter(whole), records.filter(~whole)
    parts = _with_cells(good, names, dialect) if good.height else []
    if bad.height or not parts:
        parts.append(bad.with_columns(pl.lit(None, pl.String).alias(name) for name in names))
    table = parts[0] if len(parts) == 1 else pl.concat(parts).sort("line")
    return (
        table.with_columns(shown_cells(pl.col(name)).alias(name) for name in names)
        if dialect.escape
        else table
    )


def _with_cells(records: pl.DataFrame, names: list[str], dialect: Dialect) -> list[pl.DataFrame]:
    """Split legal records: all at once if possible, else those with quotes separately."""
    cells = parsed_together(records["raw"], names, dialect)
    if cells is not None:
        return [records.hstack(cells)]
    plain, quoted = records.filter(~pl.col("quoted")), records.filter("quoted")
    return [
        *([_with_plain_cells(plain, names, dialect)] if plain.height else []),
        *([_with_quoted_cells(quoted, names, dialect)] if quoted.height else []),
    ]


def _with_plain_cells(records: pl.DataFrame, names: list[str], dialect: Dialect) -> pl.DataFrame:
    """Split records without quotes."""
    cells = (
        pl.col("raw").str.split_exact(dialect.delimiter, len(names) - 1).struct.rename_fields(names)
    )
    return records.with_columns(cells.alias("cells")).unnest("cells")


def _with_quoted_cells(records: pl.DataFrame, names: list[str], dialect: Dialect) -> pl.DataFrame:
    """Split legal records with quotes: after a leading delimiter every match is one field."""
    fields = pl.concat_str(pl.lit(dialect.delimiter), "raw").str.extract_all(
        dialect.grammar.one_field_text
    )
    split = records.with_columns(fields.list.to_struct(fields=names).alias("cells")).unnest("cells")
    return split.with_columns(_cell(pl.col(name), dialect.quote).alias(name) for name in names)


def _cell(field: pl.Expr, quote: str) -> pl.Expr:
    """The text of a field, without its delimiter and outer quotes."""
    body = field.str.slice(1)
    if not quote:
        return body
    unwrapped = (
        body.str.strip_prefix(quote)
        .str.strip_suffix(quote)
        .str.replace_all(2 * quote, quote, literal=True)
    )
    return pl.when(body.str.starts_with(quote)).then(unwrapped).otherwise(body)
