"""The keyed check of each listed record: it proves that this home exported the run and row id.

A check is `h`, six hexadecimal digits that name the key, a hyphen, and 80 bits of HMAC-SHA256 over
run id and row id. No spreadsheet reads it as a number or a date. The key is derived from the home's
key and never stored.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from enum import StrEnum

_FORM = re.compile("h[0-9a-f]{6}-[0-9a-f]{20}")


class Claim(StrEnum):
    """What the check of a record proves about its run and row."""

    PROVEN = "proven"  #: this home exported the record under this run and row id
    FALSE = "false"  #: the check belongs to another record, or was changed
    UNTESTABLE = "untestable"  #: no check (a list of an older version), or the key of another home
    NONE = "none"  #: the record names no origin


class OriginChecks:
    """Make and test the checks of one home."""

    def __init__(self, home_key: bytes) -> None:
        self._key = hmac.digest(home_key, b"origin of a listed record", hashlib.sha256)
        self._prefix = f"h{hmac.digest(self._key, b'name of this key', hashlib.sha256).hex()[:6]}-"

    def of(self, run_id: str, row_ids: Iterable[str]) -> list[str]:
        """The check of each of these rows of a run."""
        key = hmac.digest(self._key, run_id.encode(), hashlib.sha256)
        fresh = hmac.new(key, digestmod=hashlib.sha256).copy

        def check(row_id: str) -> str:
            one = fresh()
            one.update(row_id.encode())
            return self._prefix + one.hexdigest()[:20]

        return [check(row_id) for row_id in row_ids]

    def claim(self, run_id: str | None, row_id: str | None, check: str | None) -> Claim:
        """What a check proves about the origin beside it."""
        if run_id is None and row_id is None and check is None:
            return Claim.NONE
        if run_id is None or row_id is None or check is None:
            return Claim.UNTESTABLE
        bare = check.strip()
        if _FORM.fullmatch(bare) is None:
            return Claim.FALSE
        if not bare.startswith(self._prefix):
            return Claim.UNTESTABLE
        (own,) = self.of(run_id, [row_id])
        return Claim.PROVEN if hmac.compare_digest(own, bare) else Claim.FALSE
