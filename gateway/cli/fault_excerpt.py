"""Prepares the source line of a fault for a terminal: redacts secrets and replaces unprintable characters."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.redaction import REDACTED, redact_text

if TYPE_CHECKING:
    from gateway.faults import Position

_MAX_SHOWN = 120
_CONTEXT = 60
_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The line of a file that contains a fault.

    Attributes:
        text: the text of the line, redacted and shortened.
        offset: the number of terminal columns before the position of the fault.
    """

    text: str
    offset: int


def make_excerpt(position: Position) -> Excerpt | None:
    """Return the excerpt for a position.

    The result is None if the position has no source line or is inside a secret.
    """
    if not position.source.strip() or position.column < 1:
        return None
    before = position.source[: position.column - 1]
    line, before = redact_text(position.source), redact_text(before)
    if not line.startswith(before):
        return None
    start = max(len(before) - _CONTEXT, 0) if len(line) > _MAX_SHOWN else 0
    end = start + _MAX_SHOWN
    head, tail = (REDACTED if start else ""), (REDACTED if len(line) > end else "")
    shown = f"{head}{line[start:end]}{tail}".rstrip()
    return Excerpt(_printable(shown), _width(head + before[start:]))


def _printable(text: str) -> str:
    """Return a text in which each tab is one space, and each unprintable character is replaced."""
    return "".join(" " if char == "\t" else char if char.isprintable() else _UNPRINTABLE for char in text)


def _width(text: str) -> int:
    """Return the number of terminal columns that a text needs."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )
