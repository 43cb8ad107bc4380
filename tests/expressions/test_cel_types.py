"""Types and values of the engine, as Python has them."""

from __future__ import annotations

from typing import Any

import pytest
from cel_expr_python import cel

from gateway.expressions.cel_types import has_shape, is_failure, shape_of, type_of
from tests.expressions.conftest import Compute


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (True, "BOOL"),
        (1, "INT"),
        (1.5, "DOUBLE"),
        ("a", "STRING"),
        (["a"], "LIST"),
        (["a", 1], "LIST"),
        ({"a": 1}, "MAP"),
        ([], "LIST"),
    ],
)
def test_types_of_parameters(value: Any, name: str) -> None:
    assert type_of(value).name().startswith(name)


def test_shapes() -> None:
    text = cel.Type.STRING
    kinds = {"text": text, "text or list": cel.Type.DYN}
    kinds |= {"list": cel.Type.List(text), "map": cel.Type.Map(text, text)}
    assert {name: shape_of(kind) for name, kind in kinds.items()} == {name: name for name in kinds}


@pytest.mark.parametrize(
    ("value", "shapes"),
    [
        ("a", ["text", "text or list"]),
        (["a"], ["list", "text or list"]),
        ({"a": 1}, ["map"]),
        (1, []),
        ([1], []),
    ],
)
def test_values_have_shapes(value: Any, shapes: list[str]) -> None:
    assert [one for one in ("text", "list", "map", "text or list") if has_shape(value, one)] == shapes


def test_results_that_are_no_values() -> None:
    assert is_failure(cel.Type.ERROR)
    assert is_failure(cel.Type.UNKNOWN)
    assert not is_failure(cel.Type.BOOL)


@pytest.mark.parametrize(
    ("text", "value"),
    [("null", None), ("[1, null]", [1, None]), ("{'a': null}", {"a": None}), ("[['b']]", [["b"]])],
)
def test_nulls_are_taken_as_none(compute: Compute, text: str, value: Any) -> None:
    assert compute(text) == value
