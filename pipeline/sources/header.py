"""The header line: canonical column names, or a refusal that names everything wrong with it at once."""

import difflib
import re
from collections import Counter
from collections.abc import Iterable

from pipeline.customer import FIELDS, METADATA_KEY_LENGTH, METADATA_PREFIX, is_import_column
from pipeline.errors import SourceError
from pipeline.sources.framing import LEGAL_RECORD, ONE_FIELD

GIVEN = "given."  #: prefix of the columns that hold the text as it came, so that no name of theirs meets one of ours

_LONGEST_HEADER_TOLD = 500
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_DATUM = re.compile(r"@|\d{5}")  #: what column names do not hold and people's data does


def parse_header(line: str, where: str) -> tuple[str, ...]:
    """The column names of a header line as written; refuse a line that is no legal record or holds impossible names."""
    if re.match(LEGAL_RECORD, line) is None:
        raise SourceError(
            f"{where}: the header is not a legal CSV line (a quote stands where none may); nothing was read"
        )
    names = tuple(_unquoted(field[1:]) for field in re.findall(ONE_FIELD, "," + line))
    if swallowed := [str(index) for index, name in enumerate(names, start=1) if _CONTROL.search(name)]:
        raise SourceError(
            f"{where}: the header cannot be used: a control character or a lone carriage return stands in column "
            f"{', '.join(swallowed)}; lines must end with LF or CRLF"
        )
    looks_like_a_record = any(_DATUM.search(name) for name in names)
    if looks_like_a_record and "external_reference" not in names:
        raise SourceError(f"{where}: this looks like a record, not a header; the first line must name the columns")
    if faults := list(_faults(names)):
        # A header may be repeated in a message; somebody's name and number may not.
        found = "" if looks_like_a_record else f". Found: {', '.join(names)[:_LONGEST_HEADER_TOLD]}"
        raise SourceError(f"{where}: the header cannot be used: {'; '.join(faults)}{found}")
    return names


def unknown_columns(names: Iterable[str]) -> dict[str, str | None]:
    """Columns that will not be sent -> the canonical name that was perhaps meant."""
    return {name: _nearest(name) for name in names if not is_canonical(name) and not is_import_column(name)}


def is_canonical(name: str) -> bool:
    """Whether billing has a place for this column."""
    return name in FIELDS or name.startswith(METADATA_PREFIX)


def _faults(names: tuple[str, ...]) -> Iterable[str]:
    ours = [name for name in names if not is_import_column(name)]
    if "external_reference" not in ours:
        yield _missing_reference(ours)
    for index, name in enumerate(names, start=1):
        if not name.strip():
            yield f"column {index} has no name"
        elif name != name.strip():
            yield f"column {name!r} has spaces around its name"
    for name, times in Counter(names).items():
        if times > 1:
            yield f"column {name!r} stands there {times} times"
    for folded, times in Counter(name.casefold() for name in set(ours)).items():
        variants = sorted(name for name in set(ours) if name.casefold() == folded)
        if times > 1:
            yield f"columns {' and '.join(map(repr, variants))} differ only in case"
        elif folded in FIELDS and variants[0] not in FIELDS:
            yield f"column {variants[0]!r} must be written {folded!r}"
    yield from _metadata_faults(ours)


def _metadata_faults(names: list[str]) -> Iterable[str]:
    for name in names:
        key = name.removeprefix(METADATA_PREFIX)
        if name.casefold().startswith(METADATA_PREFIX) and not name.startswith(METADATA_PREFIX):
            yield f"column {name!r} must begin with {METADATA_PREFIX!r} in lower case"
        if name.startswith(METADATA_PREFIX) and not 1 <= len(key) <= METADATA_KEY_LENGTH:
            yield f"metadata key {key!r} must have 1 to {METADATA_KEY_LENGTH} characters"


def _missing_reference(names: list[str]) -> str:
    near = difflib.get_close_matches("external_reference", names, n=1, cutoff=0.5)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    if len(names) == 1 and (found := next((mark for mark in ";\t|" if mark in names[0]), None)):
        hint = f" (the fields seem to be parted by {found!r}; only commas are read)"
    return f"no column 'external_reference'{hint}"


def _nearest(name: str) -> str | None:
    near = difflib.get_close_matches(name.casefold().replace(" ", "_"), FIELDS, n=1, cutoff=0.6)
    return near[0] if near else None


def _unquoted(field: str) -> str:
    return field[1:-1].replace('""', '"') if field.startswith('"') else field
