"""Headers → metadata, time and request ID."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from gateway.errors import GatewayError
from gateway.listeners.metadata import PASSED, MetadataReader, read_timeout, request_id

READER = MetadataReader(["x-team", "x-trace-bin"], 1024)


def headers(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))


def test_the_listed_headers_pass_in_lower_case() -> None:
    given = headers(("AUTHORIZATION", "Bearer x"), ("Cookie", "a"), ("X-Client-Trace-Id", "t"))
    assert READER.read(READER.list_headers(given)) == {"authorization": "Bearer x", "x-client-trace-id": "t"}


@pytest.mark.parametrize("value", ["a\tb", "é", "a\x7f", "a\nb"])
def test_values_that_metadata_cannot_hold(value: str) -> None:
    with pytest.raises(GatewayError) as caught:
        READER.read([("authorization", value), ("idempotency-key", value)])
    assert [one.field for one in caught.value.violations] == [
        "header authorization",
        "header idempotency-key",
    ]
    assert value not in str(caught.value)


def test_bytes_are_no_text() -> None:
    with pytest.raises(GatewayError):
        READER.read([("authorization", b"x")])


def test_further_names_pass_and_their_look_alikes_do_not() -> None:
    given = headers(("X-Team", "a"), ("x_team", "b"), ("X-Trace-Bin", "AAH-"), ("x-other", "c"))
    assert READER.read(READER.list_headers(given)) == {"x-team": "a", "x-trace-bin": b"\x00\x01\xfe"}


@pytest.mark.parametrize("text", ["AAH%", "A", "AA=A", "é"])
def test_bad_base64_is_refused(text: str) -> None:
    with pytest.raises(GatewayError) as caught:
        READER.read(READER.list_headers(headers(("x-trace-bin", text))))
    assert [one.field for one in caught.value.violations] == ["header x-trace-bin"]


def test_more_metadata_than_an_upstream_takes() -> None:
    with pytest.raises(GatewayError, match="larger than"):
        READER.read([("x-team", "a" * 7000)])


def test_size_of_all_headers_together() -> None:
    with pytest.raises(GatewayError, match="larger than"):
        READER.list_headers(headers(*((f"x-{number}", "a" * 100) for number in range(20))))


def test_the_size_counts_every_copy_of_a_name() -> None:
    given = headers(*[("x-" + "a" * 98, "")] * 20)
    with pytest.raises(GatewayError, match="larger than"):
        READER.list_headers(given)


def test_only_headers_that_are_used_are_listed() -> None:
    given = headers(("X-Forwarded-For", "a"), ("X-Team", "b"), ("Accept", "c"), ("X-FORWARDED-FOR", "d"))
    assert sorted(READER.list_headers(given)) == [
        ("x-forwarded-for", "a"),
        ("x-forwarded-for", "d"),
        ("x-team", "b"),
    ]


def test_all_headers_are_listed_if_one_of_them_may_look_like_the_identity_header() -> None:
    reader = MetadataReader([], 1024, "x-identity")
    given = headers(("X-Identity", "a"), ("X_Identity", "b"), ("Accept", "c"))
    assert reader.list_headers(given) == [("x-identity", "a"), ("x_identity", "b"), ("accept", "c")]
    assert reader.read(reader.list_headers(given)) == {}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10S", 10.0),
        ("1500m", 1.5),
        ("2H", 30.0),
        ("1M", 30.0),
        ("250000u", 0.25),
        ("1000n", 1e-6),
        ("0S", 0.0),
    ],
)
def test_timeouts_are_clamped(text: str, seconds: float) -> None:
    assert read_timeout({"grpc-timeout": text}, 30) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "S", "-1S", "1.5S", "123456789S", "10 S", "10s", "١S"])
def test_other_timeouts_are_refused(text: str) -> None:
    with pytest.raises(GatewayError):
        read_timeout({"grpc-timeout": text}, 30)


def test_no_timeout_is_the_limit() -> None:
    assert read_timeout({}, 30) == 30


def test_request_ids() -> None:
    assert request_id({"x-request-id": "a-B_9.:"}) == "a-B_9.:"
    assert request_id({}) != request_id({})


def test_the_list_holds_no_name_that_is_ours() -> None:
    assert not {"traceparent", "x-request-id", "host", "te"} & set(PASSED)
