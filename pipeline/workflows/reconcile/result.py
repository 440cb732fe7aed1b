"""The result of a reconciliation: the content of `summary.json`, and `differences.csv`."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import duckdb

from pipeline import __version__
from pipeline.domain.currency import grouped_digits
from pipeline.domain.customer import METADATA_PREFIX, Environment
from pipeline.domain.discrepancies import Discrepancy
from pipeline.domain.reconciliation import (
    DamagedFolder,
    ExistedBefore,
    LedgerAgreement,
    LegacyTotals,
    Reconciliation,
    Sample,
)
from pipeline.domain.summary_parts import BridgeFigure, BridgeStep
from pipeline.reconciling import (
    Found,
    Legacy,
    Sampled,
    Step,
    Terms,
    Verdict,
    at_most,
    judge,
    not_determinable,
    reasons_used,
    residuals,
    unexplained,
    unreadable_balances,
)
from pipeline.reconciling.bridge import Figures
from pipeline.reconciling.comparing import Chosen
from pipeline.storage.files import written_whole
from pipeline.storage.run_folder import RunFolder
from pipeline.workflows.reconcile.actual import BillingSide
from pipeline.workflows.reconcile.run_selection import SelectedRuns

CONFIDENCE = 0.95
_FIRST = 5
_DIFFERENCE_COLUMNS = (
    "kind", "external_reference", "run_id", "row_id", "field", "ours", "theirs", "currency",
    "amount", "pattern",
)  # fmt: skip
_OPTIONAL = ("billing_id", "name", "email", "phone")  #: fields that an export may leave out


@dataclass(frozen=True, slots=True)
class Identified:
    """Which reconciliation it is: its runs, who made it and when."""

    reconciliation_id: str
    selected: SelectedRuns
    environment: Environment
    reviewer: str
    begun_at: str
    finished_at: str
    files: Mapping[str, str]  #: name -> path


@dataclass(frozen=True, slots=True)
class Compared:
    """The results of comparing both sides."""

    billing_side: BillingSide
    terms: Terms
    chosen: Chosen
    steps: Sequence[Step]
    ledger: Sequence[LedgerAgreement]
    legacy: Legacy
    rows_read: int  #: input rows of all runs; a record counts each time a run reads it


def reconciliation_of(
    workbench: duckdb.DuckDBPyConnection, compared: Compared, identified: Identified
) -> Reconciliation:
    """The content of summary.json: the verdict, and the figures that support it."""
    selected, side, terms = identified.selected, compared.billing_side, compared.terms
    judged = _judged(workbench, compared, len(selected.left_out))
    counted, found, verdict = judged.counted, judged.found, judged.verdict
    return Reconciliation(
        reconciliation_id=identified.reconciliation_id,
        runs=tuple(run.run_id for run in selected.runs),
        left_out=selected.left_out,
        damaged_runs=tuple(
            DamagedFolder(run_id=one.run_id, reason=one.reason) for one in selected.damaged
        ),
        environment=identified.environment,
        reviewer=identified.reviewer,
        version=__version__,
        begun_at=identified.begun_at,
        finished_at=identified.finished_at,
        exit_code=verdict.exit_code,
        signable=verdict.is_signable,
        verdict=verdict.sentence,
        method=side.method,
        export=side.inputs,
        export_unusable=side.unusable,
        compared=(*terms.fields, "currency", "balance"),
        not_compared=tuple(found.not_compared),
        tolerances=dict(terms.tolerances),
        differences={kind.value: counted.kinds.get(kind.value, 0) for kind in Discrepancy},
        fields=counted.fields,
        patterns=counted.patterns,
        not_determinable=not_determinable(
            by_lookups=side.is_by_lookups,
            has_times=side.has_times,
            unreadable_times=side.unreadable_times,
        ),
        rows_read=compared.rows_read,
        existed_before=ExistedBefore(held=found.held, known=found.known),
        bridge=tuple(map(_step, compared.steps)),
        residual=_figures(judged.residual),
        legacy=LegacyTotals(totals=dict(compared.legacy.totals), because=judged.because),
        ledger=tuple(compared.ledger),
        examples=_examples(workbench),
        sample=None if judged.sampled is None else Sample(**asdict(judged.sampled)),
        files=dict(identified.files),
    )


@dataclass(frozen=True, slots=True)
class _Judged:
    """The verdict, and what it depends on."""

    verdict: Verdict
    counted: "_Counted"
    found: Found
    residual: Figures
    because: dict[str, str]  #: total or residual -> its reason
    sampled: Sampled | None


def _judged(workbench: duckdb.DuckDBPyConnection, compared: Compared, left_out: int) -> _Judged:
    counted = _count_differences(workbench)
    residual = residuals(compared.steps)
    because = reasons_used(compared.steps, compared.legacy, residual)
    faults = _faults(workbench, compared, residual)
    found = _found(counted, compared, left_out, sorted(because), faults)
    sampled = _sampled(workbench, compared.chosen)
    verdict = judge(
        found,
        by_lookups=compared.billing_side.is_by_lookups,
        has_tolerances=bool(compared.terms.tolerances),
        sampled=sampled,
    )
    return _Judged(verdict, counted, found, residual, because, sampled)


def _found(
    counted: "_Counted",
    compared: Compared,
    left_out: int,
    reasoned: Sequence[str],
    faults: Sequence[str],
) -> Found:
    """What the verdict depends on."""
    return Found(
        counted.kinds,
        other_currency=counted.fields.get("currency", 0),
        held=counted.paired.get("existed_before", 0),
        known=counted.paired.get("known_before", 0),
        not_compared=_not_compared(compared),
        left_out=left_out,
        moved=_moved(compared.steps),
        reasoned=reasoned,
        faults=faults,
    )


@dataclass(frozen=True, slots=True)
class _Counted:
    """How many differences there are of each sort."""

    kinds: dict[str, int]
    fields: dict[str, int]  #: field -> differences in it
    patterns: dict[str, int]
    paired: dict[str, int]  #: kind of a pair -> pairs


def _count_differences(workbench: duckdb.DuckDBPyConnection) -> _Counted:
    def count(query: str) -> dict[str, int]:
        return dict(workbench.execute(query).fetchall())

    return _Counted(
        kinds=count("SELECT kind, count(*) FROM differences GROUP BY kind"),
        fields=count(
            "SELECT field, count(*) FROM differences WHERE kind = 'field_differs'"
            " GROUP BY field ORDER BY field"
        ),
        patterns=count(
            "SELECT pattern, count(*) FROM differences WHERE pattern IS NOT NULL GROUP BY 1"
        ),
        paired=count("SELECT kind, count(*) FROM paired WHERE kind IS NOT NULL GROUP BY kind"),
    )


def _not_compared(compared: Compared) -> list[str]:
    """The fields that billing's side leaves out."""
    sent = sorted(name for name in compared.terms.ours if name.startswith(METADATA_PREFIX))
    return [name for name in (*_OPTIONAL, *sent) if name not in compared.billing_side.fields]


def _step(step: Step) -> BridgeStep:
    return BridgeStep(
        step=step.name,
        sentence=step.sentence,
        is_total=step.is_total,
        records=step.records,
        figures=_figures(step.figures),
    )


def _figures(figures: Mapping[str, tuple[int | None, int]]) -> dict[str, BridgeFigure]:
    return {
        code: BridgeFigure(records=records, sum=amount)
        for code, (records, amount) in sorted(figures.items())
    }


def write_differences(folder: RunFolder, workbench: duckdb.DuckDBPyConnection) -> None:
    """Write every difference with the unmasked values of both sides, which are personal data."""
    found = workbench.execute(
        f"SELECT {', '.join(_DIFFERENCE_COLUMNS)} FROM differences"
        " ORDER BY kind, run_id, place, their_place, field"
    )
    with written_whole(folder.path / "differences.csv") as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_DIFFERENCE_COLUMNS)
        while block := found.fetchmany(100_000):
            writer.writerows(block)
        text.detach()


def _moved(steps: Sequence[Step]) -> dict[str, int]:
    """Currency -> change in billing after our outcome, in minor units."""
    changed = (step.figures for step in steps if step.name == Discrepancy.CHANGED.value)
    return {code: amount for figures in changed for code, (_, amount) in figures.items()}


def _faults(
    workbench: duckdb.DuckDBPyConnection, compared: Compared, residual: Figures
) -> list[str]:
    """Why the evidence is not reliable."""
    side, (unread, rows) = compared.billing_side, unreadable_balances(workbench, _FIRST)
    faults = list(unexplained(compared.steps, compared.legacy, residual))
    for one in compared.ledger:
        if not one.agrees:
            hint = (
                ""
                if one.recorded
                else " (is --home the one that it was made with, and is its ledger still there?)"
            )
            faults.append(
                f"the ledger knows {grouped_digits(one.recorded)} creates of {one.run_id},"
                f" and its report {grouped_digits(one.reported)}{hint}"
            )
    if side.unusable:
        faults.append(
            f"{grouped_digits(side.unusable)} records of the export that name no customer"
            f" ({_first(side.unusable_rows, side.unusable)})"
        )
    if unread:
        hint = (
            ", though they look like major units: see reconcile.mapping.balance.unit"
            if _looks_major(workbench)
            else ""
        )
        faults.append(
            f"{grouped_digits(unread)} unreadable balances in billing,"
            f" so no sum is complete{hint} ({_first(rows, unread)})"
        )
    return faults


def _looks_major(workbench: duckdb.DuckDBPyConnection) -> bool:
    """Whether all unreadable balances are decimals, so that the declared unit may be wrong."""
    found = workbench.execute(
        "SELECT bool_and(regexp_full_match(balance_text, '-?[0-9]+\\.[0-9]{1,3}')) FROM their_rows"
        " WHERE balance_text IS NOT NULL"
    ).fetchall()
    return bool(found[0][0])


def _first(rows: Sequence[str], of: int) -> str:
    return ", ".join(dict.fromkeys(rows)) + (", …" if of > len(rows) else "")


def _sampled(workbench: duckdb.DuckDBPyConnection, chosen: Chosen) -> Sampled | None:
    """The confidence bound of a sample; None if all customers were compared."""
    if chosen.count == chosen.of:
        return None
    query = "SELECT count(DISTINCT external_reference) FROM differences"
    differing = int(workbench.execute(query).fetchall()[0][0])
    share = at_most(chosen.count, differing, CONFIDENCE) if chosen.count else 1.0
    return Sampled(chosen.count, chosen.of, differing, CONFIDENCE, share)


def _examples(workbench: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, ...]]:
    """The row ids of the first differences of each kind; a reference may be a person's name."""
    found = workbench.execute(
        "SELECT kind, list(row ORDER BY place, their_place)[:5] FROM ("
        " SELECT kind, coalesce(row_id, theirs) AS row, min(place) AS place,"
        " min(their_place) AS their_place FROM differences GROUP BY ALL"
        ") GROUP BY kind"
    ).fetchall()
    return {kind: tuple(text for text in rows if text) for kind, rows in found}
