"""`pipeline trace`: the history of one customer, in files, plans, requests and answers."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import polars as pl
from pydantic import JsonValue

from pipeline.billing import Lookup, as_billing_holds_it
from pipeline.config import Settings, Target
from pipeline.domain.causes import Cause
from pipeline.domain.currency import known
from pipeline.domain.fates import LISTS, Fate
from pipeline.domain.published import JsonObject
from pipeline.domain.redaction import Pii, shown, token
from pipeline.domain.responses import Found, NotFound
from pipeline.sources import lines_of
from pipeline.storage.ledger import Ledger
from pipeline.storage.run_damage import DamagedRun
from pipeline.storage.run_folder import RunFolder
from pipeline.storage.run_search import find_runs, matching_runs
from pipeline.workflows.connecting import connected
from pipeline.workflows.report.open_items import home_key

#: The type of the origin of a resubmitted row.
_ORIGIN = pl.Struct({"origin_run": pl.String, "origin_row": pl.String})
_AMOUNT = re.compile("-?[0-9]+")  # minor units
#: Fates of rows that were sent or exist in billing; an earlier group has priority.
_SENT = (
    LISTS["created"],
    (Fate.IN_DOUBT,),
    (Fate.GIVEN_UP,),
    (Fate.ALREADY_EXISTS_SAME,),
    (Fate.REFUSED,),
)
_NOT_SHOWN = {
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
_NOT_CANONICAL = ("given.", "mapped.", "kind.", "sensitive.", "phone_")  #: prefixes of columns
#: A column of an event of a ledger: a code, a time, a number or a flag.
Event = Mapping[str, str | int | None]


@dataclass(frozen=True, slots=True)
class _Record:
    """A staged record of a run."""

    part: int  #: the number of its part among the staged tables
    position: int
    row_id: str
    line_count: int
    external_reference: str | None
    origin_run: str | None
    origin_row: str | None
    payload: str | None
    text: str | None  #: the text of an unreadable record
    given: dict[str, str | None]
    became: dict[str, str | None]  #: the canonical values

    @classmethod
    def each(cls, part: int, records: pl.DataFrame) -> "Iterator[_Record]":
        """The records of a staged table."""
        for row in records.iter_rows(named=True):
            yield cls(
                part,
                row["position"],
                row["row_id"],
                row["line_count"],
                row["external_reference"],
                row["origin_run"],
                row["origin_row"],
                row["payload"],
                row["text"],
                {
                    name.removeprefix("given."): row[name]
                    for name in row
                    if name.startswith("given.")
                },
                {
                    name: None if value is None else str(value)
                    for name, value in row.items()
                    if name not in _NOT_SHOWN and not name.startswith(_NOT_CANONICAL)
                },
            )


_Found = tuple[RunFolder, _Record]  #: a run, and a staged record of it


@dataclass(frozen=True, slots=True)
class Ending:
    """How one row of one run ended, as `rows.parquet` has it."""

    fingerprint: str | None
    key: str | None
    fate: str
    reasons: list[tuple[str, str]]  #: code, sentence
    billing_id: str | None


@dataclass(frozen=True, slots=True)
class Appearance:
    """One row of one run: its cells, its canonical values, the plan and its fate."""

    run_id: str
    row_id: str
    mends: str | None  #: the row of an earlier run that it corrects
    source: str | None  #: its lines in the file; None if the file has changed or is gone
    given: dict[str, str | None]
    became: dict[str, str | None]  #: the canonical values
    decided: str | None  #: the planned action: create, skip, hold, …
    same_as: str | None  #: the row or known customer that it repeats or resembles
    end: Ending

    def content(self) -> JsonObject:
        """The row for programs, without a level for its end."""
        row = asdict(self)
        del row["end"]
        return {**row, **asdict(self.end)}


@dataclass(frozen=True, slots=True)
class CustomerNow:
    """What billing holds of a customer now."""

    answer: str
    billing_id: str | None = None
    holds: dict[str, str | None] | None = None
    compared_with: str | None = None  #: the row that was sent
    differs_in: list[str] | None = None  #: None if nothing was sent


@dataclass(frozen=True, slots=True)
class Life:
    """The history of one customer: runs in their order, events by environment, oldest first."""

    persons: list[str]  #: tokens of its external references; with `full` the references
    appearances: list[Appearance]
    events: list[tuple[str, Event]]  #: environment, event of its ledger
    now: CustomerNow | None = None  #: what billing holds now, if it was looked up
    purged: list[str] = field(default_factory=list)  #: runs whose staged files were deleted
    damaged_runs: list[DamagedRun] = field(default_factory=list)  #: runs that cannot be read
    pii: str = Pii.MASKED.value  #: how much personal data is shown

    def content(self) -> JsonObject:
        """The history for programs."""
        return asdict(self) | {"appearances": [one.content() for one in self.appearances]}


def trace(
    what: str, settings: Settings, *, pii: Pii = Pii.MASKED, target: Target | None = None
) -> Life:
    """The history of the customer with this external reference, row id or billing id.

    A row id alone refers to the newest run that has it; `RUN_ID ROW_ID` names another run. With
    `target`, also looks up what billing holds. Writes only the key of tokens, if the home has none
    yet.
    """
    found_runs = find_runs(settings.reports, wholly=True)
    runs = [run for run in found_runs.readable if (run.path / "rows.parquet").is_file()]
    purged = [run.run_id for run in runs if not run.parts("records")]
    homes = sorted(path for path in settings.home.glob("*") if path.is_dir())
    references, rows = {what}, _row(runs, what)
    rows |= {(run.run_id, row_id) for run in runs for row_id in _rows_of_billing_id(run, what)}
    if not any(next(_records(run, references, rows), None) for run in runs):
        # Searching a ledger for a billing id reads all of it, so it comes last.
        references |= {reference for home in homes for reference in _named(home, what)}
    while True:
        found = [(run, record) for run in runs for record in _records(run, references, rows)]
        references_then = {
            record.external_reference for _, record in found if record.external_reference
        }
        rows_then = {(run.run_id, record.row_id) for run, record in found}
        rows_then |= {
            (record.origin_run, record.origin_row)
            for _, record in found
            if record.origin_run and record.origin_row
        }
        if references_then <= references and rows_then <= rows:
            break
        references |= references_then
        rows |= rows_then
    events = [(home.name, event) for home in homes for event in _events(home, sorted(references))]
    shown_references = {
        record.external_reference for _, record in found if record.external_reference
    }
    shown_references |= references - {what}
    if events and references == {what}:
        shown_references.add(what)
    key = home_key(settings.home) if shown_references else b""
    # A conflict joins several external references.
    same = [one for one in found if one[1].external_reference == what]
    now = _looked_up(settings, target, same or found, pii) if target is not None else None
    persons = {
        Pii.FULL: sorted(shown_references),
        Pii.MASKED: sorted(token(key, reference) for reference in shown_references),
        Pii.NONE: [],
    }[pii]
    appearances = [_appearance(run, record, pii, key) for run, record in found]
    return Life(persons, appearances, events, now, purged, found_runs.damaged, pii.value)


def _row(runs: Sequence[RunFolder], what: str) -> set[tuple[str, str]]:
    """The row that a text names: `RUN_ID ROW_ID`, or a row id in the newest run that has it."""
    run_id, _, row_id = what.partition(" ")
    candidates = matching_runs(run_id, runs) if row_id else []
    return (_newest_row(candidates, row_id) if len(candidates) == 1 else set()) or _newest_row(
        runs, what
    )


def _newest_row(runs: Sequence[RunFolder], row_id: str) -> set[tuple[str, str]]:
    """The row with this id in the newest run that has it; other files reuse the same ids."""
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
        return ledger.references_of(billing_id) if ledger is not None else []


def _records(run: RunFolder, references: set[str], rows: set[tuple[str, str]]) -> Iterator[_Record]:
    """The staged records of a run with these references or rows, or that correct them."""
    here = [row_id for run_id, row_id in rows if run_id == run.run_id]
    corrects = pl.struct("origin_run", "origin_row").is_in(
        pl.Series(
            [{"origin_run": run_id, "origin_row": row_id} for run_id, row_id in rows], dtype=_ORIGIN
        ).implode()
    )
    for number, part in enumerate(run.parts("records")):
        wanted = (
            pl.col("external_reference").is_in(list(references))
            | pl.col("row_id").is_in(here)
            | corrects
        )
        kept = pl.scan_parquet(part, glob=False).filter(wanted).collect()
        yield from _Record.each(number, kept)


def _appearance(run: RunFolder, record: _Record, pii: Pii, key: bytes) -> Appearance:
    plan = run.parts("plan")[record.part]
    planned = pl.scan_parquet(plan, glob=False).filter(pl.col("position") == record.position)
    decided = next(planned.collect().iter_rows(named=True), None)
    ended = pl.scan_parquet(run.path / "rows.parquet", glob=False).filter(
        pl.col("row_id") == record.row_id
    )
    end = ended.collect().row(0, named=True)
    same_as = None
    if decided is not None:
        same_as = _same_as(decided["same_as"], pii, key, has_flags=bool(decided["flags"]))
    return Appearance(
        run_id=run.run_id,
        row_id=record.row_id,
        mends=f"{record.origin_row} of {record.origin_run}" if record.origin_run else None,
        source=shown(_source(run, record), pii),
        given={name: shown(value, pii) for name, value in record.given.items()},
        became={name: _shown(name, value, pii) for name, value in record.became.items()},
        decided=decided["action"] if decided is not None else None,
        same_as=same_as,
        end=Ending(
            fingerprint=end["fingerprint"],
            key=end["idempotency_key"],
            fate=end["fate"],
            reasons=[(text, Cause.parse(text).reason.sentence) for text in end["reasons"]],
            billing_id=end["billing_id"],
        ),
    )


def _same_as(same_as: str | None, pii: Pii, key: bytes, *, has_flags: bool) -> str | None:
    """What the row repeats. With flags it is the reference of another customer, so it is masked."""
    if same_as is None or not has_flags or pii is Pii.FULL:
        return same_as
    return token(key, same_as) if pii is Pii.MASKED else None


def _source(run: RunFolder, record: _Record) -> str | None:
    if record.text is not None:
        return str(record.text)
    for file in run.read_plan_of_any_version().inputs:
        stem, _, line = record.row_id.rpartition(":")
        if file.format == "csv" and stem == file.name and line.isdigit():
            return lines_of(
                Path(file.path), file.sha256, file.dialect, int(line), record.line_count
            )
    return None


def _events(folder: Path, references: Sequence[str]) -> list[Event]:
    with Ledger.read(folder) as ledger:
        if ledger is None:
            return []
        return [
            event._asdict() for reference in references for event in ledger.events_of(reference)
        ]


def _looked_up(
    settings: Settings, target: Target, found: Sequence[_Found], pii: Pii
) -> CustomerNow:
    """What billing holds now, compared with what was sent, never with a held or rejected row."""
    fit = [one for one in found if one[1].payload is not None]
    if not fit:
        return CustomerNow("no row of it could be sent, so there is no reference to look up")
    sent = _sent(fit)
    run, newest = sent or fit[-1]
    reference, payload = newest.external_reference or "", newest.payload or ""
    with connected(settings, target, workers=1) as billing:
        answer = billing.make(Lookup(reference, payload.encode()))
    match answer:
        case Found():
            held = as_billing_holds_it(payload, answer)
            values = {
                name: _shown(name, _as_text(value), pii)
                for name, value in held.items()
                if name != "billing_id"
            }
            return CustomerNow(
                "found",
                answer.billing_id,
                values,
                f"{newest.row_id} of {run.run_id}" if sent else None,
                [one.field for one in answer.differences] if sent else None,
            )
        case NotFound():
            return CustomerNow("not found")
        case _:
            why = getattr(answer, "why", None) or f"status {getattr(answer, 'status', 'unknown')}"
            return CustomerNow(f"no usable answer to the lookup ({why})")


def _sent(fit: Sequence[_Found]) -> _Found | None:
    """The newest row that was sent; a created one has priority over one in doubt or existing."""
    fates = [_fate(run, record.row_id) for run, record in fit]
    for wanted in _SENT:
        if among := [one for one, fate in zip(fit, fates, strict=True) if fate in wanted]:
            return among[-1]
    return None


def _fate(run: RunFolder, row_id: str) -> str:
    rows = pl.scan_parquet(run.path / "rows.parquet", glob=False).filter(pl.col("row_id") == row_id)
    return str(rows.select("fate").collect()["fate"][0])


def _shown(name: str, text: str | None, pii: Pii) -> str | None:
    """A canonical value for display; codes and amounts are not personal data."""
    is_figure = (name == "currency" and text in known()) or (
        name == "balance" and _AMOUNT.fullmatch(text or "")
    )
    return text if is_figure and pii is Pii.MASKED else shown(text, pii)


def _as_text(value: JsonValue) -> str | None:
    return (
        value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    )
