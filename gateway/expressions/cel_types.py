"""The CEL types of parameters and of other values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cel_expr_python import cel

from gateway.schema.well_known import is_well_known

_FAILURES = (cel.Type.ERROR, cel.Type.UNKNOWN)  # looked up once, because each look-up creates an object
_STRING, _NULL, _DYN = cel.Type.STRING, cel.Type.NULL, cel.Type.DYN
_TEXT_PRIMITIVE = 5  # PrimitiveType.STRING of cel.expr


def is_failure(kind: cel.Type) -> bool:
    """Return whether the type of a result shows that the evaluation failed."""
    return kind in _FAILURES


def type_of(value: Any) -> cel.Type:
    """Return the CEL type of a parameter's value.

    The element type of a list or map is dynamic if the elements have different types, or if there are none.
    """
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


def take(result: Any) -> Any:
    """Return the value of a result that may be null or contain nulls.

    The engine does not increase the reference count of None when it passes a null to Python.
    After a few million such nulls, the process crashes. So this function never reads a null from
    the engine.
    """
    if result.type() == _NULL:
        return None
    value = result.value()
    if isinstance(value, list):
        return [take(one) for one in value]
    if isinstance(value, dict):
        return {key: take(one) for key, one in value.items()}
    return result.plain_value()


def shape_of(kind: cel.Type) -> str:
    """Return the Python shape of a parameter type: "text", "list", "map" or "text or list"."""
    if kind == _STRING:
        return "text"
    if kind == _DYN:
        return "text or list"
    return "list" if kind.name().startswith("LIST") else "map"


def has_shape(value: Any, shape: str) -> bool:
    """Return whether a Python value has the given shape (see shape_of).

    The elements of a list and the keys of a map have to be texts.
    """
    if isinstance(value, str):
        return shape.startswith("text")
    if shape == "text":
        return False
    if shape == "map":
        return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
    is_list = isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray))
    return is_list and all(isinstance(one, str) for one in value)


def is_of_shape(kind: Any, shape: str) -> bool:
    """Return whether every value of a cel.expr.Type has the given shape.

    The result is False for a dynamic type, because the values of a dynamic type can have any shape.
    """
    if kind is None or shape == "text or list":
        return False
    if shape == "map":
        return is_text_type(kind.map_type.key_type)
    return is_text_type(kind.list_type.elem_type if shape == "list" else kind)


def is_text_type(kind: Any) -> bool:
    """Return whether a cel.expr.Type is the type of texts."""
    return kind is not None and kind.primitive == _TEXT_PRIMITIVE


def is_of_texts(kind: Any) -> bool:
    """Return whether a cel.expr.Type is a list of texts, or a map of texts to texts."""
    if kind is None:
        return False
    if kind.HasField("map_type"):
        return is_text_type(kind.map_type.key_type) and is_text_type(kind.map_type.value_type)
    return is_text_type(kind.list_type.elem_type)


def is_constant_type(kind: Any, variables: int) -> bool:
    """Return whether the element type of a list or map is known when a policy is loaded.

    If the element type is not known, the elements may be null. Python must not read a null
    from the engine (see take).

    Args:
        kind: the type of the list or map as a cel.expr.Type; None if the type is not known.
        variables: the number of variables that the loop over the list or map has: one or two.
    """
    if kind is None:
        return False
    if kind.HasField("list_type"):
        return is_never_null(kind.list_type.elem_type)
    if kind.HasField("map_type"):
        values = [kind.map_type.value_type] if variables > 1 else []
        return all(map(is_never_null, [kind.map_type.key_type, *values]))
    return False


def is_never_null(kind: Any) -> bool:
    """Return whether the values of a cel.expr.Type are never null and never contain a null.

    Args:
        kind: the type to check; None for the dynamic type.
    """
    match kind and kind.WhichOneof("type_kind"):
        case "primitive":
            return True
        case "well_known":
            return bool(kind.well_known != kind.ANY)
        case "message_type":
            return not is_well_known(kind.message_type)
        case "list_type":
            return is_never_null(kind.list_type.elem_type)
        case "map_type":
            return is_never_null(kind.map_type.value_type)
    return False
