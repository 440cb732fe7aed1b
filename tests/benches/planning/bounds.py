"""What reading the file costs at least: its bytes, and a strict DuckDB read of all columns as text.

python -m tests.benches.planning.bounds bytes|duckdb customers.csv
"""

import json
import sys
from pathlib import Path

BLOCK = 1 << 20


def read_bytes(path: Path) -> dict[str, int]:
    """Every byte once."""
    size = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            size += len(block)
    return {"bytes": size}


def read_with_duckdb(path: Path) -> dict[str, int]:
    """Every column as text, strictly; lines that it calls broken are left out, as it has no other way through them."""
    import duckdb

    options = "all_varchar=true, header=true, delim=',', quote='\"', escape='\"', strict_mode=true, ignore_errors=true"
    with duckdb.connect(":memory:") as connection:
        columns = [
            name for name, *_ in connection.execute(f"DESCRIBE FROM read_csv(?, {options})", [str(path)]).fetchall()
        ]
        counted = ", ".join(f'count("{name}")' for name in columns)
        found = connection.execute(f"SELECT count(*), {counted} FROM read_csv(?, {options})", [str(path)]).fetchall()
    return {"rows": found[0][0]}


if __name__ == "__main__":
    way, path = sys.argv[1], Path(sys.argv[2])
    print(json.dumps(read_bytes(path) if way == "bytes" else read_with_duckdb(path)))
