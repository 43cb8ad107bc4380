"""The hosts that count as one address in the limit of connections."""

from __future__ import annotations

import ipaddress

_SUBSCRIBER_BITS = 64
"""Of an IPv6 address; a single host may take any of the addresses that share them."""


def address_key(host: str) -> str:
    """Return the key under which connections are counted: an IPv4 address, or an IPv6 /64 network.

    Args:
        host: IP address of a socket's peer; any other text is its own key.
    """
    address = parse_host(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(address), _SUBSCRIBER_BITS), strict=False))
    return str(address or host)


def parse_host(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address of a host; IPv4-mapped addresses become IPv4. None for other texts."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
