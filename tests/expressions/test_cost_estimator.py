"""The estimated cost of expressions: what rules need is accepted, what could take too much is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cel_expr_python import cel

from gateway.expressions import Environment, ExpressionError
from gateway.expressions.costs import MAX_STEPS
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
    "request.uri.split('/').all(p, p.lowerAscii().matches('^[a-z]*$'))",
    "request.labels.all(k, (k + '=' + request.labels[k]).matches('^[a-z]*=[a-z]*$'))",
    "request.labels.all(k, objectStorage('https://' + request.labels[k]).problem == '')",
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
    # A result for each turn stays in memory.
    ("request.labels.all(a, request.labels.all(b, objectStorage(a + b).problem != ''))", "too long"),
    ("request.labels.all(a, request.labels.all(b, a.compareVersion(b) == 0))", "too long"),
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


def steps_of(environment: Environment, text: str) -> int:
    return environment.compile(text, cel.Type.BOOL).steps


NESTED = "{0}.all(a, {0}.all(b, {1}))".format("['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']", "{}")


def test_a_table_of_links_costs_the_turns_of_all_loops_that_it_is_about(environment: Environment) -> None:
    """That 29 rules over the links of two loops take 0.6 s and 180 MB is what it has to count."""
    one, two = (
        steps_of(environment, NESTED.format(f"objectStorage({text}).problem != ''"))
        for text in ("a + 'b'", "a + b")
    )
    bytes_of_a_link, bytes_a_step = 1600, 50
    assert two - one > (64 - 8) * bytes_of_a_link // bytes_a_step


def test_a_table_of_evaluated_texts_costs_the_copies_of_their_list(environment: Environment) -> None:
    read, evaluated = ("request.uri.split('/').all(p, p.matches('a'))", "(p + 'b').matches('a')")
    steps = steps_of(environment, read.replace("p.matches('a')", evaluated))
    assert steps > steps_of(environment, read) + 1024**2 // 5


def test_a_function_of_more_work_costs_more(environment: Environment) -> None:
    cheap, dear = ("!request.uri.isVersion()", "objectStorage(request.uri).problem == ''")
    assert steps_of(environment, dear) > steps_of(environment, cheap)


def test_a_computed_map_costs_its_computation_in_each_turn(environment: Environment) -> None:
    entries = ", ".join(f"'{index}': request.uri + request.uri" for index in range(16))
    keys, values = (f"{{{entries}}}.transformList(k, v, {text}) != []" for text in ("k", "v"))
    steps_of_the_map = steps_of(environment, f"{{{entries}}} != {{}}")
    assert steps_of(environment, values) > steps_of(environment, keys) + 15 * steps_of_the_map
