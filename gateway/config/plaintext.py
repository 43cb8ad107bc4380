"""Finds listeners and upstreams that use plaintext over a network."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.config.sections import Config


def find_plaintext(config: Config) -> Iterator[tuple[str, str]]:
    """Yield the configuration key and the address of each listener and upstream that uses no TLS.

    Addresses on the loopback interface are omitted.
    """
    for name, listener in (("rest", config.rest), ("grpc", config.grpc), ("admin", config.admin)):
        if listener.tls is None and not _is_loopback(listener.listen.host):
            yield f"{name}.listen", str(listener.listen)
    for name, upstream in config.upstreams.items():
        if not upstream.tls and not _is_loopback(upstream.address.rpartition(":")[0].strip("[]")):
            yield f"upstreams.{name}.address", upstream.address


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
