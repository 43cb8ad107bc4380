"""The limits on the inputs of expressions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class InputLimits:
    """Limits on the input of policies. A limit on a field applies if the API sets no limit for the field.

    Attributes:
        text: the maximum number of characters of a text, or of bytes of a bytes field.
        elements: the maximum number of elements of a list or map.
        message: the maximum number of bytes of the whole request.
    """

    text: int = 4096
    elements: int = 256
    message: int = 65536
