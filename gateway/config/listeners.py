"""The sections of the listeners."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from gateway.config.section import Section
from gateway.config.values import Address, ListenAddress


def _listen(port: int) -> Address:
    return Address(host="127.0.0.1", port=port)


class ListenerTls(Section):
    """TLS of a listener. The files have PEM form, and are loaded again when they change."""

    certificate: Path
    """Certificate chain, with the certificate of the listener first."""
    key: Path
    """Private key of the certificate, without a password."""
    client_ca: Path | None = None
    """CA certificates that sign the certificates of callers; when not set, callers present none."""
    client_auth: Literal["required", "optional"] | None = None
    """Whether callers must present a certificate; `required` when not set. `grpc` refuses `optional`."""
    crl: Path | None = None
    """Certificate revocation lists, one of each CA in `client_ca`."""


class Rest(Section):
    """The REST listener."""

    listen: ListenAddress = _listen(8080)
    """Address to listen on."""
    tls: ListenerTls | None = None
    """Serve TLS; plaintext when not set."""
    allow_plaintext: bool = False
    """Accept plaintext on an address that is not on loopback; otherwise such an address needs `tls`."""
    print_defaults: bool = False
    """Include fields with default values in responses; the cloud omits them."""
    max_connections: int = Field(1024, ge=1, le=1_000_000)
    """Maximum of open connections; one more replaces the connection that is idle longest, or gets 503."""
    max_connections_per_address: int = Field(256, ge=1, le=1_000_000)
    """The same for each IPv4 address or IPv6 /64 network; raise it behind a proxy."""


class Grpc(Section):
    """The gRPC listener."""

    listen: ListenAddress = _listen(8081)
    """Address to listen on."""
    tls: ListenerTls | None = None
    """Serve TLS; plaintext when not set."""
    allow_plaintext: bool = False
    """Accept plaintext on an address that is not on loopback; otherwise such an address needs `tls`."""
    max_connections: int = Field(512, ge=1, le=1_000_000)
    """Maximum of open connections; one more is closed."""
    max_connections_per_address: int = Field(64, ge=1, le=1_000_000)
    """The same for each IPv4 address or IPv6 /64 network, enforced each second; raise it behind a proxy."""
    max_streams: int = Field(100, ge=1, le=10_000)
    """Maximum of concurrent calls on one connection; further calls wait in the client or are refused."""
    idle_s: float = Field(300, ge=1, le=86400)
    """Seconds after which a connection without calls is closed."""
    age_s: float = Field(3600, ge=1, le=2_000_000)
    """Seconds after which a connection is closed when its calls have ended; clients open another one."""
    keepalive_s: float = Field(60, ge=1, le=86400)
    """Seconds without data after which the gateway sends a ping, to find peers that have disappeared."""
    keepalive_timeout_s: float = Field(10, ge=1, le=3600)
    """Seconds after which a connection is closed if its peer does not respond to the ping."""
    min_ping_interval_s: float = Field(10, ge=0, le=86400)
    """Shortest time between two pings of a client; after three earlier ones the connection is closed."""
    idle_pings: bool = True
    """Whether clients may send pings while they make no calls; otherwise at most one in two hours."""
    reflection: bool = False
    """Serve `grpc.reflection`: it shows the descriptors of the served methods to every caller."""


class Admin(Section):
    """The admin listener, which serves health and metrics. Callers should have no access to this listener."""

    listen: ListenAddress = _listen(9090)
    """Address to listen on."""
    tls: ListenerTls | None = None
    """Serve TLS; plaintext when not set."""
    allow_plaintext: bool = False
    """Accept plaintext on an address that is not on loopback; otherwise such an address needs `tls`."""
    try_calls: Literal["local", "always", "never"] = "local"
    """Who may try calls on the page `/docs`: people on the host of the gateway, everybody, or nobody."""
