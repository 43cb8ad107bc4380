"""JSON texts: what RFC 8259 leaves open is refused, and where is told."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Code, GatewayError
from gateway.transcode import json_text
from gateway.transcode.json_text import JsonNumber, JsonObject, parse_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"{}", {}),
        (b" [1, true, null] ", [1, True, None]),
        (b'"\xd1\x8f\\u044f"', "яя"),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\u0000"', "\0"),
        (b"-0", 0),
        (b"12345678901234567890123", 12345678901234567890123),
    ],
)
def test_values(text: bytes, value: Any) -> None:
    assert parse_json(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "2.50", "1e5", "0.1000000000000000055511151231257827", "1e-400", "1e999", "-1e999",
        "1e-99999999999999999999", "0e99999999999999999999", "9" * 60_000,
    ],
)  # fmt: skip
def test_what_is_no_plain_integer_stays_as_it_is_written(text: str) -> None:
    value = parse_json(text.encode())
    assert isinstance(value, JsonNumber)
    assert value.text == text


BAD = {
    "empty": (b" ", "the body is not JSON: expecting value at line 1, column 2"),
    "trailing data": (b"{} {}", "the body is not JSON: extra data at line 1, column 4"),
    "trailing comma": (b'{"a":1,}', "the body is not JSON: "),
    "single quotes": (b"{'a':1}", "the body is not JSON: expecting property name"),
    "comment": (b"{} // x", "the body is not JSON: extra data"),
    "second line": (b'{\n  "a": x}', "the body is not JSON: expecting value at line 2, column 8"),
    "cut off": (b'{"a":', "the body is not JSON: expecting value at line 1, column 6"),
    "control character": (b'"a\nb"', "the body is not JSON: invalid control character"),
    "NaN": (b'{"a":NaN}', "the body is not JSON: NaN is not a JSON number"),
    "Infinity": (b"[Infinity]", "the body is not JSON: Infinity is not a JSON number"),
    "-Infinity": (b"-Infinity", "the body is not JSON: -Infinity is not a JSON number"),
    "01": (b"01", "the body is not JSON: extra data at line 1, column 2"),
    "+1": (b"+1", "the body is not JSON: expecting value"),
    "1.": (b"1.", "the body is not JSON: extra data"),
    ".5": (b".5", "the body is not JSON: expecting value"),
    "0x1": (b"0x1", "the body is not JSON: extra data"),
    "full-width digit": ("１".encode(), "the body is not JSON: expecting value"),
    "bad UTF-8": (b'{"a":"\xff"}', "the body is not UTF-8: byte 7 is invalid"),
    "overlong UTF-8": (b'"\xc0\xaf"', "the body is not UTF-8: byte 2 is invalid"),
    "UTF-8 of a surrogate": (b'"\xed\xa0\x80"', "the body is not UTF-8: byte 2 is invalid"),
    "UTF-16": ("{}".encode("utf-16"), "the body is not UTF-8: byte 1 is invalid"),
    "byte order mark": (b"\xef\xbb\xbf{}", "the body is not JSON: "),
    "101 levels": (b"[" * 101 + b"]" * 101, "the body is nested too deeply: over 100 levels"),
    "101 objects": (b'{"a":' * 101 + b"1" + b"}" * 101, "the body is nested too deeply: over 100 levels"),
    "100,000 levels": (b"[" * 100_000, "the body is nested too deeply"),
    "100,000 objects": (b'{"a":' * 100_000, "the body is nested too deeply"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_refusals(text: bytes, message: str) -> None:
    with pytest.raises(GatewayError) as caught:
        parse_json(text)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.message.startswith(message)


def test_a_hundred_levels_are_read() -> None:
    parse_json(b"[" * 100 + b"]" * 100)


def test_duplicates_are_remembered() -> None:
    value = parse_json(b'{"a":1,"b":{"c":1,"c":2,"c":3},"\\u0061":2,"d":1}')
    assert value.duplicates == ("a",)
    assert value["b"].duplicates == ("c",)


def test_many_names_with_a_duplicate_are_quick() -> None:
    text = b"{%s}" % b",".join([b'"%x":1' % number for number in range(20_000)] * 2)
    started = time.process_time()
    assert len(parse_json(text).duplicates) == 20_000
    assert time.process_time() - started < 1


_PIECES = st.sampled_from(
    [
        "{", "}", "[", "]", ",", ":", " : ", '"', '"a":', '"b" :', '"a":1', '"a":":"', '":b"', '"c:d"', "1",
        "-0", "1.0", "1e2", "18446744073709551616", "true", "null", "NaN", '"x"', '{"a":"b"}',
        '{"a":"b","a":"c"}',
        "\n", "\t", "\\u003a", "\x7f", "\u044f", " ",
    ]
)  # fmt: skip
_NAMES = st.sampled_from(["a", "b", ":", "a:", ""])
_OBJECTS = st.lists(
    st.tuples(
        _NAMES,
        st.sampled_from(['"x"', '":"', "1", "true", "null", "1.5", "[]", '{"a":":"}', '{"a":1,"a":2}']),
    )
).map(lambda pairs: "{" + ",".join(f'"{name}" : {value}' for name, value in pairs) + "}")


def parse_alike(text: str) -> tuple[Any, str]:
    """Return the value of a text, and what distinguishes it from an equal value; or the error."""
    try:
        value = parse_json(text.encode())
    except GatewayError as error:
        return error.message, "error"
    return value, repr(_shape(value))


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        duplicates = value.duplicates if isinstance(value, JsonObject) else ()
        return type(value), duplicates, [(name, _shape(one)) for name, one in value.items()]
    if isinstance(value, list):
        return [_shape(one) for one in value]
    return repr(value)


@settings(deadline=None, derandomize=True, max_examples=3000)
@given(st.one_of(_OBJECTS, st.lists(_PIECES, max_size=8).map("".join)))
def test_the_fast_parser_agrees_with_the_strict_one(text: str) -> None:
    found = parse_alike(text)[1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_text, "_parse_simple", lambda _: None)
        assert found == parse_alike(text)[1]
    assert found != "error" or parse_alike(text)[0]


@pytest.mark.parametrize(
    ("text", "is_simple"),
    [
        (b'{"a": "b", "c": {"d": ":", "e": 1}}', True),
        (b'{"a": "b", "a": "c"}', False),
        (b'{"a": {"b": "x", "b" : ":"}}', False),
        (b'{"a": 1.5}', False),
        (b'{"a": 18446744073709551616}', False),
        (b'{"a": ["b"]}', False),
        (b'{"a": {"b": {"c": "d"}}}', False),
        (b'{"a": "\\u0041"}', False),
        (b'["a"]', False),
    ],
)
def test_simple_texts(text: bytes, *, is_simple: bool) -> None:
    assert (json_text._parse_simple(text) is not None) is is_simple  # noqa: SLF001 - only the time shows it
