"""`verify` compares columns: they suffice for what we read, and never pass what the rows refuse."""

import json
import random
import re
import shutil

import pyarrow as pa
import pytest
from pyarrow import parquet

from pipeline.domain.manifest import manifest_of
from pipeline.domain.plan_versions import plan_of
from pipeline.verifier import verify as verified
from pipeline.verifier import walk
from pipeline.verifier.amounts import declared
from pipeline.verifier.declared_job import DeclaredJob
from pipeline.verifier.in_columns import in_columns
from pipeline.verifier.origins import Origins
from pipeline.verifier.row_by_row import in_rows
from tests.benches.planning.customers import write_customers
from tests.conftest import Inside
from tests.journeys.test_verify import SAMPLES, open_checks, plan, reseal, run, verify

SUMS = "the sums of balances per currency and fate agree with summary.json"
pytestmark = pytest.mark.xdist_group("verify in columns")


@pytest.fixture(scope="module")
def troubled(tmp_path_factory):
    """A run of a file with quotes, line breaks and every kind of damage."""
    pipeline = Inside(tmp_path_factory.mktemp("troubled"))
    write_customers(pipeline.folder / "customers.csv", 400)
    return pipeline, plan(pipeline, "customers.csv", "--max-rejected", "100%")


def without_rows(monkeypatch, folder):
    """Whether every check holds where no row may be compared one by one again."""

    def refuse(*_given):
        raise AssertionError("the columns left a doubt")

    monkeypatch.setattr(walk, "in_rows", refuse)
    return verified(folder).holds


def test_columns_suffice_for_a_file_with_every_kind_of_damage(troubled, monkeypatch):
    assert without_rows(monkeypatch, troubled[1])


@pytest.mark.parametrize(
    "written",
    [
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.encode("utf-16"),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.replace("\n", "\n\n").encode(),
        lambda text: text.replace("\n", ",\n").encode(),
        lambda text: re.sub(r"(?m)^(\w+),(\w+),", r'"\1","\2",', text).encode(),
    ],
    ids=["crlf", "utf-16", "cr", "blank lines", "trailing delimiter", "quoted"],
)
def test_columns_suffice_for_each_file_format(pipeline, monkeypatch, written):
    text = (
        'external_reference,name,currency,balance\nC1,"Ann\nof two lines",ZAR,100\n'
        'C2,"Bo ""B""",ZAR,-250\nC3,Cy,ZAR,7\nC3,Cy,ZAR,7\nC4,Di,ZAR,1.5\nC5,"a,b",ZAR,5\n'
    )
    (pipeline.folder / "customers.csv").write_bytes(written(text))

    assert without_rows(monkeypatch, plan(pipeline, "customers.csv", "--max-rejected", "100%"))


def damaged_text(dice, content):
    """The text with one small change."""
    lines, at = content.splitlines(keepends=True), dice.randrange(len(content))
    other = dice.choice([b'"', b",", b"\n", b"\r", b"x", b"", b"0", b"\xff"])
    match dice.randrange(4):
        case 0:
            return content[:at] + other + content[at:]
        case 1:
            return content[:at] + other + content[at + 1 :]
        case 2:
            line = dice.randrange(len(lines))
            return b"".join([*lines[:line], *lines[line + 1 :]])
        case _:
            line = dice.randrange(len(lines))
            return b"".join([*lines[:line], lines[dice.randrange(len(lines))], *lines[line:]])


def damaged_table(dice, path):
    """Change one value of a table, or take one row out."""
    table = parquet.read_table(path)
    rows = table.to_pylist()
    at, name = dice.randrange(len(rows)), dice.choice(table.schema.names)
    if dice.random() < 0.3:
        del rows[at]
    else:
        rows[at][name] = dice.choice([None, rows[dice.randrange(len(rows))][name]])
    parquet.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def test_columns_pass_nothing_that_the_rows_refuse(troubled, tmp_path):
    pipeline, whole = troubled
    dice, passed, refused = random.Random(11), 0, 0

    for number in range(150):
        folder = tmp_path / str(number) / whole.name
        shutil.copytree(whole, folder)
        shutil.copy(pipeline.folder / "customers.csv", folder.parent)
        names = ("created", "skipped", "held", "rejected", "unprocessed")
        lists = [folder / f"{name}.csv" for name in names]
        path = dice.choice([*lists, folder / "rows.parquet", folder.parent / "customers.csv"])
        if path.suffix == ".parquet":
            damaged_table(dice, path)
        else:
            path.write_bytes(damaged_text(dice, path.read_bytes()))
        given = _given(folder)
        try:
            in_bulk = _found(in_columns, given)
        except Exception:  # noqa: BLE001 - any error leaves the run to the rows
            refused += 1
        else:
            passed += 1
            by_row = _found(in_rows, given)
            assert not by_row.notes.first, path
            assert in_bulk == by_row, path

    assert passed > 10
    assert refused > 80


def _given(folder):
    manifest = manifest_of(json.loads((folder / "manifest.json").read_text()))
    of_plan = plan_of(json.loads((folder / "plan.json").read_text()))
    inputs = [file.changed(path=str(folder.parent / "customers.csv")) for file in manifest.inputs]
    amounts = declared(DeclaredJob.of(of_plan).mapping, of_plan.columns)
    return folder, inputs, of_plan.columns, amounts, of_plan


def _found(walked, given):
    return walked(*given, Origins(given[-1].run_id, None))


@pytest.mark.parametrize(
    ("form", "amounts", "sums"),
    [
        ("thousands: ',', decimal_mark: '.'", ["1,234.50", "-2,000.00", "7"], (124150, -200000)),
        ("thousands: ' ', decimal_mark: ','", ["1 234,50", "-2\u00a0000,00"], (123450, -200000)),
        ("marks: {debit: [DR, ''], credit: [CR]}", ["5.00 DR", "7.25CR", "1"], (600, -725)),
        ("marks: {debit: [D], credit: [C], column: side}", ["5.00", "7.25"], (1225, 0)),
        ("currency_sign: {ZAR: R, EUR: '€'}", ["R 5.00", "-R7.25", "2.00R"], (700, -725)),
        ("trailing_minus: true", ["5.00", "7.25-", "7.25 -"], (500, -1450)),
        ("parentheses: true", ["5.00", "(7.25)"], (500, -725)),
        ("positive_means: credit", ["5.00", "-7.25"], (725, -500)),
        ("surplus_zeros: true", ["5.000", "-7.2500"], (500, -725)),
        ("leading_apostrophe: true", ["'5.00", "'-7.25"], (500, -725)),
    ],
)
def test_sums_of_each_declared_form_are_recomputed_and_a_cent_is_found(
    pipeline, form, amounts, sums
):
    (pipeline.folder / "job.yaml").write_text(
        "environment: sandbox\nmerchant: m\nmapping:\n  external_reference: ref\n  currency: cur\n"
        f"  balance: {{column: amount, unit: major, {form}}}\n",
        encoding="utf-8",
    )
    lines = [f"R{at};ZAR;{amount};D" for at, amount in enumerate(amounts)]
    (pipeline.folder / "c.csv").write_text("\n".join(["ref;cur;amount;side", *lines, ""]))

    folder = plan(pipeline, "c.csv", "--config", "job.yaml")

    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["read"]["debits"]["ZAR"], summary["read"]["credits"]["ZAR"]) == sums
    assert verify(pipeline, folder) == (0, {})
    assert SUMS not in open_checks(pipeline, folder)

    # Another digit in input and list, so that they agree with each other, and not with the sums.
    other = re.sub("[0-9]", lambda digit: str((int(digit[0]) + 1) % 10), amounts[0], count=1)
    for path in (pipeline.folder / "c.csv", folder / "unprocessed.csv"):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(amounts[0], other, 1), encoding="utf-8")
    reseal(folder)
    code, wrong = verify(pipeline, folder)
    assert (code, SUMS in wrong) == (7, True), wrong


def test_the_sample_needs_no_comparison_of_rows(pipeline, monkeypatch):
    shutil.copy(SAMPLES / "customers.csv", pipeline.folder)

    assert without_rows(monkeypatch, run(pipeline, "customers.csv"))
