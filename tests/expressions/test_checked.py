"""The checked form of expressions, as the engine takes and gives it."""

from __future__ import annotations

from typing import Any

import pytest
from cel_expr_python import cel

from gateway.expressions.checked import CHECKED, add_binding, last_id, pack, part_of, rename, unpack
from gateway.schema import Schema


@pytest.fixture
def engine(schema: Schema) -> cel.Env:
    variables = {"a": cel.Type.INT, "b": cel.Type.INT}
    return cel.NewEnv(descriptor_pool=schema.pool, variables=variables)


def check(schema: Schema, engine: cel.Env, text: str) -> Any:
    return unpack(engine.compile(text), schema.message(CHECKED))


def run(engine: cel.Env, checked: Any, **values: int) -> Any:
    return engine.deserialize(pack(checked)).eval(engine.Activation(values)).value()


def test_an_expression_is_the_same_after_it_was_packed(schema: Schema, engine: cel.Env) -> None:
    assert run(engine, check(schema, engine, "a + b"), a=1, b=2) == 3


def test_a_part_is_an_expression(schema: Schema, engine: cel.Env) -> None:
    checked = check(schema, engine, "a + b * 2")
    part = part_of(checked, checked.expr.call_expr.args[1])
    assert run(engine, part, a=1, b=2) == 4


def test_variables_are_renamed_but_not_those_of_loops(schema: Schema, engine: cel.Env) -> None:
    checked = check(schema, engine, "[1, 2].map(a, a + b)[0] + a")
    rename(checked, checked.expr, {"a": "b"})
    assert run(engine, checked, a=100, b=10) == 21


def test_a_binding_is_added(schema: Schema, engine: cel.Env) -> None:
    checked = check(schema, engine, "a + b")
    value = check(schema, engine, "40 + 0").expr
    before = last_id(checked)
    add_binding(checked, "a", value)
    assert last_id(checked) > before
    assert run(engine, checked, b=2) == 42
