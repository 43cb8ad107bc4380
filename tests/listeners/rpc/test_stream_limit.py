"""The number of active calls of one infrastructure method."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from gateway.errors import Code, GatewayError
from gateway.listeners.rpc.stream_limit import StreamLimit


def is_admitted(limit: StreamLimit, address: str) -> bool:
    try:
        with limit.admit(address):
            return True
    except GatewayError:
        return False


def test_a_call_above_the_limit_gets_an_error() -> None:
    with pytest.raises(GatewayError) as caught, StreamLimit(total=0, per_address=1).admit("192.0.2.1"):
        pass
    assert (caught.value.code, caught.value.reason) == (Code.RESOURCE_EXHAUSTED, "OVERLOADED")


def test_calls_of_one_address_and_of_all_are_limited() -> None:
    limit = StreamLimit(total=3, per_address=2)
    with ExitStack() as active:
        for _ in range(2):
            active.enter_context(limit.admit("192.0.2.1"))
        assert not is_admitted(limit, "192.0.2.1")
        assert is_admitted(limit, "192.0.2.2")
        active.enter_context(limit.admit("192.0.2.2"))
        assert not is_admitted(limit, "192.0.2.3")
    assert is_admitted(limit, "192.0.2.1")


def test_addresses_of_one_ipv6_network_are_one_address() -> None:
    limit = StreamLimit(total=3, per_address=1)
    with limit.admit("2001:db8::1"):
        assert not is_admitted(limit, "2001:db8::2")
        assert is_admitted(limit, "2001:db8:1::1")


def test_a_call_that_fails_is_not_counted_any_more() -> None:
    limit = StreamLimit(total=1, per_address=1)
    with pytest.raises(OSError, match="lost"), limit.admit("192.0.2.1"):
        raise OSError("lost")
    assert is_admitted(limit, "192.0.2.1")
