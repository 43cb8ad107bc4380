"""The checked form of an expression: unpacked, changed, and packed for the engine again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cel_expr_python import cel

from gateway.expressions.checked import CHECKED, add_binding, last_id, pack, part_of, rename, unpack
from gateway.expressions.syntax import to_text, walk

if TYPE_CHECKING:
    from gateway.schema import Schema


@pytest.fixture
def engine(schema: Schema) -> cel.Env:
    return cel.NewEnv(descriptor_pool=schema.pool, variables={"a": cel.Type.INT, "b": cel.Type.INT})


@pytest.fixture
def compile_text(engine: cel.Env, schema: Schema) -> Any:
    return lambda text: unpack(engine.compile(text), schema.message(CHECKED))


def value_of(engine: cel.Env, checked: Any) -> Any:
    values = engine.Activation({"a": 2, "b": 5})
    return engine.deserialize(pack(checked)).eval(values).plain_value()


def test_what_is_packed_is_what_was_unpacked(engine: cel.Env, compile_text: Any) -> None:
    assert value_of(engine, compile_text("a * 10 + b")) == 25


def test_a_part_is_an_expression_of_its_own(engine: cel.Env, compile_text: Any) -> None:
    checked = compile_text("a * 10 + b")
    part = part_of(checked, checked.expr.call_expr.args[0])
    assert (to_text(part.expr), value_of(engine, part)) == ("a * 10", 20)
    assert to_text(checked.expr) == "a * 10 + b"


def test_variables_are_renamed_but_not_those_of_inner_loops(engine: cel.Env, compile_text: Any) -> None:
    checked = compile_text("[a].map(a, a + b).exists(x, x == a + 5)")
    rename(checked, checked.expr, {"a": "b", "b": "a"})
    assert to_text(checked.expr) == "[b].map(a, a + a).exists(x, x == b + 5)"
    assert value_of(engine, checked)


def test_a_binding_is_put_around_an_expression(compile_text: Any) -> None:
    checked, value = compile_text("a + b"), compile_text("40 + 2")
    add_binding(checked, "a", value.expr)
    assert to_text(checked.expr) == "cel.bind(a, 40 + 2, a + b)"


def test_the_last_id_is_that_of_any_node(compile_text: Any) -> None:
    checked = compile_text("[a, b].all(x, x > 0)")
    assert last_id(checked) >= max(one.id for one in walk(checked.expr))
    add_binding(checked, "a", compile_text("1").expr)
    assert last_id(checked) == max(one.id for one in walk(checked.expr))
