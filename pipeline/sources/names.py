"""Convert the column names of a file to unique, readable names, and record the changes."""

import itertools
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.domain.characters import INVISIBLE, clean_name, fold_name
from pipeline.domain.customer import ROW_ID, RUN_ID, is_import_column, names_origin
from pipeline.domain.file_issues import FileIssue, Finding

_SQUEEZED = str.maketrans("", "", f'"{INVISIBLE}')
_SHOWN = 5  #: names in a message


@dataclass(frozen=True, slots=True)
class Names:
    """The names of columns; positions count from 1."""

    used: tuple[str, ...]
    changed: tuple[int, ...] = ()  #: positions of names that were trimmed or had line breaks
    unnamed: tuple[int, ...] = ()  #: positions of columns without a name, called `column_N`

    @property
    def of_unnamed(self) -> tuple[str, ...]:
        """The names given to unnamed columns."""
        return tuple(self.used[position - 1] for position in self.unnamed)

    def facts(self, ignored: Collection[str]) -> dict[str, str]:
        """The changes, for the description of a file; `ignored` unnamed columns are empty."""
        positions = dict(zip(self.of_unnamed, self.unnamed, strict=True))
        return {
            "names_changed": _numbers(self.changed),
            "columns_ignored": _numbers(positions[name] for name in ignored),
            "columns_without_name": ", ".join(
                name for name in self.of_unnamed if name not in ignored
            ),
        }

    def findings(self, file: str, ignored: Collection[str]) -> list[Finding]:
        """The changes, as warnings about a file."""
        found = []
        if self.changed:
            names = ", ".join(repr(self.used[at - 1]) for at in self.changed[:_SHOWN])
            more = ", …" * (len(self.changed) > _SHOWN)
            message = f"{file}: {len(self.changed):,} of {len(self.used):,} names were changed, now {names}{more}"
            found.append(Finding(FileIssue.COLUMN_NAMES_CHANGED, message))
        if filled := [name for name in self.of_unnamed if name not in ignored]:
            message = f"{file}: {', '.join(filled[:_SHOWN])}{', …' * (len(filled) > _SHOWN)}"
            found.append(Finding(FileIssue.COLUMNS_WITHOUT_NAME, message))
        if not names_origin(self.used) and (
            dropped := [name for name in self.used if is_import_column(name)]
        ):
            names = ", ".join(map(repr, dropped))
            message = f"{file}: not kept: {names}. Our lists use these names; a list that is fed back has {ROW_ID} and {RUN_ID}"
            found.append(Finding(FileIssue.COLUMNS_NOT_KEPT, message))
        return found


def squeezed_name(name: str) -> str:
    """The form for comparing names: no case, quotes, spaces or invisible characters."""
    return unicodedata.normalize("NFC", name.translate(_SQUEEZED)).casefold()


def is_repeated_header(cells: Iterable[str], names: Names) -> bool:
    """Whether a record repeats the header in any spelling; unnamed columns empty or by our name."""
    pairs = itertools.zip_longest(map(squeezed_name, cells), names.used, fillvalue="")
    return all(
        squeezed == squeezed_name(name) or (not squeezed and at in names.unnamed)
        for at, (squeezed, name) in enumerate(pairs, start=1)
    )


def take_names(written: Sequence[str], expected: Collection[str] = ()) -> Names:
    """The names to use; a name that the config spells exactly (`expected`) stays."""
    cleaned = [clean_name(name) for name in written]
    kept = [
        name if name in expected and clean not in expected else clean
        for name, clean in zip(written, cleaned, strict=True)
    ]
    changed = [
        at
        for at, (old, new) in enumerate(zip(written, kept, strict=True), start=1)
        if new and old != new
    ]
    unnamed = [at for at, name in enumerate(kept, start=1) if not name]
    taken = {fold_name(name) for name in kept}
    for at in unnamed:
        kept[at - 1] = _free_name(f"column_{at}", taken)
    return Names(tuple(kept), tuple(changed), tuple(unnamed))


def numbered_names(count: int) -> Names:
    """The names of a table without a header: `column_1` and so on."""
    return Names(tuple(f"column_{at}" for at in range(1, count + 1)))


def same_names(names: Iterable[str]) -> Iterator[tuple[list[int], list[str]]]:
    """The positions and spellings of names that are equal after trimming and case-folding."""
    by_fold: dict[str, tuple[list[int], list[str]]] = {}
    for at, name in enumerate(names, start=1):
        positions, spellings = by_fold.setdefault(fold_name(name), ([], []))
        positions.append(at)
        spellings.append(name)
    for positions, spellings in by_fold.values():
        if len(positions) > 1:
            yield positions, list(dict.fromkeys(spellings))


def _free_name(name: str, taken: Collection[str]) -> str:
    """The name, with a number appended if a column already has it."""
    number = 1
    free = name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _numbers(positions: Iterable[int]) -> str:
    return ", ".join(map(str, positions))
