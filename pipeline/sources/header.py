"""The column names of a file: cleaned and used, or refused with all faults at once."""

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.domain.characters import clean_name
from pipeline.domain.column_mapping import BILLING_ID, Layout, is_canonical
from pipeline.domain.customer import FIELDS, METADATA_KEY_LENGTH, METADATA_PREFIX, is_import_column
from pipeline.errors import NoHeader, SourceError
from pipeline.sources.dialect import DELIMITERS, Dialect
from pipeline.sources.escapes import shown_text
from pipeline.sources.likeness import Likeness, likeness_of, looks_like_data
from pipeline.sources.limits import check_limits
from pipeline.sources.names import Names, same_names, take_names

_LONGEST_HEADER_SHOWN = 500
_NAMES = (*FIELDS, BILLING_ID)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
_LONE_CR = re.compile(r"\r(?!\n)")
_LOOKS_LIKE_JSON = re.compile(r'\s*\[?\s*\{\s*"')
_JSON = "this looks like JSON; export the table as CSV, .xlsx or Parquet"
_STRAY_QUOTE = (
    "the header is not a legal CSV record: a quote is in a wrong place. Put whole names between quotes, without spaces "
    "around them; if quotes mean nothing in this file, declare source.quote: none in the config (for inspect and init: --quote none)"
)
_A_RECORD = "this looks like a record, not a header"
_IF_NO_HEADER = (
    ". If this file has no header, declare `source.header: none` in the config; nothing was sent"
)
_INIT = ". If its columns have other names, write a config"
_NO_HEADER = (
    f"{_A_RECORD}. This file seems to have no header: declare `source.header: none` in the config, or --header none for a "
    "look at the file; its columns are then called column_1, column_2, … If the line does name the columns, declare "
    "`source.header: first_line`"
)


@dataclass(frozen=True, slots=True)
class Wording:
    """How an error message describes a header."""

    where: str  #: the file, and the sheet or the declaration
    noun: str = "the header"
    hint: str = ""  #: advice if a column is missing


def parse_header(
    line: str,
    where: str,
    *,
    dialect: Dialect,
    layout: Layout | None = None,
    any_columns: bool = False,
    sample: Sequence[Sequence[str]] = (),
) -> Names:
    """The columns of a header; refuse text that is not a legal record or has invalid names.

    `any_columns`: allow any names, to inspect a file without a config. `sample`: the next records.
    """
    hint = _other_delimiter(line, dialect.delimiter)
    if not dialect.grammar.is_legal(line):
        raise SourceError(
            f"{where}: {_JSON if _LOOKS_LIKE_JSON.match(line) else _STRAY_QUOTE + hint}; nothing was read"
        )
    check_limits(where, columns=dialect.grammar.width(line))
    names = [shown_text(name) for name in dialect.grammar.cells(line)]
    if dialect.trailing_delimiter and len(names) > 1 and not names[-1]:
        names = names[:-1]
    if with_control_characters(names) or _LONE_CR.search(line):
        swallowed = ", ".join(
            str(at) for at, name in enumerate(names, start=1) if _CONTROL.search(name)
        )
        raise SourceError(
            f"{where}: the header cannot be used: a control character or a lone carriage return stands in column "
            f"{swallowed}; lines must end with LF or CRLF"
        )
    return check_names(
        names,
        Wording(where, hint=hint if len(names) == 1 else ""),
        layout,
        any_columns=any_columns,
        sample=sample,
        is_declared=dialect.header == "first_line",
    )


def check_names(
    names: Sequence[str],
    wording: Wording,
    layout: Layout | None,
    *,
    more: Iterable[str] = (),
    any_columns: bool = False,
    sample: Sequence[Sequence[str]] | None = None,
    is_declared: bool = False,
) -> Names:
    """The cleaned names; refuse invalid ones with all faults: of the names, then `more`.

    `any_columns`: unknown names are no fault. A record in place of the names is refused by its
    cells and by the `sample` of the next records, unless `is_declared`.
    """
    where, noun = wording.where, wording.noun
    check_limits(where, columns=len(names))
    expected = layout.columns if layout else frozenset({"external_reference"})
    taken = take_names(names, expected)
    known = expected | {*FIELDS, BILLING_ID} if layout is None or any_columns else expected
    likeness = Likeness.HEADER if is_declared else likeness_of(taken.used, sample or (), known)
    if likeness is Likeness.UNCLEAR and sample is None:
        likeness = Likeness.HEADER
    is_useless = any_columns or not expected & set(taken.used)
    if (likeness is Likeness.RECORD and is_useless) or (
        likeness is Likeness.UNCLEAR and any_columns
    ):
        advice = (
            _NO_HEADER
            if sample is not None
            else f"{_A_RECORD}; the first line must name the columns"
        )
        raise NoHeader(f"{where}: {advice}; nothing was sent")
    shows = likeness is Likeness.HEADER
    of_names = (
        _repeated(names, shows=shows)
        if any_columns
        else _faults(names, taken, layout, wording.hint, shows=shows)
    )
    if faults := [*of_names, *more]:
        listed = "; ".join(faults)
        if not shows:
            raise SourceError(f"{where}: {noun} cannot be used: {listed}{_IF_NO_HEADER}")
        found = ", ".join(name for name in taken.used if not looks_like_data(name))[
            :_LONGEST_HEADER_SHOWN
        ]
        wants_config = layout is None and "external_reference" not in taken.used
        raise SourceError(
            f"{where}: {noun} cannot be used: {listed}. Found: {found}{_INIT * wants_config}",
            suggests=("init", "FILE") * wants_config,
        )
    return taken


def advised(refused: SourceError, advice: str) -> SourceError:
    """The same error with advice that another line may be the header."""
    return SourceError(f"{refused.message.removesuffix(_IF_NO_HEADER)}{advice}")


def with_control_characters(names: Sequence[str]) -> str:
    """The numbers of columns with a control character in their name, which is never shown."""
    return ", ".join(
        str(index)
        for index, name in enumerate(map(clean_name, names), start=1)
        if _CONTROL.search(name)
    )


def unknown_columns(names: Iterable[str], layout: Layout | None = None) -> dict[str, str | None]:
    """Columns that will not be sent -> the similar canonical name, if any."""
    ours = [name for name in names if not is_import_column(name)]
    if layout is not None:
        mapped = layout.columns
        return {name: None for name in ours if name not in mapped}
    return {name: _nearest(name) for name in ours if not is_canonical(name)}


def _faults(
    written: Sequence[str], names: Names, layout: Layout | None, hint: str, *, shows: bool
) -> Iterator[str]:
    """The faults of names; a name is only shown if `shows` allows it."""
    ours = [name for name in names.used if not is_import_column(name)]
    near = [name for name in ours if shows and not looks_like_data(name)]
    if layout is not None:
        yield from _missing_columns(ours, near, layout, hint)
    elif "external_reference" not in ours:
        yield _missing_reference(near, hint)
    yield from _repeated(written, shows=shows)
    if layout is None:
        yield from (
            f"column {name!r} must be written {name.casefold()!r}"
            for name in ours
            if _is_misspelt(name)
        )
        yield from _metadata_faults(ours)


def _is_misspelt(name: str) -> bool:
    return name not in _NAMES and name.casefold() in _NAMES


def _repeated(written: Sequence[str], *, shows: bool) -> Iterator[str]:
    """Columns with equal names after trimming and case-folding; unnamed ones never are."""
    for positions, spellings in same_names(written):
        if clean_name(spellings[0]):
            numbers = f"{', '.join(map(str, positions[:-1]))} and {positions[-1]}"
            shown = (
                f": {', '.join(map(repr, spellings))}"
                if shows and not any(map(looks_like_data, spellings))
                else ""
            )
            yield f"columns {numbers} have the same name{' but for case and spaces' * (len(spellings) > 1)}{shown}"


def _metadata_faults(names: list[str]) -> Iterator[str]:
    for name in names:
        key = name.removeprefix(METADATA_PREFIX)
        if name.casefold().startswith(METADATA_PREFIX) and not name.startswith(METADATA_PREFIX):
            yield f"column {name!r} must begin with {METADATA_PREFIX!r} in lower case"
        if name.startswith(METADATA_PREFIX) and not 1 <= len(key) <= METADATA_KEY_LENGTH:
            yield f"metadata key {key!r} must have 1 to {METADATA_KEY_LENGTH} characters"


def _missing_reference(names: list[str], hint: str) -> str:
    near = difflib.get_close_matches("external_reference", names, n=1, cutoff=0.5)
    return (
        f"no column 'external_reference'{hint or (f' (did you mean {near[0]!r}?)' if near else '')}"
    )


def _missing_columns(
    names: list[str], near_names: list[str], layout: Layout, hint: str
) -> Iterator[str]:
    """Every mapped column that the file lacks, its field, and the nearest name."""
    fields: dict[str, list[str]] = {}
    for field, column in layout.sources():
        fields.setdefault(column, []).append(field)
    spare = {name.casefold(): name for name in near_names if name not in fields}
    present = set(names)
    for column in (column for column in fields if column not in present):
        if is_import_column(column):
            yield f"column {column!r} (mapped to {', '.join(fields[column])}) has a name that our lists use; rename it"
            continue
        near = difflib.get_close_matches(column.casefold(), spare, n=1, cutoff=0.6)
        similar = f"; did you mean {spare[near[0]]!r}?" if near else ""
        yield f"no column {column!r} (mapped to {', '.join(fields[column])}{similar})"
    if hint and not set(names) & set(fields):
        yield hint.strip(" ()")


def _other_delimiter(line: str, delimiter: str) -> str:
    """A hint if the line contains another common delimiter."""
    found = next(
        (mark for mark in (*DELIMITERS[1:], ",") if mark in line and mark != delimiter), None
    )
    if found is None:
        return ""
    return (
        f" (the fields seem to be parted by {found!r}; declare it in the config: source.delimiter)"
    )


def _nearest(name: str) -> str | None:
    near = difflib.get_close_matches(name.casefold().replace(" ", "_"), _NAMES, n=1, cutoff=0.6)
    return near[0] if near else None
