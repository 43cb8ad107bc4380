"""Every kind of constraint on every kind of field."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.schema import SchemaError, load_schema
from gateway.validation import Validator
from tests.messages import Messages
from tests.protos.compiled import RULES, schema_of
from tests.rounds import examples
from tests.schema.compiling import compile_text

if TYPE_CHECKING:
    from gateway.schema import Schema


@pytest.fixture(scope="session")
def schema() -> Schema:
    return schema_of(RULES)


@pytest.fixture(scope="session")
def validator(schema: Schema) -> Validator:
    return Validator(schema)


def violations(validator: Validator, message: Any) -> list[tuple[str, str]]:
    return [(one.field, one.reason) for one in validator.validate(message)]


OK: dict[str, dict[str, Any]] = {
    "nothing set": {},
    "empty values are not set": {
        "pattern": "",
        "length": "",
        "number": 0,
        "raw": b"",
        "list": [],
        "labels": {},
        "color": 0,
    },
    "pattern": {"pattern": "a-1"},
    "the longer branch matches the whole": {"either": "ab"},
    "shortest": {"length": "ab"},
    "longest": {"length": "abcd"},
    "code points": {"length": "😀😀😀😀"},
    "bytes": {"in_bytes": "яя"},
    "numbers": {"number": 1000, "fraction": 1.0, "choice": 16, "color": 2, "optional_number": 1},
    "raw": {"raw": b"\xff\xff", "raw_bytes": b"\xff" * 4, "raw_pattern": b"abc"},
    "seconds": {"dur": {"seconds": 86400}, "short": {"seconds": 1, "nanos": 1_000_000}},
    "first second": {"ts": {"seconds": 1577836800}},
    "last nanosecond": {"ts": {"seconds": 4102444799, "nanos": 999_999_999}},
    "wrappers": {"w_string": {"value": "abcd"}, "w_int64": {"value": 1}},
    "list": {"list": ["a", "b"]},
    "empty element": {"list": ["", "b"]},
    "map": {"labels": {"a": "", "b-1": "x"}, "by_number": {1: {"must": "x"}}, "by_flag": {False: "a"}},
    "inner": {"inner": {"must": "x", "name": "ab"}},
    "tree": {"tree": {"children": [{"left": {"name": "abc"}}], "named": {"k": {}}}},
    "one of two": {"both": {"b": ""}},
    "oneof": {"x": "ab"},
}


@pytest.mark.parametrize("fields", OK.values(), ids=OK)
def test_valid(validator: Validator, schema: Schema, fields: dict[str, Any]) -> None:
    assert violations(validator, schema.message("rules.v1.Everything")(**fields)) == []


BAD: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "pattern": ({"pattern": "Aa"}, [("pattern", "PATTERN")]),
    "pattern matches the whole": ({"pattern": "a!"}, [("pattern", "PATTERN")]),
    "line break at the end": ({"pattern": "a\n"}, [("pattern", "PATTERN")]),
    "alternatives match the whole": ({"either": "abc"}, [("either", "PATTERN")]),
    "too short": ({"length": "a"}, [("length", "LENGTH")]),
    "too long": ({"length": "abcde"}, [("length", "LENGTH")]),
    "too long in code points": ({"length": "я" * 5}, [("length", "LENGTH")]),
    "exact length": ({"exact": "abcd"}, [("exact", "LENGTH")]),
    "too many bytes": ({"in_bytes": "яяя"}, [("in_bytes", "BYTES")]),
    "optional and set to nothing": (
        {"optional_text": "", "optional_number": 0},
        [("optional_text", "LENGTH"), ("optional_number", "VALUE")],
    ),
    "numbers": (
        {"number": 1001, "fraction": -0.1, "choice": 9, "color": 1},
        [("number", "VALUE"), ("fraction", "VALUE"), ("choice", "VALUE"), ("color", "VALUE")],
    ),
    "not a number": ({"fraction": float("nan")}, [("fraction", "VALUE")]),
    "raw": (
        {"raw": b"a", "raw_bytes": b"abcde", "raw_pattern": b"A"},
        [("raw", "LENGTH"), ("raw_bytes", "BYTES"), ("raw_pattern", "PATTERN")],
    ),
    "raw, not UTF-8": ({"raw_pattern": b"a\xff"}, [("raw_pattern", "PATTERN")]),
    "duration": ({"dur": {}}, [("dur", "VALUE")]),
    "duration by a nanosecond": ({"dur": {"seconds": 86400, "nanos": 1}}, [("dur", "VALUE")]),
    "milliseconds": ({"short": {"seconds": 1, "nanos": 999_999}}, [("short", "VALUE")]),
    "time by a nanosecond": ({"ts": {"seconds": 1577836799, "nanos": 999_999_999}}, [("ts", "VALUE")]),
    "time too late": ({"ts": {"seconds": 4102444800}}, [("ts", "VALUE")]),
    "time that JSON cannot write": ({"ts": {"seconds": 10**15}}, [("ts", "VALUE")]),
    "duration that JSON cannot write": ({"dur": {"seconds": 10**15, "nanos": -1}}, [("dur", "VALUE")]),
    "wrappers": (
        {"w_string": {"value": "яяя"}, "w_int64": {}},
        [("w_string", "BYTES"), ("w_int64", "VALUE")],
    ),
    "empty wrapper is set": ({"w_string": {}}, [("w_string", "LENGTH")]),
    "too few": ({"list": ["a"]}, [("list", "SIZE")]),
    "too many": ({"list": list("abcd")}, [("list", "SIZE")]),
    "element": ({"list": ["a", "bcde"]}, [("list[1]", "LENGTH")]),
    "twice": ({"list": ["a", "b", "a"]}, [("list[2]", "UNIQUE")]),
    "thrice": ({"list": ["a", "a", "a"]}, [("list[1]", "UNIQUE"), ("list[2]", "UNIQUE")]),
    "messages twice": ({"inners": [{"must": "x"}, {"must": "y"}, {"must": "x"}]}, [("inners[2]", "UNIQUE")]),
    "numbers in a list": ({"numbers": [9, 10, 11]}, [("numbers[1]", "VALUE"), ("numbers[2]", "VALUE")]),
    "durations in a list": ({"durations": [{"seconds": 61}]}, [("durations[0]", "VALUE")]),
    "key": (
        {"labels": {"Bad Key": "x"}},
        [('labels["Bad Key"]', "PATTERN"), ('labels["Bad Key"]', "LENGTH")],
    ),
    "empty key": ({"labels": {"": "x"}}, [('labels[""]', "PATTERN"), ('labels[""]', "LENGTH")]),
    "key with a quote": ({"labels": {'"\n': ""}}, [('labels["\\"\\n"]', "PATTERN")]),
    "value of a map": ({"labels": {"a": "X"}}, [('labels["a"]', "PATTERN")]),
    "values of a map in order": (
        {"labels": {"b": "toolong", "a": "toolong"}},
        [('labels["a"]', "LENGTH"), ('labels["b"]', "LENGTH")],
    ),
    "too large a map": ({"labels": dict.fromkeys("abcd", "x")}, [("labels", "SIZE")]),
    "number key": (
        {"by_number": {0: {"must": "x"}, -1: {"must": "x"}}},
        [("by_number[-1]", "VALUE"), ("by_number[0]", "VALUE")],
    ),
    "message in a map": (
        {"by_number": {1: {"name": "A"}}},
        [
            ("by_number[1].name", "PATTERN"),
            ("by_number[1].name", "LENGTH"),
            ("by_number[1].must", "REQUIRED"),
        ],
    ),
    "bool key": ({"by_flag": {True: "abc"}}, [("by_flag[true]", "LENGTH")]),
    "inner": ({"inner": {"name": "abcde"}}, [("inner.name", "LENGTH"), ("inner.must", "REQUIRED")]),
    "inner of a list": ({"inners": [{"must": "x"}, {}]}, [("inners[1].must", "REQUIRED")]),
    "inner of a oneof": ({"y": {}}, [("y.must", "REQUIRED")]),
    "tree": (
        {"tree": {"children": [{}, {"left": {"named": {"k": {"name": "abcd", "children": [{}, {}, {}]}}}}]}},
        [
            ('tree.children[1].left.named["k"].name', "LENGTH"),
            ('tree.children[1].left.named["k"].children', "SIZE"),
        ],
    ),
    "none of two": ({"both": {}}, [("both.way", "EXACTLY_ONE")]),
    "one of two, too long": ({"both": {"a": "abcd"}}, [("both.a", "LENGTH")]),
    "oneof set to nothing": ({"x": ""}, [("x", "LENGTH")]),
}


@pytest.mark.parametrize(("fields", "expected"), BAD.values(), ids=BAD)
def test_invalid(
    validator: Validator, schema: Schema, fields: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert violations(validator, schema.message("rules.v1.Everything")(**fields)) == expected


_TEXT = st.one_of(
    st.sampled_from(["", "a", "ab", "a-1", "abcdef", "A", "яя", "a\n"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
)


@pytest.mark.parametrize("name", ["rules.v1.Everything", "yandex.cloud.baremetal.v1alpha.CreateImageRequest"])
@settings(examples(100, 2000), suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_message_is_accepted_if_the_search_finds_no_violation(
    schema: Schema, validator: Validator, name: str, data: st.DataObject
) -> None:
    descriptor = schema.pool.FindMessageTypeByName(name)
    message = data.draw(Messages(schema, is_printable=False, text=_TEXT).of(descriptor))
    checks = validator.message_validator(descriptor)
    found = list(checks.find(message))
    assert checks.accepts(message) == (not found)
    assert validator.validate(message) == found


def test_required(validator: Validator, schema: Schema) -> None:
    required = schema.message("rules.v1.Required")
    names = ["text", "number", "flag", "color", "inner", "list", "labels", "optional_text", "wrapped", "x"]
    assert violations(validator, required()) == [(name, "REQUIRED") for name in names]
    full = required(
        text="a",
        number=1,
        flag=True,
        color=1,
        inner={"must": "x"},
        list=[""],
        labels={"": ""},
        optional_text="",
        wrapped={},
        x="",
    )
    assert violations(validator, full) == []


@pytest.mark.parametrize(
    ("fields", "description"),
    [
        ({"pattern": "A\n"}, 'the value "A\\n" does not match the pattern [a-z]([-a-z0-9]*[a-z0-9])?'),
        ({"length": "a"}, "the value is 1 characters long; its length must be 2-4"),
        ({"raw": b"a"}, "the value is 1 bytes long; its length must be 2-4"),
        ({"raw_pattern": b"A"}, "the value of 1 bytes does not match the pattern [a-z]*"),
        ({"in_bytes": "яяя"}, "takes 6 bytes; it must be <=4"),
        ({"number": 1001}, "1001 is not allowed; it must be 1-1000"),
        ({"dur": {"nanos": 500_000_000}}, "0.500s is not allowed; it must be 1h-24h"),
        ({"dur": {"seconds": 10**15}}, f"{10**15} s and 0 ns is not allowed; it must be 1h-24h"),
        ({"list": ["a"]}, "has 1 elements; the number of elements must be 2-3"),
        ({"list": ["a", "a"]}, "is a duplicate; elements must differ"),
        ({"labels": {"A": ""}}, 'the key "A" does not match the pattern [a-z][-_0-9a-z]*'),
        ({"both": {}}, "set exactly one of: both.a, both.b"),
        ({"y": {}}, "is required; set it"),
    ],
)
def test_descriptions_hold_the_value_and_the_fix(
    validator: Validator, schema: Schema, fields: dict[str, Any], description: str
) -> None:
    assert [
        one.description for one in validator.validate(schema.message("rules.v1.Everything")(**fields))
    ] == [description]


def test_no_secret_is_shown(validator: Validator, schema: Schema) -> None:
    link = "https://user:secret@host/k?X-Amz-Signature=secret"
    message = schema.message("rules.v1.Everything")(pattern=link, labels={link: link})
    found = validator.validate(message)
    assert len(found) == 5
    assert "secret" not in repr(found)


def test_every_violation_of_a_create_is_told() -> None:
    schema = load_schema(["yandex.cloud.baremetal.v1alpha.ImageService"])
    create = schema.message("yandex.cloud.baremetal.v1alpha.CreateImageRequest")
    message = create(folder_id="B1G", name="x", description="d" * 1025, labels={"Bad Key": "v" * 64})
    assert violations(Validator(schema), message) == [
        ("folder_id", "PATTERN"),
        ("name", "LENGTH"),
        ("description", "LENGTH"),
        ("uri", "REQUIRED"),
        ('labels["Bad Key"]', "PATTERN"),
        ('labels["Bad Key"]', "LENGTH"),
    ]
    assert violations(Validator(schema), create(uri="https://h/" + "я" * 1014)) == []
    assert violations(Validator(schema), create(uri="https://h/" + "я" * 1015)) == [("uri", "LENGTH")]


def test_options_that_cannot_be_read_are_all_told(tmp_path: Path) -> None:
    text = """
        package bad.v1;
        import "google/api/annotations.proto";
        import "yandex/cloud/validation.proto";
        message In { string c = 1 [(yandex.cloud.size) = "x"]; }
        message M {
          string a = 1 [(yandex.cloud.length) = "2..3"];
          string b = 2 [(yandex.cloud.pattern) = "(?=x)"];
          map<string, string> m = 3 [(yandex.cloud.map_key).pattern = "["];
          In in = 4;
          M again = 5;
        }
        service S {
          rpc Do(M) returns (M) { option (google.api.http) = { get: "/a" }; }
          rpc Undo(M) returns (M) { option (google.api.http) = { get: "/b" }; }
        }
    """
    schema = load_schema(["bad.v1.S"], {"bad": compile_text(tmp_path, text)})
    with pytest.raises(SchemaError) as caught:
        Validator(schema)
    assert [fault.key for fault in caught.value.faults] == [
        "bad.v1.M.a",
        "bad.v1.M.b",
        "bad.v1.M.m",
        "bad.v1.In.c",
    ]
    assert {fault.position.file for fault in caught.value.faults} == {"given.proto"}


def test_a_pattern_too_large_for_the_quick_test(tmp_path: Path) -> None:
    text = r"""
        package large.v1;
        import "google/api/annotations.proto";
        import "yandex/cloud/validation.proto";
        message M { string a = 1 [(yandex.cloud.pattern) = "(?:\\pL{20}){10}"]; }
        service S { rpc Do(M) returns (M) { option (google.api.http) = { get: "/a" }; } }
    """
    schema = load_schema(["large.v1.S"], {"large": compile_text(tmp_path, text)})
    validator, new = Validator(schema), schema.message("large.v1.M")
    assert violations(validator, new(a="я" * 200)) == []
    assert violations(validator, new(a="я" * 199)) == [("a", "PATTERN")]
