"""`pipeline references load`: read, map and normalize customers; replace the known ones."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.config import Settings
from pipeline.domain.causes import Cause, in_one_cell
from pipeline.domain.column_mapping import TEXTS, Layout
from pipeline.domain.customer import Environment
from pipeline.domain.fates import Fate
from pipeline.domain.reasons import Reason
from pipeline.errors import SourceError
from pipeline.sources import BATCH_BYTES, Declared, SourceFile, in_order, read
from pipeline.storage.files import private_folder, token_key
from pipeline.storage.known_customers import References, known_to, load
from pipeline.transforming.normalize import Defaults
from pipeline.workflows.progress import CLOCK, NOBODY, Watch
from pipeline.workflows.row_stages import judged, layout_of

_KEPT = (*(field for field in TEXTS if field != "region"), "balance", "identity")
_SHOWN = 20  #: rows that are listed; the rest is counted


@dataclass(frozen=True, slots=True)
class LoadedCustomers:
    """The result of a load."""

    references: References
    read: int
    set_aside: int  #: records without a usable external reference, or unreadable
    examples: list[tuple[str, str]]  #: row_id, reasons of the first records that were set aside
    #: reason -> records that were kept without the faulty field
    incomplete: Counter[str] = field(default_factory=Counter)

    @property
    def exit_code(self) -> int:
        """1 if a record was not loaded completely: an unknown customer may be created twice."""
        return int(bool(self.set_aside or self.incomplete))

    def content(self, environment: str) -> dict[str, Any]:
        """The result for programs."""
        return {
            **content_of(environment, self.references),
            "read": self.read,
            "set_aside": self.set_aside,
            "incomplete": dict(self.incomplete.most_common()),
        }


def load_known_customers(
    paths: list[Path], settings: Settings, environment: Environment, *, watch: Watch = NOBODY
) -> LoadedCustomers:
    """Replace the known customers of an environment with those in these files."""
    source = settings.references.source or settings.source
    mapping = settings.references.mapping or settings.mapping
    files = in_order(paths, Declared(**source.model_dump()), mapping)
    found = _Found()
    batches = _known(files, mapping, settings, found, watch)
    first = next(batches, None)
    if first is None:
        raise SourceError(
            f"{', '.join(str(file.path) for file in files)}: 0 records; nothing was changed"
        )
    layout = layout_of(mapping, files[0].columns)
    references = load(
        private_folder(settings.home / environment.name),
        _chained(first, batches),
        fields=[
            *(name for name, _ in layout.texts() if name in _KEPT),
            *(["balance"] if layout.balance else []),
            *(["identity"] if layout.identity else []),
        ],
        inputs=lambda: [_described(file) for file in files],
        now=CLOCK.now(),
        spare=settings.reports,
    )
    return LoadedCustomers(
        references, found.read, found.set_aside, found.examples, found.incomplete
    )


def listed_references(home: Path) -> list[tuple[str, References]]:
    """Each environment of a home that has known customers, with them."""
    folders = sorted(path for path in home.iterdir() if path.is_dir()) if home.is_dir() else []
    found = ((folder.name, known_to(folder)) for folder in folders)
    return [(name, references) for name, references in found if references is not None]


def content_of(environment: str, references: References) -> dict[str, Any]:
    """The known customers of an environment, for programs."""
    return {"environment": environment, **asdict(references), "path": str(references.path)}


@dataclass(slots=True)
class _Found:
    read: int = 0
    set_aside: int = 0
    examples: list[tuple[str, str]] = field(default_factory=list)
    incomplete: Counter[str] = field(default_factory=Counter)


def _known(
    files: Sequence[SourceFile],
    mapping: Layout | None,
    settings: Settings,
    found: _Found,
    watch: Watch,
) -> Iterator[pl.DataFrame]:
    defaults = Defaults(
        settings.region, token_key(settings.home) if mapping and mapping.identity else b""
    )
    for file, batch in read(files, BATCH_BYTES):
        customers = judged(
            batch.records, layout_of(mapping, files[0].columns, file.format), defaults
        )
        found.read += batch.records.height
        watch.reading(found.read)
        is_readable = pl.col("fate").is_null() | (pl.col("fate") == Fate.INVALID.value)
        has_reference = is_readable & ~_has_no_reference()
        _note(customers.filter(~has_reference), found)
        kept = customers.filter(has_reference)
        found.incomplete.update(kept["reasons"].explode().drop_nulls().to_list())
        yield kept.select("row_id", *_KEPT)


def _has_no_reference() -> pl.Expr:
    """Whether the external reference is faulty; a record with another fault is still a customer."""
    faults = [str(Cause(reason, "external_reference")) for reason in Reason]
    return pl.col("reasons").list.eval(pl.element().is_in(faults)).list.any()


def _note(set_aside: pl.DataFrame, found: _Found) -> None:
    found.set_aside += set_aside.height
    room = _SHOWN - len(found.examples)
    rows = set_aside.head(max(room, 0)).select("row_id", "reasons")
    found.examples.extend((row_id, in_one_cell(causes)) for row_id, causes in rows.iter_rows())


def _chained(first: pl.DataFrame, rest: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    yield first
    yield from rest


def _described(file: SourceFile) -> dict[str, Any]:
    return {
        "name": file.name,
        "sha256": file.sha256,
        "bytes": file.size,
        "lines": asdict(file.lines),
    }
