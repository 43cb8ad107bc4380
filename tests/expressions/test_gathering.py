"""The expression that returns the arguments of a call for all turns of its loops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.expressions.gathering import bound_among, turn_names
from gateway.expressions.readers import Bound

if TYPE_CHECKING:
    from gateway.expressions import Environment
    from tests.policy.conftest import Decide


def test_names_in_a_turn_are_those_of_loops(environment: Environment) -> None:
    bound = Bound(environment.compile("1").checked.expr, {})
    assert turn_names({"x": "@0a", "v": bound}) == {"x": "@0a"}


def test_variables_come_after_those_that_they_need(environment: Environment) -> None:
    first = Bound(environment.compile("request.name").checked.expr, {})
    environment.declare("first", environment.compile("request.name"))
    second = Bound(environment.compile("first + 'a'").checked.expr, {"b.first": first})
    environment.declare("second", environment.compile("first + 'a'"))
    names = {"b.first": first, "b.second": second}
    node = environment.compile("second + first").checked.expr
    assert list(bound_among(node, names)) == ["b.first", "b.second"]
    assert list(bound_among(environment.compile("1").checked.expr, names)) == []


def test_arguments_of_nested_loops_are_gathered(evaluate: Decide) -> None:
    spec = {"variables": {"suffix": "request.name + '!'"}}
    text = "['a', 'b'].all(x, [x + 'c', x + 'd'].all(y, (x + y + suffix).matches('^([ab])[ab][cd]n!$')))"
    assert evaluate(text, spec=spec, name="n").is_allowed
    assert not evaluate(text.replace("[cd]n!", "[c]n!"), spec=spec, name="n").is_allowed
