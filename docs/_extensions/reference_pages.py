"""A Sphinx extension: `<!-- generated: NAME -->` in a page becomes the Markdown of that name."""

import re
from pathlib import Path
from typing import Any

from docutils.nodes import Text
from generated import GENERATORS
from sphinx.addnodes import pending_xref

_MARK = re.compile(r"^<!-- generated: (\S+) -->$", re.MULTILINE)


def setup(app: Any) -> dict[str, bool]:
    """Connect to the events of a build."""
    app.connect("source-read", _fill)
    app.connect("env-get-outdated", _generated_pages)
    app.connect("doctree-read", _unlink_other_documents)
    app.connect("doctree-read", _set_dashes)
    for part in ("description", "usage", "options", "arguments", "epilog"):
        app.connect(f"sphinx-click-process-{part}", _escape_help)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _fill(_app: Any, _page: str, source: list[str]) -> None:
    source[0] = _MARK.sub(lambda found: GENERATORS[found[1]](), source[0])


def _generated_pages(_app: Any, env: Any, *_changes: Any) -> list[str]:
    """Every page with a mark: its text may change with the code, so it is read in each build."""
    return [
        page
        for page in env.found_docs
        if _MARK.search(Path(env.doc2path(page)).read_text(encoding="utf-8"))
    ]


def _unlink_other_documents(app: Any, doctree: Any) -> None:
    """Show a link to a document outside of `docs` as its text: the site does not hold the file."""
    for link in list(doctree.findall(pending_xref)):
        if link.get("reftype") == "myst" and link.get("refdomain") == "doc":
            target = Path(app.srcdir, f"{link['reftarget']}.md").resolve()
            if target.is_file() and not target.is_relative_to(app.srcdir):
                link.replace_self(link.children)


def _set_dashes(_app: Any, doctree: Any) -> None:
    """Set the hyphens between a parameter and its description as a dash."""
    for text in list(doctree.findall(lambda node: isinstance(node, Text) and node == " -- ")):
        text.parent.replace(text, Text(" \N{EN DASH} "))


def _escape_help(_app: Any, _context: Any, lines: list[str]) -> None:
    """Escape the asterisks in help texts: they are no markup."""
    lines[:] = [re.sub(r"(?<![\\*])\*(?!\*)", r"\\*", line) for line in lines]
