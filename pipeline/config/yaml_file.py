"""Read a YAML file as plain data with the position of each value, for messages about faults.

ruamel.yaml only parses the tree and constructs no objects. Scalars stay text, and the schema gives
them types: `NO` is Norway, `1.10` is not 1.1, and a reference of digits keeps its zeros.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

LARGEST = 1 << 20  #: bytes; no real config is larger
DEEPEST = 32  #: nested lists and maps; no real config is deeper
_NOTHING = {"", "~", "null", "Null", "NULL"}
_PLAIN_TAGS = "tag:yaml.org,2002:"

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault with its line and column, counted from 1."""

    line: int
    column: int
    what: str


@dataclass(slots=True)
class Document:
    """The data of a file, the positions of values and keys, and the syntax faults."""

    data: Any = None
    values: dict[Path, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Path, tuple[int, int]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def place_of(self, path: Path, *, key: bool = False) -> tuple[int, int]:
        """Line and column of a value or its key; of the nearest parent if it does not exist."""
        if key and path in self.keys:
            return self.keys[path]
        return self.values.get(self.nearest(path), (1, 1))

    def nearest(self, path: Path) -> Path:
        """The longest part of the path that exists."""
        while path and path not in self.values:
            path = path[:-1]
        return path


def read_yaml(text: str) -> Document:
    """Read one YAML document; its syntax faults are in `faults`."""
    document = Document()
    if (place := _too_deep(text)) is not None:
        document.faults.append(Fault(*place, f"values are nested more than {DEEPEST} deep"))
        return document
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as broken:
        mark = broken.problem_mark or broken.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        document.faults.append(
            Fault(line, column, f"not valid YAML: {broken.problem or broken.context}")
        )
    except YAMLError:
        document.faults.append(
            Fault(1, 1, "not valid YAML: it holds characters that YAML does not allow")
        )
    else:
        if root is not None:
            document.data = _plain(root, (), document, frozenset())
    return document


def _too_deep(text: str) -> tuple[int, int] | None:
    """Line and column of the first value that is nested too deeply; None if there is none.

    Reads events, which need no recursion; composing a deep tree does.
    """
    depth = 0
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
            if depth > DEEPEST:
                return event.start_mark.line + 1, event.start_mark.column + 1
    except YAMLError:
        return None  # composing reports it with its position
    return None


def _plain(node: Node, path: Path, document: Document, above: frozenset[int]) -> Any:
    """A node as dict, list, text or None; adds its position and its faults to the document."""
    document.values[path] = place = (node.start_mark.line + 1, node.start_mark.column + 1)
    if id(node) in above or node.anchor:
        document.faults.append(
            Fault(*place, "anchors and aliases are not supported; write the value out")
        )
        return None
    if not str(node.tag).startswith(_PLAIN_TAGS) or "python" in str(node.tag):
        document.faults.append(Fault(*place, f"the tag {str(node.tag)[:40]!r} is not supported"))
        return None
    within = above | {id(node)}
    if isinstance(node, MappingNode):
        return dict(_members(node, path, document, within))
    if isinstance(node, SequenceNode):
        return [_plain(item, (*path, at), document, within) for at, item in enumerate(node.value)]
    return None if _is_nothing(node) else node.value


def _members(
    node: MappingNode, path: Path, document: Document, within: frozenset[int]
) -> Iterator[tuple[str, Any]]:
    for key, value in node.value:
        place = (key.start_mark.line + 1, key.start_mark.column + 1)
        if not isinstance(key, ScalarNode):
            document.faults.append(Fault(*place, "a key must be plain text"))
            continue
        here = (*path, key.value)
        if here in document.keys:
            line = document.keys[here][0]
            document.faults.append(
                Fault(*place, f"{shown(here)} is set twice, first in line {line}")
            )
            continue
        document.keys[here] = place
        yield key.value, _plain(value, here, document, within)


def _is_nothing(node: Any) -> bool:
    return node.style is None and node.value in _NOTHING


def shown(path: Sequence[str | int]) -> str:
    """A path as text, such as mapping.balance.unit or absent[2]."""
    text = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")
