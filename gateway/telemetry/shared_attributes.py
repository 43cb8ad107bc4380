"""Attributes that many spans or events have in common."""

from __future__ import annotations

from opentelemetry.util.types import AttributeValue


class SharedAttributes(dict[str, AttributeValue]):
    """Attributes that many spans or events have in common. They are not modified.

    Most of the attributes of a span are the same for all calls of a method by a caller. Where they are made,
    a cache returns the same object again, so that they are encoded only once.

    Attributes:
        encodings: the encodings for OTLP, keyed by the tag of the field that contains each attribute.
    """

    __slots__ = ("encodings",)

    def __init__(self, attributes: dict[str, AttributeValue]) -> None:
        super().__init__(attributes)
        self.encodings: dict[bytes, bytes] = {}
