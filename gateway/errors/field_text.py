"""Texts that contain the paths of request fields.

The gateway writes every path with the field names of the .proto file. gRPC clients see
the path unchanged. For REST clients, the path is converted to JSON names. A text can also
contain a value of the request, and the value can look like a path. So a text stores the
positions of its paths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class FieldName(str):
    """The path of a field. It can be a part of a longer text."""

    __slots__ = ()


class FieldText(str):
    """A text that stores the positions of its field paths.

    Attributes:
        spans: the start and the end of each path, in the order in which the paths occur in the text.
    """

    __slots__ = ("spans",)

    spans: tuple[tuple[int, int], ...]


def field_text(*parts: str) -> str:
    """Join parts to one text that stores the positions of its field paths.

    A part of type FieldName is a field path. A part of type FieldText can contain several field paths.
    """
    spans: list[tuple[int, int]] = []
    at = 0
    for part in parts:
        if isinstance(part, FieldName):
            spans.append((at, at + len(part)))
        elif isinstance(part, FieldText):
            spans += [(at + start, at + end) for start, end in part.spans]
        at += len(part)
    text = "".join(parts)
    if not spans:
        return text
    joined = FieldText(text)
    joined.spans = tuple(spans)
    return joined


def rename_fields(text: str, rename: Callable[[str], str]) -> str:
    """Return a text in which each field path is converted by `rename`. Other parts stay unchanged."""
    if not isinstance(text, FieldText):
        return text
    parts: list[str] = []
    at = 0
    for start, end in text.spans:
        parts += [text[at:start], FieldName(rename(text[start:end]))]
        at = end
    return field_text(*parts, text[at:])
