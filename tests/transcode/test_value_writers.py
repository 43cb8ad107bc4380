"""Values of fields in JSON: each as json_format writes it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import BytesValue, DoubleValue, FloatValue, Int64Value, UInt32Value

from gateway.transcode.value_writers import (
    base64_text,
    list_writer,
    map_writer,
    scalar_writer,
    special_writer,
)

SPECIAL = [
    Timestamp(seconds=1),
    Timestamp(seconds=1, nanos=5_000_000),
    Duration(seconds=-1, nanos=-5),
    Int64Value(value=2**62),
    UInt32Value(value=7),
    DoubleValue(value=0.1),
    FloatValue(value=0.1),
    BytesValue(value=b"\xff"),
    Struct(fields={"a": Value(list_value=ListValue(values=[Value(number_value=1.5)]))}),
]


@pytest.mark.parametrize(
    "message", SPECIAL, ids=[f"{type(one).__name__}{index}" for index, one in enumerate(SPECIAL)]
)
def test_messages_with_a_form_of_their_own(message: Any) -> None:
    write = special_writer(message.DESCRIPTOR)
    assert write is not None
    assert write(message, 0) == json.loads(json_format.MessageToJson(message))


@pytest.mark.parametrize("seconds", [-62135596801, 253402300800])
def test_a_time_that_json_cannot_hold_is_refused(seconds: int) -> None:
    write = special_writer(Timestamp.DESCRIPTOR)
    assert write is not None
    with pytest.raises(ValueError, match=r".+"):
        write(Timestamp(seconds=seconds), 0)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_are_not_finite(number: str) -> None:
    write = special_writer(DoubleValue.DESCRIPTOR)
    assert write is not None
    assert write(DoubleValue(value=float(number)), 0) == number


def scalar(message: type[Any], name: str) -> FieldDescriptor:
    field: FieldDescriptor = message.DESCRIPTOR.fields_by_name[name]
    return field


def test_scalars_that_are_json_already_need_no_writer() -> None:
    assert scalar_writer(scalar(Timestamp, "nanos")) is None
    assert scalar_writer(scalar(Value, "string_value")) is None


def test_large_integers_are_texts() -> None:
    write = scalar_writer(scalar(Timestamp, "seconds"))
    assert write is not None
    assert write(2**60, 0) == str(2**60)


def test_lists_and_maps() -> None:
    text = scalar_writer(scalar(Timestamp, "seconds"))
    assert list_writer(text)([1, 2], 0) == ["1", "2"]
    assert list_writer(None)([1, 2], 0) == [1, 2]
    entry: Any = Struct.DESCRIPTOR.fields_by_name["fields"].message_type
    key = entry.fields_by_name["key"]
    assert map_writer(key, text)({"b": 1, "a": 2}, 0) == {"a": "2", "b": "1"}


def test_bytes() -> None:
    assert base64_text(b"\xfb\xff") == "+/8="
