"""Creates settled over time, and how long each waited."""

from typing import TYPE_CHECKING, cast

import polars as pl

from pipeline.domain.summary_parts import Throughput, ThroughputSpan, Waits

if TYPE_CHECKING:
    from datetime import datetime

_MOST_SPANS = 60
_WIDTHS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 86_400)  #: seconds


def throughput(settled: pl.DataFrame) -> Throughput | None:
    """Throughput and latency of a run; None if nothing was settled.

    `settled`: began_at, settled_at (Datetime in UTC) of every reference that the run settled.
    Waiting is the time from the durable intent to the durable answer, including the time in the
    queue.
    """
    if not settled.height:
        return None
    waited = (pl.col("settled_at") - pl.col("began_at")).dt.total_microseconds() / 1e6
    first, last = (
        cast("datetime", getattr(settled["settled_at"], end)()) for end in ("min", "max")
    )
    lasted = (last - first).total_seconds()
    width = next(
        (width for width in _WIDTHS if lasted / width < _MOST_SPANS),
        max(_WIDTHS[-1], lasted // _MOST_SPANS),
    )
    spans = (
        settled.select(
            span=((pl.col("settled_at") - first).dt.total_microseconds() / 1e6 // width).cast(pl.Int64), waited=waited
        )
        .group_by("span")
        .agg(pl.len().alias("settled"), pl.col("waited").quantile(0.5).alias("p50"), pl.col("waited").quantile(0.95).alias("p95"))
        .sort("span")
    )  # fmt: skip
    every = settled.select(waited).to_series()
    return Throughput(
        since=first.isoformat(timespec="seconds"),
        span_seconds=width,
        settled=settled.height,
        per_second=round(settled.height / max(lasted, 1.0), 3),
        waited=Waits(
            p50=_rounded(every.quantile(0.5)),
            p95=_rounded(every.quantile(0.95)),
            p99=_rounded(every.quantile(0.99)),
            most=_rounded(every.max()),
        ),
        spans=tuple(
            ThroughputSpan(after=span * width, settled=count, p50=_rounded(p50), p95=_rounded(p95))
            for span, count, p50, p95 in spans.iter_rows()
        ),
    )


def _rounded(seconds: object) -> float:
    return round(float(cast("float", seconds)), 4)
