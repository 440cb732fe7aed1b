"""The table of who may import whom, read from the code with `ast` and kept true."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pipeline"

VOCABULARY = {"domain", "errors"}
#: Tables in, tables out: no files, network, threads, clock or randomness.
PURE = {"transforming", "planning", "reconciling", "reporting"}
#: Each touches one side of the world, and knows nothing of the others.
EDGES = {"sources", "billing", "storage"}

#: A package, or a part of one -> what it may import of ours: a package, or one module of it.
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "domain": VOCABULARY,
    **dict.fromkeys(PURE, VOCABULARY),
    "billing": VOCABULARY,
    "storage": VOCABULARY,
    # Opening and hashing files safely is the same task for inputs and for what we write.
    "sources": {*VOCABULARY, "storage.files"},
    "submission": {*VOCABULARY, "billing", "storage.ledger"},
    # Settings live beside what they set: the address and the key are billing's, the dialect of a file is its reader's.
    "config": {*VOCABULARY, "billing", "sources", "storage.files"},
    # It checks what all the others made, so it shares nothing with them that computes.
    "verifier": {*VOCABULARY, "storage.files"},
    "workflows": {*VOCABULARY, *PURE, *EDGES, "submission", "config", "verifier", "__init__"},
    "sandbox": set(),
    # Known customers and report values are shown as they are.
    "cli": {
        *VOCABULARY,
        "workflows",
        "verifier",
        "config",
        "sandbox",
        "reporting",
        "storage",
        "__init__",
    },
    # The public names, and the sandbox inside a run.
    "__init__": {*VOCABULARY, "workflows", "config", "storage", "sandbox"},
    "__main__": {"cli"},
}

WORLD = {
    "os", "pathlib", "socket", "time", "random", "httpx", "pyreqwest", "secrets", "subprocess", "tempfile", "sqlite3",
    "threading", "concurrent", "multiprocessing", "asyncio", "shutil",
}  # fmt: skip
#: Modules of `submission` that decide, and do nothing.
PURE_MODULES = {
    f"submission/{name}.py"
    for name in ("protocol", "steps", "retries", "stops", "circuit_breaker", "turned_away")
}


def test_every_entry_of_the_package_is_in_the_table():
    found = {
        path.stem if path.suffix == ".py" else path.name
        for path in PACKAGE.iterdir()
        if path.name != "__pycache__"
    }

    assert found == {*MAY_IMPORT, "py.typed"}
    assert len(found) <= 18


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_a_package_imports_only_what_the_table_allows(package):
    allowed = {*MAY_IMPORT[package], package}

    assert {name for name in _imports_of_ours(package) if not _is_within(name, allowed)} == set()


def _files(package):
    path = PACKAGE / package
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def _pure_modules():
    found = (path for package in {*PURE, *VOCABULARY} for path in _files(package))
    return sorted({path.relative_to(PACKAGE).as_posix() for path in found} | PURE_MODULES)


@pytest.mark.parametrize("name", _pure_modules())
def test_a_pure_module_touches_no_file_thread_clock_or_randomness(name):
    tree = ast.parse((PACKAGE / name).read_text(encoding="utf-8"))
    touched = {imported for imported in _imports(tree) if imported in WORLD}
    called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}

    assert touched == set()
    assert called.isdisjoint(
        {"now", "utcnow", "today", "uuid4", "uuid1", "write_parquet", "sink_parquet"}
    )


def test_the_verifier_computes_without_the_libraries_that_the_others_compute_with():
    found = {
        name
        for path in _files("verifier")
        for name in _imports(ast.parse(path.read_text(encoding="utf-8")))
    }

    assert found.isdisjoint({"polars", "duckdb", "pandera"})


def test_asking_for_help_imports_no_heavy_library():
    import subprocess
    import sys

    script = (
        "import sys; from pipeline.cli.commands import cli\n"
        "try: cli.main(['--help'], standalone_mode=False)\nexcept SystemExit: pass\n"
        "print(','.join(sorted({'polars', 'pandera', 'duckdb', 'httpx', 'pyarrow', 'phonenumbers', 'starlette'} & set(sys.modules))))"
    )

    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert result.stdout.splitlines()[-1] == ""


def _imports(tree):
    """First names of everything that a module imports, wherever it does so."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def _imports_of_ours(package):
    """What a package imports of ours, as names below `pipeline`; its relative imports are its own affair."""
    for path in _files(package):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "pipeline":
                yield from (
                    alias.name if alias.name in MAY_IMPORT else "__init__" for alias in node.names
                )
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pipeline."):
                yield from (
                    f"{node.module}.{alias.name}".removeprefix("pipeline.") for alias in node.names
                )
            elif isinstance(node, ast.Import):
                yield from (
                    alias.name[9:] for alias in node.names if alias.name.startswith("pipeline.")
                )


def _is_within(name, allowed):
    return any(name == one or name.startswith(f"{one}.") for one in allowed)
