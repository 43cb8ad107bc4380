"""Types of CEL: of parameters, and of what the engine returns to Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cel_expr_python import cel

from gateway.expressions.cel_types import (
    has_shape,
    is_constant_type,
    is_failure,
    is_never_null,
    is_of_shape,
    is_of_texts,
    is_text_type,
    shape_of,
    take,
    type_of,
)

if TYPE_CHECKING:
    from gateway.expressions import Environment

TEXT, DYN = cel.Type.STRING, cel.Type.DYN

PARAMETERS: list[tuple[Any, cel.Type]] = [
    (True, cel.Type.BOOL),
    (1, cel.Type.INT),
    (1.5, cel.Type.DOUBLE),
    ("a", TEXT),
    (["a", "b"], cel.Type.List(TEXT)),
    (["a", 1], cel.Type.List(DYN)),
    ([], cel.Type.List(DYN)),
    ({"a": [1]}, cel.Type.Map(TEXT, cel.Type.List(cel.Type.INT))),
    ({"a": 1, "b": True}, cel.Type.Map(TEXT, DYN)),
]


@pytest.mark.parametrize(("value", "kind"), PARAMETERS, ids=repr)
def test_a_parameter_has_the_type_of_its_value(value: Any, kind: cel.Type) -> None:
    assert type_of(value) == kind


@pytest.mark.parametrize(
    ("kind", "is_one"),
    [(cel.Type.ERROR, True), (cel.Type.UNKNOWN, True), (cel.Type.NULL, False), (TEXT, False)],
)
def test_an_error_is_no_value(kind: cel.Type, *, is_one: bool) -> None:
    assert is_failure(kind) is is_one


SHAPES = [
    ("text", "a", True),
    ("text", ["a"], False),
    ("list", ["a", "b"], True),
    ("list", [], True),
    ("list", ["a", 1], False),
    ("list", b"ab", False),
    ("list", "a", False),
    ("map", {"a": 1}, True),
    ("map", {1: "a"}, False),
    ("map", ["a"], False),
    ("text or list", "a", True),
    ("text or list", ["a"], True),
    ("text or list", [1], False),
    ("text or list", {"a": "b"}, False),
]


@pytest.mark.parametrize(("shape", "value", "is_one"), SHAPES)
def test_a_value_has_a_shape(shape: str, value: Any, *, is_one: bool) -> None:
    assert has_shape(value, shape) is is_one


@pytest.mark.parametrize(
    ("kind", "shape"),
    [(TEXT, "text"), (cel.Type.List(TEXT), "list"), (cel.Type.Map(TEXT, TEXT), "map"), (DYN, "text or list")],
    ids=["text", "list", "map", "dynamic"],
)
def test_a_parameter_of_a_function_has_a_shape(kind: cel.Type, shape: str) -> None:
    assert shape_of(kind) == shape


# Expression → is a text, is a list or map of texts, is never null, is a loop over it of known types.
TYPES = [
    ("request.name", True, False, True, False),
    ("['a']", False, True, True, True),
    ("request.labels", False, True, True, True),
    ("[1]", False, False, True, True),
    ("{'a': 1}", False, False, True, True),
    ("[dyn(1)]", False, False, False, False),
    ("[null]", False, False, False, False),
    ("now", False, False, True, False),
    ("request", False, False, True, False),
]


@pytest.mark.parametrize(("text", "is_text", "is_list", "is_filled", "is_constant"), TYPES)
def test_what_is_known_of_a_type(
    environment: Environment, text: str, *, is_text: bool, is_list: bool, is_filled: bool, is_constant: bool
) -> None:
    checked = environment.compile(text).checked
    kind = checked.type_map.get(checked.expr.id)
    assert is_text_type(kind) is is_text
    assert is_of_texts(kind) is is_list
    assert is_never_null(kind) is is_filled
    assert is_constant_type(kind, 1) is is_constant
    assert is_of_shape(kind, "text") is is_text
    assert not is_of_shape(kind, "text or list")


def test_of_a_dynamic_type_nothing_is_known() -> None:
    assert not is_text_type(None)
    assert not is_of_texts(None)
    assert not is_never_null(None)
    assert not is_constant_type(None, 1)
    assert not is_of_shape(None, "text")


@pytest.mark.parametrize(
    ("text", "value"),
    [("null", None), ("[null, 1]", [None, 1]), ("{'a': [null]}", {"a": [None]}), ("'x'", "x")],
)
def test_a_value_with_nulls_is_taken_out_of_the_engine(text: str, value: Any) -> None:
    engine = cel.NewEnv()
    assert take(engine.compile(text).eval(engine.Activation({}))) == value
