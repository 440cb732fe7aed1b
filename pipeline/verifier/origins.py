"""Recompute the keyed check of each listed record with the key of the home, by separate code."""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.domain.customer import CHECK
from pipeline.storage.files import KEY_FILE, read_regular
from pipeline.verifier.checks import Check
from pipeline.verifier.column_faults import require
from pipeline.verifier.keyed_hashes import are_checks
from pipeline.verifier.list_columns import ListRows
from pipeline.verifier.listed_rows import OURS, Row

_WHAT = "each _import_check was computed with the key of this home"
_COLUMN = CHECK.removeprefix(OURS)
_KEY_BYTES = 32
_FORM = re.compile("h[0-9a-f]{6}-[0-9a-f]{20}")


def key_of(home: Path | None) -> bytes | None:
    """The key of a home; None if it is missing or unreadable. This creates no key."""
    try:
        key = None if home is None else read_regular(home / KEY_FILE, _KEY_BYTES + 1)
    except OSError:
        return None
    return key if key is not None and len(key) == _KEY_BYTES else None


@dataclass
class Origins:
    """Test the checks of one run's rows; only count those that this home's key cannot test."""

    run_id: str
    home_key: bytes | None = field(repr=False)
    tested: int = 0
    of_others: int = 0  #: rows with a check under another key
    without: int = 0  #: rows of lists without checks, from earlier versions
    wrong: str = ""  #: the first row with a wrong check

    def __post_init__(self) -> None:
        origin = _hmac(self.home_key or b"", b"origin of a listed record")
        self._prefix = f"h{_hmac(origin, b'name of this key').hex()[:6]}-"
        self._key = _hmac(origin, self.run_id.encode())

    def look_at_all(self, rows: ListRows) -> None:
        """Test the checks of some rows of one list; NotInColumns if one is wrong."""
        if not rows.has(_COLUMN):
            self.without += len(rows)
            return
        checks = rows.our(_COLUMN)
        others = pa.array([True] * len(rows), pa.bool_())
        if self.home_key is not None:
            has_form = pc.match_substring_regex(checks, rf"\A{_FORM.pattern}\z")
            others = pc.and_(has_form, pc.invert(pc.starts_with(checks, self._prefix)))
        mine = pc.invert(others)
        tested = rows.our("row_id").filter(mine)
        right = are_checks(checks.filter(mine), self._prefix, self._key, tested)
        require(pc.all(right, min_count=0).as_py())
        self.tested += len(tested)
        self.of_others += len(rows) - len(tested)

    def fresh(self) -> "Origins":
        """The same tests before the first row."""
        return Origins(self.run_id, self.home_key)

    def add(self, other: "Origins") -> None:
        """Add what the tests of further rows found."""
        self.tested += other.tested
        self.of_others += other.of_others
        self.without += other.without
        self.wrong = self.wrong or other.wrong

    def look_at(self, row: Row) -> None:
        """Test the check of one row."""
        check = row.ours.get(_COLUMN)
        if check is None:
            self.without += 1
        elif self.home_key is None or (
            _FORM.fullmatch(check) and not check.startswith(self._prefix)
        ):
            self.of_others += 1
        else:
            self.tested += 1
            if check != self._prefix + _hmac(self._key, row.row_id.encode()).hex()[:20]:
                self.wrong = self.wrong or f"{row.row_id}: {CHECK} in {row.list_name}.csv is wrong"

    def check(self) -> Check:
        """The result of the tests, with the number of rows."""
        left = self.of_others + self.without
        if self.home_key is None and left:
            return Check(
                _WHAT,
                None,
                f"0 of {left:,} tested: no key in this home; use --home with the home of the run",
            )
        if self.tested and left:
            self.wrong = (
                self.wrong
                or f"{left:,} of {self.tested + left:,} records have no check of this home"
            )
        if left and not self.tested:
            why = (
                "written by an earlier version"
                if self.without
                else "of another home; use --home with the home of the run"
            )
            return Check(_WHAT, None, f"0 of {left:,} tested: the lists are {why}")
        return Check(f"{_WHAT} ({self.tested:,} tested)", not self.wrong, self.wrong)


def _hmac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, hashlib.sha256)
