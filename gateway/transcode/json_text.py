"""A strict parser of JSON text.

Different JSON parsers read duplicate names, NaN and numbers out of range in different ways. See
https://www.rfc-editor.org/rfc/rfc8259. The gateway therefore refuses such JSON. This module refuses NaN.
The JSON readers refuse duplicate names and numbers out of range.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from gateway.errors import invalid_request

MAX_DEPTH = 100
_SIMPLE_TYPES = frozenset({str, int, bool, type(None)})
# A number with this many characters or more is not converted with int(), because int() takes quadratic time.
# Such a number is too large for any integer type.
_MAX_INT_DIGITS = 40


class JsonObject(dict[str, Any]):
    """A JSON object with duplicate names. An object without duplicate names is a plain dict.

    Attributes:
        duplicates: the names that occur more than once.
    """

    __slots__ = ("duplicates",)

    duplicates: tuple[str, ...]


class JsonNumber:
    """The text of a JSON number that has a fraction, an exponent or very many digits.

    The reader of the field converts the number later, because the field defines the type and the range.
    """

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"JsonNumber({self.text[:_MAX_INT_DIGITS]!r})"


def parse_json(data: bytes) -> Any:
    """Parse a JSON text. Numbers are returned as int or JsonNumber.

    Raises:
        GatewayError: INVALID_ARGUMENT. The text is not UTF-8, is not JSON or is nested too deeply.
    """
    value = _parse_simple(data)
    if value is not None:
        return value
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


def _parse_simple(data: bytes) -> Any:
    """Return the value of a simple JSON text; None if the strict parser is needed.

    A text is simple if it is an object of texts, integers, truth values, nulls, and objects of these. It
    holds no escape sequences, no duplicate names, and only ASCII. Most requests are simple, and orjson parses
    them many times faster than the strict parser.
    """
    if not data.isascii() or data.find(b"\\") >= 0 or data.find(b"[") >= 0:
        return None
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:  # the strict parser describes the error
        return None
    if type(value) is not dict:
        return None
    texts = len(value)
    for one in value.values():
        if type(one) is dict:
            kinds = [*map(type, one.values())]
            texts += len(one)
        else:
            kinds = [type(one)]
        if not _SIMPLE_TYPES.issuperset(kinds):
            return None
        texts += kinds.count(str)
    # Each name and each text has two quotes. orjson drops all but the last of duplicate names, so the value
    # has fewer of them if a name is duplicated.
    return value if data.count(b'"') == 2 * texts else None


def is_deeper(value: Any, levels: int, data: bytes) -> bool:
    """Return whether a JSON value has more levels of nested objects and arrays than allowed.

    Args:
        value: the parsed JSON value.
        levels: the maximum number of levels.
        data: the JSON text of the value.
    """
    if data.count(b"{") + data.count(b"[") <= levels:  # this fast check is enough for most texts
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
