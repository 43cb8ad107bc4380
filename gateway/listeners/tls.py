"""The TLS files of listeners, and the faults that report unusable addresses and certificates."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from gateway.faults import Fault, FaultCollector, FaultsError, Position

if TYPE_CHECKING:
    from gateway.config import Address, ListenerTls


def cannot_listen(name: str, listen: Address, error: OSError | None) -> FaultsError:
    """Return the fault for an address that a listener cannot use.

    Args:
        name: the name of the listener's section in the configuration.
        listen: the address.
        error: the error of the system; None if the error is unknown.
    """
    reason = "the address cannot be used"
    if error is not None:  # the text of asyncio contains the address again, so this text is not used
        number = error.errno or 0
        own = os.strerror(number) if number > 0 else error.strerror or str(error)
        reason = f"{own[:1].lower()}{own[1:]}"
    message = f"cannot listen on {listen}: {reason}"
    return FaultsError([Fault(Position("configuration"), f"{name}.listen", message)])


def why_not_listening(listen: Address) -> OSError | None:
    """Return the system's error for an address that cannot be used; None if the address can be used.

    This function is needed because the gRPC library does not report this error.
    """
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            listen.host or None, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            with socket.socket(family, kind, protocol) as probe:
                probe.bind(address)
                probe.listen()
    except OSError as error:
        return error
    return None


def read_tls(tls: ListenerTls, section: str) -> tuple[bytes, bytes, bytes | None]:
    """Return the certificate chain, the private key, and the CA certificates that verify callers.

    The CA certificates are None if callers need no certificate.

    Args:
        tls: the section of the configuration that names the files.
        section: the name of the section, such as `rest.tls`.

    Raises:
        FaultsError: a file cannot be used. The error lists every file that cannot be used.
    """
    from gateway.config.certificates import (  # noqa: PLC0415 - 9 MB of memory, only for TLS
        read_certificates,
        read_key_pair,
    )

    faults = FaultCollector()
    chain, key, roots = b"", b"", None
    with faults.part():
        chain, key = read_key_pair(tls.certificate, tls.key, section)
    if tls.client_ca is not None:
        with faults.part():
            roots = read_certificates(tls.client_ca, f"{section}.client_ca")
    faults.check()
    return chain, key, roots


def tls_fault(tls: ListenerTls, section: str, reason: str) -> FaultsError:
    """Return the fault for a certificate that OpenSSL refuses."""
    message = f"cannot be used: {reason.replace('_', ' ').lower()}"
    return FaultsError([Fault(Position(str(tls.certificate)), f"{section}.certificate", message)])
