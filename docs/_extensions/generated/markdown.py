"""The few forms of MyST Markdown that the reference pages are made of."""

import re
from collections.abc import Iterable, Sequence


def escaped(text: str) -> str:
    """A plain text as Markdown that shows the same characters; parts in backticks stay code."""
    parts = re.split(r"(`[^`]+`)", " ".join(text.split()))
    return "".join(
        part if part.startswith("`") else re.sub(r"([\\*_\[\]<>{}$#|`~])", r"\\\1", part)
        for part in parts
    )


def code(text: str) -> str:
    """A text as code, whatever backticks and spaces it holds."""
    ticks = "`"
    while ticks in text:
        ticks += "`"
    padding = " " if text.startswith("`") or text.endswith("`") or text != text.strip() else ""
    return f"{ticks}{padding}{text}{padding}{ticks}"


def anchor(kind: str, name: str) -> str:
    """The id of an entry, for links from other pages."""
    return re.sub(r"[^a-z0-9_]+", "-", f"{kind}-{name}".lower()).strip("-")


def section(title: str, *, level: int, label: str = "") -> str:
    """A heading, with a label that other pages can link to."""
    heading = f"{'#' * level} {title}\n"
    return f"({label})=\n{heading}" if label else heading


def defined(term: str, *paragraphs: str) -> str:
    """A term with its definition, as in a dictionary."""
    first, *others = [paragraph for paragraph in paragraphs if paragraph]
    indented = ["\n  " + paragraph.replace("\n", "\n  ") for paragraph in others]
    return "\n".join([term, f": {first}", *indented]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines) + "\n"


def _cell(markdown: str) -> str:
    return " ".join(re.sub(r"(?<!\\)\|", r"\\|", markdown).split())
