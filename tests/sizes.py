"""Print how large the package is: entries, modules, functions, dataclasses, untyped dicts, words to avoid.

    python -m tests.sizes

The limits are those of `LIMITS`; a count above its limit is marked.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pipeline"
LIMITS = {
    "entries at the top of the package": 18,
    "lines of the largest module": 400,
    "lines of the longest function": 50,
    "fields of the widest dataclass": 12,
    "parameters of the widest function": 8,
    "uses of dict[str, Any]": 40,
    "words to avoid": 12,
}
_UNTYPED = re.compile(r"(dict|Mapping)\[str, Any\]")
_AVOIDED = re.compile(r"\b(told|said|whom|beneath)\b", re.IGNORECASE)
Count = tuple[int, str]


def counts() -> dict[str, Count]:
    """The count of each limit, and where it is reached."""
    modules = {path.relative_to(ROOT).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}
    texts = {name: path.read_text(encoding="utf-8") for name, path in modules.items()}
    trees = {name: ast.parse(text) for name, text in texts.items()}
    entries = [path for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    return {
        "entries at the top of the package": (len(entries), "pipeline"),
        "lines of the largest module": max(
            (text.count("\n"), name) for name, text in texts.items()
        ),
        "lines of the longest function": max(_each(trees, _lines)),
        "fields of the widest dataclass": max(_each(trees, _fields)),
        "parameters of the widest function": max(_each(trees, _parameters)),
        "uses of dict[str, Any]": _found(_UNTYPED, texts),
        "words to avoid": _found(_AVOIDED, {**texts, **_documents()}),
    }


def _each(trees: dict[str, ast.Module], measure) -> Iterator[Count]:
    for name, tree in trees.items():
        for node in ast.walk(tree):
            if (count := measure(node)) is not None:
                yield count, f"{name}: {node.name}"


def _lines(node: ast.AST) -> int | None:
    """The lines of a function without its docstring, which lists arguments and errors."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    first = node.body[0]
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    text = first.end_lineno - first.lineno + 1 if is_text else 0
    return node.end_lineno - node.lineno + 1 - text


def _parameters(node: ast.AST) -> int | None:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return len([one for one in given if one.arg not in {"self", "cls"}])


def _fields(node: ast.AST) -> int | None:
    """The fields of a dataclass; models of JSON and of the config are no dataclasses."""
    if not isinstance(node, ast.ClassDef) or "dataclass" not in "".join(
        map(ast.dump, node.decorator_list)
    ):
        return None
    return sum(isinstance(one, ast.AnnAssign) for one in node.body)


def _found(pattern: re.Pattern[str], texts: dict[str, str]) -> Count:
    found = {name: len(pattern.findall(text)) for name, text in texts.items()}
    most = max(found, key=lambda name: found[name])
    return sum(found.values()), f"most of them in {most}: {found[most]}"


def _documents() -> dict[str, str]:
    paths = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    paths += [*PACKAGE.rglob("*.j2"), *PACKAGE.rglob("*.sql")]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def main() -> None:
    """Print a line for each limit."""
    for what, (count, where) in counts().items():
        mark = "  over" if count > LIMITS[what] else ""
        print(f"{what:36} {count:5,} of {LIMITS[what]:3}  {where}{mark}")


if __name__ == "__main__":
    main()
