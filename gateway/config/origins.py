"""Where the values of the configuration come from: the file, the environment, or the defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.faults import Position

if TYPE_CHECKING:
    from gateway.documents import Document
    from gateway.faults import Path

DEFAULT = "default"
"""The source of a value that neither the file nor the environment sets."""

_NOWHERE = Position("configuration")


class Origins:
    """The positions of the values that the file and the environment variables set.

    The position of a value in a variable is the name of the variable, without a line.
    """

    def __init__(self, document: Document | None) -> None:
        """Start with the values of the file. Without a file, there are none."""
        self._positions: dict[Path, Position] = dict(document.positions) if document else {}

    def override(self, path: Path, value: Any, variable: str) -> None:
        """Replace the value at a path, and everything below it, by the value of a variable.

        The sections around the value belong to the variable too, unless they exist already.
        """
        depth = len(path)
        self._positions = {known: at for known, at in self._positions.items() if known[:depth] != path}
        position = Position(variable)
        for outer in range(1, depth):
            self._positions.setdefault(path[:outer], position)
        self._add(path, value, position)

    def _add(self, path: Path, value: Any, position: Position) -> None:
        self._positions[path] = position
        if isinstance(value, dict):
            for key, inner in value.items():
                self._add((*path, key), inner, position)

    def position(self, path: Path) -> Position:
        """Return the position of the value at a path.

        A missing or unknown key has no position of its own. The result is then the position of the nearest
        section around it.
        """
        while path and path not in self._positions:
            path = path[:-1]
        return self._positions.get(path, _NOWHERE)

    def source(self, path: Path) -> str:
        """Return the source of a value as a text: `default`, `gateway.yaml:12`, or the name of a variable."""
        position = self._positions.get(path)
        if position is None:
            return DEFAULT
        return f"{position.file}:{position.line}" if position.line else position.file
