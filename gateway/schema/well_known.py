"""The message types of google.protobuf that have a special form in JSON or in CEL.

See https://protobuf.dev/programming-guides/json/.
"""

from __future__ import annotations

_PACKAGE = "google.protobuf."

ANY = f"{_PACKAGE}Any"
DURATION = f"{_PACKAGE}Duration"
FIELD_MASK = f"{_PACKAGE}FieldMask"
LIST_VALUE = f"{_PACKAGE}ListValue"
NULL_VALUE = f"{_PACKAGE}NullValue"
STRUCT = f"{_PACKAGE}Struct"
TIMESTAMP = f"{_PACKAGE}Timestamp"
VALUE = f"{_PACKAGE}Value"

WRAPPERS = frozenset(
    f"{_PACKAGE}{kind}Value"
    for kind in ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32", "UInt64")
)

SCALAR_IN_JSON = WRAPPERS | {DURATION, FIELD_MASK, TIMESTAMP}
"""Message types that are a single scalar in JSON, so that a request parameter can contain a value."""

FREE_FORM = frozenset({LIST_VALUE, STRUCT, VALUE})
"""Message types that contain JSON without a fixed structure."""

SPECIAL_IN_JSON = SCALAR_IN_JSON | FREE_FORM | {ANY}
"""Message types whose JSON form is not an object that contains the fields of the type."""

NULL_WHEN_UNSET = SCALAR_IN_JSON | {VALUE}
"""Message types that have no empty value in JSON. A JSON null means that a field is not set."""


def is_well_known(name: str) -> bool:
    """Return whether a full name is the name of a type in the package google.protobuf."""
    return name.startswith(_PACKAGE)
