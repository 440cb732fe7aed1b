"""The story of a report: the run's summary, what was found about it since, who signed; as a page and as a workbook."""

import csv
import json
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.config import Settings
from pipeline.errors import NotApproved, OutOfBalance, RunNotFound
from pipeline.files import sha256_of, token_key, write_bytes
from pipeline.masking import Pii, shown
from pipeline.outcomes import LISTS
from pipeline.reporting import (
    Beside,
    Open,
    ages,
    handed_on,
    render_html,
    tables,
    with_examples,
    without_examples,
)
from pipeline.returning import TOO_LONG_FOR_A_CELL
from pipeline.run_folder import PAGES, RESULT_FILES, SIGNATURES, RunFolder
from pipeline.signatures import digest, signature, signed
from pipeline.text_sheet import MOST_COLUMNS, Sheet, write_text_book
from pipeline.verbs.open_rows import naming, oldest, open_items
from pipeline.verbs.watch import CLOCK

PAGE, WORKBOOK = PAGES
MOST_ROWS_OF_A_LIST = 20_000  #: nobody looks through more in a workbook; the CSV file has them all
_MOST_DIFFERENCES, _MOST_OPEN = 200, 50  #: on the page


def make_report(
    run_id: str, settings: Settings, *, pii: Pii = Pii.MASKED, output: Path | None = None
) -> tuple[list[Path], dict[str, Any]]:
    """Make the page and the workbook of an applied or planned run anew, with what was found since; where they are, and the summary.

    Without `output`, a folder, they replace those in the run's folder, which are masked always.
    """
    folder = RunFolder.find(settings.reports, run_id)
    if not (folder.path / "summary.json").is_file():
        raise RunNotFound(f"run {run_id} has no summary yet: it was planned or applied by a process that was stopped")
    if output is None and pii is not Pii.MASKED:
        raise NotApproved("the report in the run's folder is masked; say where another goes: --output FOLDER")
    content = folder.read_json("summary.json")
    return write_pages(folder, content, settings.home, pii=pii, output=output), content


def write_pages(
    folder: RunFolder,
    content: dict[str, Any],
    home: Path,
    *,
    pii: Pii = Pii.MASKED,
    output: Path | None = None,
    is_sealed: bool = True,
) -> list[Path]:
    """Write the page, and the workbook where something was applied; `is_sealed` where the run's manifest stands already."""
    into = output or folder.path
    if output is not None:
        output.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = _beside(folder, content, home, pii, workbook=content["status"] != "planned")
    write_bytes(into / PAGE, render_html(content, beside).encode())
    written = [into / PAGE]
    if beside.workbook:
        person = naming(token_key(home), pii)
        write_text_book(into / WORKBOOK, _sheets(folder, content, beside, person))
        written.append(into / WORKBOOK)
    if output is None and is_sealed:
        folder.amend_manifest()
    return written


def sign(
    run_id: str, role: str, settings: Settings, *, evidence: str | None = None, note: str | None = None
) -> tuple[str, list[Path]]:
    """Put a name under a run and make its report anew; the digest of what was signed, and where the report is.

    A reviewer signs for what was done, an approver for the plan. Raises OutOfBalance where the figures, or the newest
    reconciliation, are not to be signed, and NotApproved where `evidence` is not what lies there.
    """
    folder = RunFolder.find(settings.reports, run_id)
    content = folder.read_json("summary.json")
    reconciliation = newest_reconciliation(folder)
    if not content["conservation"]["holds"]:
        raise OutOfBalance(f"the figures of run {run_id} do not add up: it is not to be signed")
    if role == "reviewer":
        if content["status"] == "planned":
            raise NotApproved(f"run {run_id} is a plan: a reviewer signs for what was done; see --as approver")
        if reconciliation is not None and not reconciliation[1]["signable"]:
            raise OutOfBalance(f"{reconciliation[1]['reconciliation_id']}: {reconciliation[1]['verdict']}")
    beneath = lies_beneath(folder, role, reconciliation)
    if evidence is not None and not digest(beneath).startswith(evidence.lower()):
        raise NotApproved(f"what lies there is {digest(beneath)[:16]}, and not what was read: look at the report again")
    folder.sign(signature(role, settings.planner, _now(), beneath, folder.signatures(), note))
    return digest(beneath), write_pages(folder, content, settings.home)


def sign_for_plan(folder: RunFolder, role: str, name: str) -> None:
    """Whoever plans or applies has signed for the plan, unless somebody has already whose signature stands."""
    beneath = lies_beneath(folder, role, None)
    standing = {one.role for one in signed(folder.signatures(), beneath) if one.state == "stands"}
    if role not in standing:
        folder.sign(signature(role, name, _now(), beneath, folder.signatures()))


def newest_reconciliation(folder: RunFolder) -> tuple[Path, dict[str, Any]] | None:
    """The newest finished reconciliation that took this run in: its folder and its summary."""
    found = []
    for path in folder.path.parent.glob("*-reconcile-*/summary.json"):
        told = json.loads(path.read_text(encoding="utf-8"))
        if folder.run_id in told.get("runs", ()):
            found.append((told["finished_at"], path.stat().st_mtime_ns, path.parent, told))
    if found:
        *_, place, newest = max(found, key=lambda one: one[:2])
        return place, newest
    return None


def _beside(folder: RunFolder, content: dict[str, Any], home: Path, pii: Pii, *, workbook: bool) -> Beside:
    key = token_key(home)
    person, reconciliation = naming(key, pii), newest_reconciliation(folder)
    beneath = lies_beneath(folder, "reviewer" if workbook else "approver", reconciliation)
    until = datetime.fromisoformat(content["finished_at"])
    items = open_items(folder, home, until) if workbook else Open().items
    differences = list(_differences(folder, reconciliation, pii, person))
    return Beside(
        pii=pii,
        reasons=_reasons(folder, content["reasons"], pii, person),
        reconciliation=reconciliation[1] if reconciliation else None,
        differences=differences[:_MOST_DIFFERENCES],
        differences_in_all=len(differences),
        duplicates=list(_duplicates(folder, person)),
        open_items=ages(items, until.isoformat()),
        oldest=list(oldest(items, until, person, _MOST_OPEN)),
        signed=signed(folder.signatures(), beneath),
        evidence=digest(beneath),
        workbook=workbook,
    )


def _reasons(folder: RunFolder, reasons: list[dict[str, Any]], pii: Pii, person: Any) -> list[dict[str, Any]]:
    if pii is Pii.MASKED and all("shown" in reason for reason in reasons):
        return reasons
    if not folder.parts("records"):  # they fell under retention
        return without_examples(reasons)
    with folder.workbench() as workbench:
        return with_examples(workbench, reasons, partial(shown, pii=pii), person)


def _duplicates(folder: RunFolder, person: Any) -> Iterator[dict[str, str | None]]:
    """The first rows that repeat another one, or remind of a known customer, whose reference is shown as a person's."""
    columns = {
        "_import_row_id": "row_id",
        "_import_fate": "fate",
        "_import_same_as": "same_as",
        "_import_reasons": "reasons",
    }
    for name in ("skipped", "held"):
        rows = (
            pl.scan_csv(folder.path / f"{name}.csv", infer_schema=False, glob=False)
            .select(columns.keys())
            .head(_MOST_OPEN)
        )
        for one in rows.rename(columns).collect().iter_rows(named=True):
            is_row = any(mark in (one["same_as"] or "") for mark in ":#!")  # which no reference may hold
            same_as = one["same_as"] if is_row or not one["same_as"] else person(one["same_as"])
            yield {**one, "same_as": same_as}


def _differences(
    folder: RunFolder, reconciliation: tuple[Path, dict[str, Any]] | None, pii: Pii, person: Any
) -> Iterator[list[str | None]]:
    """Every difference that was found, as far as it may be shown, in the columns of `beside.DIFFERENCE_COLUMNS`."""
    for one in _lines(folder.path / "differences.csv"):
        told = [one["field"], *_sides(one, pii), None, None, None]
        yield ["billing's answer", "created different", one["_import_row_id"], person(one["external_reference"]), *told]
    if reconciliation is None:
        return
    for one in _lines(reconciliation[0] / "differences.csv"):
        if one["run_id"] in {folder.run_id, ""}:
            told = [one["field"], *_sides(one, pii), *(one[name] or None for name in ("currency", "amount", "pattern"))]
            yield [
                "reconciliation",
                one["kind"].replace("_", " "),
                one["row_id"],
                person(one["external_reference"]),
                *told,
            ]


def _sides(one: dict[str, str], pii: Pii) -> list[str | None]:
    """Both sides of a difference. An amount and a currency are nobody's in particular; every other text is a person's."""
    if one["field"] in {"balance", "currency"} and pii is not Pii.NONE:
        return [one["ours"], one["theirs"]]
    return [shown(one[side] or None, pii) for side in ("ours", "theirs")]


def _lines(path: Path) -> Iterator[dict[str, str]]:
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)


def _sheets(folder: RunFolder, content: dict[str, Any], beside: Beside, person: Any) -> Iterator[Sheet]:
    for name, header, rows in tables(content, beside):
        yield Sheet(name, header, rows, too_long=TOO_LONG_FOR_A_CELL)
    identified = _identified(folder)
    for name, members in LISTS.items():
        records = sum(content["fates"][fate] for fate in members)
        if records > MOST_ROWS_OF_A_LIST:
            yield Sheet(name, ("Where",), [(f"{records} records: too many to look through here, see {name}.csv",)])
            continue
        listed = handed_on(read_list(folder.path / f"{name}.csv"), identified, beside.pii, person)
        if listed.width > MOST_COLUMNS:
            yield Sheet(name, ("Where",), [(f"{listed.width} columns: more than a sheet holds, see {name}.csv",)])
            continue
        ours = [column.startswith("_import_") for column in listed.columns]
        yield Sheet(name, listed.columns, listed.iter_rows(), ours, TOO_LONG_FOR_A_CELL)


def read_list(path: Path) -> pl.DataFrame:
    """One of the six lists as it was written, text by text."""
    return pl.read_csv(path, infer_schema=False, glob=False)


def _identified(folder: RunFolder) -> pl.DataFrame:
    """Whom each record is about, and its balance; empty where the records fell under retention."""
    columns = ["row_id", "external_reference", "currency", "balance"]
    parts = [pl.read_parquet(part, columns=columns, glob=False) for part in folder.parts("fates")]
    schema = {"row_id": pl.String, "external_reference": pl.String, "currency": pl.String, "balance": pl.Int64}
    return pl.concat([pl.DataFrame(schema=schema), *(part.select(columns) for part in parts)])


def lies_beneath(folder: RunFolder, role: str, reconciliation: tuple[Path, dict[str, Any]] | None) -> dict[str, str]:
    """What lies beneath a signature, name -> SHA-256: the plan, and for a reviewer all that came of it as well."""
    plan = folder.read_json("plan.json")
    bare = {name: value for name, value in plan.items() if name != "accepted"}  # whoever applies may accept an alarm
    found = {"plan": digest({"plan": json.dumps(bare, sort_keys=True, ensure_ascii=False)})}
    if role != "reviewer":
        return found
    for name in RESULT_FILES:
        if name not in {*PAGES, SIGNATURES} and (folder.path / name).is_file():
            found[name] = sha256_of(folder.path / name)
    for file in [*plan["inputs"], *([plan["config"]] if plan["config"] else [])]:
        path = Path(file["path"])  # a file that was put away elsewhere is not changed by that
        found[f"input {path.name}"] = sha256_of(path) if path.is_file() else file["sha256"]
    if reconciliation is not None:
        found["reconciliation"] = sha256_of(reconciliation[0] / "summary.json")
    return found


def _now() -> str:
    return CLOCK.now().isoformat(timespec="seconds")
