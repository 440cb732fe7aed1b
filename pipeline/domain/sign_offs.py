"""Who signed for a run, and whether what they signed for is still what lies there.

A signature is a line of JSON: a role, a name, the time, and the SHA-256 of everything that lay beneath it. Each line holds
the hash of the line before, so that none can be taken out of the middle. It is no secret's proof of who somebody is, as a
key on a card would be: it is what a name under a page is, and it says when the page was changed afterwards.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ROLES = ("planner", "approver", "reviewer")
_FIRST = "0" * 64


@dataclass(frozen=True, slots=True)
class Signed:
    """The newest signature of one role; without a name nobody has signed yet."""

    role: str
    name: str | None = None
    at: str | None = None  #: ISO 8601
    note: str | None = None
    evidence: str | None = None  #: the digest of what was signed
    changed: tuple[str, ...] = ()  #: what is no more as it was when it was signed

    @property
    def state(self) -> str:
        """`open`, `stale` or `stands`."""
        return "open" if self.name is None else "stale" if self.changed else "stands"


def digest(beneath: Mapping[str, str]) -> str:
    """One SHA-256 over named ones, in the order of their names."""
    return hashlib.sha256(
        "".join(f"{beneath[name]}  {name}\n" for name in sorted(beneath)).encode()
    ).hexdigest()


def signature(
    role: str,
    name: str,
    at: str,
    beneath: Mapping[str, str],
    before: Sequence[str],
    note: str | None = None,
) -> str:
    """The next line after those before it."""
    after = hashlib.sha256(before[-1].encode()).hexdigest() if before else _FIRST
    told = {
        "role": role,
        "name": name,
        "at": at,
        "note": note,
        "beneath": dict(beneath),
        "after": after,
    }
    return json.dumps(told)  # in ASCII: no character of a name or a note is a line's end to anybody


def signed(lines: Sequence[str], now: Mapping[str, str]) -> list[Signed]:
    """The newest signature of each role, and of every reviewer, held against what lies there `now` (name -> SHA-256)."""
    newest: dict[tuple[str, str], Signed] = {}
    after, broken = _FIRST, False
    for line in lines:
        told = json.loads(line)
        broken = broken or told["after"] != after
        after = hashlib.sha256(line.encode()).hexdigest()
        # A reviewer signs for all that lies there, so that what comes later is news; the others sign for the plan alone.
        lies_there = (
            now
            if told["role"] == "reviewer"
            else {name: now[name] for name in told["beneath"] if name in now}
        )
        changed = ("signatures.jsonl",) * broken + _changed(told["beneath"], lies_there)
        who = told["name"] if told["role"] == "reviewer" else ""
        newest[told["role"], who] = Signed(
            told["role"], told["name"], told["at"], told["note"], digest(told["beneath"]), changed
        )
    of_roles = {role: [one for (of, _), one in newest.items() if of == role] for role in ROLES}
    return [one for role in ROLES for one in of_roles[role] or [Signed(role)]]


def standing(lines: Sequence[str], now: Mapping[str, str], role: str) -> Signed:
    """The signature of a role that counts: one that stands, the newest where several do, else the newest."""
    of_role = [one for one in signed(lines, now) if one.role == role]
    return max(of_role, key=lambda one: (one.state == "stands", one.at or ""))


def _changed(beneath: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """What is another than it was, and what lies there now and did not: a reconciliation that came later, say."""
    return tuple(
        name for name in dict.fromkeys([*beneath, *now]) if now.get(name) != beneath.get(name)
    )
