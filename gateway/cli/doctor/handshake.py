"""Connects to an upstream as the gateway does, and explains each step that fails.

The errors of the gRPC library name a failed handshake, but rarely its reason. So the same connection is first
made with OpenSSL, with the certificates that the gateway uses.
"""

from __future__ import annotations

import asyncio
import pkgutil
import socket
import ssl
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from gateway.cli.doctor.certificates import find_expiry, show_time
from gateway.cli.doctor.report import describe_os_error, quote_peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from gateway.config import Upstream

_ROOTS_VARIABLE = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
_SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _SETTINGS
_TYPE, _SETTINGS_TYPE = 3, 4  # the index of the type in a frame's header, and the type SETTINGS

# The errors of the verification of a certificate, see `openssl-verify(1)`.
_NOT_YET_VALID, _EXPIRED, _WRONG_NAMES = 9, 10, frozenset({62, 64})
_UNKNOWN_CA = frozenset({2, 18, 19, 20, 21})


_HELD = "check whether a proxy or an overloaded server holds the connection; the port may be the wrong one"


class HandshakeError(Exception):
    """A step of the connection has failed.

    Attributes:
        message: what has failed.
        fix: how to fix it.
    """

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where an upstream is, and how to connect.

    Attributes:
        name: the name of the upstream.
        section: the section of its configuration.
        step_s: the maximum time of one step, in seconds.
        environment: the environment variables.
    """

    name: str
    section: Upstream
    step_s: float
    environment: Mapping[str, str]

    @property
    def host(self) -> str:
        """The host of the address."""
        return self.section.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port of the address."""
        return int(self.section.address.rpartition(":")[2])

    @property
    def server_name(self) -> str:
        """The name that the certificate of the upstream must have."""
        return self.section.server_name or self.host

    @property
    def key(self) -> str:
        """The configuration key of the section."""
        return f"upstreams.{self.name}"


async def shake_hands(endpoint: Endpoint) -> x509.Certificate | None:
    """Connect to an upstream, up to the first HTTP/2 frame. Return its certificate; None without TLS.

    Raises:
        HandshakeError: a step has failed.
    """
    async with _connect(endpoint):
        pass  # the name is resolved, and something listens
    if not endpoint.section.tls:
        async with _connect(endpoint) as (reader, writer):
            await _exchange_settings(endpoint, reader, writer)
        return None
    context = _make_context(endpoint)
    try:
        async with _connect(endpoint, context, endpoint.server_name) as (reader, writer):
            certificate = _certificate_of(writer)
            if writer.get_extra_info("ssl_object").selected_alpn_protocol() != "h2":
                raise HandshakeError(
                    "the server speaks TLS, but does not offer HTTP/2 (ALPN h2)",
                    f"set {endpoint.key}.address to the gRPC port; a proxy in front of it has to pass HTTP/2",
                )
            await _exchange_settings(endpoint, reader, writer)
            return certificate
    except ssl.SSLCertVerificationError as error:
        raise await _explain_verification(endpoint, error) from error
    except ssl.SSLError as error:
        raise _explain_tls(endpoint, error) from error


@asynccontextmanager
async def _connect(
    endpoint: Endpoint, context: ssl.SSLContext | None = None, server_name: str | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection.

    Raises:
        HandshakeError: the connection was not opened in time, or was refused.
        ssl.SSLError: the TLS handshake has failed.
    """
    address = endpoint.section.address
    try:
        async with asyncio.timeout(endpoint.step_s):
            reader, writer = await asyncio.open_connection(
                endpoint.host, endpoint.port, ssl=context, server_hostname=server_name
            )
    except ssl.SSLError:
        raise
    except TimeoutError as error:
        if context is None:
            raise HandshakeError(
                f"no connection to {address} within {endpoint.step_s:g} s",
                "check the address, and the firewall and the routes between this machine and the upstream",
            ) from error
        raise HandshakeError(
            f"{address} accepts connections, but does not respond to the TLS handshake within "
            f"{endpoint.step_s:g} s",
            _HELD,
        ) from error
    except UnicodeError as error:  # of a name that is no name of the DNS
        raise _explain_name(endpoint, "it is malformed") from error
    except OSError as error:
        raise _explain_connection(endpoint, error, has_tls=context is not None) from error
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(0.1):
                await writer.wait_closed()


def _explain_connection(endpoint: Endpoint, error: OSError, *, has_tls: bool) -> HandshakeError:
    address = endpoint.section.address
    if isinstance(error, socket.gaierror):
        return _explain_name(endpoint, error.strerror or "")
    if has_tls:
        return _without_tls(endpoint)
    return HandshakeError(
        f"cannot connect to {address}: {describe_os_error(error)}",
        f"start the upstream, or correct {endpoint.key}.address",
    )


def _explain_name(endpoint: Endpoint, reason: str) -> HandshakeError:
    return HandshakeError(
        f"the name {endpoint.host} cannot be resolved: {reason}",
        f"correct {endpoint.key}.address, or the DNS of this machine",
    )


def _without_tls(endpoint: Endpoint) -> HandshakeError:
    return HandshakeError(
        f"{endpoint.section.address} does not speak TLS: it closes the connection, or responds in plaintext",
        f"set {endpoint.key}.address to the TLS port; only for a plaintext port on a trusted network, set "
        f"{endpoint.key}.tls to false",
    )


def _make_context(endpoint: Endpoint) -> ssl.SSLContext:
    """Return a context with the certificates and the rules of the channel."""
    section = endpoint.section
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags = ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_TRUSTED_FIRST  # as in gRPC
    context.set_alpn_protocols(["h2"])
    file = section.root_certificates or endpoint.environment.get(_ROOTS_VARIABLE)
    try:
        if file:
            context.load_verify_locations(cafile=file)
        else:
            roots = pkgutil.get_data("grpc", "_cython/_credentials/roots.pem") or b""
            context.load_verify_locations(cadata=roots.decode("ascii", "ignore"))
        if section.certificate is not None and section.key is not None:
            context.load_cert_chain(section.certificate, section.key)
    except OSError as error:
        raise HandshakeError(
            f"the certificates of {endpoint.key} cannot be used", "see the findings of the configuration"
        ) from error
    return context


def _certificate_of(writer: asyncio.StreamWriter) -> x509.Certificate:
    return x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(True))  # noqa: FBT003


async def _exchange_settings(
    endpoint: Endpoint, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Send the preface of HTTP/2, and check the first frame of the server.

    With TLS 1.3, a server refuses the certificate of a client only now.
    """
    address = endpoint.section.address
    try:
        async with asyncio.timeout(endpoint.step_s):
            writer.write(_PREFACE)
            await writer.drain()
            head = await reader.readexactly(len(_SETTINGS))
    except TimeoutError as error:
        raise HandshakeError(
            f"{address} accepts connections, but sends nothing within {endpoint.step_s:g} s",
            _HELD,
        ) from error
    except asyncio.IncompleteReadError as error:
        head = error.partial
    except ssl.SSLError:
        raise
    except OSError:
        head = b""
    if len(head) < len(_SETTINGS) or head[_TYPE] != _SETTINGS_TYPE:
        raise await _explain_response(endpoint, head)


async def _explain_response(endpoint: Endpoint, head: bytes) -> HandshakeError:
    """Return the error for a server whose first bytes are no HTTP/2.

    Args:
        endpoint: the upstream.
        head: the first bytes; empty if the server has closed the connection.
    """
    address, key = endpoint.section.address, endpoint.key
    if not endpoint.section.tls and await _read_certificate(endpoint) is not None:
        return HandshakeError(f"{address} speaks TLS, and {key}.tls is false", f"remove {key}.tls")
    if endpoint.section.tls and not head:  # not every server sends an alert
        return _without_client_certificate(
            endpoint, "closes the connection after the TLS handshake; probably it "
        )
    spoken = (
        "HTTP/1.1, and gRPC needs HTTP/2" if head.startswith(b"HTTP/1") else "no HTTP/2, which gRPC needs"
    )
    return HandshakeError(f"{address} speaks {spoken}", f"set {key}.address to the gRPC port")


def _without_client_certificate(endpoint: Endpoint, how: str = "") -> HandshakeError:
    key = endpoint.key
    has_own = endpoint.section.certificate is not None
    return HandshakeError(
        f"the upstream {how}does not accept the client certificate of the gateway"
        if has_own
        else f"the upstream {how}requires a client certificate, and the gateway has none",
        f"set {key}.certificate and {key}.key to a pair that the upstream trusts",
    )


def _explain_tls(endpoint: Endpoint, error: ssl.SSLError) -> HandshakeError:
    reason = (error.reason or "").upper()
    if "CERTIFICATE_REQUIRED" in reason or "BAD_CERTIFICATE" in reason or "UNKNOWN_CA" in reason:
        return _without_client_certificate(endpoint)
    if "CERTIFICATE_EXPIRED" in reason:
        return HandshakeError(
            "the upstream says that the client certificate of the gateway has expired",
            f"renew {endpoint.key}.certificate",
        )
    if (
        "WRONG_VERSION_NUMBER" in reason
        or "RECORD_LAYER" in reason
        or "PACKET_LENGTH" in reason
        or not reason
    ):
        return _without_tls(endpoint)
    return HandshakeError(
        f"the TLS handshake has failed: {quote_peer(reason.replace('_', ' ').lower())}",
        "compare the TLS versions and ciphers of the upstream with TLS 1.2 and 1.3",
    )


async def _explain_verification(endpoint: Endpoint, error: ssl.SSLCertVerificationError) -> HandshakeError:
    certificate = await _read_certificate(endpoint)
    code = error.verify_code
    if code in _WRONG_NAMES:
        names = ", ".join(_names_of(certificate)) or "no names"
        return HandshakeError(
            f"the certificate of the upstream is not for {endpoint.server_name}, but for {names}",
            f"correct {endpoint.key}.address, or set {endpoint.key}.server_name to a name in the certificate",
        )
    if code in {_EXPIRED, _NOT_YET_VALID}:
        when = find_expiry(certificate) if certificate is not None else ""
        return HandshakeError(
            f"the certificate of the upstream {when or 'is not valid now'}",
            "renew the certificate of the upstream; if it is valid, correct the clock of this machine",
        )
    issuer = f" (issuer: {quote_peer(certificate.issuer.rfc4514_string())})" if certificate else ""
    if code in _UNKNOWN_CA:
        return HandshakeError(
            f"the certificate of the upstream is signed by a CA that the gateway does not trust{issuer}",
            f"set {endpoint.key}.root_certificates to the PEM file of this CA; if the CA is unexpected, "
            "something between the gateway and the upstream intercepts the connection",
        )
    return HandshakeError(
        f"the certificate of the upstream is refused: {quote_peer(error.verify_message)}{issuer}",
        "replace the certificate of the upstream",
    )


async def _read_certificate(endpoint: Endpoint) -> x509.Certificate | None:
    """Return the certificate of the upstream without checking it. Nothing is sent to the upstream."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with suppress(HandshakeError, OSError, ValueError):
        async with _connect(endpoint, context, endpoint.server_name) as (_, writer):
            return _certificate_of(writer)
    return None


def _names_of(certificate: x509.Certificate | None) -> list[str]:
    if certificate is None:
        return []
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [quote_peer(str(name)) for name in found.get_values_for_type(x509.DNSName)] + [
        str(one) for one in found.get_values_for_type(x509.IPAddress)
    ]


def describe_certificate(certificate: x509.Certificate | None) -> str:
    """Return a text about a certificate that is valid now; empty without one."""
    if certificate is None:
        return ""
    return f", certificate valid until {show_time(certificate.not_valid_after_utc)}"
