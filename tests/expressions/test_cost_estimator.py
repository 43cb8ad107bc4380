from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cel_expr_python import cel

from gateway.expressions import Environment, ExpressionError
from gateway.expressions.costs import MAX_BYTES, MAX_STEPS, Cost, estimate_value
from gateway.expressions.functions import LINK_TYPE, Toolbox
from gateway.expressions.patterns import Patterns

if TYPE_CHECKING:
    from gateway.schema import Schema

PARAMETERS: dict[str, Any] = {
    "few": ["a", "b"],
    "many": [f"key-{index}" for index in range(5000)],
    "uneven": ["", "x" * 100_000],
    "limit": 5,
}

ACCEPTED = [
    "request.labels.all(k, k.matches('^[a-z]') && request.labels[k].matches('^[a-z]'))",
    "request.labels.map(k, k + '=' + request.labels[k]).join(',') != ''",
    "request.labels.all(a, request.labels.all(b, a == b || request.labels[a] != request.labels[b]))",
    "request.labels.all(k, k in params.many)",
    "request.labels.all(k, k.lowerAscii() == k && request.labels[k].trim() == request.labels[k])",
    "request.labels.filter(k, k.startsWith('x')).size() <= params.limit",
    "request.uri.split('/').all(p, p.matches('^[a-z]*$') && !p.contains('..'))",
    "request.uri.split('/').filter(p, p != '').size() > 2",
    "request.uri.replace('_', '-').replace('.', '-').replace('/', '-') != ''",
    "'%s has %d labels'.format([request.uri, request.labels.size()]) != ''",
    "objectStorage(request.uri).bucket in params.few",
    "request.labels.missing(params.many) == []",
    "params.uneven[1] != request.uri",
    "string(now) != '' && now.getHours() < 24 && now < timestamp('2027-01-01T00:00:00Z')",
    "request.labels == {'a': 'b'} && !('x' in request.labels)",
]

REFUSED = [
    # What is in the loops is more than it looks.
    ("request.labels.all(a, request.labels.all(b, request.labels.all(c, a != b + c)))", "too long"),
    ("request.labels.all(a, request.labels.all(b, request.uri.split('/') != []))", "too long"),
    ("request.labels.all(a, request.labels.all(b, a in params.many))", "too long"),
    ("request.labels.all(a, request.labels.all(b, request.labels == request.labels))", "too long"),
    ("request.labels.all(a, request.labels.all(b, !request.uri.contains(a + b)))", "too long"),
    ("request.labels.all(a, request.labels.all(b, request.labels.unknown(params.many) == []))", "too long"),
    ("request.labels.all(a, request.labels.all(b, '%f%f%f%f'.format([1, 2, 3, 4]) != ''))", "too long"),
    ("request.labels.all(a, params.uneven.all(p, params.uneven.all(q, p + 'a' != q)))", "too long"),
    # A list that a loop gathers is copied at each turn.
    ("(request.uri.split('') + request.uri.split('')).map(c, c) != []", "too long"),
    ("params.many.map(p, p) != []", "too long"),
    ("[params.many].all(x, x.map(p, p) != [])", "too long"),
    ("{'a': params.many}['a'].map(p, p) != []", "too long"),
    # Large.
    ("request.uri.replace('', request.uri).replace('', 'abc') != ''", "too large"),
    ("params.many.map(a, params.uneven.join('')).size() > 0", "too large"),
    ("request.labels.map(a, request.labels.map(b, request.uri).join('')).join('') != ''", "too large"),
    ("([params.uneven[1]] + params.many) != []", "too long"),
]  # fmt: skip


@pytest.fixture
def environment(schema: Schema) -> Environment:
    types = {
        "request": cel.Type("yandex.cloud.baremetal.v1alpha.CreateImageRequest"),
        "method": cel.Type.STRING,
        "now": cel.Type.TIMESTAMP,
    }
    tools = Toolbox(link_class=schema.message(LINK_TYPE), patterns=Patterns())
    return Environment(schema, tools, types, PARAMETERS)


@pytest.mark.parametrize("text", [pytest.param(text, id=str(index)) for index, text in enumerate(ACCEPTED)])
def test_what_rules_need_is_accepted(environment: Environment, text: str) -> None:
    assert environment.compile(text, cel.Type.BOOL).text == text


@pytest.mark.parametrize(
    ("text", "reason"), [pytest.param(*row, id=str(index)) for index, row in enumerate(REFUSED)]
)
def test_what_takes_too_much_is_refused(environment: Environment, text: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=reason):
        environment.compile(text, cel.Type.BOOL)


def test_a_variable_is_counted_once(environment: Environment) -> None:
    environment.declare("parts", environment.compile("request.uri.split('/').filter(part, part != '')"))
    text = " && ".join(["request.labels.all(k, !(k in parts))"] * 5)
    assert environment.compile(text, cel.Type.BOOL).reads == {"request", "parts"}


def test_a_variable_in_a_loop_costs_what_reading_it_takes(environment: Environment) -> None:
    environment.declare("v0", environment.compile("request.uri + request.uri"))
    for index in range(1, 8):
        environment.declare(f"v{index}", environment.compile(f"v{index - 1} + v{index - 1}"))
    assert environment.compile("v7.size() > 0", cel.Type.BOOL).reads == {"v7"}
    with pytest.raises(ExpressionError, match="too long"):
        environment.compile("request.labels.all(a, request.labels.all(b, v7.size() > 0))", cel.Type.BOOL)


def test_the_reason_says_how_much_and_what_to_do(environment: Environment) -> None:
    with pytest.raises(ExpressionError) as caught:
        environment.compile("params.many.map(p, p) != []", cel.Type.BOOL)
    assert f"steps, {MAX_STEPS:,} are allowed; nest fewer loops" in str(caught.value)


VALUES = [
    (True, 1, 32),
    (5, 1, 32),
    ("", 0, 0),
    ("абв", 3, 6),
    ([], 0, 0),
    ([1, 2], 2, 192),
    # Each counts as the largest.
    (["a", "bcd"], 2, 134),
    ({"a": "bcd"}, 1, 134),
    ([["a", "b"], []], 2, 2 * (130 + 64)),
]


@pytest.mark.parametrize(
    ("value", "count", "size"), [pytest.param(*row, id=str(index)) for index, row in enumerate(VALUES)]
)
def test_parameters_cost_what_they_are(value: Any, count: int, size: int) -> None:
    assert estimate_value(value) == Cost(count, size)


def test_a_cost_says_what_is_too_much() -> None:
    assert Cost(1, MAX_BYTES, MAX_STEPS).fault is None
    assert "takes too long" in str(Cost(1, 1).after(MAX_STEPS).fault)
    assert "too large" in str(Cost(1, MAX_BYTES + 1).fault)
