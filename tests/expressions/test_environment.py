"""The expressions of one binding: its parameters, variables and limits."""

from __future__ import annotations

import pytest
from cel_expr_python import cel

from gateway.expressions import Environment, ExpressionError


def test_variables_are_bound_in_the_expressions_after_them(environment: Environment) -> None:
    environment.declare("prefixed", environment.compile("params.names.map(n, params.prefix + n)"))
    environment.declare("first", environment.compile("prefixed[0]"))
    expression = environment.compile("first == 'db-a'", cel.Type.BOOL)
    assert expression.reads == {"first"}
    assert expression.is_true(environment.activate(environment.parameters))


def test_names_of_a_binding_have_its_prefix(environment: Environment) -> None:
    assert environment.full_name("v") == "b.v"
    assert environment.parameters == {"b.params.names": ["a", "b"], "b.params.prefix": "db-"}


@pytest.mark.parametrize(
    ("text", "is_constant"),
    [
        ("params.prefix + 'x'", True),
        ("1 + 1", True),
        ("constant", True),
        ("request.name", False),
        ("read", False),
    ],
)
def test_what_reads_no_request_is_constant(environment: Environment, text: str, *, is_constant: bool) -> None:
    environment.declare("constant", environment.compile("params.names.size()"))
    environment.declare("read", environment.compile("request.name"))
    assert environment.is_constant(environment.compile(text)) is is_constant


def test_a_pattern_may_be_made_of_constant_variables(environment: Environment) -> None:
    environment.declare("pattern", environment.compile("'^' + params.prefix"))
    assert environment.compile("request.name.matches(pattern)", cel.Type.BOOL).steps > 0


def test_a_refused_variable_hides_no_other_fault(environment: Environment) -> None:
    environment.declare("refused", None)
    assert environment.compile("refused == 1 || request.name == ''").reads == {"refused", "request"}
    with pytest.raises(ExpressionError, match="undefined field 'nam'"):
        environment.compile("refused == 1 || request.nam == ''")


def test_an_expression_needs_a_limited_number_of_variables(environment: Environment) -> None:
    environment.declare("v0", environment.compile("1"))
    for index in range(1, 26):
        environment.declare(f"v{index}", environment.compile("1"))
    assert len(environment.compile(f"[{', '.join(f'v{index}' for index in range(24))}]").reads) == 24
    with pytest.raises(ExpressionError, match="needs 25 variables, 24 are allowed"):
        environment.compile(f"[{', '.join(f'v{index}' for index in range(25))}]")


def test_a_part_is_evaluated_with_the_variables_of_the_activation(environment: Environment) -> None:
    environment.declare("v", environment.compile("1 + 1"))
    expression = environment.compile("v + 40 == 42")
    part = environment.part(expression, expression.checked.expr.call_expr.args[0])
    assert part.evaluate(environment.activate({environment.full_name("v"): 5})) == 45
