"""The notation of ranges, and options read into values."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from gateway.faults import Fault, Position
from gateway.schema import (
    FieldConstraints,
    SchemaError,
    descriptor_of,
    field_of,
    load_schema,
    read_constraints,
    requires_one,
)
from gateway.schema.constraints import parse_range
from tests.schema.compiling import compile_text

if TYPE_CHECKING:
    from pathlib import Path

# text → what it holds, what it does not
RANGES: dict[str, tuple[list[Any], list[Any]]] = {
    "20": ([20, 20.0], [19, 21, 20.5]),
    "2-63": ([2, 63, 40.5], [1, 64, -2]),
    "<=50": ([50, 0, -5, -1e300], [51, 50.1, float("nan")]),
    ">0": ([1, 0.001], [0, -1]),
    ">=-1": ([-1, 0], [-2]),
    "<128": ([127, 127.9], [128]),
    "0,8,16": ([0, 8, 16], [1, 12, 17]),
    "0, 8 ,10-12": ([0, 8, 11], [9, 13]),
    "-1-100": ([-1, 0, 100], [-2, 101]),
    "-5--1": ([-5, -1], [-6, 0]),
    "0.0-1.0": ([0, 1, 0.5], [1.001, -0.001]),
    "<=0.1": ([0.1], [0.2]),
    "<= 50": ([50], [51]),
    "2 - 63": ([2, 63], [64]),
    "1h-24h": ([3600, 86400], [3599, 86401]),
    "<=10m": ([600, Fraction(1, 2)], [601]),
    "1d": ([86400], [86399]),
    "5s": ([5], [4]),
    ">=1001ms": ([Fraction(1001, 1000)], [Fraction(1000999999, 10**9)]),
    "100ms-0.5s": ([Fraction(1, 10), Fraction(1, 2)], [Fraction(99999999, 10**9)]),
    "19700101T000000.000000000-21051231T235959.999999999": (
        [0, 4291747199, Fraction(4291747199999999999, 10**9)],
        [-1, 4291747200],
    ),
    "18446744073709551615": ([2**64 - 1], [2**64 - 2]),
}


@pytest.mark.parametrize(("text", "inside", "outside"), [(text, *both) for text, both in RANGES.items()])
def test_range(text: str, inside: list[Any], outside: list[Any]) -> None:
    allowed = parse_range(text)
    assert allowed.text == text
    assert [number for number in inside if number not in allowed] == []
    assert [number for number in outside if number in allowed] == []


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ",", "1,", "a", "1-", "-", "--1", "1-2-3", "=5", "==5", "<", "<=", "<>5", "1..5", "1.", ".5",
        "1e5", "63-2", "24h-1h", "2x", "5 s", "1h30", "１-２", "1_0", "+1", "0x10", "19701301T000000",
        "19700101T250000",
        "1970T00", "h", "1s-T", "5sm", "1-\n",
    ],
)  # fmt: skip
def test_no_range(text: str) -> None:
    with pytest.raises(ValueError, match="is not a range") as caught:
        parse_range(text)
    assert str(caught.value) == f"{text!r} is not a range"


def _message(folder: Path, body: str) -> Any:
    text = f"""
        package given;
        import "yandex/cloud/validation.proto";
        import "google/api/annotations.proto";
        message M {{ {body} }}
        service S {{ rpc Do(M) returns (M) {{ option (google.api.http) = {{ get: "/" }}; }} }}
    """
    return load_schema(["given.S"], {"given": compile_text(folder, text)}).message("given.M")


def test_options_of_the_cloud_s_own_create() -> None:
    schema = load_schema(["yandex.cloud.baremetal.v1alpha.ImageService"])
    create = schema.message("yandex.cloud.baremetal.v1alpha.CreateImageRequest")
    name = read_constraints(field_of(create, "name"))
    assert name is not None
    assert name.pattern == "[a-z]([-a-z0-9]*[a-z0-9])?"
    assert name.length == parse_range("2-63")
    assert not name.required
    uri = read_constraints(field_of(create, "uri"))
    assert uri is not None
    assert uri.required
    labels = read_constraints(field_of(create, "labels"))
    assert labels is not None
    assert labels.key is not None
    assert (labels.size, labels.length) == (parse_range("<=64"), parse_range("<=63"))
    assert (labels.key.length, labels.key.pattern) == (parse_range("1-63"), "[a-z][-_0-9a-z]*")
    status = schema.message("yandex.cloud.baremetal.v1alpha.Image")
    assert read_constraints(field_of(status, "status")) is None


def test_every_option_is_read(tmp_path: Path) -> None:
    message = _message(
        tmp_path,
        """
        repeated string all = 1 [
          (yandex.cloud.required) = true, (yandex.cloud.pattern) = "a", (yandex.cloud.value) = ">0",
          (yandex.cloud.size) = "1-2", (yandex.cloud.length) = "3", (yandex.cloud.unique) = true,
          (yandex.cloud.bytes) = "<=4"];
        string none = 2 [deprecated = true];
        string empty = 3 [(yandex.cloud.length) = "", (yandex.cloud.required) = false];
        oneof way { option (yandex.cloud.exactly_one) = true; string a = 4; string b = 5; }
        oneof free { string c = 6; }
        """,
    )
    assert read_constraints(field_of(message, "all")) == FieldConstraints(
        required=True,
        pattern="a",
        length=parse_range("3"),
        value=parse_range(">0"),
        bytes=parse_range("<=4"),
        size=parse_range("1-2"),
        unique=True,
        key=None,
    )
    assert read_constraints(field_of(message, "none")) is None
    assert read_constraints(field_of(message, "empty")) is None
    oneofs = descriptor_of(message).oneofs_by_name
    assert (requires_one(oneofs["way"]), requires_one(oneofs["free"])) == (True, False)


def test_a_bad_option_names_its_field(tmp_path: Path) -> None:
    message = _message(tmp_path, 'string a = 1 [(yandex.cloud.length) = "63-2"];')
    with pytest.raises(SchemaError) as caught:
        read_constraints(field_of(message, "a"))
    assert caught.value.faults == (Fault(Position("given.proto"), "given.M.a", "'63-2' is not a range"),)
