"""JSON values: numbers out of range, limits of elements and violations, and the cost of hostile requests.

The event loop serves no other request while it reads one, so reading 64 KiB must be quick.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from gateway.errors import Code, GatewayError, invalid_request, to_status
from gateway.schema import load_schema
from gateway.transcode import Match, build_router, parse_target
from gateway.validation import Validator
from tests.transcode.refusals import violations

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.transcode.refusals import Bind

SIZE = 65536
LIMIT = 4096
# On an idle machine each takes less than 20 ms, and took up to 450; a busy one needs several times as much.
MAX_S = 0.15
IMAGES, THINGS = "/baremetal/v1alpha/images", "/v1/things"


def fill(head: str, element: Callable[[int], str], tail: str) -> bytes:
    parts: list[str] = []
    size = len(head) + len(tail)
    while size + len(part := element(len(parts))) < SIZE:
        parts.append(part)
        size += len(part) + 1
    return (head + ",".join(parts) + tail).encode()


def nested(text: str, levels: int, inner: str) -> str:
    return text * levels + inner + "}" * levels


HOSTILE: dict[str, tuple[str, bytes]] = {
    "labels with bad keys": (IMAGES, fill('{"labels":{', lambda n: f'"B{n}":""', "}}")),
    "labels with good keys": (IMAGES, fill('{"labels":{', lambda n: f'"a{n}":""', "}}")),
    "labels of the wrong type": (IMAGES, fill('{"labels":{', lambda n: f'"a{n}":1', "}}")),
    "keys twice": (IMAGES, fill('{"labels":{', lambda n: f'"a{n // 2}":""', "}}")),
    "keys that look like secrets": (IMAGES, fill('{"labels":{', lambda n: f'"://?{n}":"://?"', "}}")),
    "unknown fields": (THINGS, fill("{", lambda n: f'"a{n}":1', "}")),
    "names twice": (THINGS, fill("{", lambda n: f'"a{n // 2}":1', "}")),
    "wrong elements": (THINGS, fill('{"rInt64":[', lambda _: '""', "]}")),
    "wrong messages": (THINGS, fill('{"rInner":[', lambda _: '{"a":1}', "]}")),
    "empty messages": (THINGS, fill('{"rInner":[', lambda _: "{}", "]}")),
    "numbers": (THINGS, fill('{"rInt64":[', lambda _: "1", "]}")),
    "huge numbers": (THINGS, fill('{"rInt64":[', lambda _: "9" * 4000, "]}")),
    "exponents": (THINGS, fill('{"rInt64":[', lambda _: "1e999999", "]}")),
    "fractions": (THINGS, fill('{"rValue":[', lambda _: "0.1", "]}")),
    "durations": (THINGS, fill('{"mDuration":{', lambda n: f'"{n}":"1s"', "}}")),
    "flags": (THINGS, fill('{"rBoolValue":[', lambda _: "true", "]}")),
    "any": (THINGS, fill('{"rAny":[', lambda _: '{"@type":"a/test.v1.Inner"}', "]}")),
    "keys of a struct": (THINGS, fill('{"struct":{', lambda n: f'"{n}":1', "}}")),
    "nested lists": (THINGS, fill('{"struct":{"a":[', lambda _: "[" * 80 + "]" * 80, "]}}")),
    "nested messages": (THINGS, fill('{"rInner":[', lambda _: nested('{"inner":', 40, '{"a":1}'), "]}")),
    "field mask": (THINGS, fill('{"mask":"', lambda _: "aB", '"}')),
    "a long path of a mask": (THINGS, b'{"mask":"%s!"}' % (b"A" * 65000)),
    "a number of 65,000 digits": (THINGS, b'{"fInt64":"%s"}' % (b"9" * 65000)),
    "a fraction of 65,000 digits": (THINGS, b'{"fInt64":1.%s}' % (b"0" * 65000)),
    "base64": (THINGS, b'{"fBytes":"%s!"}' % (b"A" * 65000)),
    "a long name": (THINGS, b'{"%s":1}' % (b"a" * 65000)),
    "not JSON after all": (THINGS, b'{"rInt64":[%s' % (b"1," * 32000)),
}  # fmt: skip


@pytest.fixture(scope="module")
def read(descriptor_set: bytes) -> Callable[[str, bytes], GatewayError | None]:
    """Take a request through everything that REST does before policies see it; return how it is refused."""
    images = "yandex.cloud.baremetal.v1alpha.ImageService"
    schema = load_schema(["test.v1.Library", images], {"test": descriptor_set})
    router, validator = build_router(schema, LIMIT), Validator(schema, LIMIT)

    def read(raw: str, body: bytes) -> GatewayError | None:
        try:
            target = parse_target(raw)
            found = router.find("POST", target.segments)
            assert isinstance(found, Match)
            violations = validator.validate(found.route.binder.bind(found.captures, target.query, body))
            if violations:
                raise invalid_request("the request is not valid", violations)
        except GatewayError as error:
            to_status(error, "x")
            return error
        return None

    return read


@pytest.mark.parametrize(("raw", "body"), HOSTILE.values(), ids=HOSTILE)
def test_reading_is_quick(read: Callable[[str, bytes], GatewayError | None], raw: str, body: bytes) -> None:
    assert len(body) <= SIZE
    times = []
    error = read(raw, body)
    for _ in range(3):
        started = time.thread_time()
        read(raw, body)
        times.append(time.thread_time() - started)
    assert min(times) < MAX_S
    if error is not None:
        assert error.code is Code.INVALID_ARGUMENT
        assert len(error.violations) <= 257
        assert to_status(error, "x").ByteSize() < SIZE


def found(error: GatewayError | None) -> list[tuple[str, str]]:
    assert error is not None
    return [(one.field, one.reason) for one in error.violations]


def test_too_many_labels_are_refused_for_their_number(read: Callable[..., Any]) -> None:
    for name in ("labels with bad keys", "labels with good keys", "labels of the wrong type"):
        error = read(*HOSTILE[name])
        assert found(error) == [("labels", "SIZE")]
        assert "elements; the number of elements must be <=64" in error.violations[0].description
    few = {"uri": "x", "labels": {f"B{number}": "" for number in range(65)}}
    assert found(read(IMAGES, json.dumps(few).encode())) == [("labels", "SIZE")]


def test_a_search_ends_behind_256_violations_and_says_so(read: Callable[..., Any]) -> None:
    for name in ("unknown fields", "names twice", "wrong messages"):
        error = read(*HOSTILE[name])
        if name == "wrong messages":
            assert found(error) == [("r_inner", "SIZE")]
            error = read(THINGS, json.dumps({"rInner": [{"a": 1}] * LIMIT}).encode())
        assert found(error)[255][1] == "MALFORMED"
        assert found(error)[256:] == [("", "MORE")]
        assert error.message.endswith("; and more than 253 others")


def test_names_that_there_are_instead_are_told_once(read: Callable[..., Any]) -> None:
    error = read(THINGS, b'{"a":1,"b":1,"inner":{"c":1},"rInner":[{"d":1}]}')
    told = [one.description.partition(": ")[0] for one in error.violations]
    plain, first = "no such field", "no such field; fields here"
    assert told == [first, plain, first, plain]


def test_elements_are_counted_over_all_lists_and_maps(read: Callable[..., Any]) -> None:
    half = LIMIT // 2
    good = {"rString": ["a"] * half, "mString": {str(number): "" for number in range(half)}}
    assert read(THINGS, json.dumps(good).encode()) is None
    for more, field in (
        ({"rInner": [{}]}, "r_inner"),
        ({"mask": "a,b"}, "mask"),
        ({"struct": {"a": 1}}, "struct"),
        ({"value": [[1]]}, "value"),
        ({"mInner": {"a": {}}}, "m_inner"),
    ):
        error = read(THINGS, json.dumps(good | more).encode())
        assert found(error) == [(field, "SIZE")]
        assert f"may have {LIMIT} together" in error.violations[0].description


_TS = "2026-01-31T12:00:00Z"
_OUT_OF_RANGE = "is out of range; it must be from"
_INT64 = f"{-(2**63)} to {2**63 - 1}"
_DOUBLE = "-1.7976931348623157e+308 to 1.7976931348623157e+308"
_FLOAT = "-3.4028234663852886e+38 to 3.4028234663852886e+38"


_INT32 = f"{-(2**31)} to {2**31 - 1}"


@pytest.mark.parametrize(
    ("body", "field", "number", "ends"),
    [
        (b'{"fInt64":1e400}', "f_int64", "1e400", _INT64),
        (b'{"fInt64":-1E+9999999999999999999}', "f_int64", "-1E+9999999999999999999", _INT64),
        (b'{"fInt64":"1e400"}', "f_int64", '"1e400"', _INT64),
        (b'{"fUint32":1e400}', "f_uint32", "1e400", "0 to 4294967295"),
        (b'{"fUint64":%s}' % (b"9" * 401), "f_uint64", f"{'9' * 32}…", f"0 to {2**64 - 1}"),
        (b'{"color":1e400}', "color", "1e400", _INT32),
        (b'{"fDouble":1.9e308}', "f_double", "1.9e308", _DOUBLE),
        (b'{"fDouble":-1e400}', "f_double", "-1e400", _DOUBLE),
        (b'{"fFloat":1e400}', "f_float", "1e400", _FLOAT),
        (b'{"fFloat":3.5e38}', "f_float", "3.5e38", _FLOAT),
        (b'{"wInt64":1e400}', "w_int64", "1e400", _INT64),
        (b'{"wDouble":1e400}', "w_double", "1e400", _DOUBLE),
        (b'{"rInt64":[1,1e400]}', "r_int64[1]", "1e400", _INT64),
        (b'{"mBool":{"true":1e400}}', 'm_bool["true"]', "1e400", _INT32),
        (b'{"mInner":{"a":{"pageCount":1e400}}}', 'm_inner["a"].page_count', "1e400", _INT32),
        (b'{"rInner":[{"inner":{"pageCount":1e400}}]}', "r_inner[0].inner.page_count", "1e400", _INT32),
        (b'{"value":[1e400]}', "value[0]", "1e400", _DOUBLE),
        (b'{"any":{"@type":"a/test.v1.Inner","pageCount":1e400}}', "any.pageCount", "1e400", _INT32),
    ],
)
def test_a_number_out_of_range_is_told_with_field_value_and_range(
    bind: Bind, body: bytes, field: str, number: str, ends: str
) -> None:
    told = [(field, f"{number} {_OUT_OF_RANGE} {ends}")]
    assert violations(bind, "POST", "/v1/things", body) == told


@pytest.mark.parametrize(
    ("http_method", "raw", "body", "field", "number", "ends"),
    [
        ("PUT", "/v1/number", b"1e400", "f_int64", "1e400", _INT64),
        ("GET", "/v1/search?fInt64=1e400", b"", "f_int64", '"1e400"', _INT64),
        ("GET", "/v1/search?wDouble=1.9e308", b"", "w_double", '"1.9e308"', _DOUBLE),
        ("GET", "/v1/search?rInt64=1&rInt64=1e400", b"", "r_int64[1]", '"1e400"', _INT64),
        ("GET", "/v1/search?color=9999999999", b"", "color", "9999999999", _INT32),
        ("GET", f"/v1/typed/true/{_TS}/RED/1e400/1/AA", b"", "f_int64", '"1e400"', _INT64),
        ("GET", f"/v1/typed/true/{_TS}/RED/1/1e400/AA", b"", "w_int64", '"1e400"', _INT64),
        ("GET", f"/v1/typed/true/{_TS}/9999999999/1/1/AA", b"", "color", "9999999999", _INT32),
    ],
)
def test_so_it_is_wherever_it_comes_from(
    bind: Bind, http_method: str, raw: str, body: bytes, field: str, number: str, ends: str
) -> None:
    assert violations(bind, http_method, raw, body) == [(field, f"{number} {_OUT_OF_RANGE} {ends}")]


def test_a_field_without_a_number_says_what_it_takes_instead(bind: Bind) -> None:
    assert violations(bind, "POST", "/v1/things", b'{"fInt64":1e-400,"fString":1e400,"fBool":1e400}') == [
        ("f_int64", "1e-400 is not a whole number"),
        ("f_string", "1e400 is not a string"),
        ("f_bool", "1e400 is not true or false"),
    ]
