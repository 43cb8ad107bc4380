from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_strings
from hypothesis import given
from hypothesis import strategies as st

from gateway.expressions.checked import unpack
from gateway.expressions.syntax import (
    children_of,
    is_variable_binding,
    localize,
    names_in,
    to_text,
    walk,
)
from tests.policy.conftest import Load
from tests.policy.making import CREATE, binding_text, policy_text

if TYPE_CHECKING:
    from gateway.schema import Schema

REQUEST = "yandex.cloud.baremetal.v1alpha.CreateImageRequest"

# As an author may write it → as it is written again; None for the same.
TEXTS: list[tuple[str, str | None]] = [
    ("true", None),
    ("null", None),
    ("1", None),
    ("-1", None),
    ("1u", None),
    ("1.5", None),
    ("1e300", "1e+300"),
    ("1e999", None),
    ("-1e999", None),
    ("-9223372036854775808", None),
    ("18446744073709551615u", None),
    ("'it''s'".replace("''", "\\'"), '"it\'s"'),
    ("'\\n\\\\\\\"é\\u2028\\x00'", '"\\n\\\\\\"é\u2028\\u0000"'),
    ("b'a\\xff\"\\\\'", 'b"a\\xff\\x22\\x5c"'),
    (r"b'\\u00ff'", r'b"\x5cu00ff"'),
    ("-(1)", None),
    ("-(-1)", None),
    ("!(!true)", None),
    ("-(-size(method))", None),
    ("1 - -1", None),
    ("1 - (2 - 3)", None),
    ("(1 - 2) - 3", "1 - 2 - 3"),
    ("(1 + 2) * 3 % 4", None),
    ("1 + (2 * 3)", "1 + 2 * 3"),
    ("(1 == 1) == true", "1 == 1 == true"),
    ("true == (1 == 1)", None),
    ("1 in [1] && 2 in {2: 3}", None),
    ("(true || false) && true", None),
    ("true || (false && true)", "true || false && true"),
    ("true || (false || (true || false))", "true || false || true || false"),
    ("!(true && false)", None),
    ("true ? 1 : 2", None),
    ("(true ? false : true) ? 1 : 2", None),
    ("true ? (false ? 1 : 2) : 3", None),
    ("true ? 1 : (false ? 2 : 3)", "true ? 1 : false ? 2 : 3"),
    ("(true ? 1 : 2) == 1", None),
    ("request.name", None),
    ('request.labels["a"]', None),
    ("request.labels.`a-b`", None),
    ("has(request.labels.a)", None),
    ("method.size()", None),
    ("size(method)", None),
    ('method.replace("a", "b").startsWith("c")', None),
    ("[1, 2][0]", None),
    ("{1: [2], 3: []}", None),
    (f'{REQUEST}{{name: "a", labels: {{"b": "c"}}}}', None),
    ("[1].all(x, x > 0)", None),
    ("[1].exists(x, x > 0)", None),
    ("[1].exists_one(x, x > 0)", None),
    ("[1].filter(x, x > 0)", None),
    ("[1].map(x, x + 1)", None),
    ("[1].map(x, x > 0, x + 1)", None),
    ("[1].map(x, x > 0, x)", "[1].filter(x, x > 0)"),
    ("(true ? [1] : [2]).all(x, [x].exists(y, y == x))", None),
    ("cel.bind(a, [1], cel.bind(b, a, a + b))", None),
]


@pytest.fixture(scope="session")
def engine(schema: Schema) -> cel.Env:
    return cel.NewEnv(
        descriptor_pool=schema.pool,
        variables={"request": cel.Type(REQUEST), "method": cel.Type.STRING, "b.params.a": cel.Type.INT},
        functions=[],
        extensions=[ext_strings.ExtStrings(), ext_bindings.ExtBindings()],
        container="b",
    )


def check(engine: cel.Env, schema: Schema, text: str) -> Any:
    return unpack(engine.compile(text), schema.message("cel.expr.CheckedExpr")).expr


def shape(node: Any) -> Any:
    """An expression without the numbers of its nodes; how `&&` and `||` are grouped says nothing."""
    kind = node.WhichOneof("expr_kind")
    if kind == "call_expr" and node.call_expr.function in {"_&&_", "_||_"}:
        return (node.call_expr.function, *operands(node, node.call_expr.function))
    if kind in {"const_expr", "ident_expr"}:
        return getattr(node, kind).SerializeToString(deterministic=True)
    part = getattr(node, kind)
    own: tuple[Any, ...] = ()
    if kind == "call_expr":
        own = (part.function, part.HasField("target"))
    elif kind == "select_expr":
        own = (part.field, part.test_only)
    elif kind == "struct_expr":
        own = (part.message_name, *(entry.field_key for entry in part.entries))
    elif kind == "comprehension_expr":
        own = (part.iter_var, part.accu_var)
    return (kind, own, *map(shape, children_of(node)))


def operands(node: Any, function: str) -> list[Any]:
    if node.WhichOneof("expr_kind") == "call_expr" and node.call_expr.function == function:
        return [one for argument in node.call_expr.args for one in operands(argument, function)]
    return [shape(node)]


@pytest.mark.parametrize(
    ("text", "expected"), [pytest.param(*row, id=str(number)) for number, row in enumerate(TEXTS)]
)
def test_writes_what_an_author_would(
    engine: cel.Env, schema: Schema, text: str, expected: str | None
) -> None:
    node = check(engine, schema, text)
    written = to_text(node)
    assert written == (expected or text)
    again = check(engine, schema, written)
    assert to_text(again) == written
    if "x > 0, x)" not in text:  # a map to the element itself is a filter
        assert shape(again) == shape(node)


NUMBERS = st.integers(-(2**63), 2**63 - 1)
LITERALS = st.one_of(
    NUMBERS.map(str),
    st.text(st.characters(exclude_categories=["Cs"])).map(lambda one: f"'{escape(one)}'"),
    st.binary().map(lambda one: "b'" + "".join(f"\\x{byte:02x}" for byte in one) + "'"),
    st.integers(0, 2**64 - 1).map(lambda one: f"{one}u"),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["true", "false", "null", "request.name", "request.labels", "method", "params.a"]),
)


def escape(text: str) -> str:
    return "".join(f"\\U{ord(char):08x}" for char in text)


def grow(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions of every form, each part dynamic so that any fits any."""
    part = inner.map(lambda one: f"dyn({one})")
    signs = st.sampled_from(["||", "&&", "==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "/", "%"])
    macros = st.sampled_from(["all", "exists", "exists_one", "filter", "map"])
    return st.one_of(
        st.tuples(part, signs, part).map(lambda one: f"({one[0]}) {one[1]} ({one[2]})"),
        st.tuples(inner, st.sampled_from(["||", "&&"]), inner).map(
            lambda one: f"(dyn({one[0]}) {one[1]} (dyn({one[2]})))"
        ),
        st.tuples(st.sampled_from(["!", "-"]), part).map(lambda one: f"{one[0]}({one[1]})"),
        st.tuples(part, part, part).map(lambda one: f"({one[0]}) ? ({one[1]}) : ({one[2]})"),
        st.tuples(part, part).map(lambda one: f"({one[0]})[{one[1]}]"),
        st.tuples(part, st.sampled_from("ab")).map(lambda one: f"has(({one[0]}).{one[1]})"),
        st.tuples(part, macros, part).map(lambda one: f"({one[0]}).{one[1]}(x, ({one[2]}) == x)"),
        st.lists(part, max_size=3).map(lambda one: f"[{', '.join(one)}]"),
        part.map(lambda one: f"{{'k': {one}}}"),
    )


@given(text=st.recursive(LITERALS, grow, max_leaves=6))
def test_what_is_written_compiles_to_the_same(engine: cel.Env, schema: Schema, text: str) -> None:
    try:
        node = check(engine, schema, text)
    except RuntimeError:  # too deep for the engine, or a type that does not fit
        return
    written = to_text(localize(node, "b"))
    again = check(engine, schema, written)
    assert shape(again) == shape(node)
    assert to_text(localize(again, "b")) == written


def test_a_pattern_is_written_as_its_author_did(load: Load) -> None:
    bundle = load(policy_text('matches(request.name, "a") || request.name.matches("b")'), binding_text())
    (rule,) = bundle.programs[CREATE].bindings[0].rules
    assert to_text(rule.assertion.checked.expr) == 'matches(request.name, "a") || request.name.matches("b")'


def test_names_of_a_container_are_left_out_in_a_copy(engine: cel.Env, schema: Schema) -> None:
    node = check(engine, schema, "params.a + [params.a].size()")
    assert to_text(localize(node, "b")) == "params.a + [params.a].size()"
    assert to_text(node) == "b.params.a + [b.params.a].size()"


NAMES = [
    ("true", set()),
    ("request.name == method", {"request", "method"}),
    ("[method].all(x, x == method)", {"method"}),
    ("[1].all(x, [x].all(y, x == y))", set()),
    ("[1].all(method, method == 1) && method == ''", {"method"}),
    ("method.split('').map(method, method).size() == 1", {"method"}),
    ("cel.bind(a, params.a, a + a) == 1", {"b.params.a"}),
    ("cel.bind(method, method, method) == ''", {"method"}),
    (f"{REQUEST}{{name: method}}.name == ''", {"method"}),
    ("{method: request.uri}.size() == 1", {"method", "request"}),
    ("has(request.labels.a)", {"request"}),
]


@pytest.mark.parametrize(
    ("text", "names"), [pytest.param(*row, id=str(number)) for number, row in enumerate(NAMES)]
)
def test_knows_the_names_that_are_not_its_own(
    engine: cel.Env, schema: Schema, text: str, names: set[str]
) -> None:
    assert names_in(check(engine, schema, text)) == names


def test_walks_the_outer_before_the_inner(engine: cel.Env, schema: Schema) -> None:
    parts = [to_text(one) for one in walk(check(engine, schema, "method.size() + [1, 2][0]"))]
    assert parts == [
        "method.size() + [1, 2][0]",
        "method.size()",
        "method",
        "[1, 2][0]",
        "[1, 2]",
        "1",
        "2",
        "0",
    ]


def test_distinguishes_bound_variables_from_loops(engine: cel.Env, schema: Schema) -> None:
    assert is_variable_binding(check(engine, schema, "cel.bind(a, 1, a)"))
    assert not is_variable_binding(check(engine, schema, "[1].all(a, a == 1)"))
