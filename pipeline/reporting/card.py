"""A result as a short text, for consoles and notebooks: a title, sentences and small tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from pipeline.domain.currency import grouped_digits, major_units
from pipeline.reporting.headline import accounts, currency_label


@dataclass(frozen=True, slots=True)
class Block:
    """A small table; its last column has figures."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Card:
    """The text of a result. It holds counts, sums and paths, and no cell of a file."""

    title: str
    sentences: Sequence[str] = ()
    blocks: Sequence[Block] = ()
    folder: str = ""  #: where to read more

    def as_text(self) -> str:
        """The card as lines for a console."""
        lines = [self.title, *self.sentences]
        for block in self.blocks:
            lines += ["", *_aligned(block)]
        return "\n".join([*lines, *(["", self.folder] if self.folder else [])])

    def as_html(self) -> str:
        """The card for a notebook; every text is escaped."""
        parts = [Markup("<strong>{}</strong>").format(self.title)]
        parts += [Markup("<p>{}</p>").format(sentence) for sentence in self.sentences]
        parts += [_table(block) for block in self.blocks]
        if self.folder:
            parts.append(Markup("<p><code>{}</code></p>").format(self.folder))
        return str(Markup("<div>{}</div>").format(Markup("").join(parts)))


def counts_block(name: str, counts: Mapping[str, int]) -> Block:
    """The counts that are not zero, one a row."""
    return Block(
        (name, "records"),
        [(key, grouped_digits(count)) for key, count in counts.items() if count],
    )


def sums_block(content: Mapping[str, Any]) -> Block:
    """What became of the records of a run, or would: sums per group and currency."""
    return Block(
        ("records", "currency", "sum"),
        [
            (account.title, currency_label(currency), major_units(debits + credits, currency))
            for account in accounts(content)
            for currency, debits, credits in account.sums
        ],
    )


def _aligned(block: Block) -> Iterator[str]:
    """The table in columns: texts to the left, figures to the right."""
    table = [tuple(block.header), *(tuple(row) for row in block.rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(block.header))]
    last = len(widths) - 1
    for row in table:
        cells = [
            cell.rjust(width) if column == last else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells)


def _table(block: Block) -> Markup:
    head = Markup("").join(Markup("<th>{}</th>").format(name) for name in block.header)
    rows = [
        Markup("<tr>{}</tr>").format(
            Markup("").join(Markup("<td>{}</td>").format(cell) for cell in row)
        )
        for row in block.rows
    ]
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(
        head, Markup("").join(rows)
    )
