"""The limits on the inputs of expressions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class InputLimits:
    """Limits on the input of policies, used where the API's constraints set no bound.

    Attributes:
        text: characters of a text, or bytes of a bytes field.
        elements: the elements of a list or map.
        message: bytes of the whole request.
    """

    text: int = 4096
    elements: int = 256
    message: int = 65536
