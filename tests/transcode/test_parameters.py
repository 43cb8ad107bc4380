"""Parameters of path and query → fields: none is set twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.schema import descriptor_of
from gateway.transcode.json_reader import JsonReader
from gateway.transcode.parameters import find_readers
from tests.transcode.refusals import refusal

if TYPE_CHECKING:
    from tests.transcode.refusals import Bind

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


@settings(deadline=None, derandomize=True)
@given(
    text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    key=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
)
def test_a_query_is_encoded_and_decoded_the_same(bind: Bind, text: str, key: str) -> None:
    message = bind("GET", f"/v1/search?fString={quote(text)}&m_string[{quote(key)}]={quote(text)}")
    assert message.f_string == text
    assert dict(message.m_string) == {key: text}


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


@pytest.mark.parametrize(
    ("path", "is_field"),
    [
        ("f_string", True),
        ("inner.inner.name", True),
        ("m_string", True),
        ("fString", False),
        ("inner.pageCount", False),
        ("ts.seconds", False),
        ("r_inner.name", False),
        ("f_string.x", False),
    ],
)
def test_readers_of_the_fields_on_a_path(everything: Any, path: str, is_field: bool) -> None:  # noqa: FBT001
    reader, names = JsonReader(), path.split(".")
    found = find_readers(reader, reader.message_reader(descriptor_of(everything)), names)
    assert (found is not None) is is_field
    assert [one.name for one in found or ()] == (names if is_field else [])
