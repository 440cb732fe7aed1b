"""Count the rejected records of new files, and compare them with the limit of the config."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

import polars as pl

from pipeline.domain.fates import Fate
from pipeline.domain.file_issues import FileIssue, Finding

Limit = int | str  #: a number of records, or a share of those read such as "20%"

USUAL_LIMIT: Limit = "20%"  #: of a config without a limit
FEWEST_FOR_USUAL_LIMIT = 50  #: records; with fewer, a few bad ones are a large share
_REJECTED = (Fate.UNREADABLE.value, Fate.INVALID.value)
_REASONS_NAMED = 3


@dataclass
class Rejections:
    """Counts of new records; rows that came back were rejected before and do not count."""

    read: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)  #: code -> records

    def add(self, judged: pl.DataFrame) -> None:
        """Count records that have `fate` and `reasons`."""
        rejected = judged.filter(pl.col("fate").is_in(_REJECTED))
        codes = rejected.select(
            pl.col("reasons").list.eval(pl.element().str.extract("^([^:]*)")).list.unique()
        )
        self.read += judged.height
        self.rejected += rejected.height
        self.reasons.update(
            dict(codes["reasons"].explode().drop_nulls().value_counts().iter_rows())
        )


def judge_rejections(found: Rejections, limit: Limit | None) -> list[Finding]:
    """The issue if more records were rejected than the limit allows."""
    if limit is None and found.read < FEWEST_FOR_USUAL_LIMIT:
        return []
    limit = USUAL_LIMIT if limit is None else limit
    if found.rejected <= most_rejected(limit, found.read):
        return []
    most_frequent = sorted(found.reasons.items(), key=lambda reason: (-reason[1], reason[0]))[
        :_REASONS_NAMED
    ]
    reasons = ", ".join(f"{code} ({times:,})" for code, times in most_frequent)
    allowed = limit if isinstance(limit, str) else f"{limit:,}"
    return [
        Finding(
            FileIssue.MAX_REJECTED,
            f"{found.rejected:,} of {found.read:,} records were rejected ({reasons});"
            f" thresholds.max_rejected allows {allowed}",
        )
    ]


def most_rejected(limit: Limit, read: int) -> Decimal:
    """How many of the records read may be rejected; exact, never rounded."""
    return (
        Decimal(limit) if isinstance(limit, int) else Decimal(limit.removesuffix("%")) * read / 100
    )
