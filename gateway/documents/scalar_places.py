"""Places in the value of a scalar → places in the file.

YAML removes indentation, quotes and escapes, and joins the lines of most
scalars (https://yaml.org/spec/1.2.2/#chapter-8-block-style-productions), so the
columns of a value differ from those of the file. Lines and columns count from 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Place: TypeAlias = tuple[int, int]
"""Line and column."""

_LEADING = re.compile(r"[ \t]*")
_ESCAPE = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar as it was written.

    Attributes:
        start: the start of the scalar, with its quote or its `|` or `>`.
        style: `|`, `>`, a quote, or empty for a plain scalar.
        value: the text that YAML reads.
    """

    start: Place
    style: str
    value: str


def find_place(lines: Sequence[str], scalar: Scalar, within: Place) -> Place:
    """Return the place in the file of a place in the value of a scalar.

    Args:
        lines: the lines of the file.
        scalar: one of the file's.
        within: the place in its value.
    """
    if scalar.style == "|":
        return _in_literal(lines, scalar.start, within)
    return _in_folded(lines, scalar, within)


def _in_literal(lines: Sequence[str], start: Place, within: Place) -> Place:
    line = start[0] + within[0]
    return line, within[1] + _indent(lines, start[0])


def _indent(lines: Sequence[str], header: int) -> int:
    """Return the indentation of a block scalar: that of its first line that is not empty."""
    first = next((line for line in lines[header:] if line.strip()), "")
    return _leading(first)


def _leading(line: str) -> int:
    match = _LEADING.match(line)
    return match.end() if match else 0


def _in_folded(lines: Sequence[str], scalar: Scalar, within: Place) -> Place:
    """Return the place of a character, by walking the value up to it.

    A line break between two lines is one space of the value; each empty line is a line break of it.
    """
    if not scalar.value:
        return scalar.start
    line, column = 1, 0
    last = scalar.start
    for place, char in islice(_characters(lines, scalar.start, scalar.style), len(scalar.value)):
        last = place
        if char == "\n":
            line, column = line + 1, 0
            continue
        column += 1
        if (line, column) >= within:
            return place
    return last[0], last[1] + 1  # after the end


def _characters(lines: Sequence[str], start: Place, style: str) -> Iterator[tuple[Place, str]]:
    """Yield each character of a value with joined lines, and its place."""
    number, offset = start[0], start[1] - 1 + bool(style)
    indent = 0
    if style == ">":
        number, indent = number + 1, _indent(lines, number)
        offset = indent
    breaks = 0
    while number <= len(lines):
        text = lines[number - 1]
        if style == ">" and text.strip() and _leading(text) < indent:
            return  # the scalar ends here
        if text.strip():
            yield from _join((number, offset + 1), breaks)
            breaks = 1
            yield from _decode(text if style == ">" else text.rstrip(), number, offset, style)
        else:
            breaks += 1
        number += 1
        following = lines[number - 1] if number <= len(lines) else ""
        offset = indent if style == ">" else _leading(following)


def _join(place: Place, breaks: int) -> Iterator[tuple[Place, str]]:
    if breaks == 1:
        yield place, " "
    for _ in range(breaks - 1):
        yield place, "\n"


def _decode(text: str, number: int, offset: int, style: str) -> Iterator[tuple[Place, str]]:
    """Yield each character of the value in one line, with its place; an escape sequence is one character."""
    while offset < len(text):
        length = 1
        if style == "'" and text.startswith("''", offset):
            length = 2
        elif style == '"' and (match := _ESCAPE.match(text, offset)):
            length = match.end() - offset
        yield (number, offset + 1), text[offset]
        offset += length
