"""The sign-offs of a run, and whether their evidence is unchanged.

A sign-off is a line of JSON: role, name, time, and the SHA-256 of each file of the evidence. Each
line contains the hash of the previous line, so no line can be removed from the middle. It does not
prove identity as a cryptographic key would: it is a name under a page, and it shows later changes.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import Field

from pipeline.domain.manifest import SIGNATURES
from pipeline.domain.published import Count, Published, Text
from pipeline.domain.upgrades import Document, renamed, upgraded

ROLES = ("planner", "approver", "reviewer")
SIGNATURE_SCHEMA = 2  #: the version of a line of signatures.jsonl
_FIRST = "0" * 64


class Signature(Published):
    """A line of `signatures.jsonl`."""

    schema_version: Count = Field(default=SIGNATURE_SCHEMA, le=SIGNATURE_SCHEMA, alias="schema")
    role: Text
    name: Text
    at: Text = Field(description="ISO 8601")
    note: Text | None = None
    signed_digests: dict[str, Text] = Field(description="name of a file -> its SHA-256")
    after: Text = Field(description="SHA-256 of the previous line; zeros for the first")

    @classmethod
    def of(cls, document: Document) -> Self:
        """Parse a line of any version; raise ValidationError if it has another shape."""
        return cls.model_validate(upgraded(document, {1: _from_1}))


def _from_1(document: Document) -> Document:
    return renamed(document, {"beneath": "signed_digests"})


class Acceptance(Published):
    """A line of `accepted.jsonl`: a person accepted an issue of the files."""

    code: Text
    who: Text
    at: Text = Field(description="ISO 8601")

    @classmethod
    def of(cls, document: Document) -> Self:
        """Parse a line; raise ValidationError if it has another shape."""
        return cls.model_validate(document)


def first_acceptances(lines: Sequence[Acceptance]) -> dict[str, str]:
    """Code of an issue -> who accepted it first."""
    return {one.code: one.who for one in reversed(lines)}


@dataclass(frozen=True, slots=True)
class SignOff:
    """The newest sign-off of one role; without a name nobody has signed yet."""

    role: str
    name: str | None = None
    at: str | None = None  #: ISO 8601
    note: str | None = None
    evidence: str | None = None  #: the digest of what was signed
    changed: tuple[str, ...] = ()  #: files that changed after the sign-off

    @property
    def state(self) -> Literal["open", "stale", "stands"]:
        """`open`, `stale` or `stands`."""
        return "open" if self.name is None else "stale" if self.changed else "stands"


def digest(files: Mapping[str, str]) -> str:
    """One SHA-256 over named SHA-256 values, in the order of their names."""
    return hashlib.sha256(
        "".join(f"{files[name]}  {name}\n" for name in sorted(files)).encode()
    ).hexdigest()


def signature(
    role: str,
    name: str,
    at: str,
    files: Mapping[str, str],
    before: Sequence[str],
    note: str | None = None,
) -> str:
    """The next line after the lines `before`; `files`: name -> SHA-256 of the evidence."""
    after = hashlib.sha256(before[-1].encode()).hexdigest() if before else _FIRST
    line = Signature(
        role=role, name=name, at=at, note=note, signed_digests=dict(files), after=after
    )
    # In ASCII, so that a name or a note cannot contain a line end.
    return json.dumps(line.to_json())


def signed(lines: Sequence[str], now: Mapping[str, str]) -> list[SignOff]:
    """The newest sign-off of each role and of every reviewer, compared with `now`.

    `now`: name -> SHA-256 of the evidence.
    """
    newest: dict[tuple[str, str], SignOff] = {}
    after, broken = _FIRST, False
    for line in lines:
        entry = Signature.of(json.loads(line))
        broken = broken or entry.after != after
        after = hashlib.sha256(line.encode()).hexdigest()
        covered, is_reviewer = entry.signed_digests, entry.role == "reviewer"
        # A reviewer signs for all evidence, so a later file is a change; others sign for the plan.
        current = now if is_reviewer else {name: now[name] for name in covered if name in now}
        changed = ((SIGNATURES,) if broken else ()) + _changed(covered, current)
        newest[entry.role, entry.name if is_reviewer else ""] = SignOff(
            entry.role, entry.name, entry.at, entry.note, digest(covered), changed
        )
    of_roles = {role: [one for (of, _), one in newest.items() if of == role] for role in ROLES}
    return [one for role in ROLES for one in of_roles[role] or [SignOff(role)]]


def valid_sign_off(lines: Sequence[str], now: Mapping[str, str], role: str) -> SignOff:
    """The newest valid sign-off of a role, or the newest one if none is valid."""
    of_role = [one for one in signed(lines, now) if one.role == role]
    return max(of_role, key=lambda one: (one.state == "stands", one.at or ""))


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Names of files that changed or are new, such as a later reconciliation."""
    return tuple(
        name for name in dict.fromkeys([*before, *now]) if now.get(name) != before.get(name)
    )
