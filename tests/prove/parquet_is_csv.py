"""The same customers as CSV and as Parquet give the same plan: equal fingerprints and keys, in order.

Run it: python tests/prove/parquet_is_csv.py 1000000
"""

import argparse
import datetime as dt
import hashlib
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import polars as pl

from pipeline.config import Settings
from pipeline.domain.column_mapping import Layout
from pipeline.domain.customer import Environment
from pipeline.workflows.plan import PlannedRun, plan_import

ENVIRONMENT = Environment("sandbox", "sandbox", "test", "loopback")
LAYOUT = Layout.model_validate(
    {
        "external_reference": "account",
        "name": {"columns": ["first", "last"]},
        "email": "email",
        "phone": "mobile",
        "currency": {"value": "ZAR"},
        "balance": {"column": "amount_due", "unit": "major"},
        "metadata": {"due_date": "due", "visits": "visits"},
    }
)
FIRST, LAST = (
    ("Ann", "Zoë", "Ben", "Thandi"),
    ("Lee", "Nkosi", "Müller", "O'Brien", "van der Merwe"),
)


def customers(rows: int) -> pl.DataFrame:
    """Customers with typed columns: text, decimal, date and integer."""
    number = pl.int_range(rows, eager=True)
    return pl.DataFrame(
        {
            "account": number.map_elements(lambda n: f"{n:012}", return_dtype=pl.String),
            "first": [FIRST[n % 4] for n in range(rows)],
            "last": [LAST[n % 5] for n in range(rows)],
            "email": [None if n % 7 == 0 else f"person{n}@example.com" for n in range(rows)],
            "mobile": [None if n % 5 == 0 else f"08{n % 20_000_000 + 20_000_000:08}"[:10] for n in range(rows)],
            "amount_due": pl.Series([Decimal(n * 37 % 9_999_999 - 5_000_000) / 100 for n in range(rows)], dtype=pl.Decimal(18, 2)),
            "due": [dt.date(2026, 1, 1) + dt.timedelta(days=n % 365) for n in range(rows)],
            "visits": number % 900,
        }
    )  # fmt: skip


def digest(run: PlannedRun) -> tuple[int, str]:
    """How many rows are planned, and one hash over their fingerprints, keys and actions in order."""
    plan = pl.read_parquet(run.folder.parts("plan"), columns=["action", "fingerprint", "key"])
    lines = plan.select(pl.concat_str(pl.all().fill_null("-"), separator=" ")).to_series()
    hashed = hashlib.sha256()
    for line in lines:
        hashed.update(line.encode())
    return plan.height, hashed.hexdigest()


def planned(path: Path, folder: Path) -> tuple[int, str]:
    """Plan one file and say what the plan comes to."""
    began = time.perf_counter()
    run = plan_import(
        [path],
        Settings(home=folder / "home", reports=folder / path.suffix[1:], mapping=LAYOUT),
        ENVIRONMENT,
    )
    rows, hashed = digest(run)
    print(
        f"{path.name}: {rows} rows planned, {run.plan.creates} creates, {hashed} ({time.perf_counter() - began:.1f} s)"
    )
    assert run.report.holds, "the conservation law is broken"
    return rows, hashed


def main() -> int:
    """0 where both plans are the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=20_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = customers(rows)
        table.write_csv(folder / "customers.csv")
        table.write_parquet(folder / "customers.parquet", row_group_size=100_000)
        del table
        same = planned(folder / "customers.csv", folder) == planned(
            folder / "customers.parquet", folder
        )
    print("the same plan" if same else "NOT the same plan")
    return int(not same)


if __name__ == "__main__":
    sys.exit(main())
