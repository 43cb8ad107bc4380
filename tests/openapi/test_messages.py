"""Schemas of messages accept the same bodies as the gateway."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from gateway.openapi.messages import MessageSchemas
from gateway.schema import Schema, descriptor_of
from gateway.transcode.json_reader import JsonReader
from gateway.transcode.json_text import parse_json
from gateway.validation import Validator

RULES, LIBRARY, ODD = "rules.v1.Rules", "test.v1.Library", "odd.v1.Odd"

# Message, what the schema and the gateway take, what neither takes.
CASES: list[tuple[str, str, str, list[Any], list[Any]]] = [
    (RULES, "Everything", "pattern", ["", "a", "a-b"], ["A", "a-", "a\n"]),
    (RULES, "Everything", "length", ["", "ab", "abcd", "дата"], ["a", "abcde"]),
    (RULES, "Everything", "exact", ["", "abcde"], ["abcd", "abcdef"]),
    (RULES, "Everything", "optionalText", ["ab"], ["", "a"]),
    (RULES, "Everything", "either", ["", "a", "ab"], ["b", "aab"]),
    (RULES, "Everything", "fraction", [0, 0.5, 1], [1.5, -0.1]),
    (RULES, "Everything", "optionalNumber", [1], [0, -1]),
    (RULES, "Everything", "color", ["BLUE", "COLOR_UNSPECIFIED"], ["RED", "GREEN"]),
    (RULES, "Everything", "wString", ["ab"], ["", "a", "abcde"]),
    (RULES, "Everything", "list", [[], ["a", "b"], ["a", "", "b"]], [["a"], ["a", "a"], ["a", "bcde"]]),
    (RULES, "Everything", "list", [], [list("abcd")]),
    (RULES, "Everything", "inners", [[{"name": "ab", "must": "x"}]], [[{"name": "a", "must": "x"}], [{}]]),
    (RULES, "Everything", "numbers", [[], [9, 9]], [[10]]),
    (RULES, "Everything", "labels", [{}, {"a": ""}, {"a": "b"}], [{"": "b"}, {"A": ""}, {"a": "B"}]),
    (RULES, "Everything", "labels", [{"a": "", "b": "", "c": ""}], [{"a": "", "b": "", "c": "", "d": ""}]),
    (RULES, "Everything", "labels", [{"abcd": ""}], [{"abcde": ""}]),
    (RULES, "Everything", "byNumber", [{"1": {"must": "x"}}], [{"x": {"must": "x"}}, {"1": {}}]),
    (RULES, "Everything", "byFlag", [{"true": "ab"}], [{"yes": "ab"}, {"true": "abc"}]),
    (RULES, "Everything", "inner", [{"must": "x"}], [{}, {"must": ""}, {"must": "x", "name": "A"}]),
    (RULES, "Everything", "both", [{"a": ""}, {"b": ""}], [{}, {"a": "", "b": ""}, {"a": "abcd"}]),
    (RULES, "Everything", "x", ["ab"], ["", "a"]),
    (RULES, "Required", "", [
        {"text": "a", "number": -1, "flag": True, "color": "RED", "inner": {"must": "x"}, "list": ["a"],
         "labels": {"a": ""}, "optionalText": "", "wrapped": False, "x": ""},
    ], [{}]),
    (RULES, "Tree", "", [{"children": [{}, {}]}, {"left": {"left": {}}}, {"named": {"": {}}}],
     [{"children": [{}, {}, {}]}, {"left": {"name": "abcd"}}]),
    (LIBRARY, "Everything", "fInt32", [0, -1, 2**31 - 1], [2**31, 1.5, True]),
    (LIBRARY, "Everything", "fUint32", [2**32 - 1], [-1, 2**32]),
    (LIBRARY, "Everything", "fInt64", ["0", "-1", "9007199254740993"], ["", "1.5x", "01"]),
    (LIBRARY, "Everything", "fUint64", ["0", "1"], ["-1"]),
    (LIBRARY, "Everything", "fDouble", [1.5, "NaN", "-Infinity"], ["inf", True]),
    (LIBRARY, "Everything", "fUint64", [str(2**64 - 1)], ["1" * 21]),
    (LIBRARY, "Everything", "fFloat", [1.5, 3.4028235e38, "NaN"], [1e39, -1e39]),
    (LIBRARY, "Everything", "rBoolValue", [[], [True]], [[None]]),
    (LIBRARY, "Everything", "mFlag", [{"a": False}], [{"a": None}]),
    (LIBRARY, "Everything", "fBytes", ["", "AAA=", "AAAA"], ["A", "?", "AA=A"]),
    (LIBRARY, "Everything", "color", ["RED"], ["PINK", True]),
    (LIBRARY, "Everything", "wInt64", ["5", None], ["x"]),
    (LIBRARY, "Everything", "wBool", [True, None], ["true", 1]),
    (LIBRARY, "Everything", "dur", ["1s", "-1.5s"], ["1", "s", "1m"]),
    (LIBRARY, "Everything", "mask", ["", "a,bC.d"], ["a,", "a_b"]),
    (LIBRARY, "Everything", "struct", [{}, {"a": [1, None, {"b": ""}]}], [[], "a", 1]),
    (LIBRARY, "Everything", "value", [None, 1, "a", [], {}], []),
    (LIBRARY, "Everything", "list", [[], [1, "a", None]], [{}, 1]),
    (LIBRARY, "Everything", "any", [{}, {"@type": "t/test.v1.Inner", "name": "x"}], [{"a": 1}, []]),
    (LIBRARY, "Everything", "oneNull", [None], [0.5, "x"]),
    (LIBRARY, "Everything", "empty", [{}], [{"a": 1}, []]),
    (LIBRARY, "Everything", "mBool", [{"true": 1, "false": 2}], [{"1": 1}]),
    (LIBRARY, "Everything", "mInt64", [{"-5": ""}], [{"a": ""}, {"-09": ""}, {"1" * 30: ""}]),
    (LIBRARY, "Everything", "mDuration", [{"5": "1s"}], [{"5": "1"}, {"-5": "1s"}]),
    (LIBRARY, "Everything", "", [{}, {"oneText": "", "fBool": False}], [
        {"oneText": "", "oneNumber": 1}, {"surprise": 1}, [], {"oneInner": {"byRoad": "", "bySea": ""}},
    ]),
    (ODD, "Choice", "", [{"a": "x"}, {"place": {}, "c": "", "e": ""}], [
        {}, {"a": "", "b": ""}, {"a": "", "c": "", "d": ""}, {"a": "", "e": "", "f": ""},
    ]),
    (ODD, "Thing", "many", ["", "ab", "abcd"], ["a", "abc", "abcdefg"]),
]  # fmt: skip

FLAT = [
    (service, message, {field: value} if field else value, is_good)
    for service, message, field, good, bad in CASES
    for values, is_good in ((good, True), (bad, False))
    for value in values
]


@pytest.mark.parametrize(
    ("service", "message", "value", "is_good"), FLAT, ids=[f"{n}-{one[1]}" for n, one in enumerate(FLAT)]
)
def test_schema_and_gateway_agree(
    schemas: dict[str, Schema],
    service: str,
    message: str,
    value: Any,
    is_good: bool,  # noqa: FBT001
) -> None:
    schema = schemas[service]
    package = service.rpartition(".")[0]
    kind = schema.message(f"{package}.{message}")
    assert is_taken(schema, kind, value) is is_good
    inputs = MessageSchemas({}, lambda name: name, is_input=True)
    root = inputs.message(descriptor_of(kind))
    whole = {**root, "components": {"schemas": inputs.schemas}}
    assert jsonschema_rs.Draft202012Validator(whole).is_valid(value) is is_good


def is_taken(schema: Schema, kind: Any, value: Any) -> bool:
    reader = JsonReader()
    reading = reader.start()
    kind_reader = reader.message_reader(descriptor_of(kind))
    tree = kind_reader.read(reading, parse_json(json.dumps(value).encode()), None)
    if reading.violations.found:
        return False
    return not Validator(schema).validate(kind_reader.to_message(tree))
