"""Faults of addresses and TLS files."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

import pytest

from gateway.config import Address, ListenerTls
from gateway.faults import FaultsError
from gateway.listeners.tls import cannot_listen, read_tls, tls_fault, why_not_listening


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


def test_every_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    tls = ListenerTls(certificate=tmp_path / "a", key=tmp_path / "b", client_ca=tmp_path / "c")
    with pytest.raises(FaultsError) as caught:
        read_tls(tls, "rest.tls")
    assert {fault.key for fault in caught.value.faults} == {
        "rest.tls.certificate",
        "rest.tls.key",
        "rest.tls.client_ca",
    }


def test_a_certificate_that_openssl_refuses(tmp_path: Path) -> None:
    tls = ListenerTls(certificate=tmp_path / "a", key=tmp_path / "b")
    (fault,) = tls_fault(tls, "rest.tls", "EE_KEY_TOO_SMALL").faults
    assert fault.message == "cannot be used: ee key too small"
