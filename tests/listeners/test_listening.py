"""Faults of addresses."""

from __future__ import annotations

import errno
import socket

from gateway.config import Address
from gateway.listeners.listening import cannot_listen, why_not_listening


def test_an_address_that_is_taken_is_explained() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address(host="127.0.0.1", port=taken.getsockname()[1])
        error = why_not_listening(address)
    assert error is not None
    assert error.errno == errno.EADDRINUSE
    (fault,) = cannot_listen("rest", address, error).faults
    assert (fault.key, fault.message) == (
        "rest.listen",
        f"cannot listen on {address}: address already in use",
    )


def test_an_address_that_is_free_needs_no_explanation() -> None:
    assert why_not_listening(Address(host="127.0.0.1", port=0)) is None
    (fault,) = cannot_listen("grpc", Address(host="x", port=1), None).faults
    assert fault.message == "cannot listen on x:1: the address cannot be used"
