"""Errors of refused calls: the reason, the limit, and when to try again."""

from __future__ import annotations

import pytest
from google.rpc import error_details_pb2

from gateway.errors import Code, GatewayError
from gateway.limits.refusals import concurrency_limited, limits_unavailable, overloaded, rate_limited


def retry_s(error: GatewayError) -> float:
    info = error_details_pb2.RetryInfo()
    (packed,) = [detail for detail in error.details() if detail.Is(info.DESCRIPTOR)]
    packed.Unpack(info)
    return float(info.retry_delay.seconds + info.retry_delay.nanos / 1e9)


@pytest.mark.parametrize(
    ("error", "reason", "message", "wait_s"),
    [
        (
            rate_limited("the caller's", "20/second", "limits.per_caller.rate", 0.25),
            "RATE_LIMITED",
            "the caller's limit of 20/second (limits.per_caller.rate) is used up; try again in 1 s",
            0.25,
        ),
        (
            rate_limited("the method's", "5/minute", "limits.per_method.a.B/C.rate", 12.001),
            "RATE_LIMITED",
            "the method's limit of 5/minute (limits.per_method.a.B/C.rate) is used up; try again in 13 s",
            12.001,
        ),
        (
            concurrency_limited("the caller's", 8, "limits.per_caller.concurrency"),
            "CONCURRENCY_LIMITED",
            (
                "the caller's limit of 8 concurrent calls (limits.per_caller.concurrency) is reached; "
                "try again in 1 s"
            ),
            1.0,
        ),
        (
            overloaded("256 calls are active (limits.concurrency)", "limits.concurrency"),
            "OVERLOADED",
            "256 calls are active (limits.concurrency); try again in 1 s",
            1.0,
        ),
    ],
    ids=["rate", "slow rate", "concurrency", "overload"],
)
def test_a_refusal_names_the_limit_and_the_time(
    error: GatewayError, reason: str, message: str, wait_s: float
) -> None:
    assert (error.code, error.reason, error.message) == (Code.RESOURCE_EXHAUSTED, reason, message)
    assert retry_s(error) == pytest.approx(wait_s)
    assert error.metadata["limit"] in message


def test_a_store_that_does_not_respond_is_no_fault_of_the_caller() -> None:
    error = limits_unavailable()
    assert (error.code, error.reason) == (Code.UNAVAILABLE, "LIMITS_UNAVAILABLE")
    assert retry_s(error) == 1
