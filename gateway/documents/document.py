"""One YAML document: its value, and the position of every part of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.documents.scalar_places import find_place
from gateway.faults import Position

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.documents.scalar_places import Scalar
    from gateway.faults import Path

# The line breaks of libyaml.
_LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


def split_lines(text: str) -> tuple[str, ...]:
    """Return the lines of a text as YAML counts them."""
    return tuple(_LINE_BREAK.split(text))


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The name and the lines of a file; returns positions with the text of their line."""

    name: str
    lines: Sequence[str] = field(repr=False)

    def position(self, line: int, column: int) -> Position:
        """Return a position; line and column count from 1."""
        source = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        return Position(self.name, line, column, source)


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document.

    Attributes:
        value: dicts with text keys, lists and scalars.
        file: name for messages.
    """

    value: Any
    file: str
    _source: SourceFile = field(repr=False)
    _positions: dict[Path, Position] = field(repr=False)
    _texts: dict[Path, Scalar] = field(repr=False)

    def has(self, path: Path) -> bool:
        """Return whether there is a key at the path."""
        return path in self._positions

    def position(self, path: Path) -> Position:
        """Return the position of the key at the path, or of the nearest enclosing key."""
        while path and path not in self._positions:
            path = path[:-1]
        return self._positions[path]

    def position_within(self, path: Path, line: int, column: int) -> Position:
        """Return the position of a place in the text at the path; line and column count from 1."""
        if path not in self._texts:
            return self.position(path)
        return self._source.position(*find_place(self._source.lines, self._texts[path], (line, column)))
