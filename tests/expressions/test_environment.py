"""Compiling expressions: types, places of faults, variables and constants."""

from __future__ import annotations

import pytest
from cel_expr_python import cel

from gateway.expressions import Environment, ExpressionError
from tests.expressions.conftest import Compute


def test_an_expression_is_checked_against_the_type_of_the_request(environment: Environment) -> None:
    with pytest.raises(ExpressionError) as caught:
        environment.compile("request.name == 1 &&\n  request.nope == ''", cel.Type.BOOL)
    assert {(one.line, one.column > 0) for one in caught.value.problems} == {(1, True), (2, True)}


def test_an_expression_must_have_the_type_that_is_asked_for(environment: Environment) -> None:
    with pytest.raises(ExpressionError):
        environment.compile("request.name", cel.Type.BOOL)
    assert environment.compile("request.name", cel.Type.STRING).text == "request.name"


def test_variables_are_read_by_later_expressions(environment: Environment, compute: Compute) -> None:
    environment.declare("v", environment.compile("request.name + '!'"))
    assert compute("v.size()", name="abc") == 4


def test_a_variable_that_was_refused_causes_no_second_fault(environment: Environment) -> None:
    environment.declare("v", None)
    assert environment.compile("v == 1").reads == {"v"}


@pytest.mark.parametrize(
    ("text", "is_constant"),
    [("1 + 1", True), ("params.names.size()", True), ("request.name", False), ("now", False)],
)
def test_constants(environment: Environment, text: str, *, is_constant: bool) -> None:
    assert environment.is_constant(environment.compile(text)) is is_constant


def test_parameters_have_values(compute: Compute) -> None:
    assert compute("params.names") == ["a"]
