"""The names of a file's columns: taken as they are written, or refused with everything that is wrong with them at once."""

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from pipeline.customer import FIELDS, METADATA_KEY_LENGTH, METADATA_PREFIX, is_import_column
from pipeline.errors import SourceError
from pipeline.layout import BILLING_ID, Layout, is_canonical
from pipeline.sources.dialect import DELIMITERS, Dialect
from pipeline.sources.grammar import grammar

_LONGEST_HEADER_TOLD = 500
_NAMES = (*FIELDS, BILLING_ID)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_DATUM = re.compile(r"@|\d{5}")  #: what column names do not hold and people's data does


def parse_header(
    line: str, where: str, *, dialect: Dialect, layout: Layout | None = None, any_columns: bool = False
) -> tuple[str, ...]:
    """The column names of a header line as written; refuse a line that is no legal record or holds impossible names.

    `any_columns`: whatever they mean, so that a file can be looked at that no job describes yet.
    """
    delimiter = dialect.delimiter
    patterns = grammar(delimiter)
    hint = _other_delimiter(line, delimiter)
    if patterns.legal.match(line) is None:
        raise SourceError(
            f"{where}: the header is not a legal CSV line (a quote stands where none may){hint}; nothing was read"
        )
    names = tuple(_unquoted(field[1:]) for field in patterns.one_field.findall(delimiter + line))
    if dialect.trailing_delimiter and len(names) > 1 and not names[-1]:
        names = names[:-1]
    if swallowed := with_control_characters(names):
        raise SourceError(
            f"{where}: the header cannot be used: a control character or a lone carriage return stands in column "
            f"{swallowed}; lines must end with LF or CRLF"
        )
    check_names(names, where, layout, hint=hint if len(names) == 1 else "", any_columns=any_columns)
    return names


def check_names(
    names: Sequence[str],
    where: str,
    layout: Layout | None,
    *,
    noun: str = "the header",
    hint: str = "",
    more: Iterable[str] = (),
    any_columns: bool = False,
) -> None:
    """Refuse names that cannot be used, with all faults: those of the names, then `more`; `hint` says what is behind.

    `any_columns`: names that mean nothing to us are none of them.
    """
    looks_like_a_record = any(_DATUM.search(name) for name in names)
    expected = layout.columns if layout else {"external_reference"}
    if looks_like_a_record and not expected & set(names) and not any_columns:
        raise SourceError(f"{where}: this looks like a record, not a header; the first line must name the columns")
    of_names = _structural_faults(names) if any_columns else _faults(names, layout, hint)
    if faults := [*of_names, *more]:
        # A header may be repeated in a message; somebody's name and number may not.
        found = "" if looks_like_a_record else f". Found: {', '.join(names)[:_LONGEST_HEADER_TOLD]}"
        raise SourceError(f"{where}: {noun} cannot be used: {'; '.join(faults)}{found}")


def with_control_characters(names: Sequence[str]) -> str:
    """The numbers of the columns whose names hold a control character or a line end; such names are never repeated."""
    return ", ".join(str(index) for index, name in enumerate(names, start=1) if _CONTROL.search(name))


def unknown_columns(names: Iterable[str], layout: Layout | None = None) -> dict[str, str | None]:
    """Columns that will not be sent -> the canonical name that was perhaps meant; a layout says what is meant."""
    ours = [name for name in names if not is_import_column(name)]
    if layout is not None:
        return {name: None for name in ours if name not in layout.columns}
    return {name: _nearest(name) for name in ours if not is_canonical(name)}


def _faults(names: Sequence[str], layout: Layout | None, hint: str) -> Iterator[str]:
    ours = [name for name in names if not is_import_column(name)]
    if layout is not None:
        yield from _missing_columns(ours, layout, hint)
    elif "external_reference" not in ours:
        yield _missing_reference(ours, hint)
    yield from _structural_faults(names)
    for folded, variants in _by_case(ours):
        if len(variants) > 1:
            yield f"columns {' and '.join(map(repr, variants))} differ only in case"
        elif layout is None and folded in _NAMES and variants[0] not in _NAMES:
            yield f"column {variants[0]!r} must be written {folded!r}"
    if layout is None:
        yield from _metadata_faults(ours)


def _structural_faults(names: Sequence[str]) -> Iterator[str]:
    for index, name in enumerate(names, start=1):
        if not name.strip():
            yield f"column {index} has no name"
        elif name != name.strip():
            yield f"column {name!r} has spaces around its name"
    for name, times in Counter(names).items():
        if times > 1:
            yield f"column {name!r} stands there {times} times"


def _by_case(names: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    variants: dict[str, set[str]] = {}
    for name in names:
        variants.setdefault(name.casefold(), set()).add(name)
    return ((folded, sorted(same)) for folded, same in variants.items())


def _metadata_faults(names: list[str]) -> Iterator[str]:
    for name in names:
        key = name.removeprefix(METADATA_PREFIX)
        if name.casefold().startswith(METADATA_PREFIX) and not name.startswith(METADATA_PREFIX):
            yield f"column {name!r} must begin with {METADATA_PREFIX!r} in lower case"
        if name.startswith(METADATA_PREFIX) and not 1 <= len(key) <= METADATA_KEY_LENGTH:
            yield f"metadata key {key!r} must have 1 to {METADATA_KEY_LENGTH} characters"


def _missing_reference(names: list[str], hint: str) -> str:
    near = difflib.get_close_matches("external_reference", names, n=1, cutoff=0.5)
    return f"no column 'external_reference'{hint or (f' (did you mean {near[0]!r}?)' if near else '')}"


def _missing_columns(names: list[str], layout: Layout, hint: str) -> Iterator[str]:
    """Every mapped column that the file does not have, with what it is mapped to and the nearest that is there."""
    fields: dict[str, list[str]] = {}
    for field, column in layout.sources():
        fields.setdefault(column, []).append(field)
    spare = {name.casefold(): name for name in names if name not in fields and not _DATUM.search(name)}
    for column in (column for column in fields if column not in names):
        near = difflib.get_close_matches(column.casefold(), spare, n=1, cutoff=0.6)
        meant = f"; did you mean {spare[near[0]]!r}?" if near else ""
        yield f"no column {column!r} (mapped to {', '.join(fields[column])}{meant})"
    if hint and not set(names) & set(fields):
        yield hint.strip(" ()")


def _other_delimiter(line: str, delimiter: str) -> str:
    """What to say where the line holds a character that parts fields elsewhere."""
    found = next((mark for mark in (*DELIMITERS[1:], ",") if mark in line and mark != delimiter), None)
    if found is None:
        return ""
    return f" (the fields seem to be parted by {found!r}; declare it in the config: source.delimiter)"


def _nearest(name: str) -> str | None:
    near = difflib.get_close_matches(name.casefold().replace(" ", "_"), _NAMES, n=1, cutoff=0.6)
    return near[0] if near else None


def _unquoted(field: str) -> str:
    return field[1:-1].replace('""', '"') if field.startswith('"') else field
