"""Conditions without the engine: the engine is the oracle, for random conditions and random requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cel_expr_python import cel
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from gateway.expressions import LINK_TYPE, Environment, EvaluationError, ExpressionError, Patterns, Toolbox
from tests.messages import Messages
from tests.protos import compiled
from tests.rounds import examples

if TYPE_CHECKING:
    from gateway.expressions.expression import Executable

SCHEMA = compiled.schema_of(compiled.LIBRARY)
EVERYTHING = "test.v1.Everything"
PARAMETERS = {"names": ["a", "ab", "ä"], "by_name": {"a": "b", "k": ""}, "most": 2}

TEXTS = [
    "request.f_string", "request.inner.name", "request.one_text", "request.m_string['a']",
    "request.m_string.k", "request.m_inner['k'].name", "params.by_name['a']", "params.names[0]", "'a'", "''",
    "'ä'", "method",
    "request.w_string", "string(request.f_int32)",
]  # fmt: skip
NUMBERS = [
    "request.f_int32", "request.f_int64", "request.opt_int32", "request.color", "request.inner.page_count",
    "0",
    "2", "-1", "size(request.r_string)", "request.f_string.size()", "size(request.m_string)", "params.most",
    "size(request.f_bytes)", "1 / request.f_int32", "request.m_color['a']",
]  # fmt: skip
UNSIGNED = ["request.f_uint32", "request.f_uint64", "0u", "2u"]
TRUTHS = [
    "true", "false", "request.f_bool", "request.w_bool", "has(request.inner)", "has(request.inner.inner)",
    "has(request.f_string)", "has(request.f_bool)", "has(request.f_int32)", "has(request.opt_int32)",
    "has(request.r_string)", "has(request.m_string)", "has(request.m_string.a)", "has(request.m_inner.k)",
    "has(request.one_text)", "has(request.ts)", "has(params.by_name.a)", "has(request.m_inner.k.inner)",
    "request.r_string.all(x, x != '')", "request.f_double < 1.0", "request.f_string.matches('^a')",
    "'k' in request.m_inner", "2 in request.r_int64", "request.f_bytes == b'a'",
    "request.inner == request.inner",
]  # fmt: skip
COLLECTIONS = [
    "request.r_string",
    "request.m_string",
    "request.m_inner",
    "params.names",
    "['a', 'ab']",
    "params.by_name",
]


def conditions() -> st.SearchStrategy[str]:
    """Return random conditions."""
    texts, numbers, unsigned = st.sampled_from(TEXTS), st.sampled_from(NUMBERS), st.sampled_from(UNSIGNED)
    equal, order = st.sampled_from(["==", "!="]), st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    simple = st.one_of(
        st.sampled_from(TRUTHS),
        st.builds("{} {} {}".format, texts, equal, texts),
        st.builds("{} {} {}".format, numbers, order, numbers),
        st.builds("{} {} {}".format, unsigned, order, unsigned),
        st.builds("{} in {}".format, texts, st.sampled_from(COLLECTIONS)),
        st.builds("{}.{}({})".format, texts, st.sampled_from(["startsWith", "endsWith", "contains"]), texts),
    )
    return st.recursive(
        simple,
        lambda inner: st.one_of(
            st.builds("(({}) {} ({}))".format, inner, st.sampled_from(["&&", "||", "==", "!="]), inner),
            st.builds("!({})".format, inner),
            st.builds("(({}) ? ({}) : ({}))".format, inner, inner, inner),
            st.builds("cel.bind(b, {}, ({}) || !b)".format, inner, inner),
        ),
        max_leaves=8,
    )


REQUESTS = Messages(
    SCHEMA, is_printable=False, text=st.sampled_from(["", "a", "b", "ab", "k", "ä", "aä", "😀"])
).of(SCHEMA.pool.FindMessageTypeByName(EVERYTHING))


@pytest.fixture(scope="module")
def environment() -> Environment:
    variables = {"request": cel.Type(EVERYTHING), "method": cel.Type.STRING}
    patterns = Patterns()
    patterns.add("regex", "^a")
    tools = Toolbox(link_class=SCHEMA.message(LINK_TYPE), patterns=patterns)
    return Environment(SCHEMA, tools, variables, PARAMETERS)


def compose(environment: Environment, text: str) -> Executable:
    return environment.compose(text, frozenset())[0]


def decide(environment: Environment, executable: Executable, request: Any) -> tuple[bool | None, bool | None]:
    """Return what the gateway decides, and what the engine does; None for no decision."""
    values = {"request": request, "method": "a", **environment.parameters}
    activation = environment.activate(values)
    activation.compute(executable.calls)
    own = executable.test(activation) if executable.test else None
    try:
        return own, executable.evaluate(activation)
    except EvaluationError:
        return own, None


@settings(
    examples(400, 20000), suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(text=conditions(), request=REQUESTS)
def test_a_decision_is_that_of_the_engine(environment: Environment, text: str, request: Any) -> None:
    before = request.SerializeToString(deterministic=True)
    try:
        executable = compose(environment, text)
    except ExpressionError as error:
        if "takes too long" not in str(error):
            raise
        reject()
    own, by_engine = decide(environment, executable, request)
    assert own in {None, by_engine}
    assert request.SerializeToString(deterministic=True) == before  # a look-up in a map adds nothing


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("request.f_string == 'a'", {}),
        ("request.f_string == 'a' || request.f_double < 1.0", {"f_string": "a"}),
        ("request.f_double < 1.0 || request.f_string == 'a'", {"f_string": "a"}),
        ("has(request.m_string.a) && request.m_string.a in params.names", {}),
        ("'a' in request.m_string && request.m_string['a'] != ''", {"m_string": {"a": "b"}}),
        ("request.f_string.matches('^a') && request.f_string.size() < 3", {"f_string": "a"}),
        ("cel.bind(x, request.f_string, x == 'a' || x in ['b', 'c'])", {"f_string": "c"}),
        ("request.f_string == 'a' ? request.f_bool : request.f_double < 1.0", {"f_string": "a"}),
        ("has(request.inner) && request.color == 2", {"inner": {}, "color": 2}),
    ],
)
def test_these_need_no_engine(environment: Environment, text: str, fields: dict[str, Any]) -> None:
    request = SCHEMA.message(EVERYTHING)(**fields)
    own, by_engine = decide(environment, compose(environment, text), request)
    assert own is not None
    assert own == by_engine


@pytest.mark.parametrize(
    "text",
    [
        "request.f_double == 1.0",  # NaN and the two zeros
        "request.f_bytes == b'a'",
        "request.w_string == 'a'",  # a wrapper may be null
        "request.inner == request.inner",
        "request.r_string == ['a']",
        "request.r_string.exists(x, x == 'a')",
        "request.f_int32 + 1 == 2",  # may overflow
        "request.f_string < 'b'",
        "request.f_string == 'a' && request.f_double < 1.0",
        "request.ts < request.ts",
        "dyn(request.f_string) == 'a'",
        "2 in request.r_int64",
        "size(request.f_bytes) == 1",
        "request.f_string + 'b' == 'ab'",
    ],
)
def test_these_are_left_to_the_engine(environment: Environment, text: str) -> None:
    assert compose(environment, text).test is None


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("request.m_string['a'] == ''", {}),  # no such key
        ("request.m_inner['a'].name == ''", {}),
        ("request.f_string == 'a' || request.f_double < 1.0", {}),  # the engine's side decides
        ("request.m_string['a'] == '' || true", {}),  # true all the same, as the order has no effect
    ],
)
def test_an_open_decision_is_left_to_the_engine(
    environment: Environment, text: str, fields: dict[str, Any]
) -> None:
    executable, request = compose(environment, text), SCHEMA.message(EVERYTHING)(**fields)
    assert executable.test is not None
    own, _ = decide(environment, executable, request)
    assert own is None
    assert request == SCHEMA.message(EVERYTHING)(**fields)


def test_variables_that_double_do_not_grow_without_end(environment: Environment) -> None:
    text = "request.f_string == 'a'"
    for number in range(14):
        text = f"cel.bind(v{number}, {text}, v{number} == v{number} && v{number} == v{number})"
    assert compose(environment, text).test is None


def test_a_condition_that_is_nested_too_deep_is_left_to_the_engine(environment: Environment) -> None:
    text = "(" * 20 + "request.f_bool" + " == (request.f_string == 'a'))" * 20
    own, by_engine = decide(environment, compose(environment, text), SCHEMA.message(EVERYTHING)())
    assert own in {None, by_engine}
