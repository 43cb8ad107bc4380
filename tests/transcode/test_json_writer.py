"""Messages → JSON as the cloud writes it, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.schema import descriptor_of, entry_of, is_map
from gateway.transcode import JsonWriter
from gateway.transcode.json_writer import UnprintableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import Descriptor

    from gateway.schema import Schema

_DURATION = "type.googleapis.com/google.protobuf.Duration"

TREES: dict[str, tuple[dict[str, Any], Any]] = {
    "nothing set": ({}, {}),
    "defaults": ({"f_int32": 0, "f_string": "", "f_bool": False, "color": 0, "r_string": []}, {}),
    "optional at its default": ({"opt_int32": 0}, {"optInt32": 0}),
    "oneof at its default": ({"one_text": ""}, {"oneText": ""}),
    "empty message": ({"inner": {}}, {"inner": {}}),
    "lowerCamelCase": ({"inner": {"page_count": 1}}, {"inner": {"pageCount": 1}}),
    "32 bits": ({"f_int32": -1, "f_uint32": 1, "f_fixed32": 2}, {"fInt32": -1, "fUint32": 1, "fFixed32": 2}),
    "64 bits": (
        {
            "f_int64": -(2**63),
            "f_uint64": 2**64 - 1,
            "f_sfixed64": 1,
            "r_int64": [1],
            "w_int64": {"value": 2},
        },
        {
            "fInt64": str(-(2**63)),
            "fUint64": str(2**64 - 1),
            "fSfixed64": "1",
            "rInt64": ["1"],
            "wInt64": "2",
        },
    ),
    "floats": (
        {"f_double": 0.1, "f_float": 0.1, "w_float": {"value": 0.1}},
        {"fDouble": 0.1, "fFloat": 0.1, "wFloat": 0.1},
    ),
    "not finite": (
        {"f_double": float("nan"), "f_float": float("-inf"), "w_double": {"value": float("inf")}},
        {"fDouble": "NaN", "fFloat": "-Infinity", "wDouble": "Infinity"},
    ),
    "bytes": ({"f_bytes": b"\xfb\xff", "w_bytes": {"value": b""}}, {"fBytes": "+/8=", "wBytes": ""}),
    "enums": (
        {"color": 1, "r_color": [0, 2, 77]},
        {"color": "RED", "rColor": ["COLOR_UNSPECIFIED", "BLUE", 77]},
    ),
    "maps": (
        {"m_string": {"": "x"}, "m_int64": {-1: "a"}, "m_bool": {True: 0}, "m_color": {"a": 0}},
        {
            "mString": {"": "x"},
            "mInt64": {"-1": "a"},
            "mBool": {"true": 0},
            "mColor": {"a": "COLOR_UNSPECIFIED"},
        },
    ),
    "wrappers at their default": (
        {"w_bool": {}, "w_string": {}, "w_int64": {}},
        {"wBool": False, "wString": "", "wInt64": "0"},
    ),
    "null": ({"one_null": 0}, {"oneNull": None}),
    "struct": (
        {"struct": {"a": [None, 1, "x", True, {}]}, "value": {"string_value": "x"}},
        {"struct": {"a": [None, 1, "x", True, {}]}, "value": "x"},
    ),
    "field mask": ({"mask": {"paths": ["f_int32", "inner.page_count"]}}, {"mask": "fInt32,inner.pageCount"}),
    "empty": ({"empty": {}}, {"empty": {}}),
    "time": ({"ts": {"seconds": 1}}, {"ts": "1970-01-01T00:00:01Z"}),
    "time, 3 digits": ({"ts": {"nanos": 500_000_000}}, {"ts": "1970-01-01T00:00:00.500Z"}),
    "time, 6 digits": ({"ts": {"nanos": 1_000}}, {"ts": "1970-01-01T00:00:00.000001Z"}),
    "time, 9 digits": ({"ts": {"nanos": 1}}, {"ts": "1970-01-01T00:00:00.000000001Z"}),
    "time before 1970": ({"ts": {"seconds": -1, "nanos": 500_000_000}}, {"ts": "1969-12-31T23:59:59.500Z"}),
    "duration": ({"dur": {"seconds": 3}}, {"dur": "3s"}),
    "duration, 3 digits": ({"dur": {"nanos": -500_000_000}}, {"dur": "-0.500s"}),
    "duration, 9 digits": ({"dur": {"seconds": 1, "nanos": 1}}, {"dur": "1.000000001s"}),
    "empty Any": ({"any": {}}, {"any": {}}),
    "Any": (
        {"any": {"type_url": "x.com/test.v1.Inner", "value": b"\x10\x05"}},
        {"any": {"@type": "x.com/test.v1.Inner", "pageCount": 5}},
    ),
    "Any of a type with its own form": (
        {"any": {"type_url": _DURATION, "value": b"\x08\x01"}},
        {"any": {"@type": _DURATION, "value": "1s"}},
    ),
    "Any of Empty": (
        {"any": {"type_url": "a/google.protobuf.Empty"}},
        {"any": {"@type": "a/google.protobuf.Empty"}},
    ),
    "Any of an unknown type": (
        {"any": {"type_url": "a/b.Nome", "value": b"\0\xff"}},
        {"any": {"@type": "a/b.Nome", "value": "AP8="}},
    ),
    "Any of an unknown type, empty": (
        {"any": {"type_url": "a/b.Nome"}},
        {"any": {"@type": "a/b.Nome", "value": ""}},
    ),
    "Any of no type": ({"any": {"value": b"\0"}}, {"any": {"@type": "", "value": "AA=="}}),
    "Any without a slash": (
        {"any": {"type_url": "test.v1.Inner", "value": b"\x10\x05"}},
        {"any": {"@type": "test.v1.Inner", "pageCount": 5}},
    ),
    "Any with a NUL": (
        {"any": {"type_url": "a/test.v1.Inner\0", "value": b"\x10\x05"}},
        {"any": {"@type": "a/test.v1.Inner\0", "value": "EAU="}},
    ),
    "Any that is cut off": (
        {"any": {"type_url": _DURATION, "value": b"\x08"}},
        {"any": {"@type": _DURATION, "value": "CA=="}},
    ),
    "Any with text that is not UTF-8": (
        {"any": {"type_url": "a/test.v1.Inner", "value": b"\x0a\x01\xff"}},
        {"any": {"@type": "a/test.v1.Inner", "value": "CgH/"}},
    ),
    "Any in lists and maps": (
        {"r_any": [{}, {"type_url": "a/b.C", "value": b"\0"}], "m_any": {"k": {"type_url": "a/b.C"}}},
        {"rAny": [{}, {"@type": "a/b.C", "value": "AA=="}], "mAny": {"k": {"@type": "a/b.C", "value": ""}}},
    ),
    "Any where two types hold each other": (
        {"loop": {"ring": {"loop": {"packed": {"type_url": "a/b.C", "value": b"\0"}}}}},
        {"loop": {"ring": {"loop": {"packed": {"@type": "a/b.C", "value": "AA=="}}}}},
    ),
}


@pytest.mark.parametrize(("fields", "tree"), TREES.values(), ids=TREES)
def test_tree(writer: JsonWriter, everything: Any, fields: dict[str, Any], tree: Any) -> None:
    message = everything(**fields)
    before = message.SerializeToString(deterministic=True)
    assert writer.to_tree(message) == tree
    assert json.loads(writer.write(message)) == tree
    assert message.SerializeToString(deterministic=True) == before


def test_a_type_first_met_inside_of_another_keeps_its_any(schema: Schema) -> None:
    """Ring is looked at while Loop, which holds it and an Any, is not yet decided on."""
    writer = JsonWriter(schema.pool)
    packed = {"packed": {"type_url": "a/b.C", "value": b"\0"}}
    assert writer.to_tree(schema.message("test.v1.Loop")(**packed)) == {
        "packed": {"@type": "a/b.C", "value": "AA=="}
    }
    ring = schema.message("test.v1.Ring")(loop=packed)
    assert writer.to_tree(ring) == {"loop": {"packed": {"@type": "a/b.C", "value": "AA=="}}}


def _nested(schema: Schema, depth: int) -> Any:
    packed = schema.message("google.protobuf.Any")(type_url="a/b.Nome", value=b"\0")
    for _ in range(depth):
        packed = type(packed)(type_url="a/google.protobuf.Any", value=packed.SerializeToString())
    return packed


def test_an_unknown_any_within_a_known_one(writer: JsonWriter, schema: Schema) -> None:
    inner = {"@type": "a/b.Nome", "value": "AA=="}
    assert writer.to_tree(_nested(schema, 1)) == {"@type": "a/google.protobuf.Any", "value": inner}


def test_any_nested_without_end_is_kept_raw_below_a_bound(writer: JsonWriter, schema: Schema) -> None:
    tree = writer.to_tree(_nested(schema, 500))
    depth = 0
    while isinstance(tree["value"], dict):
        tree, depth = tree["value"], depth + 1
    assert depth == 32
    assert tree["@type"] == "a/google.protobuf.Any"


@pytest.mark.parametrize(
    ("fields", "name", "text"),
    [
        ({"r_string": ["a"]}, "r_string", b'["a"]'),
        ({"f_int64": 7}, "f_int64", b'"7"'),
        ({"inner": {"page_count": 5}}, "inner", b'{"pageCount":5}'),
        ({}, "r_string", b"[]"),
        ({}, "m_string", b"{}"),
        ({}, "inner", b"{}"),
        ({}, "f_int64", b'"0"'),
        ({}, "f_uint64", b'"0"'),
        ({}, "f_int32", b"0"),
        ({}, "f_double", b"0.0"),
        ({}, "f_bool", b"false"),
        ({}, "f_string", b'""'),
        ({}, "f_bytes", b'""'),
        ({}, "color", b'"COLOR_UNSPECIFIED"'),
        ({}, "ts", b"null"),
        ({}, "w_int64", b"null"),
        ({}, "value", b"null"),
        ({}, "one_null", b"null"),
        ({}, "struct", b"{}"),
        ({}, "list", b"[]"),
        ({}, "any", b"{}"),
    ],
)
def test_one_field_as_the_answer(
    writer: JsonWriter, everything: Any, fields: dict[str, Any], name: str, text: bytes
) -> None:
    assert writer.write(everything(**fields), name) == text


def test_text_is_written_compactly_and_as_utf_8(writer: JsonWriter, everything: Any) -> None:
    assert writer.write(everything(f_string='я"\n\0\u2028', f_int32=1)) == (
        '{"fInt32":1,"fString":"я\\"\\n\\u0000\u2028"}'.encode()
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"ts": {"seconds": 10**15}},
        {"ts": {"nanos": -1}},
        {"dur": {"seconds": 1, "nanos": -1}},
        {"dur": {"seconds": 10**15}},
        {"value": {"number_value": float("nan")}},
        {"struct": {"a": float("inf")}},
        {"mask": {"paths": ["a_B"]}},
        {
            "any": {
                "type_url": "a/google.protobuf.Timestamp",
                "value": b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
            }
        },
    ],
)
def test_what_has_no_json_form_is_told(writer: JsonWriter, everything: Any, fields: dict[str, Any]) -> None:
    with pytest.raises(UnprintableError, match=r"^test\.v1\.Everything has no JSON form: "):
        writer.write(everything(**fields))


# --- any message is written and read back the same

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(allow_nan=False),
    FieldDescriptor.CPPTYPE_FLOAT: st.floats(allow_nan=False, width=32),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_ENUM: st.integers(-5, 5),
}
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False), _TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_TEXT, inner, max_size=3)),
    max_leaves=5,
)
_WORD = st.from_regex(r"[a-z]{1,3}(_[a-z]{1,3})?", fullmatch=True)
_NANOS = st.integers(0, 999_999_999)


def _special(schema: Schema, name: str) -> st.SearchStrategy[Any] | None:
    def any_of(name: str) -> st.SearchStrategy[Any]:
        return _messages(schema, descriptor_of(schema.message(name)), 1).map(
            lambda message: {"type_url": f"a/{name}", "value": message.SerializeToString()}
        )

    strategies: dict[str, Callable[[], st.SearchStrategy[Any]]] = {
        "Timestamp": lambda: st.fixed_dictionaries(
            {"seconds": st.integers(-62135596800, 253402300799), "nanos": _NANOS}
        ),
        "Duration": lambda: st.builds(
            lambda sign, seconds, nanos: {"seconds": sign * seconds, "nanos": sign * nanos},
            st.sampled_from([1, -1]),
            st.integers(0, 315575999999),
            _NANOS,
        ),
        "FieldMask": lambda: st.lists(st.lists(_WORD, min_size=1, max_size=2).map(".".join), max_size=3).map(
            lambda paths: {"paths": paths}
        ),
        "Value": lambda: _VALUES,
        "Struct": lambda: st.dictionaries(_TEXT, _VALUES, max_size=3),
        "ListValue": lambda: st.lists(_VALUES, max_size=3),
        # None with a map inside: its order in the bytes of an Any is left open.
        "Any": lambda: st.one_of(
            st.just({}),
            *(any_of(f"google.protobuf.{kind}") for kind in ("Duration", "FieldMask", "BytesValue")),
            any_of("test.v1.Inner"),
        ),
    }
    package, _, short = name.rpartition(".")
    return strategies[short]() if package == "google.protobuf" and short in strategies else None


def _one(schema: Schema, field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        return _messages(schema, field.message_type, depth - 1)
    if field.type == field.TYPE_BYTES:
        return st.binary(max_size=5)
    if field.enum_type is not None and field.enum_type.full_name == "google.protobuf.NullValue":
        return st.just(0)
    return _SCALARS.get(field.cpp_type, _TEXT)


def _field(schema: Schema, field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if is_map(field):
        key, value = entry_of(field)
        return st.dictionaries(_one(schema, key, depth), _one(schema, value, depth), max_size=2)
    one = _one(schema, field, depth)
    return st.lists(one, max_size=2) if field.is_repeated else one


def _messages(schema: Schema, descriptor: Descriptor, depth: int) -> st.SearchStrategy[Any]:
    """Messages of a type, at most one member of each oneof set."""
    message_class: Any = schema.message(descriptor.full_name)
    special = _special(schema, descriptor.full_name)
    if special is not None:
        return special.map(lambda value: _make(message_class, value))
    if depth <= 0:
        return st.builds(message_class)
    groups: dict[str, list[FieldDescriptor]] = {}
    for field in descriptor.fields:
        groups.setdefault(field.containing_oneof.name if field.containing_oneof else field.name, []).append(
            field
        )

    @st.composite
    def build(draw: st.DrawFn) -> Any:
        message = message_class()
        for group in draw(st.lists(st.sampled_from(list(groups.values())), max_size=4, unique_by=id)):
            field = draw(st.sampled_from(group))
            value = draw(_field(schema, field, depth))
            message.MergeFrom(message_class(**{field.name: value}))
        return message

    return build() if groups else st.builds(message_class)


def _make(message_class: Any, value: Any) -> Any:
    """Return a message; a Value, which has no keyword of its own for its kind, by way of a list."""
    if message_class.DESCRIPTOR.name in {"Value", "ListValue", "Struct"}:
        message = message_class()
        if message_class.DESCRIPTOR.name == "Struct":
            message.update(value)
        elif message_class.DESCRIPTOR.name == "ListValue":
            message.extend(value)
        else:
            packed = type(message.list_value)()
            packed.extend([value])
            message.CopyFrom(packed.values[0])
        return message
    return message_class(**value)


@settings(deadline=None, derandomize=True, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_message_is_written_and_read_back_the_same(
    data: st.DataObject, bind: Callable[..., Any], writer: JsonWriter, schema: Schema
) -> None:
    message = data.draw(_messages(schema, descriptor_of(schema.message("test.v1.Everything")), 3))
    assert bind("POST", "/v1/things", writer.write(message)) == message
