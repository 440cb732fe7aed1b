"""Run inspect, init and plan on data files of public projects; compare every text with a second reader.

    python -m tests.prove.corpora FOLDER... --most 400 --results corpora.jsonl

Each FOLDER is a project: its CSV files, workbooks and Parquet files, wherever they lie below it. Nothing of them is kept
here. Of a workbook with several sheets the commands read the first that holds a filled row. Every command runs in a process of its own, which ends at 10 CPU seconds or 1 GB. What the config of `init` leaves
open is filled by a fixed rule (`filled`), so that `plan` can go on. Each result is appended to a file of JSON lines, and
files that are in it are not run again.

Exit 1 where a command ends with 70 or at a limit, or where a text differs and no rule of `second_readers` says why.
"""

import argparse
import contextlib
import hashlib
import itertools
import json
import re
import shutil
import sys
import tempfile
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.prove.limited import PEAK_MIB, kind_of_message, limited

_COMPARING = {
    "cpu": 300,
    "peak": 8 * PEAK_MIB,
}  #: the second readers are slower than ours, and nobody waits for them
_SUFFIX = re.compile(
    r"\.(csv|tsv|xlsx|xlsm|xls|xlsb|parquet|parq)(?:\.(?:gz|zst))?$", re.IGNORECASE
)
_CONFIG, _SHEET = "job.yaml", "sheet.txt"
_COMMANDS = ("inspect", "init", "plan")
_READ, _REFUSED = (0, 1), 4
_DOCUMENTED = (0, 1, 2, 3, 4, 5, 6)

Result = Mapping[str, Any]


def data_files(folder: Path, most: int) -> list[Path]:
    """The data files of a project: each content once, and a limited number for each suffix, evenly chosen."""
    kinds: dict[str, list[Path]] = defaultdict(list)
    seen: set[bytes] = set()
    for path in sorted(folder.rglob("*")):
        suffix = _SUFFIX.search(path.name)
        if suffix is None or path.is_symlink() or not path.is_file():
            continue
        digest = hashlib.sha256(path.read_bytes()).digest()
        if digest not in seen:
            seen.add(digest)
            kinds[suffix[0].casefold()].append(path)
    return [path for paths in kinds.values() for path in _evenly(paths, most)]


def _evenly(paths: list[Path], most: int) -> list[Path]:
    return (
        paths
        if len(paths) <= most
        else [paths[number * len(paths) // most] for number in range(most)]
    )


def filled(draft: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """The same config with what only a person can know.

    The first column that means nothing else is the external reference; amounts are ZAR in major units.
    """
    mapping = dict(draft.get("mapping") or {})
    metadata = dict(mapping.get("metadata") or {})
    if not mapping.get("external_reference"):
        free = [name for name in columns if name not in mapping.values()]
        mapping["external_reference"] = (free or list(columns))[0]
        mapping["metadata"] = {
            key: name for key, name in metadata.items() if name != mapping["external_reference"]
        }
    if "currency" in mapping and not mapping["currency"]:
        mapping["currency"] = {"value": "ZAR"}
    balance = mapping.get("balance")
    if isinstance(balance, dict) and not balance.get("unit"):
        mapping["balance"] = {**balance, "unit": "major"}
    return {**draft, "mapping": mapping}


def run_file(path: Path) -> dict[str, Any]:
    """Run every command on a copy of one file, and compare what was read with a second reader."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copyfile(path, folder / path.name)
        file = f"./{path.name}"
        ended = (
            {"sheet": limited(choose_sheet, (file,), folder, **_COMPARING)}
            if zipfile.is_zipfile(path)
            else {}
        )
        sheet = (
            ("--sheet", (folder / _SHEET).read_text(encoding="utf-8"))
            if (folder / _SHEET).exists()
            else ()
        )
        ended["inspect"] = limited(command, ("inspect", file, *sheet), folder)
        ended["init"] = limited(command, ("init", file, *sheet, "--output", _CONFIG), folder)
        if ended["init"].exit_code == 0:
            ended["fill"] = limited(fill, (file,), folder, **_COMPARING)
            ended["plan"] = limited(
                command, ("plan", file, "--config", _CONFIG, "--sandbox", "--json"), folder
            )
        found: dict[str, Any] = {"commands": {step: asdict(one) for step, one in ended.items()}}
        if ended["inspect"].exit_code in {*_READ, _REFUSED}:
            compared = limited(compare_texts, (file,), folder, **_COMPARING)
            result = folder / "compared.json"
            found["compared"] = (
                json.loads(result.read_text()) if result.exists() else {"failed": asdict(compared)}
            )
    return found


def command(arguments: Sequence[str]) -> int:
    """Run a command of the product in this process."""
    from pipeline.cli import run

    sys.argv = ["pipeline", *arguments]
    return run()


def choose_sheet(arguments: Sequence[str]) -> int:
    """Write the name of the first sheet that holds a filled row to sheet.txt, where a workbook has several sheets."""
    from pipeline.sources.workbook import Workbook

    # Whether a broken workbook is refused, and in which words, is asked of the commands.
    with contextlib.suppress(Exception), Path(arguments[0]).open("rb") as file:
        book = Workbook(file)
        tables = [sheet for sheet in book.sheets if sheet.is_table]
        tables.sort(key=lambda sheet: sheet.is_hidden)
        filled = (sheet for sheet in tables if any(row.cells for row in book.rows(sheet)))
        if len(tables) > 1:
            Path(_SHEET).write_text(next(filled, tables[0]).name, encoding="utf-8")
    return 0


def fill(arguments: Sequence[str]) -> int:
    """Fill what the config leaves open, for the columns of the file."""
    from pipeline.sources import Declared, in_order

    draft = _config()
    (file,) = in_order(
        [Path(arguments[0])], Declared(**(draft.get("source") or {})), any_columns=True
    )
    for _ in file.batches():
        break
    whole = filled(draft, file.columns)
    if whole != draft:
        Path(_CONFIG).write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")
    return 0


def compare_texts(arguments: Sequence[str]) -> int:
    """Write what both readers made of the file, read as its config declares, to compared.json; of a workbook, each sheet."""
    from pipeline.errors import SourceError
    from pipeline.sources import Declared
    from tests.prove.second_readers import Comparison, NotCompared, compare, sheets_of

    source = _config().get("source") or {} if Path(_CONFIG).exists() else {}
    path = Path(arguments[0])
    whole, refused = Comparison(), Counter[str]()
    for sheet in sheets_of(path):
        try:
            whole.add(compare(path, Declared(**{**source, "sheet": sheet} if sheet else source)))
        except NotCompared as why:
            refused[str(why)] += 1
        except SourceError as why:
            refused[f"refused: {kind_of_message(str(why))}"] += 1
    found = {**asdict(whole), "not_compared": dict(refused)}
    Path("compared.json").write_text(json.dumps(found), encoding="utf-8")
    return 0


def _config() -> dict[str, Any]:
    from ruamel.yaml import YAML

    return dict(YAML(typ="safe", pure=True).load(Path(_CONFIG).read_text(encoding="utf-8")))


def main() -> int:
    """Print what the files came to; 1 where a promise is broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--most", type=int, default=400, help="files of each suffix and project")
    parser.add_argument(
        "--minutes", type=float, default=600, help="begin no other file after so long"
    )
    parser.add_argument("--results", type=Path, default=Path("corpora.jsonl"))
    parser.add_argument("--jobs", type=int, default=1, choices=(1, 2))
    parser.add_argument(
        "--summary", action="store_true", help="run nothing; print what the results come to"
    )
    given = parser.parse_args()
    if not given.summary:
        run_folders(given.folders, given.results, given.most, given.jobs, given.minutes * 60)
    projects = {folder.name for folder in given.folders}
    results = [one for one in _read(given.results) if one["project"] in projects]
    faults = list(broken(results))
    print(table(results), *faults, sep="\n")
    return int(bool(faults))


def run_folders(
    folders: Sequence[Path], results: Path, most: int, jobs: int, seconds: float
) -> None:
    """Append the results of all files that are not known yet, as they come."""
    known = {(one["project"], one["file"]) for one in _read(results)}
    files = [(folder, path) for folder in folders for path in data_files(folder, most)]
    waiting = [
        item for item in files if (item[0].name, str(item[1].relative_to(item[0]))) not in known
    ]
    end = time.monotonic() + seconds
    print(f"{len(waiting):,} of {len(files):,} files to run", flush=True)

    def one(item: tuple[Path, Path]) -> dict[str, Any] | None:
        folder, path = item
        if time.monotonic() > end:
            return None
        return {"project": folder.name, "file": str(path.relative_to(folder)), **run_file(path)}

    with ThreadPoolExecutor(jobs) as pool, results.open("a", encoding="utf-8") as lines:
        for found in filter(None, pool.map(one, waiting)):
            lines.write(json.dumps(found) + "\n")
            lines.flush()


def _read(results: Path) -> list[dict[str, Any]]:
    return (
        [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
        if results.exists()
        else []
    )


_HEAD = (
    "project", "kind", "files", "read", "refused", "planned", "exit 70", "over CPU", "over memory", "most CPU s",
    "most MiB", "cells", "equal", "by rule", "unexplained",
)  # fmt: skip


def table(results: Sequence[Result]) -> str:
    """A line for each project and kind; then rules, reasons and refusals with their counts."""
    groups = {
        key: list(group) for key, group in itertools.groupby(sorted(results, key=_key), key=_key)
    }
    rows = [(*key, *_sums(group)) for key, group in groups.items()]
    rows.append(("all", "", *_sums(results)))
    written = [_row(_HEAD), _row(["---"] * len(_HEAD)), *map(_row, rows)]
    for title, counts in _counts(results).items():
        written += [
            "",
            f"{title}:",
            *(f"  {count:,}  {what}" for what, count in counts.most_common()),
        ]
    return "\n".join(written)


def _row(cells: Sequence[object]) -> str:
    return (
        f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else str(cell) for cell in cells)} |"
    )


def _key(result: Result) -> tuple[str, str]:
    """Project and kind: csv, parquet or workbook."""
    found = _SUFFIX.search(result["file"])
    suffix = found[1].casefold() if found else ""
    return result["project"], {"tsv": "csv", "csv": "csv", "parq": "parquet", "parquet": "parquet"}.get(suffix, "workbook")  # fmt: skip


def _sums(results: Sequence[Result]) -> tuple[int | float, ...]:
    ended = [
        one for result in results for step, one in result["commands"].items() if step in _COMMANDS
    ]
    compared = [result["compared"] for result in results if "cells" in result.get("compared", {})]
    return (
        len(results),
        sum(_code(result, "inspect") in _READ for result in results),
        sum(_code(result, "inspect") == _REFUSED for result in results),
        sum(_code(result, "plan") in _READ for result in results),
        sum(one["exit_code"] == 70 for one in ended),
        sum(one["limit"] in {"cpu", "wall"} for one in ended),
        sum(one["limit"] == "memory" for one in ended),
        max((one["cpu"] for one in ended), default=0),
        max((one["peak"] for one in ended), default=0),
        sum(one["cells"] for one in compared),
        sum(one["equal"] for one in compared),
        sum(sum(one["rules"].values()) for one in compared),
        sum(one["unexplained_count"] for one in compared),
    )


def _code(result: Result, step: str) -> int | None:
    return result["commands"].get(step, {}).get("exit_code")


def _counts(results: Sequence[Result]) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        compared = result.get("compared", {})
        counts["rule"].update(compared.get("rules", {}))
        counts["unreadable records"].update(compared.get("unreadable", {}))
        counts["not compared"].update(compared.get("not_compared", {}))
        if limit := compared.get("failed", {}).get("limit"):
            counts["not compared"][f"the comparison ended at its limit of {limit}"] += 1
        for step in ("inspect", "plan"):
            if _code(result, step) in {2, 3, 4, 5, 6}:
                counts[f"{step} refused"][result["commands"][step]["message"]] += 1
    return counts


def broken(results: Sequence[Result]) -> Iterator[str]:
    """Each promise that a file broke."""
    for result in results:
        where = f"{result['project']}/{result['file']}"
        for step, one in result["commands"].items():
            if one["limit"]:
                yield f"{where}: {step} ended at its limit of {one['limit']}: {one['cpu']} s, {one['peak']} MiB"
            elif one["exit_code"] not in _DOCUMENTED or (
                step not in _COMMANDS and one["exit_code"]
            ):
                yield f"{where}: {step} ended with {one['exit_code']}: {one['frames'] or one['message']}"
            elif one["exit_code"] == _REFUSED and not one["message"]:
                yield f"{where}: {step} was refused without a message"
        compared = result.get("compared", {})
        if (failed := compared.get("failed")) and not failed["limit"]:
            yield f"{where}: no comparison: {failed['exit_code']} {failed['limit']} {failed['frames'] or failed['message']}"
        yield from (f"{where}: {difference}" for difference in compared.get("unexplained", ()))


if __name__ == "__main__":
    sys.exit(main())
