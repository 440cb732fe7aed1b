"""Recompute every row of a run: in columns, and row by row if those leave a doubt."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.domain.machine_faults import is_of_the_machine
from pipeline.domain.plan_file import InputFile, PlanFile
from pipeline.verifier.amounts import Amounts
from pipeline.verifier.in_columns import in_columns
from pipeline.verifier.origins import Origins
from pipeline.verifier.recomputed import Recomputed
from pipeline.verifier.row_by_row import in_rows


def walk(
    folder: Path,
    inputs: Sequence[InputFile],
    columns: Sequence[str],
    amounts: Amounts | None,
    plan: PlanFile,
    origins: Origins,
) -> Recomputed:
    """The counts and sums of all rows, and the first problem of each check.

    Columns can only show that every row is right. For any doubt, and for any file that they cannot
    read, the rows decide: they name the first problem, or find none.
    """
    tested = origins.fresh()
    try:
        found = in_columns(folder, inputs, columns, amounts, plan, tested)
    except Exception as error:
        if is_of_the_machine(error):
            raise
        return in_rows(folder, inputs, columns, amounts, plan, origins)
    origins.add(tested)
    return found
