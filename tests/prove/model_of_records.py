"""A model in plain Python of the fate of each record, by the documented rules; shares no code with the package."""

from collections import Counter
from dataclasses import dataclass, field

HEADER = ("external_reference", "name", "email", "currency", "balance")
OPEN = {
    "already_exists_different",
    "needs_review",
    "in_doubt",
    "unreadable",
    "invalid",
    "refused",
    "not_attempted",
}
CREATED = "created"
SETTLING = {CREATED, "already_exists_same"}
BAD, GOOD = "no address", "someone@example.com"

Key = tuple[str, int]  #: SHA-256 of a file, line


@dataclass
class Row:
    """One row that is fed: its cells, where it stands, and the row of an earlier run that it names."""

    key: Key
    cells: tuple[str, ...]
    origin: tuple[str, str] | None = None
    fate: str = ""
    is_mismatch: bool = False  #: it is not the record that it names

    @property
    def reference(self) -> str | None:
        """The external reference, where the row can be read."""
        return self.cells[0] or None if len(self.cells) == len(HEADER) else None

    @property
    def money(self) -> tuple[str, int]:
        """Currency and balance."""
        return (
            (self.cells[3] or "-", int(self.cells[4] or 0))
            if len(self.cells) == len(HEADER)
            else ("-", 0)
        )


@dataclass
class Record:
    """Where a record stands now."""

    fate: str
    run: str
    row: Row
    is_followed: bool = False  #: it was open once, or came back
    is_returned: bool = False  #: a row that came back settled it


@dataclass
class Model:
    """What was sent and what became of each record."""

    #: Customers that billing held before the first run, and what was sent; None where billing holds other content.
    there: dict[str, tuple[str, ...]] = field(default_factory=dict)
    sent: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    records: dict[Key, Record] = field(default_factory=dict)
    same_as: dict[Key, Key] = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=dict)  #: run -> its rows
    ids: dict[tuple[str, str], Key] = field(default_factory=dict)  #: run, row id -> place
    named: dict[tuple[str, str], Row] = field(default_factory=dict)  #: run, row id -> row

    def judge(self, rows: list[Row], limit: int | None = None) -> None:
        """Give each row the fate that planning and billing give it."""
        contents: dict[str, list[tuple[str, ...]]] = {}
        for row in rows:
            row.is_mismatch = self._is_another(row)
            if len(row.cells) != len(HEADER):
                row.fate = "unreadable"
            elif row.is_mismatch:
                row.fate, row.origin = "invalid", None
            elif not row.cells[0] or row.cells[2] == BAD:
                row.fate = "invalid"
            else:
                contents.setdefault(row.cells[0], []).append(row.cells)
        creates = 0
        seen = set[str]()
        for row in rows:
            if row.fate:
                continue
            row.fate = self._planned(row, contents[row.cells[0]], seen)
            if not row.fate:
                creates += 1
                is_left = limit is not None and creates > limit
                row.fate = "not_attempted" if is_left else self._submitted(row)
            seen.add(row.cells[0])

    def _is_another(self, row: Row) -> bool:
        """Whether a row names a record, and has other texts than that where nobody was asked to mend it."""
        original = self.named.get(row.origin) if row.origin else None
        if original is None:
            return False
        if original.is_mismatch:
            return True
        if len(original.cells) != len(HEADER):
            words = [
                text
                for name, text in zip(HEADER, row.cells, strict=False)
                if name != "currency" and len(text) > 2
            ]
            return bool(words) and not any(word in ",".join(original.cells) for word in words)
        asked = {"email": original.cells[2] == BAD, "external_reference": not original.cells[0]}
        if original.fate in {"needs_review", "already_exists_different"}:
            asked = {name: name != "email" for name in HEADER}
        pairs = [
            (was, now)
            for name, was, now in zip(HEADER, original.cells, row.cells, strict=False)
            if not asked.get(name)
        ]
        return any(was for was, _ in pairs) and any(was != now for was, now in pairs)

    def _planned(self, row: Row, contents: list[tuple[str, ...]], seen: set[str]) -> str:
        """The fate that planning gives; none where the row is sent."""
        if len({*contents}) > 1:
            return "needs_review"
        if row.cells[0] in seen:
            return "duplicate_in_file"
        if row.cells[0] not in self.sent:
            return ""
        return (
            "already_exists_same"
            if self.sent[row.cells[0]] == row.cells
            else "already_exists_different"
        )

    def _submitted(self, row: Row) -> str:
        there = self.there.get(row.cells[0])
        self.sent[row.cells[0]] = row.cells if there in {None, row.cells} else None
        if there is None:
            return CREATED
        return "already_exists_same" if there == row.cells else "already_exists_different"

    def take(self, run: str, name: str, rows: list[Row]) -> None:
        """One more run over one file."""
        is_new_file = not any(row.key in self._places() for row in rows)
        links = self._links(rows, is_new_file=is_new_file)
        waiting = {key for key, record in self.records.items() if record.fate in OPEN}
        met = set[Key]()
        for row in rows:
            self.ids[run, f"{name}:{row.key[1]}"] = row.key
            self.named[run, f"{name}:{row.key[1]}"] = row
            if row.key in links:
                self.same_as[row.key] = links[row.key]
            key = self.same_as.get(row.key, row.key)
            met.add(key)
            self._tell(run, key, row, is_return=row.key in links)
        self.rows[run] = rows
        settled = {
            row.reference
            for row in rows
            if row.fate in SETTLING
            and (
                is_new_file or row.fate == CREATED or self.same_as.get(row.key, row.key) in waiting
            )
        } - {None}
        for key, record in self.records.items():
            if record.fate in OPEN and key not in met and record.row.reference in settled:
                record.fate, record.run, record.is_returned = "superseded", run, True

    def _places(self) -> set[Key]:
        return {row.key for rows in self.rows.values() for row in rows}

    def _links(self, rows: list[Row], *, is_new_file: bool) -> dict[Key, Key]:
        """Which rows stand for records that are there already, of the rows of a file that comes for the first time."""
        links: dict[Key, Key] = {}
        if not is_new_file:
            return links
        for row in rows:
            at = self.ids.get(row.origin) if row.origin else None
            root = self.same_as.get(at, at) if at else None
            if root is None or root in links.values():
                continue
            record = self.records[root]
            others = {record.row.reference, row.reference} - {None}
            if record.fate == CREATED and len(others) > 1:
                continue
            links[row.key] = root
        found = set[str]()
        for row in rows:
            if row.key in links or row.reference is None or row.reference in found:
                continue
            waiting = [
                key
                for key, record in self.records.items()
                if record.fate in OPEN
                and record.row.reference == row.reference
                and key not in links.values()
            ]
            if waiting:
                links[row.key] = waiting[0]
                found.add(row.reference)
        return links

    def _tell(self, run: str, key: Key, row: Row, *, is_return: bool) -> None:
        record = self.records.get(key)
        if record is None:
            self.records[key] = Record(row.fate, run, row, is_followed=row.fate in OPEN)
            return
        record.is_followed |= is_return or row.fate in OPEN
        keeps = not is_return and record.is_returned and record.fate not in OPEN
        if record.fate == CREATED or keeps:
            return
        record.fate, record.run, record.row, record.is_returned = row.fate, run, row, is_return

    def now(self, run: str) -> Counter[str]:
        """Fate now -> rows of a run."""
        return Counter(self._fate_now(row) for row in self.rows[run])

    def _fate_now(self, row: Row) -> str:
        record = self.records[self.same_as.get(row.key, row.key)]
        return row.fate if row.fate == CREATED or not record.is_followed else record.fate

    def once(self) -> Counter[str]:
        """Fate now -> records, each once."""
        return Counter(record.fate for record in self.records.values())

    def money(self) -> dict[tuple[str, str], int]:
        """Currency, fate -> minor units, each record once."""
        sums = Counter[tuple[str, str]]()
        for record in self.records.values():
            currency, amount = record.row.money
            sums[currency, record.fate] += amount
        return {pair: amount for pair, amount in sums.items() if amount}

    def open_until(self, run: str | None = None) -> Counter[str]:
        """Fate -> open records; of this run and those before it where one is named."""
        return Counter(
            record.fate
            for key, record in self.records.items()
            if record.fate in OPEN and self._was_met(key, run)
        )

    def _was_met(self, key: Key, run: str | None) -> bool:
        earlier = [name for name in self.rows if run is None or name <= run]
        return any(
            self.same_as.get(row.key, row.key) == key and self._was_open(row, key)
            for name in earlier
            for row in self.rows[name]
        )

    def _was_open(self, row: Row, key: Key) -> bool:
        return row.fate in OPEN or row.key in self.same_as
