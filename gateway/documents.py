"""YAML documents that remember where each value stands.

Scalars follow the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema):
`no` is text and `2026-12-31` is text, not a truth value and a date.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

import yaml

from gateway.faults import Fault, FaultsError, Path, Position

_MAX_DEPTH = 64
_MAX_NODES = 200_000
_MAX_DIGITS = 400

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_WORDS: dict[str, bool | None] = dict.fromkeys(("", "~", "null", "Null", "NULL"))
_WORDS |= dict.fromkeys(("true", "True", "TRUE"), True)
_WORDS |= dict.fromkeys(("false", "False", "FALSE"), False)

_BaseLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_YAML = "tag:yaml.org,2002:"
_PLAIN = "tag:plain"
_TEXT = f"{_YAML}str"


class _Loader(_BaseLoader):  # type: ignore[misc]  # chosen at run time: the C loader, where there is one
    """Leaves every plain scalar as text under a tag of its own: `_scalar` gives it its type."""

    yaml_implicit_resolvers: ClassVar[dict[str | None, Any]] = {None: [(_PLAIN, re.compile(""))]}


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document.

    Attributes:
        value: dicts with text keys, lists and scalars.
        file: name for messages.
    """

    value: Any
    file: str
    _positions: dict[Path, Position] = field(repr=False)
    _texts: dict[Path, tuple[Position, str | None]] = field(repr=False)

    def has(self, path: Path) -> bool:
        """Tell whether there is a key at the path."""
        return path in self._positions

    def position(self, path: Path) -> Position:
        """Return where the key at the path stands, or else the nearest that encloses it."""
        while path and path not in self._positions:
            path = path[:-1]
        return self._positions[path]

    def position_within(self, path: Path, line: int, column: int) -> Position:
        """Return where a place inside of the text at the path stands; line and column count from 1."""
        if path not in self._texts:
            return self.position(path)
        start, style = self._texts[path]
        if style in {"|", ">"}:  # the text starts on the line below
            return Position(self.file, start.line + line, column)
        if line > 1:
            return Position(self.file, start.line + line - 1, column)
        return Position(self.file, start.line, start.column + column - 1 + bool(style))


def load_documents(text: str, file: str) -> list[Document]:
    """Read every document of a YAML file.

    Raises:
        FaultsError: not YAML, or not what a document of ours may hold.
    """
    try:
        _check_depth(text, file)
        nodes = list(yaml.compose_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = _position(file, mark) if mark else Position(file)
        is_tab = mark is not None and text[mark.index : mark.index + 1] == "\t"
        problem = "a tab stands here; indent with spaces" if is_tab else error.problem or error
        raise FaultsError([Fault(at, "", f"not valid YAML: {problem}")]) from error
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        reason = str(error).partition("\n")[0]
        raise FaultsError([Fault(Position(file), "", f"not valid YAML: {reason}")]) from error
    return [_Reader(file).read(node) for node in nodes]


def _check_depth(text: str, file: str) -> None:
    """Refuse what is nested so deeply that libyaml, which recurses in C, would crash the process."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise _too_large(_position(file, event.start_mark))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _too_large(position: Position) -> FaultsError:
    return FaultsError([Fault(position, "", f"too large: over {_MAX_DEPTH} levels or {_MAX_NODES} values")])


def _position(file: str, mark: Any) -> Position:
    return Position(file, mark.line + 1, mark.column + 1)


class _Reader:
    """Turns the nodes of one document into values, keeping their positions."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._positions: dict[Path, Position] = {}
        self._texts: dict[Path, tuple[Position, str | None]] = {}
        self._faults: list[Fault] = []
        self._nodes = 0

    def read(self, node: yaml.Node) -> Document:
        value = self._value(node, ())
        if self._faults:
            raise FaultsError(self._faults)
        return Document(value, self._file, self._positions, self._texts)

    def _value(self, node: yaml.Node, path: Path) -> Any:
        self._positions.setdefault(path, self._at(node))
        self._nodes += 1
        if len(path) > _MAX_DEPTH or self._nodes > _MAX_NODES:
            raise _too_large(self._at(node))
        if node.tag not in {_PLAIN, _TEXT, f"{_YAML}map", f"{_YAML}seq"}:
            self._fault(node, path, f"the tag {node.tag} has no meaning here")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        raise TypeError(f"no kind of YAML node: {node}")

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key, str) or key_node.tag not in {_PLAIN, _TEXT}:
                self._fault(key_node, path, "a key is plain text here")
                continue
            if key in result:
                self._fault(key_node, (*path, key), "stands here a second time; keep one")
                continue
            self._positions[*path, key] = self._at(key_node)
            result[key] = self._value(value_node, (*path, key))
        return result

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text = node.value
        self._texts[path] = (self._at(node), node.style)
        if node.tag == _TEXT:  # quoted, a block or tagged: text as it stands
            return text
        if text in _WORDS:
            return _WORDS[text]
        is_int = _INT.fullmatch(text)
        if not is_int and not _FLOAT.fullmatch(text):
            return text
        if len(text) > _MAX_DIGITS:
            self._fault(node, path, f"a number has at most {_MAX_DIGITS} digits")
            return None
        if is_int:
            return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))

    def _fault(self, node: yaml.Node, path: Path, message: str) -> None:
        self._faults.append(Fault(self._at(node), ".".join(map(str, path)), message))

    def _at(self, node: yaml.Node) -> Position:
        return _position(self._file, node.start_mark)
