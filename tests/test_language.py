"""What people read is plain English: no words of a private dialect, and no sentence that has to be read twice."""

import ast
import re
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pipeline"
MODULES = sorted(PACKAGE.rglob("*.py"))
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(PACKAGE.rglob("*.j2")),
]
BANNED = re.compile(
    r"\b(told|said|whom|beneath|so many|that nobody|as it came|what is left behind|stands there|no word)\b",
    re.IGNORECASE,
)
LONGEST = 40  #: words of a sentence
MEDIAN = 15  #: words of a sentence of the README
#: Texts in JSON, tables or lists that we write; they change together with their `schema`.
WRITTEN = {
    "pipeline/domain/sign_offs.py",  # the key `beneath` of old lines of signatures.jsonl
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_module_uses_words_of_a_private_dialect():
    found = {
        name_of(path): sorted({word.lower() for word in BANNED.findall(path.read_text())})
        for path in MODULES
        if BANNED.search(path.read_text()) and name_of(path) not in WRITTEN
    }

    assert found == {}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_no_document_or_page_uses_them(path):
    assert BANNED.findall(path.read_text(encoding="utf-8")) == []


def test_each_exception_is_still_needed():
    assert {name for name in WRITTEN if not BANNED.search((ROOT / name).read_text())} == set()


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path.suffix == ".md"], ids=name_of)
def test_no_sentence_of_a_document_is_too_long(path):
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    long = [one for part in parts_of(text) for one in sentences(part) if len(one.split()) > LONGEST]

    assert long == []


def test_the_sentences_of_the_readme_are_short():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    running = re.sub(r"```.*?```|^[|#!].*?$", "", text, flags=re.DOTALL | re.MULTILINE)
    lengths = [len(one.split()) for part in parts_of(running) for one in sentences(part) if one]

    assert len(lengths) > 10
    assert statistics.median(lengths) <= MEDIAN


def test_every_page_of_the_site_is_read():
    pages = {path for path in (ROOT / "docs").rglob("*") if path.suffix in {".md", ".rst", ".txt"}}

    assert pages <= {*DOCUMENTS}


def test_each_module_that_a_text_names_exists():
    folders = (PACKAGE, ROOT / "tests", ROOT / "sample_data")
    known = {path.name for folder in folders for path in folder.rglob("*.py")}
    named = {
        (name_of(path), name)
        for path in (*DOCUMENTS, *MODULES)
        for name in re.findall(
            r"`(?:[a-z_/]+/)?([a-z_0-9]+\.py)`", path.read_text(encoding="utf-8")
        )
    }

    assert {(where, name) for where, name in named if name not in known} == set()


def test_no_sentence_of_a_docstring_is_too_long():
    long = {
        f"{name_of(path)}: {node.name if hasattr(node, 'name') else 'module'}": one
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and (docstring := ast.get_docstring(node))
        for part in prose(docstring)
        for one in sentences(part)
        if len(one.split()) > LONGEST
    }

    assert long == {}


def parts_of(text: str) -> list[str]:
    """The parts of a page: items of lists, cells of tables and headings are sentences of their own."""
    return re.split(r"\n\s*\n|\n\s*[-*|#>:]|\n\s*[0-9]+\. |\|", text)


def prose(docstring: str) -> list[str]:
    """The paragraphs of a docstring; each line of a table or a list is one by itself."""
    is_apart = re.compile(r"\S {2,}\S|^ *([-|├│└*]|[A-Za-z_.]+ *:)")
    lines = docstring.splitlines()
    marked = [f"\n{line}\n" if is_apart.search(line) else line for line in lines]
    return re.split(r"\n\s*\n", "\n".join(marked))


def sentences(text: str) -> list[str]:
    """The sentences of a text; a colon or a semicolon ends none."""
    return re.split(r"(?<=[.!?])\s+", " ".join(text.split()))
