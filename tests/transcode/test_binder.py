"""Path, query and body → message: each fills fields of its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Code, GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable

    Bind = Callable[..., Any]


def violations(bind: Bind, http_method: str, raw: str, body: bytes = b"") -> list[tuple[str, str]]:
    """Bind what has to be refused; return the fields with what is wrong."""
    with pytest.raises(GatewayError) as caught:
        bind(http_method, raw, body)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert {one.reason for one in caught.value.violations} <= {"MALFORMED"}
    return [(one.field, one.description) for one in caught.value.violations]


def refusal(bind: Bind, http_method: str, raw: str, body: bytes = b"") -> tuple[str, str]:
    (found,) = violations(bind, http_method, raw, body)
    return found


# --- path


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


@settings(deadline=None, derandomize=True)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    key=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
)
def test_a_query_is_encoded_and_decoded_the_same(bind: Bind, text: str, key: str) -> None:
    message = bind("GET", f"/v1/search?fString={quote(text)}&m_string[{quote(key)}]={quote(text)}")
    assert message.f_string == text
    assert dict(message.m_string) == {key: text}


# --- query

GOOD_QUERIES: list[tuple[str, dict[str, Any]]] = [
    ("f_double=1.5", {"f_double": 1.5}),
    ("fDouble=-1e3", {"f_double": -1000.0}),
    ("f_double=Infinity", {"f_double": float("inf")}),
    ("f_float=0.5", {"f_float": 0.5}),
    ("f_int32=-2147483648", {"f_int32": -(2**31)}),
    ("f_int32=1.0", {"f_int32": 1}),
    ("f_int64=9223372036854775807", {"f_int64": 2**63 - 1}),
    ("f_uint32=4294967295", {"f_uint32": 2**32 - 1}),
    ("f_uint64=18446744073709551615", {"f_uint64": 2**64 - 1}),
    ("f_sint32=-1", {"f_sint32": -1}),
    ("f_sint64=-1", {"f_sint64": -1}),
    ("f_fixed32=1", {"f_fixed32": 1}),
    ("f_fixed64=1", {"f_fixed64": 1}),
    ("f_sfixed32=-1", {"f_sfixed32": -1}),
    ("f_sfixed64=-1", {"f_sfixed64": -1}),
    ("f_bool=true", {"f_bool": True}),
    ("f_string=a+b%26", {"f_string": "a b&"}),
    ("f_string=", {}),
    ("f_string=true", {"f_string": "true"}),
    ("f_bytes=AP8%3D", {"f_bytes": b"\0\xff"}),
    ("f_bytes=-_8", {"f_bytes": b"\xfb\xff"}),
    ("color=RED", {"color": 1}),
    ("color=2", {"color": 2}),
    ("color=77", {"color": 77}),
    ("color=-1", {"color": -1}),
    ("optInt32=0", {"opt_int32": 0}),
    ("inner.name=x&inner.pageCount=5", {"inner": {"name": "x", "page_count": 5}}),
    ("inner.inner.inner.name=x", {"inner": {"inner": {"inner": {"name": "x"}}}}),
    ("r_string=b&rString=a&r_string=b", {"r_string": ["b", "a", "b"]}),
    ("r_int64=1&r_int64=-2", {"r_int64": [1, -2]}),
    ("r_color=RED&r_color=2", {"r_color": [1, 2]}),
    ("r_bool_value=true&r_bool_value=false", {"r_bool_value": [{"value": True}, {"value": False}]}),
    ("m_string[a]=1&mString[b]=2", {"m_string": {"a": "1", "b": "2"}}),
    ("m_string[]=x", {"m_string": {"": "x"}}),
    ("m_string[a[b]]=x&m_string[a.b]=y", {"m_string": {"a[b]": "x", "a.b": "y"}}),
    ("m_int64[-7]=x", {"m_int64": {-7: "x"}}),
    ("m_bool[true]=1&m_bool[false]=2", {"m_bool": {True: 1, False: 2}}),
    ("m_color[a]=RED&m_color[b]=2", {"m_color": {"a": 1, "b": 2}}),
    ("m_duration[5]=1.5s", {"m_duration": {5: {"seconds": 1, "nanos": 500_000_000}}}),
    ("m_flag[a]=true", {"m_flag": {"a": {"value": True}}}),
    ("one_text=a", {"one_text": "a"}),
    ("oneNumber=0", {"one_number": 0}),
    ("one_inner.name=a&one_inner.page_count=1", {"one_inner": {"name": "a", "page_count": 1}}),
    ("w_double=1", {"w_double": {"value": 1.0}}),
    ("w_float=1", {"w_float": {"value": 1.0}}),
    ("w_int64=0", {"w_int64": {"value": 0}}),
    ("w_uint64=1", {"w_uint64": {"value": 1}}),
    ("w_int32=1", {"w_int32": {"value": 1}}),
    ("w_uint32=1", {"w_uint32": {"value": 1}}),
    ("w_bool=false", {"w_bool": {"value": False}}),
    ("wString=", {"w_string": {"value": ""}}),
    ("w_bytes=AA", {"w_bytes": {"value": b"\0"}}),
    ("ts=2026-01-31T12:00:00.5%2B03:00", {"ts": {"seconds": 1769850000, "nanos": 500_000_000}}),
    ("dur=-1.5s", {"dur": {"seconds": -1, "nanos": -500_000_000}}),
    ("mask=fInt32,inner.pageCount", {"mask": {"paths": ["f_int32", "inner.page_count"]}}),
]


@pytest.mark.parametrize(("query", "fields"), GOOD_QUERIES, ids=[query for query, _ in GOOD_QUERIES])
def test_query(bind: Bind, everything: Any, query: str, fields: dict[str, Any]) -> None:
    assert bind("GET", f"/v1/search?{query}") == everything(**fields)


BAD_QUERIES = [
    ("nome=1", "nome", "no such parameter; parameters: fDouble, fFloat,"),
    ("F_STRING=1", "F_STRING", "no such parameter"),
    ("=1", '""', "no such parameter"),
    ("f_string.x=1", "f_string.x", "no such parameter"),
    ("inner.nome=1", "inner.nome", "no such parameter"),
    ("inner..name=1", "inner..name", "no such parameter"),
    ("f_string%00=1", None, "a query parameter's name has a NUL"),
    ("f_string[a]=1", 'f_string["a"]', "no such parameter"),
    ("inner=x", "inner", "is a message; set its fields one by one"),
    ("r_inner=x", "r_inner", "is a message"),
    ("r_inner.name=x", "r_inner.name", "no such parameter"),
    ("m_string=x", "m_string", "no such parameter"),
    ("m_string.key=x", "m_string.key", "no such parameter"),
    ("m_string[a=x", '"m_string[a"', "no such parameter"),
    ("m_inner[a]=x", "m_inner", "is a message"),
    ("m_inner[a].name=x", '"m_inner[a].name"', "no such parameter"),
    ("struct=x", "struct", "is a message"),
    ("struct.fields[a]=x", 'struct."fields[a]"', "no such parameter"),
    ("value.string_value=x", "value.string_value", "no such parameter"),
    ("value=x", "value", "is a message"),
    ("list=x", "list", "is a message"),
    ("any.type_url=x", "any.type_url", "no such parameter"),
    ("ts.seconds=5", "ts.seconds", "no such parameter"),
    ("dur.seconds=5", "dur.seconds", "no such parameter"),
    ("mask.paths=a", "mask.paths", "no such parameter"),
    ("w_int64.value=5", "w_int64.value", "no such parameter"),
    ("f_string=a&f_string=a", "f_string", "is set more than once; keep one"),
    ("f_string=a&fString=b", "f_string", "is set more than once; keep one"),
    ("w_bool=true&w_bool=true", "w_bool", "is set more than once; keep one"),
    ("inner.name=a&inner.name=b", "inner.name", "is set more than once; keep one"),
    ("m_string[a]=1&m_string[a]=2", 'm_string["a"]', "is set more than once; keep one"),
    ("m_int64[1]=1&m_int64[1.0]=2", 'm_int64["1.0"]', "the key is given twice; keep one"),
    ("m_int64[01]=1", 'm_int64["01"]', 'as a key, "01" is not a whole number'),
    ("m_bool[True]=1", 'm_bool["True"]', 'as a key, "True" is not true or false'),
    ("one_text=a&one_number=1", "one_number", "oneText is set as well; set one of them"),
    ("one_inner.name=a&one_other.name=1", "one_other.name", "oneInner is set as well; set one of them"),
    ("inner.by_road=a&inner.by_sea=b", "inner.by_sea", "byRoad is set as well; set one of them"),
    ("f_int32=1_000", "f_int32", '"1_000" is not a whole number'),
    ("f_int32=%2B1", "f_int32", '"+1" is not a whole number'),
    ("f_int32=+1", "f_int32", '" 1" is not a whole number'),
    ("f_int32=01", "f_int32", '"01" is not a whole number'),
    ("f_int32=", "f_int32", '"" is not a whole number'),
    ("f_int32=1.5", "f_int32", '"1.5" is not a whole number'),
    ("f_int32=2147483648", "f_int32", '"2147483648" is out of range; it must be from -2147483648 to'),
    ("f_uint64=-1", "f_uint64", '"-1" is out of range'),
    ("f_int64=1e99999999999999999999", "f_int64", '"1e99999999999999999999" is out of range'),
    ("f_double=inf", "f_double", '"inf" is not a number'),
    ("f_double=1e999", "f_double", '"1e999" is out of range'),
    ("f_float=1e39", "f_float", '"1e39" is out of range'),
    ("f_bool=1", "f_bool", '"1" is not true or false'),
    ("f_bool=True", "f_bool", '"True" is not true or false'),
    ("color=red", "color", '"red" is not accepted; use one of: COLOR_UNSPECIFIED, RED, BLUE'),
    ("color=01", "color", '"01" is not accepted'),
    ("color=RED%20", "color", '"RED " is not accepted'),
    ("color=2147483648", "color", "2147483648 is out of range"),
    ("f_bytes=A", "f_bytes", '"A" is not base64 text'),
    ("ts=1769860800", "ts", '"1769860800" is not a time'),
    ("dur=5", "dur", '"5" is not a duration as 3.5s'),
    ("mask=f_int32", "mask", '"f_int32" is not a field mask'),
    ("r_color=RED&r_color=GREEN", "r_color[1]", '"GREEN" is not accepted'),
]


@pytest.mark.parametrize(
    ("query", "field", "description"), BAD_QUERIES, ids=[one for one, _, _ in BAD_QUERIES]
)
def test_bad_query(bind: Bind, query: str, field: str | None, description: str) -> None:
    with pytest.raises(GatewayError) as caught:
        bind("GET", f"/v1/search?{query}")
    if field is None:
        assert caught.value.message.startswith(description)
        return
    (violation,) = caught.value.violations
    assert violation.field == field
    assert violation.description.startswith(description)


def test_what_was_sent_as_a_name_is_masked_and_bounded(bind: Bind) -> None:
    field, _ = refusal(bind, "GET", "/v1/search?https%3A%2F%2Fuser:secret@host%2Fx=1")
    assert "secret" not in field
    field, _ = refusal(bind, "GET", f"/v1/search?{'a' * 5000}=1")
    assert len(field) < 200


# --- what the path says, nothing says again

OVERRIDES = [
    ("GET", "/v1/things/100?f_string=9999", b"", "f_string", "is set by the path; leave it out of the query"),
    ("GET", "/v1/things/100?fString=100", b"", "f_string", "is set by the path; leave it out of the query"),
    ("GET", "/v1/files?f_string=x", b"", "f_string", "is set by the path; leave it out of the query"),
    (
        "POST",
        "/v1/things/100",
        b'{"fString":"9999"}',
        "f_string",
        "is set by the path already; leave it out of",
    ),
    (
        "POST",
        "/v1/things/100",
        b'{"f_string":"100"}',
        "f_string",
        "is set by the path already; leave it out of",
    ),
    ("POST", "/v1/things/100", b'{"f_string":""}', "f_string", "is set by the path already; leave it out of"),
    ("PATCH", "/v1/shelves/1/books/2", b'{"name":"x"}', "inner.name", "is set by the path already; leave it"),
    ("PUT", "/v1/shelves/1/books/2", b'{"inner":{"name":"x"}}', "inner.name", "is set by the path already"),
    (
        "PATCH",
        "/v1/shelves/1/books/2?inner.name=x",
        b"",
        "inner.name",
        "is set by the path; leave it out of the",
    ),
    (
        "PATCH",
        "/v1/shelves/1/books/2?inner.pageCount=1",
        b"{}",
        "inner.page_count",
        "is set by the body; leave",
    ),
    (
        "PATCH",
        "/v1/shelves/1/books/2?inner.pageCount=1",
        b"",
        "inner.page_count",
        "is set by the body; leave it",
    ),
    ("PUT", "/v1/strings?r_string=x", b'["a"]', "r_string", "is set by the body; leave it out of the query"),
    ("PUT", "/v1/labels/x?m_string[a]=x", b"{}", "m_string", "is set by the body; leave it out of the query"),
    ("PUT", "/v1/choice/x", b"{}", "one_text", "oneInner is set as well; set one of them"),
    ("PUT", "/v1/choice/x?one_number=1", b"", "one_number", "oneText is set as well; set one of them"),
    (
        "PUT",
        "/v1/choice/x?one_other.name=1",
        b"",
        "one_other.name",
        "oneText is set as well; set one of them",
    ),
    (
        "POST",
        "/v1/things?f_string=x",
        b"{}",
        "f_string",
        "is not a query parameter: all fields are in the",
    ),
    ("POST", "/v1/things?nome=x", b"", "nome", "is not a query parameter: all fields are in the body"),
]


@pytest.mark.parametrize(("http_method", "raw", "body", "field", "description"), OVERRIDES)
def test_no_override(
    bind: Bind, http_method: str, raw: str, body: bytes, field: str, description: str
) -> None:
    found = refusal(bind, http_method, raw, body)
    assert (found[0], found[1][: len(description)]) == (field, description)


# --- body


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


_TS = "2026-01-31T12:00:00Z"
_OUT_OF_RANGE = "is out of range; it must be from"
_INT64 = f"{-(2**63)} to {2**63 - 1}"
_DOUBLE = "-1.7976931348623157e+308 to 1.7976931348623157e+308"
_FLOAT = "-3.4028234663852886e+38 to 3.4028234663852886e+38"


_INT32 = f"{-(2**31)} to {2**31 - 1}"


@pytest.mark.parametrize(
    ("body", "field", "number", "ends"),
    [
        (b'{"fInt64":1e400}', "f_int64", "1e400", _INT64),
        (b'{"fInt64":-1E+9999999999999999999}', "f_int64", "-1E+9999999999999999999", _INT64),
        (b'{"fInt64":"1e400"}', "f_int64", '"1e400"', _INT64),
        (b'{"fUint32":1e400}', "f_uint32", "1e400", "0 to 4294967295"),
        (b'{"fUint64":%s}' % (b"9" * 401), "f_uint64", f"{'9' * 32}…", f"0 to {2**64 - 1}"),
        (b'{"color":1e400}', "color", "1e400", _INT32),
        (b'{"fDouble":1.9e308}', "f_double", "1.9e308", _DOUBLE),
        (b'{"fDouble":-1e400}', "f_double", "-1e400", _DOUBLE),
        (b'{"fFloat":1e400}', "f_float", "1e400", _FLOAT),
        (b'{"fFloat":3.5e38}', "f_float", "3.5e38", _FLOAT),
        (b'{"wInt64":1e400}', "w_int64", "1e400", _INT64),
        (b'{"wDouble":1e400}', "w_double", "1e400", _DOUBLE),
        (b'{"rInt64":[1,1e400]}', "r_int64[1]", "1e400", _INT64),
        (b'{"mBool":{"true":1e400}}', 'm_bool["true"]', "1e400", _INT32),
        (b'{"mInner":{"a":{"pageCount":1e400}}}', 'm_inner["a"].page_count', "1e400", _INT32),
        (b'{"rInner":[{"inner":{"pageCount":1e400}}]}', "r_inner[0].inner.page_count", "1e400", _INT32),
        (b'{"value":[1e400]}', "value[0]", "1e400", _DOUBLE),
        (b'{"any":{"@type":"a/test.v1.Inner","pageCount":1e400}}', "any.pageCount", "1e400", _INT32),
    ],
)
def test_a_number_out_of_range_is_told_with_field_value_and_range(
    bind: Bind, body: bytes, field: str, number: str, ends: str
) -> None:
    told = [(field, f"{number} {_OUT_OF_RANGE} {ends}")]
    assert violations(bind, "POST", "/v1/things", body) == told


@pytest.mark.parametrize(
    ("http_method", "raw", "body", "field", "number", "ends"),
    [
        ("PUT", "/v1/number", b"1e400", "f_int64", "1e400", _INT64),
        ("GET", "/v1/search?fInt64=1e400", b"", "f_int64", '"1e400"', _INT64),
        ("GET", "/v1/search?wDouble=1.9e308", b"", "w_double", '"1.9e308"', _DOUBLE),
        ("GET", "/v1/search?rInt64=1&rInt64=1e400", b"", "r_int64[1]", '"1e400"', _INT64),
        ("GET", "/v1/search?color=9999999999", b"", "color", "9999999999", _INT32),
        ("GET", f"/v1/typed/true/{_TS}/RED/1e400/1/AA", b"", "f_int64", '"1e400"', _INT64),
        ("GET", f"/v1/typed/true/{_TS}/RED/1/1e400/AA", b"", "w_int64", '"1e400"', _INT64),
        ("GET", f"/v1/typed/true/{_TS}/9999999999/1/1/AA", b"", "color", "9999999999", _INT32),
    ],
)
def test_so_it_is_wherever_it_comes_from(
    bind: Bind, http_method: str, raw: str, body: bytes, field: str, number: str, ends: str
) -> None:
    assert violations(bind, http_method, raw, body) == [(field, f"{number} {_OUT_OF_RANGE} {ends}")]


def test_a_field_without_a_number_says_what_it_takes_instead(bind: Bind) -> None:
    assert violations(bind, "POST", "/v1/things", b'{"fInt64":1e-400,"fString":1e400,"fBool":1e400}') == [
        ("f_int64", "1e-400 is not a whole number"),
        ("f_string", "1e400 is not a string"),
        ("f_bool", "1e400 is not true or false"),
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
