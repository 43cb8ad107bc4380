"""Conversion of the JSON form of well-known types to the fields of these types.

The parsers in this module are stricter than the parsers of the protobuf library. The protobuf library accepts
"1_0s", "+1s" and full-width digits.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.schema.well_known import DURATION, FIELD_MASK, TIMESTAMP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:Z|([-+])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
_DURATION = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,9}))?s")
_MASK = re.compile(r"(?:[A-Za-z0-9]+(?:[.,][A-Za-z0-9]+)*)?")
_SNAKE_CASE = {ord(letter): f"_{letter.lower()}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the offset is subtracted as a number
_DAY_S = 86400
_FIRST_S, _LAST_S = -62135596800, 253402300799  # years 1 to 9999
_LONGEST_S = 315_576_000_000


def parse_time(text: str) -> dict[str, Any] | None:
    """Return the fields of a Timestamp, or None if the text is not a time of the years 1 to 9999."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = match.groups()
    try:
        since = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second)) - _EPOCH  # noqa: DTZ001 - as _EPOCH
    except ValueError:  # for example, 30 February
        return None
    seconds = since.days * _DAY_S + since.seconds
    if sign:
        offset_s = int(hours) * 3600 + int(minutes) * 60
        seconds += offset_s if sign == "-" else -offset_s
    if not _FIRST_S <= seconds <= _LAST_S:
        return None
    return {"seconds": seconds, "nanos": _nanos(fraction)}


def parse_duration(text: str) -> dict[str, Any] | None:
    """Return the fields of a Duration, or None if the text is not a duration."""
    match = _DURATION.fullmatch(text)
    if match is None or int(match[2]) > _LONGEST_S:
        return None
    sign = -1 if match[1] else 1
    return {"seconds": sign * int(match[2]), "nanos": sign * _nanos(match[3])}


def parse_mask(text: str) -> dict[str, Any] | None:
    """Return the fields of a FieldMask, or None if the text is not a field mask."""
    if not _MASK.fullmatch(text):
        return None
    return {"paths": text.translate(_SNAKE_CASE).split(",") if text else []}


def _nanos(fraction: str | None) -> int:
    return int(fraction.ljust(9, "0")) if fraction else 0


TEXT_TYPES: Mapping[str, tuple[Callable[[str], dict[str, Any] | None], str]] = {
    TIMESTAMP: (parse_time, "a time as 2026-01-31T12:00:00Z"),
    DURATION: (parse_duration, "a duration as 3.5s"),
    FIELD_MASK: (parse_mask, "a field mask as name,description"),
}
"""Two values for each message type, keyed by the full name of the type.

The first value is the parser of the type's JSON text. The second value describes the text in error messages.
"""


def fill_value(message: Any, value: Any) -> None:
    """Set the content of a google.protobuf.Value. Numbers in the JSON value must be float."""
    if value is None:
        message.null_value = 0
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, str):
        message.string_value = value
    elif isinstance(value, dict):
        message.struct_value.SetInParent()
        fill_struct(message.struct_value, value)
    elif isinstance(value, list):
        message.list_value.SetInParent()
        fill_list(message.list_value, value)
    else:
        message.number_value = value


def fill_struct(message: Any, value: Mapping[str, Any]) -> None:
    """Set the content of a google.protobuf.Struct. Numbers in the JSON object must be float."""
    fields = message.fields
    for name, one in value.items():
        fill_value(fields[name], one)


def fill_list(message: Any, value: list[Any]) -> None:
    """Set the content of a google.protobuf.ListValue. Numbers in the JSON array must be float."""
    add = message.values.add
    for one in value:
        fill_value(add(), one)
