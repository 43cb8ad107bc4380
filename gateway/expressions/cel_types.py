"""Types of CEL, as values of parameters and of messages have them."""

from __future__ import annotations

from typing import Any

from cel_expr_python import cel

_FAILURES = (cel.Type.ERROR, cel.Type.UNKNOWN)  # looked up once: each look-up makes an object
_STRING = cel.Type.STRING
_TEXT_PRIMITIVE = 5  # PrimitiveType.STRING of cel.expr


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


def accept_all(_: cel.Type) -> bool:
    """Accept a result of any type."""
    return True


def is_text(kind: cel.Type) -> bool:
    """Whether a result is a text."""
    return bool(kind == _STRING)


def is_text_type(kind: Any) -> bool:
    """Whether a cel.expr.Type is that of texts."""
    return kind is not None and kind.primitive == _TEXT_PRIMITIVE


def is_constant_type(kind: Any, variables: int) -> bool:
    """Whether the elements of a list or map are of a type that is known when a policy is loaded.

    Others may be null, which the engine hands to Python without counting the reference.

    Args:
        kind: of the list or map, a cel.expr.Type; None when it is not known itself.
        variables: of the loop over it, one or two.
    """
    if kind is None:
        return False
    if kind.HasField("list_type"):
        return _is_never_null(kind.list_type.elem_type)
    if kind.HasField("map_type"):
        values = [kind.map_type.value_type] if variables > 1 else []
        return all(map(_is_never_null, [kind.map_type.key_type, *values]))
    return False


def _is_never_null(kind: Any) -> bool:
    match kind.WhichOneof("type_kind"):
        case "primitive":
            return True
        case "well_known":
            return bool(kind.well_known != kind.ANY)
        case "message_type":
            return not str(kind.message_type).startswith("google.protobuf.")
        case "list_type":
            return _is_never_null(kind.list_type.elem_type)
        case "map_type":
            return _is_never_null(kind.map_type.value_type)
    return False
