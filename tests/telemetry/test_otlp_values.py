"""Values in the wire format of OTLP: what the official library reads."""

from __future__ import annotations

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


def test_an_attribute_that_cannot_be_sent_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    parts: list[bytes] = []
    add_attributes(parts, b"\x32", {"large": 2**70, "object": object(), "good": "value"})
    record = LogRecord.FromString(b"".join(parts))
    assert [one.key for one in record.attributes] == ["good"]
    assert caplog.messages == ["attribute cannot be sent"] * 2
