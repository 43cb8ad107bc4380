"""Conversion of the constraints of one value to JSON Schema keywords.

If a field without presence has its default value, the field counts as not set. If a field is not set, only
the constraint `required` is checked. For a field that is not required, the keywords must therefore accept
the default value.
"""

from __future__ import annotations

import math
import re
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from fractions import Fraction

    from gateway.schema import Range
    from gateway.schema.constraints import Interval

JsonSchema: TypeAlias = dict[str, Any]
Definition: TypeAlias = dict[str, Any]
"""A JSON object of the OpenAPI document that is not a schema, such as a parameter or an operation."""

# JSON Schema uses ECMA 262 patterns. These parts of RE2 patterns do not exist in ECMA 262 patterns, or have
# another meaning in ECMA 262 patterns.
_NOT_PORTABLE = re.compile(r"\[\[:|\\[pPQEACz]|\(\?[a-zA-Z<]")


class Empty(Enum):
    """The treatment of an empty value by a schema. An empty value is an empty text, an empty list or zero."""

    ALLOWED = "it is the same as not set"
    CHECKED = "it is a value like any other"
    REFUSED = "the field is required"


def text_keywords(pattern: str | None, length: Range | None, empty: Empty) -> JsonSchema:
    """Return the JSON Schema keywords for the constraints of a text.

    Args:
        pattern: the RE2 pattern that the text must match; None if the text may have any form.
        length: the allowed lengths; None if every length is allowed.
        empty: the treatment of an empty text.
    """
    keywords = length_keywords(length, "minLength", "maxLength", empty)
    if pattern is not None and is_portable(pattern):
        keywords["pattern"] = _anchored(pattern, empty)
    return keywords


def is_portable(pattern: str) -> bool:
    """Return whether an RE2 pattern has the same meaning in JSON Schema."""
    if _NOT_PORTABLE.search(pattern):
        return False
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _anchored(pattern: str, empty: Empty) -> str:
    optional = "?" if empty is Empty.ALLOWED and re.fullmatch(pattern, "") is None else ""
    return f"^(?:{pattern}){optional}$"


def length_keywords(length: Range | None, low: str, high: str, empty: Empty) -> JsonSchema:
    """Return the JSON Schema keywords that limit the length of a text or the number of elements.

    Args:
        length: the allowed lengths or numbers; None if every length or number is allowed.
        low: the name of the keyword for the minimum, such as `minLength`.
        high: the name of the keyword for the maximum, such as `maxLength`.
        empty: the treatment of an empty value.
    """
    least = 1 if empty is Empty.REFUSED else 0
    if length is None:
        return {low: least} if least else {}
    options = [_length_interval(interval, low, high, least) for interval in length.intervals]
    if empty is Empty.ALLOWED and 0 not in length:
        options.insert(0, {high: 0})
    return _any_of(options, high)


def _length_interval(interval: Interval, low: str, high: str, least: int) -> JsonSchema:
    keywords: JsonSchema = {}
    if not math.isinf(interval.low):
        least = max(least, math.floor(interval.low) + 1 if interval.low_open else math.ceil(interval.low))
    if least > 0:
        keywords[low] = least
    if not math.isinf(interval.high):
        keywords[high] = math.ceil(interval.high) - 1 if interval.high_open else math.floor(interval.high)
    return keywords


def number_keywords(allowed: Range | None, empty: Empty) -> JsonSchema:
    """Return the JSON Schema keywords for the constraints of a number.

    Args:
        allowed: the allowed numbers; None if every number is allowed.
        empty: the treatment of zero.
    """
    nonzero: JsonSchema = {"not": {"const": 0}} if empty is Empty.REFUSED else {}
    if allowed is None:
        return nonzero
    options = [_number_interval(interval) for interval in allowed.intervals]
    if empty is Empty.ALLOWED and 0 not in allowed:
        options.insert(0, {"const": 0})
        return {"anyOf": options}
    return _any_of(options, "maximum") | nonzero


def _number_interval(interval: Interval) -> JsonSchema:
    keywords: JsonSchema = {}
    if not math.isinf(interval.low):
        keywords["exclusiveMinimum" if interval.low_open else "minimum"] = _number(interval.low)
    if not math.isinf(interval.high):
        keywords["exclusiveMaximum" if interval.high_open else "maximum"] = _number(interval.high)
    return keywords


def _number(bound: float | Fraction) -> float:
    return int(bound) if bound == int(bound) else float(bound)


def _any_of(options: list[JsonSchema], high: str) -> JsonSchema:
    """Return one schema that accepts a value if at least one option accepts the value.

    Many tools read only the keywords outside of `anyOf`. If every option has a maximum, the greatest maximum
    is therefore repeated outside of `anyOf`.

    Args:
        options: the schemas to combine.
        high: the name of the keyword for the maximum, such as `maxLength`.
    """
    if len(options) == 1:
        return options[0]
    bounds = [option[high] for option in options if high in option]
    common = {high: max(bounds)} if len(bounds) == len(options) else {}
    return {**common, "anyOf": options}


def join(*parts: JsonSchema) -> JsonSchema:
    """Return a schema that accepts a value only if each of the given schemas accepts the value."""
    joined: JsonSchema = {}
    for part in parts:
        for key, value in part.items():
            if key == "anyOf" and key in joined:
                joined.setdefault("allOf", []).append({key: value})
            elif key in joined and key in {"minimum", "minLength", "minItems", "minProperties"}:
                joined[key] = max(joined[key], value)
            elif key in joined and key in {"maximum", "maxLength", "maxItems", "maxProperties"}:
                joined[key] = min(joined[key], value)
            else:
                joined[key] = value
    return joined


def at_most_one(names: list[str]) -> JsonSchema:
    """Return the JSON Schema condition that at most one of the named properties is present."""
    if len(names) == 2:  # noqa: PLR2004 - a pair has a simpler form
        return {"not": {"required": names}}
    each = [{"required": [name]} for name in names]
    return {"oneOf": [*each, {"not": {"anyOf": each}}]}


def exactly_one(names: list[str]) -> JsonSchema:
    """Return the JSON Schema condition that exactly one of the named properties is present."""
    return {"oneOf": [{"required": [name]} for name in names]}
