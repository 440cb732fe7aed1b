"""Column names as a file writes them -> names that are unique and readable, and an account of what was changed."""

import itertools
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.domain.characters import INVISIBLE, clean_name, fold_name
from pipeline.domain.customer import ROW_ID, RUN_ID, is_import_column, names_origin
from pipeline.domain.outcomes import Alarm, Finding

_SQUEEZED = str.maketrans("", "", f'"{INVISIBLE}')
_SHOWN = 5  #: names in a message


@dataclass(frozen=True, slots=True)
class Names:
    """The columns of a file by the names that are used from now on; positions count from 1."""

    used: tuple[str, ...]
    changed: tuple[
        int, ...
    ] = ()  #: positions of names that were trimmed, or whose line breaks became spaces
    unnamed: tuple[
        int, ...
    ] = ()  #: positions of columns that the file does not name: they are called `column_N`

    @property
    def of_unnamed(self) -> tuple[str, ...]:
        """The names that unnamed columns were given."""
        return tuple(self.used[position - 1] for position in self.unnamed)

    def facts(self, ignored: Collection[str]) -> dict[str, str]:
        """What was changed, for a description of the file; `ignored` unnamed columns are empty throughout."""
        positions = dict(zip(self.of_unnamed, self.unnamed, strict=True))
        return {
            "names_changed": _numbers(self.changed),
            "columns_ignored": _numbers(positions[name] for name in ignored),
            "columns_without_name": ", ".join(
                name for name in self.of_unnamed if name not in ignored
            ),
        }

    def findings(self, file: str, ignored: Collection[str]) -> list[Finding]:
        """What was changed, as warnings about a file."""
        found = []
        if self.changed:
            names = ", ".join(repr(self.used[at - 1]) for at in self.changed[:_SHOWN])
            more = ", …" * (len(self.changed) > _SHOWN)
            told = f"{file}: {len(self.changed):,} of {len(self.used):,} names were changed, now {names}{more}"
            found.append(Finding(Alarm.COLUMN_NAMES_CHANGED, told))
        if filled := [name for name in self.of_unnamed if name not in ignored]:
            told = f"{file}: {', '.join(filled[:_SHOWN])}{', …' * (len(filled) > _SHOWN)}"
            found.append(Finding(Alarm.COLUMNS_WITHOUT_NAME, told))
        if not names_origin(self.used) and (
            dropped := [name for name in self.used if is_import_column(name)]
        ):
            names = ", ".join(map(repr, dropped))
            told = f"{file}: not kept: {names}. Our lists use these names; a list that is fed back has {ROW_ID} and {RUN_ID}"
            found.append(Finding(Alarm.COLUMNS_NOT_KEPT, told))
        return found


def squeezed_name(name: str) -> str:
    """What a name and its repetition share: without case, quotes, spaces and invisible characters."""
    return unicodedata.normalize("NFC", name.translate(_SQUEEZED)).casefold()


def is_repeated_header(cells: Iterable[str], names: Names) -> bool:
    """Whether a record holds the names of the header, in any spelling; of columns without a name nothing, or ours."""
    pairs = itertools.zip_longest(map(squeezed_name, cells), names.used, fillvalue="")
    return all(
        squeezed == squeezed_name(name) or (not squeezed and at in names.unnamed)
        for at, (squeezed, name) in enumerate(pairs, start=1)
    )


def take_names(written: Sequence[str], expected: Collection[str] = ()) -> Names:
    """The names to use; a job that expects a name exactly as the file writes it (`expected`) finds it under that name."""
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
    """`column_1` and so on: the names of a table without a header."""
    return Names(tuple(f"column_{at}" for at in range(1, count + 1)))


def same_names(names: Iterable[str]) -> Iterator[tuple[list[int], list[str]]]:
    """The positions of columns whose names are equal after trimming and case-folding, and their spellings."""
    by_fold: dict[str, tuple[list[int], list[str]]] = {}
    for at, name in enumerate(names, start=1):
        positions, spellings = by_fold.setdefault(fold_name(name), ([], []))
        positions.append(at)
        spellings.append(name)
    for positions, spellings in by_fold.values():
        if len(positions) > 1:
            yield positions, list(dict.fromkeys(spellings))


def _free_name(name: str, taken: Collection[str]) -> str:
    """The name, with a number behind it where a column of the file is called so."""
    number = 1
    free = name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _numbers(positions: Iterable[int]) -> str:
    return ", ".join(map(str, positions))
