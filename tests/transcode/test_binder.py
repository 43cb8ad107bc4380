"""Path variables and body of a request → message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import GatewayError
from tests.transcode.refusals import refusal, violations

if TYPE_CHECKING:
    from tests.transcode.refusals import Bind


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/v1/things/abc", "abc"),
        ("/v1/things/a%20b", "a b"),
        ("/v1/things/a+b", "a+b"),
        ("/v1/things/a%2Fb", "a/b"),
        ("/v1/things/a%2fb", "a/b"),
        ("/v1/things/%2523", "%23"),
        ("/v1/things/%23", "#"),
        ("/v1/things/a:b", "a:b"),
        ("/v1/things/a:", "a:"),
        ("/v1/things/a%3Astart", "a:start"),
        ("/v1/things/%D1%8F", "я"),
        ("/v1/things/..", ".."),
        ("/v1/things/%5C", "\\"),
        # several segments: all is decoded but the slash
        ("/v1/files/a/b/c", "a/b/c"),
        ("/v1/files/a%2Fb/c", "a%2Fb/c"),
        ("/v1/files/a%2fb/c%20d", "a%2fb/c d"),
        ("/v1/files/%2523/%23", "%23/#"),
        ("/v1/files/a+b", "a+b"),
        ("/v1/files", ""),
        ("/v1/files/a/../b", "a/../b"),
    ],
)
def test_path_variables_are_decoded(bind: Bind, path: str, value: str) -> None:
    assert bind("GET", path).f_string == value


def test_a_variable_of_several_segments(bind: Bind) -> None:
    message = bind("PATCH", "/v1/shelves/a%2Fb/books/c%20d")
    assert message.inner.name == "shelves/a%2Fb/books/c d"


def test_typed_variables(bind: Bind) -> None:
    message = bind("GET", "/v1/typed/true/2026-01-31T12:00:00Z/BLUE/-5/7/AP8=")
    assert message.w_bool.value is True
    assert message.ts.ToJsonString() == "2026-01-31T12:00:00Z"
    assert (message.color, message.f_int64, message.w_int64.value, message.f_bytes) == (2, -5, 7, b"\0\xff")
    assert bind("GET", "/v1/typed/false/2026-01-31T12:00:00Z/2/0/7/AP8").color == 2


def test_all_bad_variables_are_told_at_once(bind: Bind) -> None:
    assert violations(bind, "GET", "/v1/typed/yes/today/GREEN/1_0/01/*?fBool=no&nome=1&rInt64=x") == [
        ("nome", violations(bind, "GET", "/v1/typed/true/2026-01-31T12:00:00Z/2/0/7/AP8?nome=1")[0][1]),
        ("w_bool", '"yes" is not true or false'),
        ("ts", '"today" is not a time as 2026-01-31T12:00:00Z'),
        ("color", '"GREEN" is not accepted; use one of: COLOR_UNSPECIFIED, RED, BLUE'),
        ("f_int64", '"1_0" is not a whole number'),
        ("w_int64", '"01" is not a whole number'),
        ("f_bytes", '"*" is not base64 text'),
        ("f_bool", '"no" is not true or false'),
        ("r_int64[0]", '"x" is not a whole number'),
    ]


@settings(deadline=None, derandomize=True)
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_one_segment_is_encoded_routed_and_decoded_the_same(bind: Bind, text: str) -> None:
    assert bind("GET", f"/v1/things/{quote(text, safe='')}").f_string == text


@settings(deadline=None, derandomize=True)
@given(
    parts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1))
)
def test_many_segments_are_encoded_routed_and_decoded_the_same(bind: Bind, parts: list[str]) -> None:
    path = "/".join(["/v1/files", *(quote(part, safe="") for part in parts)])
    assert bind("GET", path).f_string == "/".join(parts)


@pytest.mark.parametrize(
    ("http_method", "raw", "body", "fields"),
    [
        ("POST", "/v1/things", b"", {}),
        ("POST", "/v1/things", b"{}", {}),
        ("POST", "/v1/things", b' {"fString": "a"}\n', {"f_string": "a"}),
        ("POST", "/v1/things/x", b'{"fInt32":1}', {"f_string": "x", "f_int32": 1}),
        ("POST", "/v1/things/x", b'{"fString":null}', {"f_string": "x"}),
        ("PATCH", "/v1/shelves/1/books/2", b"", {"inner": {"name": "shelves/1/books/2"}}),
        (
            "PATCH",
            "/v1/shelves/1/books/2?mask=name&f_int32=1",
            b'{"pageCount":5}',
            {
                "inner": {"name": "shelves/1/books/2", "page_count": 5},
                "mask": {"paths": ["name"]},
                "f_int32": 1,
            },
        ),
        (
            "PUT",
            "/v1/shelves/1/books/2",
            b'{"inner":{"pageCount":5},"fInt32":1}',
            {"inner": {"name": "shelves/1/books/2", "page_count": 5}, "f_int32": 1},
        ),
        ("PUT", "/v1/strings", b'["a","b"]', {"r_string": ["a", "b"]}),
        ("PUT", "/v1/strings?f_int32=1", b"[]", {"f_int32": 1}),
        ("PUT", "/v1/number", b'"7"', {"f_int64": 7}),
        ("PUT", "/v1/number", b"7", {"f_int64": 7}),
        ("PUT", "/v1/labels/x", b'{"a":"b"}', {"f_string": "x", "m_string": {"a": "b"}}),
    ],
)
def test_body(
    bind: Bind, everything: Any, http_method: str, raw: str, body: bytes, fields: dict[str, Any]
) -> None:
    assert bind(http_method, raw, body) == everything(**fields)


@pytest.mark.parametrize(
    ("http_method", "raw", "body", "field", "description"),
    [
        ("POST", "/v1/things", b"[]", "", "an array is not an object"),
        ("POST", "/v1/things", b"null", "", "null is not an object"),
        ("POST", "/v1/things", b'"{}"', "", '"{}" is not an object'),
        ("PATCH", "/v1/shelves/1/books/2", b'{"inner":1}', "inner.inner", "1 is not an object"),
        ("PATCH", "/v1/shelves/1/books/2", b"[]", "inner", "an array is not an object"),
        ("PUT", "/v1/strings", b'{"rString":[]}', "r_string", "an object is not an array"),
        ("PUT", "/v1/strings", b'["a",1]', "r_string[1]", "1 is not a string"),
        ("PUT", "/v1/number", b"[7]", "f_int64", "an array is not a whole number"),
        ("PUT", "/v1/labels/x", b'{"a":1}', 'm_string["a"]', "1 is not a string"),
    ],
)
def test_bad_body(bind: Bind, http_method: str, raw: str, body: bytes, field: str, description: str) -> None:
    assert refusal(bind, http_method, raw, body) == (field, description)


@pytest.mark.parametrize("body", [b"{}", b" ", b"null", b"x"])
def test_a_body_on_a_method_without_one(bind: Bind, body: bytes) -> None:
    with pytest.raises(GatewayError, match="this method takes no body; leave it out"):
        bind("GET", "/v1/search", body)


def test_everything_wrong_is_told_at_once(bind: Bind) -> None:
    found = violations(
        bind,
        "PATCH",
        "/v1/shelves/1/books/2?nome=1&f_int32=x&r_int64=1&r_int64=y&m_string[a]=1&m_string[a]=2&one_text=a&one_number=1",
        b'{"name":"z","pageCount":"q","nome":1,"inner":{"inner":{"byRoad":"a","bySea":"b"}}}',
    )
    assert [field for field, _ in found] == [
        "inner.page_count",
        "inner.nome",
        "inner.inner.inner.by_sea",
        "inner.name",
        "nome",
        'm_string["a"]',
        "one_number",
        "f_int32",
        "r_int64[1]",
    ]


_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)
_NAMES = [
    "fDouble", "f_float", "fInt32", "f_int64", "fBool", "fString", "fBytes", "color", "inner", "optInt32",
    "rString", "rInner", "rValue", "mString", "mInt64", "mBool", "mInner", "oneText", "oneNumber",
    "oneInner", "oneNull", "wDouble", "wBool", "wBytes", "ts", "dur", "mask", "struct", "value", "list",
    "any", "rAny", "empty", "loop", "@type", "name", "x",
]  # fmt: skip
_FIELDS = st.sampled_from(_NAMES)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.dictionaries(_FIELDS, st.one_of(_JSON, st.dictionaries(_FIELDS, _JSON, max_size=3)), max_size=6))
def test_any_json_is_bound_or_refused_with_the_field(bind: Bind, value: dict[str, Any]) -> None:
    fault = None
    try:
        bind("POST", "/v1/things", json.dumps(value).encode())
    except GatewayError as error:
        fault = error
    # What the reader lets through, the message takes: never the last line's "does not fit".
    assert (
        fault is None
        or fault.violations
        or fault.message.startswith(("the body is not JSON", "the request is nested"))
    )
