"""Types of CEL, as values of parameters and of messages have them."""

from __future__ import annotations

from typing import Any

from cel_expr_python import cel

_FAILURES = (cel.Type.ERROR, cel.Type.UNKNOWN)  # looked up once: each look-up makes an object


def is_failure(kind: cel.Type) -> bool:
    """Tell whether a result is no value: an error, or not known."""
    return kind in _FAILURES


def type_of(value: Any) -> cel.Type:
    """Return the CEL type of a parameter's value; lists and maps of several types are dynamic."""
    if isinstance(value, bool):
        return cel.Type.BOOL
    if isinstance(value, int):
        return cel.Type.INT
    if isinstance(value, float):
        return cel.Type.DOUBLE
    if isinstance(value, list):
        return cel.Type.List(_common_type(value))
    if isinstance(value, dict):
        return cel.Type.Map(cel.Type.STRING, _common_type(list(value.values())))
    return cel.Type.STRING


def _common_type(values: list[Any]) -> cel.Type:
    kinds = {kind.name(): kind for kind in map(type_of, values)}
    return next(iter(kinds.values())) if len(kinds) == 1 else cel.Type.DYN
