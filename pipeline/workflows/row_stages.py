"""The row-local stages over one batch: stage(a + b) == stage(a) + stage(b)."""

from collections.abc import Iterator

import polars as pl

from pipeline.domain.amount import Amount
from pipeline.domain.column_mapping import Layout, Text, canonical_layout
from pipeline.domain.customer import payload_expression
from pipeline.domain.fates import Fate
from pipeline.transforming.mapping import map_columns
from pipeline.transforming.normalize import Defaults, find_clues, normalize
from pipeline.transforming.validation import validate
from pipeline.workflows.profile import Profile


def layout_of(declared: Layout | None, columns: list[str], file_format: str = "csv") -> Layout:
    """The declared layout, else that of the canonical names; `file_format` as in `SourceFile`."""
    layout = declared or canonical_layout(columns)
    return layout.of_workbook() if file_format == "excel" else layout


def judged(
    records: pl.DataFrame, layout: Layout, defaults: Defaults, profile: Profile | None = None
) -> pl.DataFrame:
    """Run the row-local stages; return each record once, accepted (fate null) or set aside."""
    profile, rows = profile or Profile(), records.height
    with profile.stage("map", rows):
        mapped = map_columns(records, layout)
    with profile.stage("normalize", rows):
        customers = normalize(mapped, layout, defaults)
    with profile.stage("validate", rows):
        reasons = validate(
            customers,
            refuse_sensitive=layout.sensitive_metadata == "refuse",
            reject_unusual_phones=layout.unusual_phones == "reject",
        ).reasons
    with profile.stage("payloads", rows):
        signs = layout.balance.signs() if layout.balance else {}
        return _with_payloads(
            customers.with_columns(clue=find_clues(customers, reasons, signs)), reasons
        )


def _with_payloads(customers: pl.DataFrame, reasons: pl.Series) -> pl.DataFrame:
    unreadable = pl.col("reason").is_not_null()
    if "mismatch" in customers.columns:  # of a resubmitted list
        reasons = customers.select(
            pl.concat_list(pl.col("mismatch"), reasons).list.drop_nulls()
        ).to_series()
    return (
        customers.lazy()
        .with_columns(reasons=reasons)
        .with_columns(
            reasons=pl.when(unreadable).then(pl.concat_list("reason")).otherwise("reasons")
        )
        .with_columns(
            fate=pl.when(unreadable)
            .then(pl.lit(Fate.UNREADABLE.value))
            .when(pl.col("reasons").list.len() > 0)
            .then(pl.lit(Fate.INVALID.value))
        )
        # An unreadable record has no currency, not even the default of the config.
        .with_columns(currency=pl.when(~unreadable).then("currency"))
        .with_columns(
            payload=pl.when(pl.col("fate").is_null()).then(payload_expression(customers.columns))
        )
        .drop("reason", "line", *_between_stages(customers.columns))
        .drop("origin_check", "mismatch", strict=False)
        .collect()
    )


def _between_stages(columns: list[str]) -> list[str]:
    """Columns that only the row-local stages use. The source amount stays, for comparison."""
    kept = {"mapped.balance", "kind.balance"}
    return [
        name
        for name in columns
        if name.startswith(("mapped.", "fault.", "kind.")) and name not in kept
    ]


def no_records(columns: list[str]) -> pl.DataFrame:
    """An empty batch with the columns of a file."""
    texts = [
        "row_id",
        "reason",
        "text",
        "origin_run",
        "origin_row",
        "origin_check",
        *(f"given.{column}" for column in columns),
    ]
    numbers = ["position", "line", "line_count"]
    return pl.DataFrame(
        schema={**dict.fromkeys(numbers, pl.Int64), **dict.fromkeys(texts, pl.String)}
    )


def described_layout(layout: Layout | None) -> dict[str, str]:
    """Field -> its sources in words; empty for canonical names."""
    if layout is None:
        return {}
    described = {field: _description(text) for field, text in layout.texts()}
    balance = layout.balance
    if balance is not None:
        unit = balance.unit.value or f"unit by {balance.unit.column}"
        sources = " - ".join(balance.sources)
        described["balance"] = f"{sources} ({', '.join([unit, *_signs(balance)])})"
    return described


def _signs(balance: Amount) -> Iterator[str]:
    if balance.marks is not None:
        marks = ", ".join(map(repr, balance.marks.credit))
        yield f"credits by {balance.marks.column or 'the mark after the amount'}: {marks}"
    if balance.parentheses:
        yield "in parentheses negative"
    if balance.trailing_minus:
        yield "minus behind"
    if balance.positive_means == "credit":
        yield "positive amounts are credits"
    if balance.currency_sign:
        signs = dict.fromkeys(sign for signs in balance.currency_sign.values() for sign in signs)
        yield f"currency signs: {', '.join(signs)}"
    if balance.leading_apostrophe:
        yield "apostrophe before it dropped"


def _description(text: Text) -> str:
    """The sources and steps of a field, so that each value can be traced to its cells."""
    steps = [f"always {text.value}" if text.value is not None else _cells(text)]
    if text.split is not None:
        steps.append(f"part {text.split.part} between {text.split.at!r}")
    if text.leading_apostrophe:
        steps.append("apostrophe before it dropped")
    if text.extract is not None:
        steps.append(f"what {text.extract} finds")
    if text.values is not None:
        otherwise = f" or {text.otherwise}" if text.otherwise else ""
        steps.append(f"by {len(text.values)} listed values{otherwise}")
    if text.escape is not None:
        steps.append(f"other characters as {text.escape} and two hexadecimal digits")
    if text.prefix:
        steps.append(f"{text.prefix!r} before it")
    if text.suffix:
        steps.append(f"{text.suffix!r} after it")
    if text.when is not None:
        texts = text.when.is_one_of or text.when.is_none_of or ()
        negation = "not " if text.when.is_one_of is None else ""
        steps.append(f"where {text.when.column} is {negation}{' or '.join(map(repr, texts))}")
    return ", ".join(steps) + (f", else {text.default}" if text.default else "")


def _cells(text: Text) -> str:
    return " or else ".join(text.cells) if text.take == "first" else " + ".join(text.cells)
