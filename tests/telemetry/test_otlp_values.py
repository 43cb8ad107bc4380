"""Values in the wire format of OTLP: what the official library reads."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common._internal import _encode_value
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from gateway.telemetry.otlp_values import add_attributes, encode_value, varint

scalars = (
    st.text() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.binary()
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@given(values)
def test_a_value_is_encoded_as_by_the_official_library(value: Any) -> None:
    assert AnyValue.FromString(encode_value(value)) == _encode_value(value)


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**32, 2**64 - 1])
def test_a_varint_has_seven_bits_in_each_byte(number: int) -> None:
    data = varint(number)
    assert sum((byte & 0x7F) << 7 * index for index, byte in enumerate(data)) == number
    assert [byte >> 7 for byte in data] == [1] * (len(data) - 1) + [0]


def test_a_number_of_an_enumeration_is_a_number() -> None:
    assert encode_value(HTTPStatus.NOT_FOUND) == encode_value(404)


def test_an_attribute_that_cannot_be_sent_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    parts: list[bytes] = []
    add_attributes(parts, b"\x32", {"large": 2**70, "object": object(), "good": "value"})
    record = LogRecord.FromString(b"".join(parts))
    assert [one.key for one in record.attributes] == ["good"]
    assert caplog.messages == ["attribute cannot be sent"] * 2


def test_equal_values_of_other_types_keep_their_types() -> None:
    found = []
    for value in (1, True, 1.0, "1", ("1",), (True,)):
        parts: list[bytes] = []
        add_attributes(parts, b"\x32", {"key": value, "text": "x"})
        record = LogRecord.FromString(b"".join(parts))
        found.append([one.value.WhichOneof("value") for one in record.attributes])
        assert record.attributes[0].value == _encode_value(value)
    assert [kinds[0] for kinds in found] == [
        "int_value", "bool_value", "double_value", "string_value", "array_value", "array_value"
    ]  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "decision.id", "url.path", "c"]),
        st.one_of(scalars, st.lists(st.text(), max_size=3).map(tuple)),
    )
)
def test_attributes_keep_their_order(attributes: dict[str, Any]) -> None:
    for _ in range(2):  # the second time from the cache
        parts: list[bytes] = []
        add_attributes(parts, b"\x32", attributes)
        record = LogRecord.FromString(b"".join(parts))
        assert [(one.key, one.value) for one in record.attributes] == [
            (key, _encode_value(value)) for key, value in attributes.items()
        ]


def test_attributes_beside_one_that_cannot_be_sent_are_sent_once(caplog: pytest.LogCaptureFixture) -> None:
    parts: list[bytes] = []
    add_attributes(parts, b"\x32", {"first": "x", "decision.id": "y", "large": 2**70, "last": 3})
    record = LogRecord.FromString(b"".join(parts))
    assert [one.key for one in record.attributes] == ["first", "decision.id", "last"]
    assert caplog.messages == ["attribute cannot be sent"]
