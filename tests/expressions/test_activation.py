"""Values of one evaluation: calls are computed once, and failing turns share a budget."""

from __future__ import annotations

import pytest
from cel_expr_python import cel

from gateway.expressions.activation import MOST_TURNS, Activation
from gateway.expressions.errors import TooManyTurnsError
from gateway.schema import Schema
from tests.expressions.conftest import Compute


@pytest.fixture
def activation(schema: Schema) -> Activation:
    text_class = schema.message("google.protobuf.StringValue")
    environment = cel.NewEnv(descriptor_pool=schema.pool, variables={"a": cel.Type.STRING})
    return Activation(environment, {"a": "x"}, text_class)


def test_turns_are_bounded(activation: Activation) -> None:
    for _ in range(MOST_TURNS):
        activation.count_turn()
    with pytest.raises(TooManyTurnsError):
        activation.count_turn()


def test_values_reach_the_engine(activation: Activation) -> None:
    assert activation.values == {"a": "x"}
    assert activation.engine() is activation.engine()


@pytest.mark.parametrize("text", ["a\0b", "\0", "ab"])
def test_a_text_is_not_cut_at_nul(compute: Compute, text: str) -> None:
    assert compute("request.name.size()", name=text) == len(text)
    assert compute("request.name + 'x'", name=text) == text + "x"


def test_a_failed_call_is_explained(compute: Compute) -> None:
    with pytest.raises(Exception, match="no address"):
        compute("request.name.inCidr('10.0.0.0/8')", name="no address")
