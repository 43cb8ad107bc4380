"""The credentials of the gRPC server, and the certificates of its callers."""

from __future__ import annotations

import ssl
from typing import Any, cast

from gateway.listeners.rpc.peer_certificates import certificate_of
from gateway.listeners.rpc.rpc_exchange import RpcContext
from tests.tls.authority import Authority


class Context:
    def __init__(self, **properties: list[bytes]) -> None:
        self.auth_context = lambda: properties


def of(**properties: list[bytes]) -> bytes | None:
    return certificate_of(cast("RpcContext", Context(**properties)))


def test_a_peer_without_a_certificate_has_none() -> None:
    assert of() is None
    assert of(transport_security_type=[b"ssl"], x509_pem_cert=[]) is None


def test_the_certificate_of_a_peer_is_the_same_object_for_all_its_calls() -> None:
    issued = Authority().issue()
    pems: list[Any] = [bytes(bytearray(issued.pem)) for _ in range(2)]
    first, second = (of(x509_pem_cert=[pem]) for pem in pems)
    assert first == issued.der == ssl.PEM_cert_to_DER_cert(issued.pem.decode())
    assert first is second
