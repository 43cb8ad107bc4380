"""JSON text → values, without what parsers read differently.

https://www.rfc-editor.org/rfc/rfc8259: parsers differ about duplicate names, NaN and
numbers out of range, so none of them is accepted. Duplicate names and the range of a
number are checked by the reader of the field.
"""

from __future__ import annotations

import json
from typing import Any

from gateway.errors import invalid_request

MAX_DEPTH = 100
_MAX_INT_DIGITS = 40  # more than any integer type has; int() takes quadratic time


class JsonObject(dict[str, Any]):
    """An object with duplicate names; any other object is a plain dict.

    Attributes:
        duplicates: names that occur more than once.
    """

    __slots__ = ("duplicates",)

    duplicates: tuple[str, ...]


class JsonNumber:
    """A number with a fraction, an exponent or very many digits, as it is written.

    Its type, and so its range, depends on its field.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"JsonNumber({self.text[:_MAX_INT_DIGITS]!r})"


def parse_json(data: bytes) -> Any:
    """Parse a JSON text; numbers become int or JsonNumber.

    Raises:
        GatewayError: INVALID_ARGUMENT, with the position of the first fault.
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
    if is_deeper(value, MAX_DEPTH, data):
        raise invalid_request(f"the body is nested too deeply: over {MAX_DEPTH} levels")
    return value


def is_deeper(value: Any, levels: int, data: bytes) -> bool:
    """Return whether a parsed value has more levels of objects and arrays.

    Args:
        value: the parsed value.
        levels: the number to exceed.
        data: the text that the value was parsed from.
    """
    if data.count(b"{") + data.count(b"[") <= levels:  # true of most texts, and cheap to find
        return False
    level = [value]
    for _ in range(levels):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    marked = JsonObject(value)
    seen: set[str] = set()
    duplicates: dict[str, None] = {}
    for name, _ in pairs:
        if name in seen:
            duplicates[name] = None
        seen.add(name)
    marked.duplicates = tuple(duplicates)
    return marked


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _parse_int(text: str) -> int | JsonNumber:
    return int(text) if len(text) < _MAX_INT_DIGITS else JsonNumber(text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_make_object,
    parse_constant=_refuse_constant,
    parse_float=JsonNumber,
    parse_int=_parse_int,
)
