"""Finds upstreams that use plaintext over a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.config.values import is_loopback

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
