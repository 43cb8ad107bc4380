"""Scalar values, exactly as https://protobuf.dev/programming-guides/json/ has them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from gateway.schema import descriptor_of
from gateway.transcode.json_text import JsonNumber
from gateway.transcode.scalars import UnfitError, parse_text, scalar_reader, show

if TYPE_CHECKING:
    from google.protobuf.descriptor import FieldDescriptor


@pytest.fixture
def fields(everything: Any) -> dict[str, FieldDescriptor]:
    return dict(descriptor_of(everything).fields_by_name)


INTEGERS = {
    "f_int32": (-(2**31), 2**31 - 1),
    "f_sint32": (-(2**31), 2**31 - 1),
    "f_sfixed32": (-(2**31), 2**31 - 1),
    "f_uint32": (0, 2**32 - 1),
    "f_fixed32": (0, 2**32 - 1),
    "f_int64": (-(2**63), 2**63 - 1),
    "f_sint64": (-(2**63), 2**63 - 1),
    "f_sfixed64": (-(2**63), 2**63 - 1),
    "f_uint64": (0, 2**64 - 1),
    "f_fixed64": (0, 2**64 - 1),
}


@pytest.mark.parametrize(("name", "low", "high"), [(name, *ends) for name, ends in INTEGERS.items()])
def test_integers_have_their_range(
    fields: dict[str, FieldDescriptor], name: str, low: int, high: int
) -> None:
    for number in (low, high):
        assert scalar_reader(fields[name])(number) == number
        assert scalar_reader(fields[name])(str(number)) == number
        assert scalar_reader(fields[name])(JsonNumber(str(number))) == number
    for number in (low - 1, high + 1):
        for value in (number, str(number), JsonNumber(str(number))):
            with pytest.raises(UnfitError, match=rf"is out of range; it must be from {low} to {high}$"):
                scalar_reader(fields[name])(value)


GOOD: list[tuple[str, Any, Any]] = [
    ("f_int32", JsonNumber("1.0"), 1),
    ("f_int32", JsonNumber("1e3"), 1000),
    ("f_int32", JsonNumber("100e-2"), 1),
    ("f_int32", "1.0", 1),
    ("f_int32", "1e3", 1000),
    ("f_int32", "-0", 0),
    ("f_int64", JsonNumber("9007199254740993"), 9007199254740993),
    ("f_int64", "9007199254740993.0", 9007199254740993),
    ("f_double", 1, 1.0),
    ("f_double", "1", 1.0),
    ("f_double", "-1.5e3", -1500.0),
    ("f_double", JsonNumber("1e-400"), 0.0),
    ("f_double", "Infinity", math.inf),
    ("f_double", "-Infinity", -math.inf),
    ("f_double", JsonNumber("1.7976931348623157e308"), 1.7976931348623157e308),
    ("f_float", JsonNumber("3.4028235e38"), 3.4028234663852886e38),
    ("f_float", JsonNumber("-3.4028234663852886e38"), -3.4028234663852886e38),
    ("f_float", JsonNumber("0.5"), 0.5),
    ("f_float", "Infinity", math.inf),
    ("f_bool", True, True),
    ("f_bool", False, False),
    ("f_string", "", ""),
    ("f_string", "a\0b😀", "a\0b😀"),
    ("f_bytes", "", b""),
    ("f_bytes", "AA==", b"\0"),
    ("f_bytes", "AA", b"\0"),
    ("f_bytes", "-_-_", b"\xfb\xff\xbf"),
    ("f_bytes", "+/+/", b"\xfb\xff\xbf"),
    ("color", "RED", 1),
    ("color", 2, 2),
    ("color", JsonNumber("2.0"), 2),
    ("color", 77, 77),
]


@pytest.mark.parametrize(
    ("name", "value", "read"), GOOD, ids=[f"{name}={value!a}" for name, value, _ in GOOD]
)
def test_good(fields: dict[str, FieldDescriptor], name: str, value: Any, read: Any) -> None:
    assert scalar_reader(fields[name])(value) == read


_LAX = [
    "",
    " ",
    "1_000",
    "１",
    "+1",
    "01",
    " 1",
    "1 ",
    "1\n",
    "0x1",
    "1.",
    ".5",
    "1e",
    "--1",
    "١",
    "1,0",
    "1e+-1",
]
_NO_NUMBER: list[Any] = [None, True, False, {}, [], [1]]


def _each(name: str, values: list[Any]) -> list[tuple[str, Any]]:
    return [(name, value) for value in values]


BAD: list[tuple[str, Any]] = [
    *_each("f_int64", [*_LAX, "1.5", "NaN", "Infinity", "inf", "1e-1", "1e999999999"]),
    *_each("f_int64", ["1e99999999999999999999", "1e-99999999999999999999"]),
    *_each("f_int64", [*_NO_NUMBER, JsonNumber("1.5"), JsonNumber("1e-5"), JsonNumber("1e5000")]),
    *_each("f_double", [*_LAX, "inf", "-inf", "nan", "infinity", "+Infinity", "1e999", "NAN"]),
    *_each("f_double", [*_NO_NUMBER, 10**400, JsonNumber("1e999")]),
    *_each("f_float", ["3.5e38", JsonNumber("1e39"), -(10**39), "1e999", None]),
    *_each("f_bool", ["true", "false", 0, 1, None, "", {}, []]),
    *_each("f_string", [1, True, None, {}, [], JsonNumber("1.5")]),
    *_each("f_string", ["\ud800", "a\udc00b", "\udc00\ud800"]),
    *(
        ("f_bytes", text)
        for text in ["A", "AAAAA", "A=", "AA=", "=", "====", "AA===", "A===", "AA=A", "AAA=="]
    ),
    *_each("f_bytes", ["*", "AA\n", " AA", "A A=", "ＡＡ", "я", "\ud800", "A\0"]),
    *_each("f_bytes", [None, 1, [], True]),
    *_each("color", ["", "red", "GREEN", "RED ", "1", "01", "RED\0", "\ud800"]),
    *_each("color", [None, True, {}, [], JsonNumber("1.5"), 2**31, -(2**31) - 1]),
]


@pytest.mark.parametrize(
    ("name", "value"), BAD, ids=[f"{index}-{name}={value!a:.40}" for index, (name, value) in enumerate(BAD)]
)
def test_bad(fields: dict[str, FieldDescriptor], name: str, value: Any) -> None:
    with pytest.raises(UnfitError) as caught:
        scalar_reader(fields[name])(value)
    str(caught.value).encode()  # a message can be sent


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("f_bool", "true", True),
        ("f_bool", "false", False),
        ("f_bool", "1", "1"),
        ("f_bool", "TRUE", "TRUE"),
        ("color", "1", 1),
        ("color", "-1", -1),
        ("color", "0", 0),
        ("color", "01", "01"),
        ("color", "1_0", "1_0"),
        ("color", "１", "１"),
        ("color", "RED", "RED"),
        ("f_int32", "1", "1"),
        ("f_string", "true", "true"),
    ],
)
def test_the_text_of_a_parameter(
    fields: dict[str, FieldDescriptor], name: str, text: str, value: Any
) -> None:
    parsed = parse_text(fields[name], text)
    assert (type(parsed), parsed) == (type(value), value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (JsonNumber("1.50"), "1.50"),
        ({}, "an object"),
        ([], "an array"),
        ('a\n"b', '"a\\n\\"b"'),
        ("\ud800", '"\\ud800"'),
        (10**100, "1" + "0" * 31 + "…"),
        ("https://h/k?X-Amz-Signature=abc", '"https://h/k?…"'),
    ],
)
def test_values_are_shown_in_json_s_own_words(value: Any, shown: str) -> None:
    assert show(value) == shown
