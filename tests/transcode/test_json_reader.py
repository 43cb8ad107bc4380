"""JSON values → messages: faults that json_format accepts are refused, with the path of their field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.schema import descriptor_of
from gateway.transcode.json_reader import JsonReader
from gateway.transcode.json_text import parse_json

if TYPE_CHECKING:
    from gateway.schema import Schema


def read(message_class: Any, text: str) -> tuple[Any, list[tuple[str, str]]]:
    """Return the message, None if there are violations, and the violations."""
    reader = JsonReader()
    context, kind = reader.start(), reader.message_reader(descriptor_of(message_class))
    tree = kind.read(context, parse_json(text.encode()), None)
    if context.violations.found:
        return None, [(one.field, one.description) for one in context.violations.found]
    return kind.to_message(tree), []


GOOD: dict[str, tuple[str, dict[str, Any]]] = {
    "JSON name": ('{"fInt32":1}', {"f_int32": 1}),
    "proto name": ('{"f_int32":1}', {"f_int32": 1}),
    "number as text": ('{"fInt32":"1","fDouble":"1.5"}', {"f_int32": 1, "f_double": 1.5}),
    "null is unset": (
        '{"fInt32":null,"inner":null,"rString":null,"mString":null,"wBool":null,"ts":null}',
        {},
    ),
    "null and one of a oneof": ('{"oneText":null,"oneNumber":1}', {"one_number": 1}),
    "null is a value of Value": ('{"value":null}', {"value": {"null_value": 0}}),
    "null in a list of Values": ('{"rValue":[null]}', {"r_value": [{"null_value": 0}]}),
    "null for a list of Values": ('{"rValue":null}', {}),
    "null is NullValue": ('{"oneNull":null}', {"one_null": 0}),
    "NullValue by name": ('{"oneNull":"NULL_VALUE"}', {"one_null": 0}),
    "empty message": ('{"inner":{}}', {"inner": {}}),
    "empty list": ('{"rString":[]}', {}),
    "optional at its default": ('{"optInt32":0}', {"opt_int32": 0}),
    "nested": ('{"inner":{"inner":{"pageCount":1}}}', {"inner": {"inner": {"page_count": 1}}}),
    "list of messages": ('{"rInner":[{"name":"a"},{}]}', {"r_inner": [{"name": "a"}, {}]}),
    "maps": (
        '{"mString":{"a":"b"},"mInt64":{"-1":"x"},"mBool":{"true":1},"mColor":{"a":"RED"}}',
        {"m_string": {"a": "b"}, "m_int64": {-1: "x"}, "m_bool": {True: 1}, "m_color": {"a": 1}},
    ),
    "map of messages": ('{"mInner":{"a":{"name":"b"},"":{}}}', {"m_inner": {"a": {"name": "b"}, "": {}}}),
    "map key written otherwise": ('{"mInt64":{"1e1":"x"}}', {"m_int64": {10: "x"}}),
    "wrappers": (
        '{"wInt64":"5","wBool":false,"wString":"","wBytes":"AA=="}',
        {
            "w_int64": {"value": 5},
            "w_bool": {"value": False},
            "w_string": {"value": ""},
            "w_bytes": {"value": b"\0"},
        },
    ),
    "leap day": ('{"ts":"2024-02-29T00:00:00Z"}', {"ts": {"seconds": 1709164800}}),
    "first time": ('{"ts":"0001-01-01T00:00:00Z"}', {"ts": {"seconds": -62135596800}}),
    "last time": (
        '{"ts":"9999-12-31T23:59:59.999999999Z"}',
        {"ts": {"seconds": 253402300799, "nanos": 999_999_999}},
    ),
    "time before 1970": (
        '{"ts":"1969-12-31T23:59:59.5Z"}',
        {"ts": {"seconds": -1, "nanos": 500_000_000}},
    ),
    "offset": ('{"ts":"1970-01-01T03:00:00+03:00"}', {"ts": {}}),
    "duration": ('{"dur":"3.000000001s"}', {"dur": {"seconds": 3, "nanos": 1}}),
    "negative duration": ('{"dur":"-0.5s"}', {"dur": {"nanos": -500_000_000}}),
    "longest duration": ('{"dur":"315576000000s"}', {"dur": {"seconds": 315576000000}}),
    "field mask": ('{"mask":"a,bC.dE2"}', {"mask": {"paths": ["a", "b_c.d_e2"]}}),
    "empty field mask": ('{"mask":""}', {"mask": {}}),
    "struct": ('{"struct":{"a":null,"b":[1,"x",{}]}}', {"struct": {"a": None, "b": [1, "x", {}]}}),
    "@type in a struct": ('{"struct":{"@type":"x"}}', {"struct": {"@type": "x"}}),
    "list value": ('{"list":[1,[2]]}', {"list": [1, [2]]}),
    "empty Any": ('{"any":{}}', {"any": {}}),
    "Any": (
        '{"any":{"name":"x","@type":"type.googleapis.com/test.v1.Inner"}}',
        {"any": {"type_url": "type.googleapis.com/test.v1.Inner", "value": b"\x0a\x01x"}},
    ),
    "Any of a type with its own form": (
        '{"any":{"@type":"a/google.protobuf.Duration","value":"1s"}}',
        {"any": {"type_url": "a/google.protobuf.Duration", "value": b"\x08\x01"}},
    ),
    "Any in Any": (
        '{"any":{"@type":"a/google.protobuf.Any","value":{"@type":"b/google.protobuf.BoolValue","value":true}}}',
        {
            "any": {
                "type_url": "a/google.protobuf.Any",
                "value": b"\x0a\x1bb/google.protobuf.BoolValue\x12\x02\x08\x01",
            }
        },
    ),
    "Any of Empty": (
        '{"any":{"@type":"a/google.protobuf.Empty"}}',
        {"any": {"type_url": "a/google.protobuf.Empty"}},
    ),
    "empty": ('{"empty":{}}', {"empty": {}}),
}


@pytest.mark.parametrize(("text", "fields"), GOOD.values(), ids=GOOD)
def test_good(everything: Any, text: str, fields: dict[str, Any]) -> None:
    message, violations = read(everything, text)
    assert violations == []
    assert message == everything(**fields)


_TIME = "is not a time as 2026-01-31T12:00:00Z"
_DURATION = "is not a duration as 3.5s"
_MASK = "is not a field mask as name,description"
_TWICE = "is given more than once; keep one"
_TYPE = 'needs "@type", as type.googleapis.com/google.protobuf.Duration'

# name → JSON, field, beginning of the description
BAD: dict[str, tuple[str, str, str]] = {
    "array for the request": ("[]", "", "an array is not an object"),
    "null for the request": ("null", "", "null is not an object"),
    "text for the request": ('"x"', "", '"x" is not an object'),
    "array for a message": ('{"inner":[]}', "inner", "an array is not an object"),
    "text for a message": ('{"inner":"x"}', "inner", '"x" is not an object'),
    "both names": ('{"fInt32":1,"f_int32":1}', "f_int32", "is given as fInt32 and as f_int32; keep one"),
    "both names, one null": (
        '{"fInt32":null,"f_int32":1}',
        "f_int32",
        "is given as fInt32 and as f_int32",
    ),
    "both names, the other null": ('{"f_int32":1,"fInt32":null}', "f_int32", "is given as fInt32 and as"),
    "name twice": ('{"fInt32":1,"fInt32":1}', "f_int32", _TWICE),
    "name twice in a message": ('{"inner":{"name":"a","name":"b"}}', "inner.name", _TWICE),
    "key twice": ('{"mString":{"a":"1","a":"2"}}', 'm_string["a"]', _TWICE),
    "key twice in a struct": ('{"struct":{"b":{"a":1,"a":2}}}', 'struct["b"]["a"]', _TWICE),
    "name twice in an Any": ('{"any":{"@type":"a/test.v1.Inner","name":"a","name":"b"}}', "any.name", _TWICE),
    "@type twice": ('{"any":{"@type":"a/test.v1.Ring","@type":"a/test.v1.Inner"}}', "any.@type", _TWICE),
    "unknown field": (
        '{"inner":{"nome":1}}',
        "inner.nome",
        "no such field; fields here: name, pageCount, inner,",
    ),
    "unknown field, null": ('{"nome":null}', "nome", "no such field"),
    "other case": ('{"FINT32":1}', "FINT32", "no such field"),
    "NUL behind a name": ('{"fInt32\\u0000":1}', '"fInt32\\u0000"', "no such field"),
    "surrogate in a name": ('{"\\ud800":1}', '"\\ud800"', "no such field"),
    "extension": ('{"[test.v1.ext]":1}', '"[test.v1.ext]"', "no such field"),
    "empty name": ('{"":1}', '""', "no such field"),
    "two of a oneof": (
        '{"oneText":"a","oneNumber":1}',
        "one_number",
        "oneText is set as well; set one of them",
    ),
    "two of a oneof, empty": ('{"oneText":"","oneInner":{}}', "one_inner", "oneText is set as well"),
    "two of a oneof, NullValue": ('{"oneText":"","oneNull":null}', "one_null", "oneText is set as well"),
    "scalar for a list": ('{"rString":"a"}', "r_string", '"a" is not an array'),
    "object for a list": ('{"rString":{}}', "r_string", "an object is not an array"),
    "list in a list": ('{"rString":[["a"]]}', "r_string[0]", "an array is not a string"),
    "null in a list": ('{"rString":["a",null]}', "r_string[1]", "null is not a string"),
    "null in a list of messages": ('{"rInner":[null]}', "r_inner[0]", "null is not an object"),
    "null in a list of wrappers": ('{"rBoolValue":[null]}', "r_bool_value[0]", "null is not true or false"),
    "array for a map": ('{"mString":[]}', "m_string", "an array is not an object"),
    "entries for a map": ('{"mString":[{"key":"a"}]}', "m_string", "an array is not an object"),
    "null in a map": ('{"mString":{"a":null}}', 'm_string["a"]', "null is not a string"),
    "number key": ('{"mInt64":{"x":"a"}}', 'm_int64["x"]', 'as a key, "x" is not a whole number'),
    "lax number key": ('{"mInt64":{" 1":"a"}}', 'm_int64[" 1"]', 'as a key, " 1" is not a whole number'),
    "number key with underscore": ('{"mInt64":{"1_0":"a"}}', 'm_int64["1_0"]', "as a key,"),
    "number key out of range": (
        '{"mDuration":{"-1":"1s"}}',
        'm_duration["-1"]',
        'as a key, "-1" is out of range',
    ),
    "one number key twice": (
        '{"mInt64":{"1":"a","1.0":"b"}}',
        'm_int64["1.0"]',
        "the key is given twice",
    ),
    "bool key": ('{"mBool":{"True":1}}', 'm_bool["True"]', 'as a key, "True" is not true or false'),
    "bool key as a number": ('{"mBool":{"1":1}}', 'm_bool["1"]', 'as a key, "1" is not true or false'),
    "surrogate in a key": ('{"mString":{"\\ud800":"x"}}', 'm_string["\\ud800"]', "as a key, has an unpaired"),
    "surrogate": ('{"fString":"\\ud800x"}', "f_string", "has an unpaired surrogate; write Unicode text"),
    "surrogates the wrong way round": (
        '{"fString":"\\udc00\\ud800"}',
        "f_string",
        "has an unpaired surrogate",
    ),
    "1_000": ('{"fInt32":"1_000"}', "f_int32", '"1_000" is not a whole number'),
    "full-width digit": ('{"fInt32":"１"}', "f_int32", '"１" is not a whole number'),
    "+1": ('{"fInt32":"+1"}', "f_int32", '"+1" is not a whole number'),
    "01": ('{"fInt32":"01"}', "f_int32", '"01" is not a whole number'),
    "space before a number": ('{"fDouble":" 1"}', "f_double", '" 1" is not a number'),
    "inf": ('{"fDouble":"inf"}', "f_double", '"inf" is not a number'),
    "nan": ('{"fFloat":"nan"}', "f_float", '"nan" is not a number'),
    "fraction": ('{"fInt32":1.5}', "f_int32", "1.5 is not a whole number"),
    "fraction lost in a double": (
        '{"fInt64":1.00000000000000000001}',
        "f_int64",
        "1.00000000000000000001 is not",
    ),
    "out of range": (
        '{"fInt32":2147483648}',
        "f_int32",
        "2147483648 is out of range; it must be from -2147483648",
    ),
    "1e400 as text": ('{"fDouble":"1e400"}', "f_double", '"1e400" is out of range'),
    "number for text": ('{"fString":1}', "f_string", "1 is not a string"),
    "bool for a number": ('{"fInt32":true}', "f_int32", "true is not a whole number"),
    "bool as text": ('{"fBool":"true"}', "f_bool", '"true" is not true or false'),
    "number for bool": ('{"fBool":1}', "f_bool", "1 is not true or false"),
    "bad base64": ('{"fBytes":"*"}', "f_bytes", '"*" is not base64 text'),
    "bad padding": ('{"fBytes":"AA="}', "f_bytes", '"AA=" is not base64 text: its padding is wrong'),
    "bad base64 in a wrapper": ('{"wBytes":"A"}', "w_bytes", '"A" is not base64 text'),
    "unknown enum name": (
        '{"color":"GREEN"}',
        "color",
        '"GREEN" is not accepted; use one of: COLOR_UNSPECIFIED,',
    ),
    "NUL behind an enum name": ('{"color":"RED\\u0000"}', "color", '"RED\\u0000" is not accepted'),
    "surrogate as an enum": ('{"color":"\\ud800"}', "color", '"\\ud800" is not accepted'),
    "enum number as text": ('{"color":"1"}', "color", '"1" is not accepted'),
    "enum number out of range": ('{"color":2147483648}', "color", "2147483648 is out of range"),
    "enum in a map": ('{"mColor":{"a":"GREEN"}}', 'm_color["a"]', '"GREEN" is not accepted'),
    "object for a wrapper": ('{"wInt64":{"value":1}}', "w_int64", "an object is not a whole number"),
    "object for a time": ('{"ts":{"seconds":1}}', "ts", "an object is not a string"),
    "object for a mask": ('{"mask":{"paths":[]}}', "mask", "an object is not a string"),
    "short date": ('{"ts":"2026-1-3T1:2:3Z"}', "ts", f'"2026-1-3T1:2:3Z" {_TIME}'),
    "time in lower case": ('{"ts":"2026-01-31t12:00:00z"}', "ts", f'"2026-01-31t12:00:00z" {_TIME}'),
    "time without a zone": ('{"ts":"2026-01-31T12:00:00"}', "ts", f'"2026-01-31T12:00:00" {_TIME}'),
    "full-width time": ('{"ts":"２026-01-31T12:00:00Z"}', "ts", f'"２026-01-31T12:00:00Z" {_TIME}'),
    "underscore in a time": (
        '{"ts":"2026-01-31T12:00:00.1_0Z"}',
        "ts",
        f'"2026-01-31T12:00:00.1_0Z" {_TIME}',
    ),
    "ten digits": (
        '{"ts":"2026-01-31T12:00:00.1234567890Z"}',
        "ts",
        '"2026-01-31T12:00:00.1234567890Z" is not a',
    ),
    "short offset": ('{"ts":"2026-01-31T12:00:00+1:0"}', "ts", f'"2026-01-31T12:00:00+1:0" {_TIME}'),
    "offset of 99 hours": (
        '{"ts":"2026-01-31T12:00:00+99:00"}',
        "ts",
        '"2026-01-31T12:00:00+99:00" is not a',
    ),
    "30 February": ('{"ts":"2026-02-30T12:00:00Z"}', "ts", f'"2026-02-30T12:00:00Z" {_TIME}'),
    "year 0": ('{"ts":"0000-01-01T00:00:00Z"}', "ts", f'"0000-01-01T00:00:00Z" {_TIME}'),
    "before the first time": (
        '{"ts":"0001-01-01T00:00:00+00:01"}',
        "ts",
        '"0001-01-01T00:00:00+00:01" is not',
    ),
    "behind the last time": (
        '{"ts":"9999-12-31T23:59:59-00:01"}',
        "ts",
        '"9999-12-31T23:59:59-00:01" is not',
    ),
    "duration with underscore": ('{"dur":"1_0s"}', "dur", f'"1_0s" {_DURATION}'),
    "duration with a sign": ('{"dur":"+1s"}', "dur", f'"+1s" {_DURATION}'),
    "duration with a space": ('{"dur":" 1s"}', "dur", f'" 1s" {_DURATION}'),
    "full-width duration": ('{"dur":"１s"}', "dur", f'"１s" {_DURATION}'),
    "duration without digits": ('{"dur":"1.s"}', "dur", f'"1.s" {_DURATION}'),
    "duration of ten digits": ('{"dur":"1.1234567890s"}', "dur", f'"1.1234567890s" {_DURATION}'),
    "duration without unit": ('{"dur":"1"}', "dur", f'"1" {_DURATION}'),
    "duration of no number": ('{"dur":"s"}', "dur", f'"s" {_DURATION}'),
    "too long a duration": ('{"dur":"315576000001s"}', "dur", f'"315576000001s" {_DURATION}'),
    "mask of proto names": ('{"mask":"page_count"}', "mask", f'"page_count" {_MASK}'),
    "mask with a space": ('{"mask":"a, b"}', "mask", f'"a, b" {_MASK}'),
    "mask with a gap": ('{"mask":"a,,b"}', "mask", f'"a,,b" {_MASK}'),
    "mask with a star": ('{"mask":"*"}', "mask", f'"*" {_MASK}'),
    "surrogate in a mask": ('{"mask":"\\ud800"}', "mask", "has an unpaired surrogate"),
    "array for a struct": ('{"struct":[]}', "struct", "an array is not an object"),
    "object for a list value": ('{"list":{}}', "list", "an object is not an array"),
    "number too large for a struct": (
        f'{{"struct":{{"a":[{"9" * 309}]}}}}',
        'struct["a"][0]',
        f"{'9' * 32}… is out",
    ),
    "surrogate in a struct": ('{"struct":{"a":"\\ud800"}}', 'struct["a"]', "has an unpaired surrogate"),
    "surrogate in a struct's key": (
        '{"struct":{"\\ud800":1}}',
        'struct["\\ud800"]',
        "has an unpaired surrogate",
    ),
    "surrogate in a value": ('{"value":["\\ud800"]}', "value[0]", "has an unpaired surrogate"),
    "array for an Any": ('{"any":[]}', "any", "an array is not an object"),
    "Any without type": ('{"any":{"name":"x"}}', "any", _TYPE),
    "Any with a number for a type": ('{"any":{"@type":1}}', "any", _TYPE),
    "Any of a type without a slash": ('{"any":{"@type":"test.v1.Inner"}}', "any", _TYPE),
    "Any of a type with a NUL": ('{"any":{"@type":"a/test.v1.Inner\\u0000"}}', "any", _TYPE),
    "Any of a type with a surrogate": ('{"any":{"@type":"a/\\ud800"}}', "any", _TYPE),
    "Any of an unknown type": (
        '{"any":{"@type":"a/test.v1.Nome"}}',
        "any.@type",
        '"a/test.v1.Nome" is not a known type',
    ),
    "unknown field in an Any": ('{"any":{"@type":"a/test.v1.Inner","nome":1}}', "any.nome", "no such field"),
    "bad field in an Any": ('{"any":{"@type":"a/test.v1.Inner","name":1}}', "any.name", "1 is not a string"),
    "Any needs value": (
        '{"any":{"@type":"a/google.protobuf.Duration","seconds":1}}',
        "any",
        'takes "@type" and "value", and nothing else',
    ),
    "Any with more than value": (
        '{"any":{"@type":"a/google.protobuf.Duration","value":"1s","x":1}}',
        "any",
        'takes "@type" and "value", and nothing else',
    ),
    "bad value in an Any": (
        '{"any":{"@type":"a/google.protobuf.Duration","value":1}}',
        "any.value",
        "1 is not a string",
    ),
    "Any in a list": ('{"rAny":[{},{"x":1}]}', "r_any[1]", _TYPE),
    "Any in a map": ('{"mAny":{"k":{"x":1}}}', 'm_any["k"]', _TYPE),
    "message in a map": (
        '{"mInner":{"Bad \\"Key\\"":{"x":1}}}',
        'm_inner["Bad \\"Key\\""].x',
        "no such field",
    ),
    "field of Empty": ('{"empty":{"x":1}}', "empty.x", "no such field"),
}


@pytest.mark.parametrize(("text", "field", "description"), BAD.values(), ids=BAD)
def test_bad(everything: Any, text: str, field: str, description: str) -> None:
    _, violations = read(everything, text)
    assert [(one[0], one[1][: len(description)]) for one in violations] == [(field, description)]
    repr(violations).encode()


def test_all_violations_are_told_at_once(everything: Any) -> None:
    text = """{"fInt32":"x","f_int32":1,"nome":1,"inner":{"name":1,"inner":{"pageCount":1.5}},
               "rInt64":["1","a","b"],"mString":{"Bad Key":1,"ok":"x"},"oneText":"","oneNumber":1,
               "ts":"now","any":{"@type":"a/test.v1.Inner","name":1,"x":1},"struct":{"a":"\\ud800"}}"""
    _, violations = read(everything, text)
    assert [field for field, _ in violations] == [
        "f_int32",
        "f_int32",
        "nome",
        "inner.name",
        "inner.inner.page_count",
        "r_int64[1]",
        "r_int64[2]",
        'm_string["Bad Key"]',
        "one_number",
        "ts",
        "any.name",
        "any.x",
        'struct["a"]',
    ]


def test_no_secret_and_no_long_text_comes_back(everything: Any) -> None:
    link = "https://user:secret@host/k?X-Amz-Signature=secret"
    _, violations = read(
        everything, f'{{"{link}":1,"{"a" * 5000}":1,"fInt32":"{link}","color":"{"x" * 5000}"}}'
    )
    assert len(violations) == 4
    assert "secret" not in repr(violations)
    assert max(len(field) for field, _ in violations) < 150
    assert max(len(description) for field, description in violations if field == "color") < 250


def test_deep_json_within_its_bound_is_read_or_refused(everything: Any) -> None:
    message, violations = read(everything, '{"inner":' * 50 + "{}" + "}" * 50)
    assert violations == []
    assert message is not None


@pytest.mark.parametrize(
    ("name", "field"),
    [("fInt32", "f_int32"), ("f_int32", "f_int32"), ("F_INT32", None), ("f_int32\0", None), ("\ud800", None)],
)
def test_find_field(schema: Schema, name: str, field: str | None) -> None:
    found = JsonReader().find_field(descriptor_of(schema.message("test.v1.Everything")), name)
    assert (found.name if found else None) == field
