"""The relations that modules hand to each other in DuckDB are declared, and are as declared in a real run."""

import ast
import re
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import pytest

import pipeline.storage.workbench as workbench_module
from pipeline.domain.relations import RELATIONS
from tests.conftest import customers_csv

PACKAGE = Path(__file__).parents[1] / "pipeline"
#: Other databases: the ledger and the sandbox are SQLite, the known customers are a file of their own.
ELSEWHERE = ("sandbox/", "storage/ledger/", "storage/known_customers.py", "domain/relations.py")
MADE = re.compile(
    r"\bCREATE\s+(?:OR\s+REPLACE\s+)?(?P<own>TEMP\s+)?(?:TABLE|VIEW)\s+(?P<name>[a-z_]+)"
)
READ = re.compile(r"\b(?:FROM|JOIN|INTO|TABLE)\s+\(*([a-z_]+)\b(?!\.)")
CTE = re.compile(r"\b([a-z_]+)\s+AS\s+(?:MATERIALIZED\s+)?\(")
STAGED = re.compile(r'\bstage(?:_blocks)?\(\s*f?"([a-z_]+)(?:-\{|")')
SHOWN = re.compile(r'\bshow\(\w+, "([a-z_]+)"\)')
#: Made only with known customers, or only if billing states when customers changed.
NOT_IN_EVERY_RUN = {"stored_hashes", "outcome_times"}
DECLARED = {relation.name: relation for relation in RELATIONS}


def modules() -> dict[str, list[str]]:
    """Each module -> its SQL: its texts, and the .sql files that it loads."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name.startswith(ELSEWHERE):
            continue
        texts = list(_texts(ast.parse(path.read_text(encoding="utf-8"))))
        loaded = [path.parent / text for text in texts if re.fullmatch(r"[a-z_]+\.sql", text)]
        found[name] = texts + [_without_comments(sql) for sql in loaded]
    return found


def _texts(tree: ast.Module):
    """Every text of a module but its docstrings; a value in an f-string becomes `?`."""
    nodes = list(ast.walk(tree))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    skipped = {
        id(node.body[0].value)
        for node in nodes
        if isinstance(node, documented) and isinstance(node.body[0], ast.Expr)
    }
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            yield "".join(
                part.value if isinstance(part, ast.Constant) else "?" for part in node.values
            )
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in skipped
        ):
            yield node.value


def _without_comments(path: Path) -> str:
    return re.sub(r"--[^\n]*", "", path.read_text(encoding="utf-8"))


def made_and_read() -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Relation -> the modules that make it, and those that read it; without temporary ones."""
    made, read = defaultdict(set), defaultdict(set)
    for name, texts in modules().items():
        own = {found["name"] for text in texts for found in MADE.finditer(text) if found["own"]}
        for text in texts:
            for found in MADE.finditer(text):
                if not found["own"]:
                    made[found["name"]].add(name)
            for relation in set(READ.findall(text)) - set(CTE.findall(text)) - own:
                read[relation].add(name)
        for relation in STAGED.findall((PACKAGE / name).read_text(encoding="utf-8")):
            made[relation].add(name)
    return made, read


def undeclared(made: dict[str, set[str]], read: dict[str, set[str]]) -> set[tuple[str, str, str]]:
    """What a module does across modules with a relation that does not declare it."""
    faults = set()
    for name, makers_here in made.items():
        readers_here = read.get(name, set())
        if len(makers_here | readers_here) == 1 or not readers_here:
            continue
        declared = DECLARED.get(name)
        makers, readers = (declared.made_by, declared.read_by) if declared else ((), ())
        faults |= {(name, "made", module) for module in makers_here if module not in makers}
        faults |= {
            (name, "read", module) for module in readers_here if module not in (*readers, *makers)
        }
    return faults


def test_every_relation_that_crosses_modules_is_declared_with_its_makers_and_readers():
    assert undeclared(*made_and_read()) == set()


def test_every_view_of_a_staged_table_is_declared():
    shown = {
        name for path in PACKAGE.rglob("*.py") for name in SHOWN.findall(path.read_text("utf-8"))
    }

    assert len(shown) > 5
    assert shown - {*DECLARED} == set()


def test_each_declared_relation_is_made_and_read_as_declared():
    made, read = made_and_read()
    gone = {
        (name, module)
        for name, relation in DECLARED.items()
        for module in relation.read_by
        if module not in read[name]
    } | {
        (name, module)
        for name, relation in DECLARED.items()
        for module in relation.made_by
        if name in made and module not in made[name]
    }

    assert gone == set()
    assert len(DECLARED) == len(RELATIONS)


@pytest.mark.parametrize(
    ("made", "read", "fault"),
    [
        ({"new": {"planning/a.py"}}, {"new": {"planning/b.py"}}, ("new", "read", "planning/b.py")),
        (
            {"judged": {"workflows/x.py"}},
            {"judged": {"planning/__init__.py"}},
            ("judged", "made", "workflows/x.py"),
        ),
        (
            {"judged": {"planning/__init__.py"}},
            {"judged": {"workflows/x.py"}},
            ("judged", "read", "workflows/x.py"),
        ),
    ],
)
def test_a_relation_made_or_read_without_a_declaration_is_a_fault(made, read, fault):
    assert fault in undeclared(made, read)


@pytest.fixture
def columns_made(monkeypatch) -> dict[str, list[tuple[str, ...]]]:
    """Relation -> its columns at the end of each workbench that has it."""
    found = defaultdict(list)
    bounded = workbench_module._bounded

    @contextmanager
    def watched(*arguments):
        with bounded(*arguments) as connection:
            yield connection
            rows = connection.execute(
                "SELECT table_name, list(column_name ORDER BY column_index) FROM duckdb_columns()"
                " WHERE database_name = current_database() AND NOT internal GROUP BY ALL"
            ).fetchall()
            for name, columns in rows:
                found[name].append(tuple(columns))

    monkeypatch.setattr(workbench_module, "_bounded", watched)
    return found


def test_the_columns_of_a_real_run_are_those_that_are_declared(inside, columns_made):
    customers_csv(inside.folder / "c.csv", 3)
    for words in (
        ("run", "c.csv", "--sandbox", "--yes"),
        ("report", "--since", "2020-01-01"),
        ("reconcile", "latest"),
    ):
        done = inside(*words)
        assert done.returncode == 0, (words, done.stderr)

    for name, relation in DECLARED.items():
        assert columns_made[name] or name in NOT_IN_EVERY_RUN, f"{name} was not made"
        for columns in columns_made[name]:
            missing = [column for column in relation.columns if column not in columns]
            more = [column for column in columns if column not in relation.columns]
            assert missing == [], name
            assert relation.has_more or more == [], name
