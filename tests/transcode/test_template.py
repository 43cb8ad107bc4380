"""The grammar of path templates, https://github.com/googleapis/googleapis/blob/master/google/api/http.proto."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.transcode.template import Template, TemplateError, Variable, Wildcard, parse_template

ONE, REST = Wildcard.ONE, Wildcard.REST


@pytest.mark.parametrize(
    ("text", "segments", "custom_verb"),
    [
        ("/", ("",), ""),
        ("/v1", ("v1",), ""),
        ("/v1/shelves", ("v1", "shelves"), ""),
        ("/v1/*", ("v1", ONE), ""),
        ("/v1/**", ("v1", REST), ""),
        ("/**", (REST,), ""),
        ("/*:cancel", (ONE,), "cancel"),
        ("/**:cancel", (REST,), "cancel"),
        ("/v1/shelves:move", ("v1", "shelves"), "move"),
        ("/v1:beta/shelves", ("v1:beta", "shelves"), ""),
        ("/v1:beta/shelves:move", ("v1:beta", "shelves"), "move"),
        ("/a%20b", ("a b",), ""),
        ("/a%2Fb", ("a/b",), ""),
        ("/a.b-c_d~!$&'()+,;=@", ("a.b-c_d~!$&'()+,;=@",), ""),
        ("/x:%61b", ("x",), "ab"),
    ],
)
def test_segments_and_custom_verbs(text: str, segments: tuple[Any, ...], custom_verb: str) -> None:
    assert parse_template(text) == Template(segments, custom_verb, ())


@pytest.mark.parametrize(
    ("text", "segments", "variables"),
    [
        ("/v1/{id}", ("v1", ONE), [Variable(("id",), 1, 2, is_multi=False)]),
        ("/v1/{id=*}", ("v1", ONE), [Variable(("id",), 1, 2, is_multi=False)]),
        ("/v1/{id=shelf}", ("v1", "shelf"), [Variable(("id",), 1, 2, is_multi=False)]),
        ("/v1/{a.b.c}", ("v1", ONE), [Variable(("a", "b", "c"), 1, 2, is_multi=False)]),
        (
            "/v1/{name=shelves/*}",
            ("v1", "shelves", ONE),
            [Variable(("name",), 1, 3, is_multi=True)],
        ),
        ("/v1/{name=**}", ("v1", REST), [Variable(("name",), 1, None, is_multi=True)]),
        (
            "/v1/{name=files/**}:watch",
            ("v1", "files", REST),
            [Variable(("name",), 1, None, is_multi=True)],
        ),
        (
            "/{a}/x/{b=y/*/z}/{c.d=**}",
            (ONE, "x", "y", ONE, "z", REST),
            [
                Variable(("a",), 0, 1, is_multi=False),
                Variable(("b",), 2, 5, is_multi=True),
                Variable(("c", "d"), 5, None, is_multi=True),
            ],
        ),
    ],
)
def test_variables(text: str, segments: tuple[Any, ...], variables: list[Variable]) -> None:
    template = parse_template(text)
    assert template.segments == segments
    assert list(template.variables) == variables


BAD = [
    ("", "expected '/'", 1),
    ("v1", "expected '/'", 1),
    ("//", "expected a literal", 2),
    ("/v1/", "expected a literal", 5),
    ("/v1//x", "expected a literal", 5),
    ("/v1/{", "expected a field path", 6),
    ("/v1/{}", "expected a field path", 6),
    ("/v1/{1a}", "expected a field path", 6),
    ("/v1/{a", "expected '}'", 7),
    ("/v1/{a.}", "expected '}'", 7),
    ("/v1/{a=}", "expected a literal", 8),
    ("/v1/{a=b/}", "expected a literal", 10),
    ("/v1/{a={b}}", "a variable inside a variable", 8),
    ("/v1/{a={b=*}}", "a variable inside a variable", 8),
    ("/v1/}", "expected a literal", 5),
    ("/v1/x}", "unexpected '}'", 6),
    ("/v1/{a}{b}", "unexpected '{'", 8),
    ("/v1/{a}b", "unexpected 'b'", 8),
    ("/v1/a{b}", "unexpected '{'", 6),
    ("/v1/*b", "unexpected 'b'", 6),
    ("/v1/***", "unexpected '*'", 7),
    ("/v1/**/x", "'**' has to be the last segment", 8),
    ("/v1/{a=**}/x", "'**' has to be the last segment", 12),
    ("/v1/{a=**/x}", "'**' has to be the last segment", 11),
    ("/**/**", "'**' has to be the last segment", 5),
    ("/v1/x:", "expected a custom verb", 7),
    ("/v1/x:a:b", "unexpected ':'", 8),
    ("/v1/x:a/", "expected a literal", 9),
    ("/v1/x?y", "unexpected '?'", 6),
    ("/v1/x y", "unexpected ' '", 6),
    ("/v1/%zz", "expected a literal", 5),
    ("/v1/x#y", "unexpected '#'", 6),
    ("/{a}/{a}", "two variables set a", 7),
    ("/{a}/{a.b}", "two variables set a.b", 7),
    ("/{a.b}/{a}", "two variables set a", 9),
]


@pytest.mark.parametrize(("text", "problem", "at"), BAD)
def test_what_is_wrong_and_where(text: str, problem: str, at: int) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template(text)
    message = str(caught.value)
    assert message.startswith(f"bad path template {text!r}: {problem}")
    assert message.endswith(f", at character {at}")


# Printing, which the gateway itself has no use for.
def _print(template: Template) -> str:
    texts = [one.value if isinstance(one, Wildcard) else quote(one, safe="") for one in template.segments]
    for variable in reversed(template.variables):
        own = slice(variable.start, variable.end)
        texts[own] = [f"{{{'.'.join(variable.field_path)}={'/'.join(texts[own])}}}"]
    return f"/{'/'.join(texts)}" + (
        f":{quote(template.custom_verb, safe='')}" if template.custom_verb else ""
    )


_TEXT: st.SearchStrategy[Any] = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
_SEGMENT: st.SearchStrategy[Any] = st.one_of(_TEXT, st.just(ONE))


@st.composite
def _templates(draw: st.DrawFn) -> Template:
    """Templates: plain segments and variables in turn, `**` only at the end."""
    segments: list[Any] = []
    variables: list[Variable] = []
    parts = draw(st.lists(st.tuples(st.booleans(), st.lists(_SEGMENT, min_size=1, max_size=3)), max_size=4))
    if draw(st.booleans()) or not parts:
        parts.append((draw(st.booleans()), [REST]))
    for index, (is_variable, own) in enumerate(parts):
        start = len(segments)
        segments += own
        if is_variable:
            is_rest = REST in own
            end = None if is_rest else len(segments)
            path = (f"f{index}", *draw(st.lists(st.sampled_from(["a", "b_1", "C"]), max_size=2)))
            variables.append(Variable(path, start, end, is_multi=len(own) > 1 or is_rest))
    return Template(tuple(segments), draw(st.one_of(st.just(""), _TEXT)), tuple(variables))


@settings(deadline=None, derandomize=True)
@given(_templates())
def test_printing_and_parsing_is_the_identity(template: Template) -> None:
    assert parse_template(_print(template)) == template
