"""Conversion of field paths from the names of the .proto file to JSON names.

The conversion is needed only when a request is refused. The text of the field path is parsed. Each
field name is looked up in the message type of the previous field.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gateway.schema import value_field
from gateway.schema.well_known import ANY, FREE_FORM, SPECIAL_IN_JSON

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

# One step of a path: a name with an optional dot before it, or an index or a map key in brackets.
# Examples: `.labels`, `[0]`, `["a.b"]`, `[true]`.
_STEP = re.compile(r'\.?([A-Za-z_]\w*)(?=[.\[]|$)|(\[(?:-?\d+|true|false|"(?:[^"\\]|\\.)*")\])', re.ASCII)


def to_json_path(path: str, descriptor: Descriptor) -> str:
    """Return a field path with JSON names. An unknown field name and the text after it are not converted.

    Args:
        path: the path with the names of the .proto file, such as `network.addresses[0]` or `labels["a_b"]`.
        descriptor: the message type where the path starts.
    """
    parts: list[str] = []
    here: Descriptor | None = descriptor
    at = 0
    while here is not None and here.full_name not in SPECIAL_IN_JSON and (match := _STEP.match(path, at)):
        field = here.fields_by_name.get(match[1]) if match[1] else None
        if field is None:
            break
        parts.append(f".{field.json_name}" if parts else field.json_name)
        at = match.end()
        if field.is_repeated and (index := _STEP.match(path, at)) and index[2]:
            parts.append(index[2])
            at = index.end()
        here = value_field(field).message_type
    return "".join(parts) + _rest(path[at:], here)


def _rest(rest: str, here: Descriptor | None) -> str:
    """Return the JSON form of the rest of a field path.

    Args:
        rest: the part of the path that follows the last field with a known JSON name.
        here: the message type of that last field; None if the last field is not a message.
    """
    if here is None or here.full_name not in SPECIAL_IN_JSON or here.full_name == ANY:
        return rest
    # If the JSON form of a message type is a scalar, JSON has no names for the type's fields. For example,
    # `ts.seconds` becomes `ts`.
    if here.full_name not in FREE_FORM:
        return ""
    return "".join(match[2] for match in _STEP.finditer(rest) if match[2])
