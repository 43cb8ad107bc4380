"""The values of one decision, and the reasons of calls that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.expressions import Environment, EvaluationError
from gateway.expressions.activation import MOST_TURNS, Activation
from gateway.expressions.errors import TooManyTurnsError

if TYPE_CHECKING:
    from tests.policy.conftest import MakeRequest


@pytest.fixture
def activation(environment: Environment, make_request: MakeRequest) -> Activation:
    return environment.activate({**environment.parameters, "request": make_request(name="n", uri="x")})


def test_the_result_of_a_call_is_kept(environment: Environment, activation: Activation) -> None:
    expression = environment.compile("request.name.matches('^n$')")
    (call,) = expression.executable.calls
    activation.prepare([call])
    assert activation.values[call.name] is True
    activation.values["request"] = None  # what is known is not computed again
    activation.prepare([call])
    assert activation.values[call.name] is True


def test_a_call_that_fails_has_no_value_but_a_reason(
    environment: Environment, activation: Activation
) -> None:
    expression = environment.compile("request.name.inCidr('10.0.0.0/8')")
    (call,) = expression.executable.calls
    activation.prepare([call])
    assert call.name not in activation.values
    text = f'No value with name "{call.name}" found'
    assert "does not appear to be an IPv4 or IPv6 address" in activation.explain(text, [call])
    assert activation.explain("another error", [call]) == "another error"


def test_reasons_in_loops_are_known_by_the_text(environment: Environment, activation: Activation) -> None:
    expression = environment.compile("['a', 'b'].all(x, (x + '!').inCidr('10.0.0.0/8'))")
    (call,) = expression.executable.calls
    activation.note(call.name, "a!", "first reason")
    activation.note(call.name, "b!", "second reason")
    assert activation.explain('Key not found in map : "b!"', [call]) == "second reason"


def test_turns_are_counted(activation: Activation) -> None:
    for _ in range(MOST_TURNS):
        activation.count_turn()
    with pytest.raises(TooManyTurnsError):
        activation.count_turn()


@pytest.mark.parametrize("value", ["a\0b", ["a\0b", "c"], [["a\0b"]]])
def test_a_text_with_nul_is_whole_in_the_engine(environment: Environment, value: Any) -> None:
    environment.declare("v", environment.compile("dyn('')"))
    expression = environment.compile("v == v")
    activation = environment.activate(environment.parameters)
    activation.turn["@x"] = value
    assert activation.engine_of_turn(["@x"]) is not None
    assert expression.evaluate(activation) is True


def test_an_unset_value_is_an_error(environment: Environment) -> None:
    with pytest.raises(EvaluationError, match="request"):
        environment.compile("request.name == ''").evaluate(environment.activate({}))
