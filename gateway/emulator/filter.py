"""Parses the `filter` of a listing into conditions, and checks values against a condition.

    filter    = [ condition { "AND" condition } ]
    condition = field ( "=" | ":" ) quoted
    field     = "id" | "name"
    quoted    = text in double or single quotes, with the escape sequences of C

If a text does not follow this grammar, the parser raises an error. The error message contains the position
of the problem.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FIELDS = ("id", "name")

_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"\w+")
_PLAIN = re.compile(r"[^\\\"']+")
_NUMERIC = re.compile(
    r"x(?P<hex>[0-9a-fA-F]{1,2})|u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8})|(?P<octal>[0-3]?[0-7]{1,2})"
)
_SIMPLE = {
    "a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v",
    "\\": "\\", '"': '"', "'": "'", "?": "?",
}  # fmt: skip
_SURROGATES = range(0xD800, 0xE000)
_LAST_CODE_POINT = 0x10FFFF


class FilterError(ValueError):
    """The filter is invalid. The error message contains a description and the position of the problem."""


class Relation(StrEnum):
    """The relation between a field and the value in a condition."""

    EQUALS = "="
    CONTAINS = ":"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterCondition:
    """A condition on one field."""

    field: str
    relation: Relation
    value: str

    def accepts(self, actual: str) -> bool:
        """Return whether the field's actual value meets the condition."""
        match self.relation:
            case Relation.EQUALS:
                return actual == self.value
            case Relation.CONTAINS:
                return self.value in actual
        assert_never(self.relation)


def parse_filter(text: str, fields: Sequence[str] = FIELDS) -> tuple[FilterCondition, ...]:
    """Parse a filter. An empty filter has no conditions.

    Args:
        text: the filter.
        fields: the fields that conditions may name.

    Raises:
        FilterError: the filter does not follow the grammar. The error message contains the position of the
            problem. The first character has the position 1.
    """
    return tuple(_FilterParser(text, fields).conditions())


class _FilterParser:
    """A parser for one filter text. `_at` is the index of the next character."""

    def __init__(self, text: str, fields: Sequence[str]) -> None:
        self._text = text
        self._fields = fields
        self._at = 0

    def conditions(self) -> Iterable[FilterCondition]:
        self._skip_space()
        if self._is_at_end():
            return
        yield self._condition()
        while not self._is_at_end():
            self._and()
            yield self._condition()

    def _condition(self) -> FilterCondition:
        field = self._field()
        relation = self._relation()
        value = self._quoted()
        return FilterCondition(field=field, relation=relation, value=value)

    def _and(self) -> None:
        word = self._take(_WORD)
        if word is None or word[0] != "AND":
            raise self._error("AND", word)
        self._skip_space()

    def _field(self) -> str:
        word = self._take(_WORD)
        if word is None or word[0] not in self._fields:
            raise self._error(" or ".join(self._fields), word)
        self._skip_space()
        return word[0]

    def _relation(self) -> Relation:
        sign = self._peek()
        if sign not in tuple(Relation):
            raise self._error("= or :")
        self._at += 1
        self._skip_space()
        return Relation(sign)

    def _quoted(self) -> str:
        opened_at = self._at
        quote = self._peek()
        if quote not in ('"', "'"):
            raise self._error("a value in quotes")
        self._at += 1
        parts: list[str] = []
        while (part := self._part(quote)) is not None:
            parts.append(part)
        if self._is_at_end():
            raise FilterError(f"the quote opened at position {opened_at + 1} is not closed")
        self._at += 1
        self._skip_space()
        return "".join(parts)

    def _part(self, quote: str) -> str | None:
        """Read and return the next part of a quoted text; return None at the closing quote or at the end."""
        if plain := self._take(_PLAIN):
            return plain[0]
        sign = self._peek()
        if sign in ("", quote):
            return None
        self._at += 1
        return self._escape() if sign == "\\" else sign

    def _escape(self) -> str:
        escaped_at = self._at - 1
        sign = self._peek()
        if sign in _SIMPLE:
            self._at += 1
            return _SIMPLE[sign]
        if number := self._take(_NUMERIC):
            code_point = int(number["octal"], 8) if number["octal"] else int(number[0][1:], 16)
            if code_point <= _LAST_CODE_POINT and code_point not in _SURROGATES:
                return chr(code_point)
        raise FilterError(f"unknown escape at position {escaped_at + 1}")

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self._text, self._at)
        if match:
            self._at = match.end()
        return match

    def _skip_space(self) -> None:
        self._take(_SPACE)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _is_at_end(self) -> bool:
        return self._at == len(self._text)

    def _error(self, expected: str, found: re.Match[str] | None = None) -> FilterError:
        """Return an error that contains the expected text, the actual text and the position.

        The actual text is the word that was found, or the next character if there is no word.
        """
        at, text = (found.start(), found[0]) if found else (self._at, self._peek())
        actual = repr(text) if text else "the end"
        return FilterError(f"expected {expected} at position {at + 1}, found {actual}")
