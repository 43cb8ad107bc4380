"""Requests of 64 KiB that are made to cost: the event loop reads one while it serves no one else."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from gateway.errors import Code, GatewayError, invalid_request, to_status
from gateway.schema import load_schema
from gateway.transcode import Match, build_router, parse_target
from gateway.validation import Validator

if TYPE_CHECKING:
    from collections.abc import Callable

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
