"""Finds upstreams that use plaintext over a network."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.config.sections import Config


def find_plaintext(config: Config) -> Iterator[tuple[str, str]]:
    """Yield the configuration key and the address of each upstream that uses no TLS.

    Addresses on the loopback interface are omitted. A listener without TLS on another address is a fault,
    unless its section has `allow_plaintext`. So listeners are not reported here.
    """
    for name, upstream in config.upstreams.items():
        if not upstream.tls and not is_loopback(upstream.address.rpartition(":")[0].strip("[]")):
            yield f"upstreams.{name}.address", upstream.address


def is_loopback(host: str) -> bool:
    """Return whether a host is an address of the loopback interface, or `localhost`. Other names are not."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
