"""Messages → JSON as the cloud writes it, and back."""

from __future__ import annotations

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import descriptor_pool, json_format
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.schema import descriptor_of, load_schema
from gateway.transcode import JsonWriter, reply_types
from gateway.transcode.json_writer import UnprintableError
from tests.messages import Messages
from tests.rounds import examples

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor_pool import DescriptorPool

    from gateway.schema import Schema

_BAREMETAL = "yandex.cloud.baremetal.v1alpha"
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


# --- properties


@settings(deadline=None, derandomize=True, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_message_is_written_and_read_back_the_same(
    data: st.DataObject, bind: Callable[..., Any], writer: JsonWriter, schema: Schema
) -> None:
    messages = Messages(schema, packed=("test.v1.Inner",))
    message = data.draw(messages.of(descriptor_of(schema.message("test.v1.Everything"))))
    assert bind("POST", "/v1/things", writer.write(message)) == message


def _as_json_format(message: Any, pool: DescriptorPool, *, prints_defaults: bool) -> str | None:
    """Return the JSON text that json_format writes, or None if there is none."""
    try:
        tree = json_format.MessageToDict(
            message, always_print_fields_with_no_presence=prints_defaults, descriptor_pool=pool
        )
    except (json_format.Error, ValueError):
        return None
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("prints_defaults", [False, True])
@pytest.mark.parametrize("name", ["test.v1.Everything", "test.v1.Closed", "yandex.cloud.operation.Operation"])
@settings(examples(100, 5000), suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_json_format_writes_the_same_text(
    schema: Schema, name: str, *, prints_defaults: bool, data: st.DataObject
) -> None:
    packed = ("test.v1.Everything", "test.v1.Closed", f"{_BAREMETAL}.Image", "google.protobuf.Any")
    messages = Messages(schema, is_printable=False, packed=packed)
    message = data.draw(messages.of(schema.pool.FindMessageTypeByName(name)))
    expected = _as_json_format(message, schema.pool, prints_defaults=prints_defaults)
    writer = JsonWriter(schema.pool, prints_defaults=prints_defaults)
    if expected is None:
        with pytest.raises(UnprintableError):
            writer.write(message)
    else:
        written = json.loads(writer.write(message))  # 1e-07 is 1e-7
        assert json.dumps(written, sort_keys=True) == json.dumps(json.loads(expected), sort_keys=True)


def test_fields_are_in_the_order_of_the_message_and_map_entries_in_the_order_of_their_keys(
    schema: Schema,
) -> None:
    keys = ["b", "a", "d", "c", "f", "e"]
    message = schema.message("test.v1.Everything")(
        m_string={key: key for key in keys},
        m_int64=dict.fromkeys((10, 9, -1, 2**40), ""),
        m_inner={key: {} for key in keys},
        m_bool={True: 1, False: 0},
        struct=dict.fromkeys(keys, True),
        f_string="x",
    )
    tree = json.loads(JsonWriter(schema.pool).write(message))
    assert list(tree) == ["fString", "mString", "mInt64", "mBool", "mInner", "struct"]
    assert [list(tree[name]) for name in ("mString", "mInner", "struct")] == [sorted(keys)] * 3
    assert list(tree["mInt64"]) == ["-1", "9", "10", str(2**40)]
    assert list(tree["mBool"]) == ["false", "true"]


def test_extensions_and_groups(schema: Schema) -> None:
    message: Any = schema.message("test.v1.Closed")(answer=1, pair={"left": 1})
    message.Extensions[schema.pool.FindExtensionByName("test.v1.note")] = "x"
    message.Extensions[schema.pool.FindExtensionByName("test.v1.inner")].pair.left = 2
    expected = _as_json_format(message, schema.pool, prints_defaults=False)
    assert JsonWriter(schema.pool).write(message).decode() == expected
    assert expected is not None
    assert '"[test.v1.note]":"x"' in expected


def test_nesting_beyond_the_interpreter_has_no_json_form(schema: Schema, writer: JsonWriter) -> None:
    loop: Any = schema.message("test.v1.Loop")
    packed = schema.message("google.protobuf.Any")()
    for _ in range(32):
        nested = loop(packed=packed)
        for _ in range(45):
            nested = loop(ring={"loop": nested})
        packed = type(packed)(type_url="a/test.v1.Loop", value=nested.SerializeToString())
    with pytest.raises(UnprintableError):
        writer.write(packed)


def test_a_writer_of_compiled_types_writes_the_same(schema: Schema, everything: Any) -> None:
    message = everything(f_int64=1, loop={"ring": {"loop": {}}}, any={"type_url": "a/test.v1.Inner"})
    compiled = JsonWriter(schema.pool, reply_types(schema))
    assert compiled.write(message) == JsonWriter(schema.pool).write(message)


def test_types_of_replies_include_those_of_operations() -> None:
    schema = load_schema(["yandex.cloud.baremetal.v1alpha.ImageService"])
    names = {one.full_name for one in reply_types(schema)}
    assert {
        "yandex.cloud.operation.Operation",
        f"{_BAREMETAL}.Image",
        f"{_BAREMETAL}.CreateImageMetadata",
    } <= names


def test_a_status_is_written_whatever_its_details_hold() -> None:
    writer = JsonWriter(descriptor_pool.Default())
    good, bad = AnyMessage(), AnyMessage()
    good.Pack(error_details_pb2.ErrorInfo(reason="R"))
    bad.Pack(Timestamp(seconds=10**15))
    text = writer.write_status(status_pb2.Status(code=5, message="m", details=[bad, good]))
    first, second = json.loads(text)["details"]
    assert first == {"@type": bad.type_url, "value": base64.b64encode(bad.value).decode()}
    assert second["reason"] == "R"


def test_threads_that_need_the_same_type_first_write_whole_messages() -> None:
    message = error_details_pb2.ErrorInfo(reason="r", domain="d", metadata={"a": "b"})
    packed = AnyMessage()
    packed.Pack(message)
    for _ in range(50):
        writer = JsonWriter(descriptor_pool.Default())
        start = threading.Barrier(4)

        def write(writer: JsonWriter = writer, start: threading.Barrier = start) -> bytes:
            start.wait()
            return writer.write(packed)

        with ThreadPoolExecutor(4) as threads:
            texts = {future.result() for future in [threads.submit(write) for _ in range(4)]}
        (text,) = texts
        assert json.loads(text) == {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "r",
            "domain": "d",
            "metadata": {"a": "b"},
        }
