"""Reads documents from YAML texts.

Scalars follow the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema).
So `no` is a text, not a truth value, and `2026-12-31` is a text, not a date.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

import yaml

from gateway.documents.advice import advise_on_line, advise_on_tag
from gateway.documents.document import Document, SourceFile, split_lines
from gateway.documents.scalar_places import Scalar
from gateway.faults import Fault, FaultsError, Position, key_of

if TYPE_CHECKING:
    from gateway.faults import Path

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


class _Loader(_BaseLoader):  # type: ignore[misc]  # the C loader, if it is installed
    """Loads every plain scalar as text with the tag `_PLAIN`. `_NodeReader._scalar` determines the type."""

    yaml_implicit_resolvers: ClassVar[dict[str | None, Any]] = {None: [(_PLAIN, re.compile(""))]}


def load_documents(text: str, file: str) -> list[Document]:
    """Read every document of a YAML file.

    Raises:
        FaultsError: the text is not valid YAML, or contains a value that is not allowed in documents.
    """
    source = SourceFile(file, split_lines(text))
    try:
        _check_depth(text, source)
        nodes = list(yaml.compose_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        raise FaultsError([_explain(error, text, source)]) from error
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        reason = str(error).partition("\n")[0]
        raise FaultsError([Fault(Position(file), "", f"not valid YAML: {reason}")]) from error
    return [_NodeReader(source).read(node) for node in nodes]


def _explain(error: yaml.MarkedYAMLError, text: str, source: SourceFile) -> Fault:
    """Return a fault that describes an error of the YAML parser. The message may contain advice."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Fault(Position(source.name), "", f"not valid YAML: {error.problem or error}")
    at = _position(source, mark)
    if text[mark.index : mark.index + 1] == "\t":
        return Fault(at, "", "not valid YAML: a tab is not allowed here; indent with spaces")
    advice = advise_on_line(source.lines, at.line)
    return Fault(at, "", f"not valid YAML: {error.problem or error}{advice}")


def _check_depth(text: str, source: SourceFile) -> None:
    """Refuse a text with deep nesting, because the recursive C code of libyaml could crash the process."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise _too_large(_position(source, event.start_mark))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _too_large(position: Position) -> FaultsError:
    return FaultsError([Fault(position, "", f"too large: over {_MAX_DEPTH} levels or {_MAX_NODES} values")])


def _position(source: SourceFile, mark: Any) -> Position:
    return source.position(mark.line + 1, mark.column + 1)


class _NodeReader:
    """Converts the nodes of one document to values, and stores the positions of the values."""

    def __init__(self, source: SourceFile) -> None:
        self._source = source
        self._positions: dict[Path, Position] = {}
        self._texts: dict[Path, Scalar] = {}
        self._faults: list[Fault] = []
        self._nodes = 0

    def read(self, node: yaml.Node) -> Document:
        value = self._value(node, ())
        if self._faults:
            raise FaultsError(self._faults)
        return Document(value, self._source.name, self._source, self._positions, self._texts)

    def _value(self, node: yaml.Node, path: Path) -> Any:
        self._positions.setdefault(path, self._at(node))
        self._nodes += 1
        if len(path) > _MAX_DEPTH or self._nodes > _MAX_NODES:
            raise _too_large(self._at(node))
        if node.tag not in {_PLAIN, _TEXT, f"{_YAML}map", f"{_YAML}seq"}:
            self._fault(node, path, f"the tag {node.tag} has no meaning here{self._advise(node)}")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        raise TypeError(f"unknown kind of YAML node: {node}")

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value
            if not isinstance(key, str) or key_node.tag not in {_PLAIN, _TEXT}:
                self._fault(key_node, path, "a key is plain text here")
                continue
            if key in result:
                self._fault(key_node, (*path, key), "is given twice; keep one")
                continue
            self._positions[*path, key] = self._at(key_node)
            result[key] = self._value(value_node, (*path, key))
        return result

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text = node.value
        at = self._at(node)
        self._texts[path] = Scalar((at.line, at.column), node.style or "", text)
        if node.tag == _TEXT:  # the scalar is quoted, is a block scalar or has the tag `!!str`
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
        self._faults.append(Fault(self._at(node), key_of(path), message))

    def _at(self, node: yaml.Node) -> Position:
        return _position(self._source, node.start_mark)

    def _advise(self, node: yaml.Node) -> str:
        """Return advice on a value that starts with `!`. The advice is empty for all other values."""
        is_expression = isinstance(node, yaml.ScalarNode) and node.tag.startswith("!")
        return advise_on_tag(self._source.lines, self._at(node).line) if is_expression else ""
