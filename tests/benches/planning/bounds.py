"""The minimum cost of reading a file: its bytes, and a DuckDB read of all columns as text.

python -m tests.benches.planning.bounds bytes|strict|lenient customers.csv

Strict, DuckDB takes a file for what RFC 4180 says it is, and stops in silence at the first open quote; lenient, it goes on and
drops or bends what does not fit. So a time of either says little without the number of records that came out of it.
"""

import csv
import json
import sys
from pathlib import Path

BLOCK = 1 << 20


def read_bytes(path: Path) -> dict[str, int]:
    """Read every byte once."""
    size = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            size += len(block)
    return {"bytes": size}


def read_with_duckdb(path: Path, *, strict: bool) -> dict[str, int]:
    """Read every column as text; DuckDB skips the lines that it cannot parse."""
    import duckdb

    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        names = next(csv.reader(file))
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    counted = ", ".join(f'count("{name}")' for name in names)
    with duckdb.connect(":memory:") as connection:
        found = connection.execute(
            f"SELECT count(*), {counted} FROM read_csv(?, auto_detect=false, header=true, delim=',', quote='\"', escape='\"',"
            f" strict_mode={strict}, ignore_errors=true, columns={{{columns}}})",
            [str(path)],
        ).fetchall()
    return {"rows": found[0][0]}


if __name__ == "__main__":
    way, path = sys.argv[1], Path(sys.argv[2])
    print(
        json.dumps(
            read_bytes(path) if way == "bytes" else read_with_duckdb(path, strict=way == "strict")
        )
    )
