"""The story of one customer: where it stood in which file, what was made of it, everything that was sent and every answer."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.billing import LookUp, as_billing_holds_it
from pipeline.config import Settings, Target
from pipeline.domain.causes import Cause
from pipeline.domain.currency import known
from pipeline.domain.outcomes import LISTS, Fate, Found, NotFound
from pipeline.domain.redaction import Pii, shown, token
from pipeline.sources import lines_of
from pipeline.storage.ledger import Ledger
from pipeline.storage.run_damage import DamagedRun
from pipeline.storage.run_folder import RunFolder
from pipeline.storage.run_search import find_runs, matching_runs
from pipeline.workflows.connecting import connected
from pipeline.workflows.report.open_items import home_key

#: Columns of a staged record that say where it stood and not what it says.
_ORIGIN = pl.Struct({"origin_run": pl.String, "origin_row": pl.String})
_AMOUNT = re.compile("-?[0-9]+")  # minor units
_Found = tuple[RunFolder, dict[str, Any]]  #: a run, and a staged record of it
#: Fates of rows that were sent, or are in billing as they stand; the first of which there is one counts.
_SENT = (
    LISTS["created"],
    (Fate.IN_DOUBT,),
    (Fate.GIVEN_UP,),
    (Fate.ALREADY_EXISTS_SAME,),
    (Fate.REFUSED,),
)
_NOT_SAID = {
    "position",
    "row_id",
    "line_count",
    "origin_run",
    "origin_row",
    "fate",
    "reasons",
    "payload",
    "text",
}


@dataclass(frozen=True, slots=True)
class Appearance:
    """One row of one run: what the file says, what the stages made of it, and where it ended."""

    run_id: str
    row_id: str
    mends: str | None  #: the row of an earlier run that it is, mended: run_id row_id
    source: (
        str | None
    )  #: its lines as they stand in the file, where the file is still there, unchanged
    given: dict[str, str | None]
    became: dict[str, str | None]  #: the canonical values
    decided: str | None  #: what the plan says: create, skip, hold, …
    same_as: str | None  #: the row or the known reference that it repeats or reminds of
    fingerprint: str | None
    key: str | None
    fate: str
    reasons: list[tuple[str, str]]  #: code, sentence
    billing_id: str | None


@dataclass(frozen=True, slots=True)
class Life:
    """Everything that is known of one customer. Runs in their order, events by environment, the oldest first."""

    persons: list[str]  #: the tokens of its references; with `full` the references themselves
    appearances: list[Appearance]
    events: list[tuple[str, dict[str, Any]]]  #: environment, event of its ledger
    now: dict[str, Any] | None = None  #: what billing says today, where it was asked
    purged: list[str] = field(default_factory=list)  #: runs whose staged files fell under retention
    damaged_runs: list[DamagedRun] = field(default_factory=list)  #: runs that cannot be read
    pii: str = Pii.MASKED.value  #: how much of people's data is shown


def trace(
    what: str, settings: Settings, *, pii: Pii = Pii.MASKED, target: Target | None = None
) -> Life:
    """The life of the customer with this external reference, row id or billing id; with `target` billing is asked as well.

    A row id alone is that of the newest run that has one; `RUN_ID ROW_ID` names it in another. Nothing is written but the key of
    tokens where the home has none yet, and a run may go on beside it.
    """
    found_runs = find_runs(settings.reports, wholly=True)
    runs = [run for run in found_runs.readable if (run.path / "rows.parquet").is_file()]
    purged = [run.run_id for run in runs if not run.parts("records")]
    homes = sorted(path for path in settings.home.glob("*") if path.is_dir())
    references, rows = {what}, _row(runs, what)
    rows |= {(run.run_id, row_id) for run in runs for row_id in _rows_of_billing_id(run, what)}
    if not any(next(_records(run, references, rows), None) for run in runs):
        # A ledger is searched for a billing id from its beginning to its end, so only where nothing else knows it.
        references |= {reference for home in homes for reference in _named(home, what)}
    while True:
        found = [(run, record) for run in runs for record in _records(run, references, rows)]
        references_then = {
            record["external_reference"] for _, record in found if record["external_reference"]
        }
        rows_then = {(run.run_id, record["row_id"]) for run, record in found}
        rows_then |= {
            (record["origin_run"], record["origin_row"])
            for _, record in found
            if record["origin_run"]
        }
        if references_then <= references and rows_then <= rows:
            break
        references |= references_then
        rows |= rows_then
    events = [(home.name, event) for home in homes for event in _events(home, sorted(references))]
    told = {record["external_reference"] for _, record in found if record["external_reference"]}
    told |= references - {what} | ({what} if events and references == {what} else set())
    key = home_key(settings.home) if told else b""
    named = [
        one for one in found if one[1]["external_reference"] == what
    ]  # a conflict joins several references
    now = _asked(settings, target, named or found, pii) if target is not None else None
    persons = {
        Pii.FULL: sorted(told),
        Pii.MASKED: sorted(token(key, reference) for reference in told),
        Pii.NONE: [],
    }[pii]
    appearances = [_appearance(run, record, pii, key) for run, record in found]
    return Life(persons, appearances, events, now, purged, found_runs.damaged, pii.value)


def _row(runs: Sequence[RunFolder], what: str) -> set[tuple[str, str]]:
    """The row that a text names: `RUN_ID ROW_ID`, or the row of that id in the newest run that has one."""
    run_id, _, row_id = what.partition(" ")
    candidates = matching_runs(run_id, runs) if row_id else []
    return (_newest_row(candidates, row_id) if len(candidates) == 1 else set()) or _newest_row(
        runs, what
    )


def _newest_row(runs: Sequence[RunFolder], row_id: str) -> set[tuple[str, str]]:
    """The row of that id in the newest run that has one: tomorrow's file has other rows under these ids."""
    for run in reversed(runs):
        rows = pl.scan_parquet(run.path / "rows.parquet", glob=False).select("row_id")
        if rows.filter(pl.col("row_id") == row_id).collect().height:
            return {(run.run_id, row_id)}
    return set()


def _rows_of_billing_id(run: RunFolder, billing_id: str) -> list[str]:
    rows = pl.scan_parquet(run.path / "rows.parquet", glob=False).filter(
        pl.col("billing_id") == billing_id
    )
    return list(rows.select("row_id").collect()["row_id"])


def _named(home: Path, billing_id: str) -> list[str]:
    with Ledger.read(home) as ledger:
        return ledger.named(billing_id) if ledger is not None else []


def _records(
    run: RunFolder, references: set[str], rows: set[tuple[str, str]]
) -> Iterator[dict[str, Any]]:
    """The staged records of a run that are asked for, or mend a row that is, with their part and their place in it."""
    here = [row_id for run_id, row_id in rows if run_id == run.run_id]
    mended = pl.struct("origin_run", "origin_row").is_in(
        pl.Series(
            [{"origin_run": run_id, "origin_row": row_id} for run_id, row_id in rows], dtype=_ORIGIN
        ).implode()
    )
    for number, part in enumerate(run.parts("records")):
        wanted = (
            pl.col("external_reference").is_in(list(references))
            | pl.col("row_id").is_in(here)
            | mended
        )
        kept = pl.scan_parquet(part, glob=False).filter(wanted).collect()
        for record in kept.to_dicts():
            yield {**record, "part": number}


def _appearance(run: RunFolder, record: dict[str, Any], pii: Pii, key: bytes) -> Appearance:
    plan = run.parts("plan")[record["part"]]
    planned = (
        pl.scan_parquet(plan, glob=False)
        .filter(pl.col("position") == record["position"])
        .collect()
        .to_dicts()
    )
    ended = (
        pl.scan_parquet(run.path / "rows.parquet", glob=False)
        .filter(pl.col("row_id") == record["row_id"])
        .collect()
    )
    (end,) = ended.to_dicts()
    decided = planned[0] if planned else {}
    given = {
        name.removeprefix("given."): record[name] for name in record if name.startswith("given.")
    }
    became = {
        name: None if value is None else str(value)
        for name, value in record.items()
        if name not in _NOT_SAID
        and not name.startswith(("given.", "mapped.", "kind.", "sensitive.", "phone_"))
        and name != "part"
    }
    return Appearance(
        run_id=run.run_id,
        row_id=record["row_id"],
        mends=f"{record['origin_row']} of {record['origin_run']}" if record["origin_run"] else None,
        source=shown(_source(run, record), pii),
        given={name: shown(value, pii) for name, value in given.items()},
        became={name: _shown(name, value, pii) for name, value in became.items()},
        decided=decided.get("action"),
        same_as=_same_as(decided, pii, key),
        fingerprint=end["fingerprint"],
        key=end["idempotency_key"],
        fate=end["fate"],
        reasons=[(text, Cause.parse(text).reason.sentence) for text in end["reasons"]],
        billing_id=end["billing_id"],
    )


def _same_as(decided: dict[str, Any], pii: Pii, key: bytes) -> str | None:
    """A row of the run as it is; the reference of another customer, beside flags, is a person's."""
    same_as = decided.get("same_as")
    if same_as is None or not decided["flags"] or pii is Pii.FULL:
        return same_as
    return token(key, same_as) if pii is Pii.MASKED else None


def _source(run: RunFolder, record: dict[str, Any]) -> str | None:
    if record["text"] is not None:
        return str(record["text"])
    for file in run.read_plan_of_any_version()["inputs"]:
        stem, _, line = record["row_id"].rpartition(":")
        if file["format"] == "csv" and stem == file["name"] and line.isdigit():
            return lines_of(
                Path(file["path"]), file["sha256"], file["written"], int(line), record["line_count"]
            )
    return None


def _events(folder: Path, references: Sequence[str]) -> list[dict[str, Any]]:
    with Ledger.read(folder) as ledger:
        if ledger is None:
            return []
        return [event for reference in references for event in ledger.life_of(reference)]


def _asked(settings: Settings, target: Target, found: Sequence[_Found], pii: Pii) -> dict[str, Any]:
    """What billing holds now, compared with what was sent: never with a row that was held or rejected."""
    fit = [(run, record) for run, record in found if record["payload"] is not None]
    if not fit:
        return {"answer": "no row of it was fit to be sent, so there is no reference to ask for"}
    sent = _sent(fit)
    run, newest = sent or fit[-1]
    with connected(settings, target, workers=1) as billing:
        answer = billing.make(LookUp(newest["external_reference"], newest["payload"].encode()))
    match answer:
        case Found():
            held = as_billing_holds_it(newest["payload"], answer)
            told = {
                name: _shown(name, _as_text(value), pii)
                for name, value in held.items()
                if name != "billing_id"
            }
            differing = [one.field for one in answer.differences] if sent else None
            compared = {
                "compared_with": f"{newest['row_id']} of {run.run_id}" if sent else None,
                "differs_in": differing,
            }
            return {"answer": "found", "billing_id": answer.billing_id, "holds": told, **compared}
        case NotFound():
            return {"answer": "not found"}
        case _:
            why = getattr(answer, "why", None) or f"status {getattr(answer, 'status', 'unknown')}"
            return {"answer": f"no usable answer to the lookup ({why})"}


def _sent(fit: Sequence[_Found]) -> _Found | None:
    """The newest row that was sent: one that was created before one of which nobody knows, or that was there."""
    fates = [_fate(run, record["row_id"]) for run, record in fit]
    for wanted in _SENT:
        if among := [one for one, fate in zip(fit, fates, strict=True) if fate in wanted]:
            return among[-1]
    return None


def _fate(run: RunFolder, row_id: str) -> str:
    rows = pl.scan_parquet(run.path / "rows.parquet", glob=False).filter(pl.col("row_id") == row_id)
    return str(rows.select("fate").collect()["fate"][0])


def _shown(name: str, text: str | None, pii: Pii) -> str | None:
    """A canonical value. Codes and amounts are nobody's data; a shape of them would look like another amount."""
    is_figure = (name == "currency" and text in known()) or (
        name == "balance" and _AMOUNT.fullmatch(text or "")
    )
    return text if is_figure and pii is Pii.MASKED else shown(text, pii)


def _as_text(value: Any) -> str | None:
    return (
        value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    )
