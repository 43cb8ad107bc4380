"""Converts positions in the value of a scalar to positions in the file.

YAML removes indentation, quotes and escapes, and joins the lines of most scalars
(https://yaml.org/spec/1.2.2/#chapter-8-block-style-productions). So a character can
have different positions in the value and in the file. Lines and columns start at 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Place: TypeAlias = tuple[int, int]
"""A position: the line and the column."""

_LEADING = re.compile(r"[ \t]*")
_ESCAPE = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar in a YAML file.

    Attributes:
        start: the position of the first character. This character may be a quote, `|` or `>`.
        style: the character that indicates the style, such as `|`, `>` or a quote; empty for a plain scalar.
        value: the text that YAML reads.
    """

    start: Place
    style: str
    value: str


def find_place(lines: Sequence[str], scalar: Scalar, within: Place) -> Place:
    """Convert a position in the value of a scalar to the position in the file.

    Args:
        lines: the lines of the file.
        scalar: the scalar.
        within: the position in the value of the scalar.
    """
    if scalar.style == "|":
        return _in_literal(lines, scalar.start, within)
    return _in_folded(lines, scalar, within)


def _in_literal(lines: Sequence[str], start: Place, within: Place) -> Place:
    line = start[0] + within[0]
    return line, within[1] + _indent(lines, start[0])


def _indent(lines: Sequence[str], header: int) -> int:
    """Return the indentation of a block scalar. The first line that is not empty has this indentation.

    Args:
        lines: the lines of the file.
        header: the number of the line that contains `|` or `>`.
    """
    first = next((line for line in lines[header:] if line.strip()), "")
    return _leading(first)


def _leading(line: str) -> int:
    match = _LEADING.match(line)
    return match.end() if match else 0


def _in_folded(lines: Sequence[str], scalar: Scalar, within: Place) -> Place:
    """Convert a position in the value of a scalar to the position in the file. The scalar's lines are joined.

    The function iterates over the characters of the value up to the position `within`. In the value, a line
    break of the file is a space, and an empty line of the file is a line break.
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
    return last[0], last[1] + 1  # the position after the end of the scalar


def _characters(lines: Sequence[str], start: Place, style: str) -> Iterator[tuple[Place, str]]:
    """Yield a pair for each character of a scalar whose lines are joined.

    A pair contains the position of the character in the file, and the character.
    """
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
    """Yield a pair for each character that a scalar has in one line of the file.

    A pair contains the position of the character in the file, and the character. An escape
    sequence counts as one character.
    """
    while offset < len(text):
        length = 1
        if style == "'" and text.startswith("''", offset):
            length = 2
        elif style == '"' and (match := _ESCAPE.match(text, offset)):
            length = match.end() - offset
        yield (number, offset + 1), text[offset]
        offset += length
