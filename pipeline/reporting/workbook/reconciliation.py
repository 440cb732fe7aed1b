"""The sheets of a reconciliation."""

from collections.abc import Iterator, Mapping, Sequence

from pipeline.domain.discrepancies import Discrepancy
from pipeline.domain.reconciliation import Reconciliation
from pipeline.reporting.headline import currency_label
from pipeline.reporting.workbook.tables import (
    BRIDGE,
    FACTS,
    Table,
    bridge_rows,
    differences_table,
    major,
    text,
    yes,
)


def reconciliation_tables(
    content: Reconciliation, differences: Sequence[Mapping[str, str | None]]
) -> Iterator[Table]:
    """The sheets of a reconciliation."""
    yield Table("Report", FACTS, _facts_of_reconciliation(content))
    yield Table("Bridge", BRIDGE, bridge_rows("the reconciliation", content.bridge))
    yield Table(
        "Residual", ("Currency", "Records", "Minor units", "Amount"),
        [
            (currency_label(code), text(left.records), str(left.sum), major(left.sum, code))
            for code, left in content.residual.items()
        ],
    )  # fmt: skip
    yield Table("Kinds", ("Difference", "Found", "What it means"), _kinds_of(content))
    yield differences_table(differences, sum(content.differences.values()))
    yield Table(
        "Ledger", ("Run", "Created, by its report", "Settled since", "Created, by the ledger", "Agree"),
        [
            (one.run_id, str(one.reported), str(one.settled_since), str(one.recorded), yes(holds=one.agrees))
            for one in content.ledger
        ],
    )  # fmt: skip


def _kinds_of(content: Reconciliation) -> Iterator[tuple[str, str, str]]:
    for kind in Discrepancy:
        if why := content.not_determinable.get(kind.value):
            yield kind.value, "", f"not determinable: {why}"
        else:
            yield kind.value, str(content.differences_of([kind])), kind.sentence


def _facts_of_reconciliation(content: Reconciliation) -> Iterator[tuple[str, str]]:
    yield "Verdict", content.verdict
    yield "Can be signed", yes(holds=content.signable)
    yield "Exit code", str(content.exit_code)
    yield "Reconciliation", content.reconciliation_id
    yield from (("Run", run_id) for run_id in content.runs)
    yield from (("Left out", f"{run_id} {why}") for run_id, why in content.left_out.items())
    yield from (("Not read", f"{one.run_id}: {one.reason}") for one in content.damaged_runs)
    yield "Billing, by", content.method
    yield from (("Export", f"{file.name}, SHA-256 {file.sha256}") for file in content.export)
    yield "Compared", ", ".join(content.compared)
    tolerated = [f"{name} {allowed}" for name, allowed in content.tolerances.items()]
    yield "Tolerances", ", ".join(tolerated) or "none"
    if sample := content.sample:
        found = f"{sample.customers} of {sample.of}, {sample.differing} differ"
        bound = f"{sample.at_most * 100:.3g} % of all, with {sample.confidence * 100:.0f} %"
        yield "Sample", f"{found}; at most {bound} confidence"
    yield from (
        (f"Accepted difference: {code}", why) for code, why in content.legacy.because.items()
    )
    yield "Done", f"{content.finished_at} by {content.reviewer}"
