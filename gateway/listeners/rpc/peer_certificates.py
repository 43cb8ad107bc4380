"""The server credentials of the gRPC listener, and the certificates of its callers."""

from __future__ import annotations

import ssl
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from gateway.listeners.rpc.rpc_exchange import RpcContext
    from gateway.tls import ServerFiles, ServerTls

_PEM = "x509_pem_cert"


def make_credentials(tls: ServerTls) -> grpc.ServerCredentials:
    """Return credentials for the gRPC server. Changed files are used for the next TLS handshake."""
    prepared: deque[grpc.ServerCertificateConfiguration] = deque(maxlen=1)
    tls.on_change = lambda: prepared.append(_to_configuration(tls.files))

    def fetch() -> Any:
        """Return the prepared configuration once. A thread of the gRPC library calls it at each handshake."""
        try:
            return prepared.pop()
        except IndexError:
            return None  # the configuration in use stays in use

    return grpc.dynamic_ssl_server_credentials(
        _to_configuration(tls.files), fetch, require_client_authentication=tls.files.client_ca is not None
    )


def certificate_of(context: RpcContext) -> bytes | None:
    """Return the certificate of the peer that made a call, in DER form.

    The TLS handshake has verified the certificate. The result is None if the peer presented none.
    """
    values = context.auth_context().get(_PEM)
    return _to_der(next(iter(values))) if values else None


@lru_cache(maxsize=1024)  # every call needs the certificate, and all calls of a connection have the same one
def _to_der(pem: bytes) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pem.decode("ascii"))


def _to_configuration(files: ServerFiles) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(files.key, files.chain)], files.client_ca)
