"""Values that are read without the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.expressions import Environment, EvaluationError
from gateway.expressions.editing import Editor
from gateway.expressions.readers import Bound, ReaderCompiler, ValueSource

if TYPE_CHECKING:
    from gateway.schema import Schema
    from tests.policy.conftest import MakeRequest


def source_of(environment: Environment, schema: Schema, text: str, names: Any = None) -> ValueSource | None:
    checked = environment.compile(text).checked
    return ReaderCompiler(Editor(checked), schema).compile(checked.expr, names or {})


READ = [
    ("request.name", "n"),
    ("request.labels['a']", "b"),
    ("request.labels.a", "b"),
    ("request.labels[request.name]", "x"),
    ("'text'", "text"),
    ("params.prefix", "db-"),
]


@pytest.mark.parametrize(("text", "value"), READ)
def test_is_read(
    environment: Environment, schema: Schema, make_request: MakeRequest, text: str, value: str
) -> None:
    source = source_of(environment, schema, text)
    assert source is not None
    assert not source.turns
    assert not source.is_evaluated
    request = make_request(name="n", labels={"a": "b", "n": "x"})
    assert source.read(environment.activate({**environment.parameters, "request": request})) == value


@pytest.mark.parametrize(
    "text",
    ["request.name + 'a'", "has(request.name)", "params.names[0]", "1.5", "request.labels.size()"],
)
def test_the_engine_evaluates_all_others(environment: Environment, schema: Schema, text: str) -> None:
    assert source_of(environment, schema, text) is None


def test_sources_of_one_value_have_one_key(environment: Environment, schema: Schema) -> None:
    keys = [source_of(environment, schema, text) for text in ("request.labels['a']", "request.labels.a")]
    assert keys[0] is not None
    assert keys[1] is not None
    assert keys[0].key == keys[1].key
    other = source_of(environment, schema, "request.labels['b']")
    assert other is not None
    assert other.key != keys[0].key


def test_an_absent_key_is_an_error_and_adds_none(
    environment: Environment, schema: Schema, make_request: MakeRequest
) -> None:
    source = source_of(environment, schema, "request.labels['z']")
    request = make_request(labels={"a": "b"})
    assert source is not None
    with pytest.raises(EvaluationError, match='Key not found in map : "z"'):
        source.read(environment.activate({"request": request}))
    assert list(request.labels) == ["a"]  # type: ignore[attr-defined]


def test_a_loop_variable_is_read_from_the_turn(environment: Environment, schema: Schema) -> None:
    source = source_of(environment, schema, "request.name", {"request": "@0"})
    assert source is not None
    assert source.turns == {"@0"}


def test_a_variable_of_the_policy_is_read_by_its_value(environment: Environment, schema: Schema) -> None:
    checked = environment.compile("request.name == ''").checked
    name = type(checked.expr)()
    name.ident_expr.name = "v"
    value = Bound(checked.expr.call_expr.args[0], {})
    source = ReaderCompiler(Editor(checked), schema).compile(name, {"v": value})
    assert source is not None
    assert source.key == "request.name"
