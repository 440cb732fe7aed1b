"""The table of who may import whom, read from the code with `ast` and kept true."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pipeline"

WORDS = {
    "ahead",
    "breakage",
    "causes",
    "customer",
    "currency",
    "currency_signs",
    "characters",
    "amount",
    "declaration",
    "layout",
    "agreement",
    "origin_check",
    "outcomes",
    "explanations",
    "errors",
    "files",
    "masking",
    "memory",
    "signatures",
    "sql",
}
STAGES = {
    "mapping",
    "normalizing",
    "profiling",
    "totalling",
    "validating",
    "matching",
    "planning",
    "receiving",
    "returning",
    "reconciling",
    "reporting",
    "scanning",
}
EDGES = {"sources", "references", "ledger", "billing", "run_folder", "run_damage", "manifest", "text_sheet"}
ROOMS = {
    *WORDS,
    *STAGES,
    *EDGES,
    "submission",
    "config",
    "verbs",
    "run_search",
    "verifier",
    "cli",
    "sandbox",
    "__init__",
    "__main__",
}

MAY_IMPORT: dict[str, set[str]] = {
    **dict.fromkeys(WORDS, WORDS),
    **dict.fromkeys(STAGES, WORDS),
    **dict.fromkeys(EDGES, WORDS),
    "run_folder": {*WORDS, "run_damage", "manifest"},
    "run_search": {*WORDS, "run_folder", "run_damage", "manifest"},
    "submission": {*WORDS, "ledger", "billing"},
    # Settings live beside what they set: the address and the key are billing's, the dialect of a file is its reader's.
    "config": {*WORDS, "billing", "sources"},
    "verbs": {*WORDS, *STAGES, *EDGES, "run_search", "submission", "config", "verifier", "__init__"},
    "sandbox": set(),
    # It checks what all the others made, so it may share nothing with them that computes.
    "verifier": {"characters", "customer", "currency", "currency_signs", "outcomes", "files"},
    "cli": {*WORDS, "verbs", "verifier", "config", "sandbox", "__init__"},
    "__init__": {"verbs", "config"},
    "__main__": {"cli"},
}
#: What the command line shows besides: values that verbs hand on as they are, told as the page tells them.
CLI_VALUES = {"references", "reporting"}

WORLD = {"os", "pathlib", "socket", "time", "random", "httpx", "secrets", "subprocess", "tempfile", "sqlite3"}
#: Paths arrive as arguments where a stage writes a file that is larger than memory.
PATH_AS_ARGUMENT = {("planning", "pathlib")}


def test_every_room_of_the_package_is_in_the_table():
    found = {path.stem if path.is_file() else path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}

    assert found - {"py.typed"} == ROOMS


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_imports_only_what_the_table_allows(room):
    allowed = {*MAY_IMPORT[room], room, *(CLI_VALUES if room == "cli" else ())}

    strangers = {imported for imported in _imports_of_ours(room) if imported not in allowed}

    assert strangers == set()


@pytest.mark.parametrize("room", sorted((STAGES | WORDS) - {"files"}))
def test_stages_and_words_do_not_touch_the_world(room):
    touched = {name for name in _imports(room) if name in WORLD and (room, name) not in PATH_AS_ARGUMENT}

    assert touched == set()


def test_the_verifier_computes_without_the_libraries_that_the_stages_compute_with():
    assert {*_imports("verifier")}.isdisjoint({"polars", "duckdb", "pandera"})


@pytest.mark.parametrize("room", sorted((STAGES | WORDS) - {"files"}))
def test_stages_and_words_never_ask_for_the_time_or_for_dice(room):
    names = {node.attr for tree in _trees(room) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}

    assert names.isdisjoint({"now", "utcnow", "today", "uuid4", "uuid1"})


def test_asking_for_help_imports_no_heavy_library():
    import subprocess
    import sys

    script = (
        "import sys; from pipeline.cli.commands import cli\n"
        "try: cli.main(['--help'], standalone_mode=False)\nexcept SystemExit: pass\n"
        "print(','.join(sorted({'polars', 'pandera', 'duckdb', 'httpx', 'pyarrow', 'phonenumbers', 'starlette'} & set(sys.modules))))"
    )

    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert result.stdout.splitlines()[-1] == ""


def _trees(room):
    path = PACKAGE / room
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    return [ast.parse(file.read_text(encoding="utf-8")) for file in files]


def _imports(room):
    """First names of everything that a room imports, wherever in its files."""
    for tree in _trees(room):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                yield (node.module or "").partition(".")[0]


def _imports_of_ours(room):
    """The rooms that a room imports; inside a room, relative imports are its own affair."""
    for tree in _trees(room):
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "pipeline":
                yield from (alias.name if (alias.name in ROOMS) else "__init__" for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pipeline."):
                yield node.module.split(".")[1]
            elif isinstance(node, ast.Import):
                yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("pipeline."))
