"""The current fates of one run's records: figures for its page, its workbook, `status` and JSON."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import polars as pl
from pydantic import JsonValue

from pipeline.reporting import OPEN_FATES, Current, FateChange, changes, resubmitted
from pipeline.storage.run_damage import DamagedRun
from pipeline.storage.run_folder import RunFolder
from pipeline.workflows.report.current import newest_fates
from pipeline.workflows.report.run_rows import rows_of


@dataclass(frozen=True, slots=True)
class Became:
    """The records of one run, as they are after the newest run."""

    overall: dict[str, int] = field(default_factory=dict)  #: fate now -> records
    changes: Sequence[FateChange] = ()  #: by other runs
    resubmitted: int = 0  #: records that later runs read again
    open: int | None = None  #: records that wait for a person or a resume
    #: Other runs that cannot be read and do not count.
    left_out: list[DamagedRun] = field(default_factory=list)
    #: Open records of this run and those before it.
    open_records: pl.DataFrame = field(default_factory=pl.DataFrame)

    def to_json(self) -> dict[str, JsonValue]:
        """The figures, for JSON."""
        return {
            "overall": {**self.overall},
            "changes": [asdict(one) for one in self.changes],
            "resubmitted": self.resubmitted,
            "open": self.open,
            "damaged_runs": [asdict(one) for one in self.left_out],
        }


NOTHING = Became()


def became_of(run: RunFolder, home: Path) -> Became:
    """The current fates of all records of an applied run."""
    current, left_out = newest_fates(run, home)
    return replace(became_by(run, current), left_out=left_out)


def became_by(run: RunFolder, current: Current) -> Became:
    """The same, from current fates that were computed before."""
    fates, rows = run.read_summary().fates, rows_of(run)
    found = [FateChange(**one) for one in changes(current, rows).iter_rows(named=True)]
    overall = Counter({fate: records for fate, records in fates.items() if records})
    for one in found:
        overall[one.before] -= one.records
        overall[one.after] += one.records
    return Became(
        overall={fate: records for fate, records in overall.items() if records},
        changes=[one for one in found if one.after != one.before],
        resubmitted=resubmitted(current, rows, run.run_id),
        open=sum(records for fate, records in overall.items() if fate in OPEN_FATES),
        open_records=current.open.filter(pl.col("since_run") <= run.run_id),
    )
