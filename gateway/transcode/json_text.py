"""JSON text → values, refusing what the standard leaves to chance.

https://www.rfc-editor.org/rfc/rfc8259: duplicate names, NaN and numbers out of
range are where parsers differ, so none of them gets through.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from decimal import Decimal, InvalidOperation
from typing import Any

from gateway.errors import invalid_request

_MAX_DEPTH = 100


class JsonObject(dict[str, Any]):
    """An object that remembers which of its names stood there more than once."""

    __slots__ = ("duplicates",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.duplicates: tuple[str, ...] = ()
        if len(self) != len(pairs):
            times = Counter(name for name, _ in pairs)
            self.duplicates = tuple(name for name in self if times[name] > 1)


def parse_json(data: bytes) -> Any:
    """Parse a JSON text; objects come as JsonObject, numbers as int or Decimal.

    Raises:
        GatewayError: INVALID_ARGUMENT, saying where the text stops being JSON.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise invalid_request(f"the body is not UTF-8: byte {error.start + 1} is invalid") from error
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise invalid_request(f"the body is not JSON: {_lower(error.msg)} at {place}") from error
    except RecursionError as error:
        raise invalid_request("the body is nested too deeply") from error
    except ValueError as error:
        raise invalid_request(f"the body is not JSON: {error}") from error
    if _is_deeper(value, _MAX_DEPTH):
        raise invalid_request(f"the body is nested too deeply: over {_MAX_DEPTH} levels")
    return value


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, (dict, list)):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(one, levels - 1) for one in inner)


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _parse_float(text: str) -> Decimal:
    """Keep every digit: whether a number is whole cannot be told from a rounded one."""
    if math.isinf(float(text)):
        raise ValueError(f"the number {text[:32]} is out of range")
    try:
        return Decimal(text)
    except InvalidOperation as error:  # an exponent of twenty digits
        raise ValueError(f"the number {text[:32]} is out of range") from error


def _parse_int(text: str) -> int:
    if len(text) > 400:  # noqa: PLR2004 - more digits than any double has
        raise ValueError("a number has too many digits")
    return int(text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=JsonObject,
    parse_constant=_refuse_constant,
    parse_float=_parse_float,
    parse_int=_parse_int,
)
