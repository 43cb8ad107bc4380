from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from cel_expr_python import cel

from gateway.expressions import Environment, EvaluationError, Expression, ExpressionError
from gateway.expressions.cel_types import type_of
from gateway.expressions.functions import LINK_TYPE, Toolbox
from gateway.expressions.patterns import Patterns
from tests.policy.making import CREATE

if TYPE_CHECKING:
    from gateway.schema import Schema

REFUSED = [
    ("request.nope == ''", 1, 9, "undefined field 'nope'"),
    ("request.url == ''", 1, 9, "did you mean uri?"),
    ("reqest.uri == ''", 1, 1, "undeclared reference to 'reqest.uri'; did you mean request?"),
    ("objectStorage(request.uri).buket == ''", 1, 28, "did you mean bucket?"),
    ("true &&\n  request.uri == 1", 2, 15, "no matching overload for '_==_'"),
    ("true &&\n\n\t1.5 == 1", 3, 6, "no matching overload"),
    ("1 == 1.0", 1, 3, "no matching overload"),
    ("objectStorage(1).bucket == ''", 1, 14, "no matching overload"),
    ("request.labels == {'a': 1}", 1, 16, "no matching overload"),
    ("a b", 1, 3, "Syntax error"),
    ("'a", 1, 1, "Syntax error"),
    ("request.uri ==", 1, 15, "Syntax error"),
    ("   ", 1, 4, "Syntax error"),
    ("cel.bind(x, 1, x == 1)", 1, 10, "undeclared reference"),
    # Not a condition: neither a text nor what is known only when evaluated.
    ("request.uri", 1, 1, "gives STRING, but has to give BOOL"),
    ("request.labels", 1, 1, "gives MAP<STRING, STRING>, but has to give BOOL"),
    ("null", 1, 1, "gives NULL, but has to give BOOL"),
    ("dyn(true)", 1, 1, "gives DYN, but has to give BOOL"),
    ("[true, 1][0]", 1, 1, "gives DYN, but has to give BOOL"),
    # Patterns are known when a bundle is loaded, however the function is called.
    ("request.uri.matches('(')", 1, 21, "not an RE2 pattern: missing ): ("),
    ("matches(request.uri, '(')", 1, 22, "not an RE2 pattern: missing ): ("),
    ("request.uri.matches('(?=a)')", 1, 21, "not an RE2 pattern"),
    ("true &&\n  request.uri . matches ('[')", 2, 26, "not an RE2 pattern"),
    ("['a'].all(x, x.matches('a' + '('))", 1, 28, "not an RE2 pattern"),
    ("!(false ? true : request.uri.fullMatch('('))", 1, 40, "not an RE2 pattern"),
    ("request.uri.matches(request.name)", 1, 28, "a pattern is a literal or made of parameters"),
    ("request.uri.glob('*' + request.name)", 1, 22, "a pattern is a literal or made of parameters"),
    ("['a'].all(x, request.uri.matches(x))", 1, 34, "a pattern is a literal or made of parameters"),
    ("request.uri.matches(string(1 / 0))", 1, 27, "a pattern is a literal or made of parameters"),
    # So are times that do not exist.
    ("now > timestamp('2026-02-30T00:00:00Z')", 1, 17, "'2026-02-30T00:00:00Z' is no time that exists"),
    (
        "now > timestamp('2026-12-31')",
        1,
        17,
        "is no time that exists; write one with its zone, as timestamp(",
    ),
    ("now - now < duration('3 days')", 1, 22, "'3 days' is no duration; write a number with h, m, s or ms"),
    ("[now].all(x, x > timestamp('soon'))", 1, 28, "'soon' is no time that exists"),
    # Deep.
    ("(" * 40 + "true" + ")" * 40, 1, 1, "recursion limit exceeded"),
    (" + ".join(["'a'"] * 60) + " == ''", 1, 1, "recursion depth"),
]

# Each breaks when it is evaluated; none of them is true or false.
ERRORS = [
    ("request.labels['x'] == 'y'", "Key not found"),
    ("request.labels['x'] != 'y'", "Key not found"),
    ("!(request.labels['x'] == 'y')", "Key not found"),
    ("request.labels.x == 'y' || false", "Key not found"),
    ("true && request.labels.x == 'y'", "Key not found"),
    ("1 / 0 == 1", "divide by zero"),
    ("1 % (request.labels.size() - request.labels.size()) == 0", "modulus by zero"),
    ("[1, 2][5] == 1", "Index error"),
    ("int(request.uri) == 1", ""),
    ("9223372036854775807 + request.labels.size() + 1 > 0", "overflow"),
    ("bool(dyn(1.5))", ""),
    ("timestamp(request.uri) < now", ""),
    ("duration(request.uri) < duration('1s')", ""),
    ("request.uri.charAt(99) == 'a'", ""),
    ("dyn(request.uri)", ""),
]

TRUE = [
    "true",
    "request.uri == ''",
    "true || 1 / 0 == 1",
    "1 / 0 == 1 || true",
    "!(1 / 0 == 1 && false)",
    "!has(request.labels.x)",
    "!('x' in request.labels)",
    "'абв'.size() == 3",
    "'db-1'.fullMatch('[a-z]+-[0-9]')",
    "now == timestamp('2026-01-01T00:00:00Z')",
    "method.endsWith('/Create')",
    "['a', 'b'].join('+') == 'a+b'",
]


@pytest.fixture
def environment(schema: Schema) -> Environment:
    request = cel.Type("yandex.cloud.baremetal.v1alpha.CreateImageRequest")
    return Environment(
        schema,
        Toolbox(link_class=schema.message(LINK_TYPE), patterns=Patterns()),
        {"request": request, "method": cel.Type.STRING, "now": cel.Type.TIMESTAMP},
    )


@pytest.fixture
def values(schema: Schema) -> dict[str, Any]:
    return {
        "request": schema.known[CREATE].request(),
        "method": CREATE,
        "now": datetime(2026, 1, 1, tzinfo=UTC),
    }


def numbered(rows: list[Any]) -> list[Any]:
    return [
        pytest.param(*(row if isinstance(row, tuple) else (row,)), id=str(number))
        for number, row in enumerate(rows)
    ]


@pytest.mark.parametrize(("text", "line", "column", "message"), numbered(REFUSED))
def test_refuses_when_loaded(
    environment: Environment, text: str, line: int, column: int, message: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        environment.compile(text, cel.Type.BOOL)
    first = caught.value.problems[0]
    assert message in first.message
    assert (first.line, first.column) == (line, column)
    assert "container" not in first.message
    assert "\n" not in first.message


def test_names_every_problem(environment: Environment) -> None:
    with pytest.raises(ExpressionError) as caught:
        environment.compile("request.a == 1 && request.b == 1 &&\n nope", cel.Type.BOOL)
    assert [(one.line, one.column) for one in caught.value.problems] == [(1, 9), (1, 27), (2, 2)]


@pytest.mark.parametrize(("text", "message"), numbered(ERRORS))
def test_an_error_is_neither_true_nor_false(
    environment: Environment, values: dict[str, Any], text: str, message: str
) -> None:
    expression = environment.compile(text)
    with pytest.raises(EvaluationError) as caught:
        expression.is_true(environment.activate(values))
    assert message in str(caught.value)


@pytest.mark.parametrize("text", numbered(TRUE))
def test_evaluates_conditions(environment: Environment, values: dict[str, Any], text: str) -> None:
    activation = environment.activate(values)
    assert environment.compile(text, cel.Type.BOOL).is_true(activation) is True
    assert environment.compile(f"!({text})", cel.Type.BOOL).is_true(activation) is False


@pytest.mark.parametrize("text", numbered(["'yes'", "1", "dyn('true')", "[true]", "null", "type(1)"]))
def test_what_looks_true_is_not(environment: Environment, values: dict[str, Any], text: str) -> None:
    with pytest.raises(EvaluationError):
        environment.compile(text).is_true(environment.activate(values))


def test_a_missing_value_is_an_error(environment: Environment, values: dict[str, Any]) -> None:
    expression = environment.compile("request.uri == ''", cel.Type.BOOL)
    del values["request"]
    with pytest.raises(EvaluationError, match="request"):
        expression.is_true(environment.activate(values))


def test_a_value_of_another_type_is_an_error(environment: Environment, values: dict[str, Any]) -> None:
    expression = environment.compile("request.uri == ''", cel.Type.BOOL)
    with pytest.raises(EvaluationError, match="Unexpected value type"):
        expression.is_true(environment.activate(values | {"request": "text"}))


def nested(loops: int, form: str = "[0].all(x{0}, {1})") -> str:
    text = "true"
    for number in range(loops):
        text = form.format(number, text)
    return text


def test_a_used_up_budget_is_an_error(environment: Environment, values: dict[str, Any]) -> None:
    """The engine raises this one, where it returns every other error."""
    ten = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"
    expression = environment.compile(f"{nested(4, ten + '.all(x{0}, {1})')} && false", cel.Type.BOOL)
    activation = environment.activate(values)
    with pytest.raises(EvaluationError, match="Iteration budget exceeded"):
        expression.is_true(activation)
    with pytest.raises(EvaluationError, match="Iteration budget exceeded"):
        expression.evaluate(activation)


READS = [
    ("true", set()),
    ("request.uri == ''", {"request"}),
    ("params.buckets.size() > 0", {"params.buckets"}),
    ("method.endsWith('a') && now > now", {"method", "now"}),
    ("objectStorage(request.uri).bucket in params.buckets", {"request", "params.buckets"}),
    ("false && params.buckets.size() > 0", {"params.buckets"}),
]


@pytest.mark.parametrize(("text", "reads"), numbered(READS))
def test_knows_what_an_expression_reads(schema: Schema, text: str, reads: set[str]) -> None:
    request = cel.Type("yandex.cloud.baremetal.v1alpha.CreateImageRequest")
    types = {"request": request, "method": cel.Type.STRING, "now": cel.Type.TIMESTAMP}
    tools = Toolbox(link_class=schema.message(LINK_TYPE), patterns=Patterns())
    environment = Environment(schema, tools, types, {"buckets": ["a"]})
    assert environment.compile(text).reads == reads


def test_a_secret_in_an_error_is_masked(environment: Environment, values: dict[str, Any]) -> None:
    values["request"].uri = "https://storage.yandexcloud.net/b/a.iso?X-Amz-Signature=5ec4e7"
    expression = environment.compile("request.labels[request.uri] == ''")
    with pytest.raises(EvaluationError) as caught:
        expression.is_true(environment.activate(values))
    assert "a.iso" in str(caught.value)
    assert "5ec4e7" not in str(caught.value)


# The value of a variable is what its expression gives.
VARIABLES = [
    ("1u", "v == 1u"),
    ("-9223372036854775807 - 1", "v < -9223372036854775807"),
    ("18446744073709551615u", "v == 18446744073709551615u"),
    ("1.5", "v == 1.5"),
    ("null", "v == null"),
    ("b'\\xff\\x00'", "v == b'\\xff\\x00'"),
    ("duration('1.5s')", "v == duration('1500ms')"),
    ("now", "v == now"),
    ("request", "v.name == 'n' && v.labels.k == 'l'"),
    ("[request]", "v[0].name == 'n'"),
    ("request.labels", "v['k'] == 'l' && v.size() == 1"),
    ("request.labels.map(k, k)", "v == ['k']"),
    ("['a', 'b'].filter(x, x != 'a')", "v == ['b']"),
    ("{1: 'a'}", "v[1] == 'a'"),
    ("{'a': [1, 2]}", "v['a'][1] == 2"),
    ("[[1u]]", "v[0][0] == 1u"),
    ("[]", "v.size() == 0"),
    ("{}", "v.size() == 0"),
    ("[dyn(1), 'a']", "v[1] == 'a'"),
    ("objectStorage('https://storage.yandexcloud.net/abc/k.iso')", "v.bucket == 'abc' && v.problem == ''"),
]


@pytest.mark.parametrize(("text", "condition"), numbered(VARIABLES))
def test_a_value_can_be_a_variable(
    environment: Environment, values: dict[str, Any], text: str, condition: str
) -> None:
    values["request"].name = "n"
    values["request"].labels["k"] = "l"
    environment.declare("v", environment.compile(text))
    assert environment.compile(condition, cel.Type.BOOL).is_true(environment.activate(values))


def test_the_engine_cuts_texts_at_nul(environment: Environment, values: dict[str, Any]) -> None:
    """Why a parameter holds none, and a variable never leaves it: when this fails, it has been mended."""
    expression: Expression = environment.compile("method + '' == 'a'", cel.Type.BOOL)
    assert expression.is_true(environment.activate(values | {"method": "a\0b"}))


TYPES = [
    (True, "BOOL"),
    (1, "INT"),
    (1.5, "DOUBLE"),
    ("a", "STRING"),
    (["a", "b"], "LIST<STRING>"),
    ([1, "a"], "LIST<DYN>"),
    ([], "LIST<DYN>"),
    ([["a"]], "LIST<LIST<STRING>>"),
    ({"a": 1}, "MAP<STRING, INT>"),
    ({"a": 1, "b": "c"}, "MAP<STRING, DYN>"),
    ({}, "MAP<STRING, DYN>"),
]


@pytest.mark.parametrize(("value", "name"), numbered(TYPES))
def test_parameters_have_types(value: Any, name: str) -> None:
    assert type_of(value).name() == name
