"""Texts that name fields of a request, so that each protocol can write the names in its own form.

A path is written with the names of the .proto file wherever it arises. gRPC shows
it as it is; REST shows the names of JSON. What a text quotes of a request may look
like a path, so a text knows which parts of it are names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class FieldName(str):
    """A part of a text that is the path of a field, with the names of the .proto file."""

    __slots__ = ()


class FieldText(str):
    """A text that knows where field paths are in it.

    Attributes:
        spans: start and end of each path, in order.
    """

    __slots__ = ("spans",)

    spans: tuple[tuple[int, int], ...]


def field_text(*parts: str) -> str:
    """Join parts to one text that knows its field paths: those of FieldName, and those of the parts' own."""
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
    """Return a text with each field path in it renamed; it knows them still."""
    if not isinstance(text, FieldText):
        return text
    parts: list[str] = []
    at = 0
    for start, end in text.spans:
        parts += [text[at:start], FieldName(rename(text[start:end]))]
        at = end
    return field_text(*parts, text[at:])
