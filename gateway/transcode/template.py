"""Path templates of google.api.http.

Template = "/" Segments [ ":" Literal ]
Segments = Segment { "/" Segment }
Segment  = "*" | "**" | Literal | "{" FieldPath [ "=" Segments ] "}"
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias
from urllib.parse import unquote

_LITERAL = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()+,;=@]|%[0-9A-Fa-f]{2})+")
_LITERAL_WITH_COLON = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()+,;=@:]|%[0-9A-Fa-f]{2})+")
_FIELD_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")


class Wildcard(Enum):
    """A part of a template that matches any text.

    ONE matches one segment. REST matches all remaining segments, even if no segment remains.
    """

    ONE = "*"
    REST = "**"


Segment: TypeAlias = str | Wildcard
"""A segment of a template: the decoded text of a literal, or a wildcard."""


class TemplateError(ValueError):
    """A path template does not follow the grammar."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a path template. The variable sets a field of the request.

    Attributes:
        field_path: the field names that lead from the request message to the field.
        start: the index of the variable's first segment.
        end: the index after the variable's last segment; None if the variable ends at the end of the path.
        is_multi: whether the variable may match several segments. If true, `%2F` in the text of the variable
            is not decoded.
    """

    field_path: tuple[str, ...]
    start: int
    end: int | None
    is_multi: bool


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed path template.

    Attributes:
        segments: the literals and wildcards that the segments of a path must match.
        custom_verb: the custom verb without the colon; empty if the template has no custom verb.
        variables: the variables, in the order in which they occur in the template.
    """

    segments: tuple[Segment, ...]
    custom_verb: str
    variables: tuple[Variable, ...]


def parse_template(text: str) -> Template:
    """Parse the text of a path template.

    Raises:
        TemplateError: the text does not follow the grammar. The error message has the position of the fault.
    """
    return _TemplateParser(text).parse()


class _TemplateParser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._segments: list[Segment] = []
        self._variables: list[Variable] = []

    def parse(self) -> Template:
        self._expect("/")
        if self._text == "/":
            return Template(("",), "", ())
        self._parse_segments(in_variable=False)
        custom_verb = ""
        if self._peek() == ":":
            self._at += 1
            custom_verb = self._take_text(_LITERAL, "a custom verb")
        if self._at < len(self._text):
            raise self._error(f"unexpected {self._text[self._at]!r}")
        return Template(tuple(self._segments), custom_verb, tuple(self._variables))

    def _parse_segments(self, *, in_variable: bool) -> None:
        self._parse_segment(in_variable=in_variable)
        while self._peek() == "/":
            self._at += 1
            self._parse_segment(in_variable=in_variable)

    def _parse_segment(self, *, in_variable: bool) -> None:
        if self._segments[-1:] == [Wildcard.REST]:
            raise self._error("'**' has to be the last segment")
        if self._text.startswith("**", self._at):
            self._at += 2
            self._segments.append(Wildcard.REST)
        elif self._peek() == "*":
            self._at += 1
            self._segments.append(Wildcard.ONE)
        elif self._peek() == "{":
            if in_variable:
                raise self._error("a variable inside a variable")
            self._parse_variable()
        else:
            self._segments.append(self._take_literal())

    def _take_literal(self) -> str:
        """Read a literal from the current position, and return the decoded literal.

        In the last segment of the template, a colon starts the custom verb. In all other segments, a colon is
        part of the literal.
        """
        match = _LITERAL_WITH_COLON.match(self._text, self._at)
        is_custom_verb_next = match is None or match.end() == len(self._text)
        return self._take_text(
            _LITERAL if is_custom_verb_next else _LITERAL_WITH_COLON, "a literal, '*', '**' or '{'"
        )

    def _take_text(self, pattern: re.Pattern[str], what: str) -> str:
        """Read the text that matches a pattern, and return the decoded text.

        The percent-encoded bytes must be UTF-8, because the paths of requests must be UTF-8.
        """
        at = self._at
        try:
            return unquote(self._take(pattern, what), errors="strict")
        except UnicodeDecodeError:
            self._at = at
            raise self._error("an escape that is not UTF-8") from None

    def _parse_variable(self) -> None:
        self._expect("{")
        field_path = self._take_field_path()
        start = len(self._segments)
        if self._peek() == "=":
            self._at += 1
            self._parse_segments(in_variable=True)
        else:
            self._segments.append(Wildcard.ONE)
        self._expect("}")
        own = self._segments[start:]
        end = None if Wildcard.REST in own else len(self._segments)
        self._variables.append(Variable(field_path, start, end, len(own) > 1 or Wildcard.REST in own))

    def _take_field_path(self) -> tuple[str, ...]:
        at = self._at
        path = tuple(self._take(_FIELD_PATH, "a field path").split("."))
        others = (variable.field_path for variable in self._variables)
        if any(path[: len(other)] == other or other[: len(path)] == path for other in others):
            self._at = at
            raise self._error(f"two variables set {'.'.join(path)}")
        return path

    def _take(self, pattern: re.Pattern[str], what: str) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise self._error(f"expected {what}")
        self._at = match.end()
        return match[0]

    def _expect(self, char: str) -> None:
        if self._peek() != char:
            raise self._error(f"expected {char!r}")
        self._at += 1

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _error(self, what: str) -> TemplateError:
        return TemplateError(f"bad path template {self._text!r}: {what}, at character {self._at + 1}")
