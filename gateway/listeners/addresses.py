"""Who counts as one address when connections are bounded."""

from __future__ import annotations

import ipaddress

_SUBSCRIBER_BITS = 64
"""Of an IPv6 address; a single host may take any of the addresses that share them."""


def address_key(host: str) -> str:
    """Return what connections of a host are counted under: an IPv4 address, or an IPv6 network of /64.

    Args:
        host: an IP address as a socket names its peer; anything else counts as itself.
    """
    address = parse_host(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(address), _SUBSCRIBER_BITS), strict=False))
    return str(address or host)


def parse_host(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address of a host, IPv4 also when IPv6 carries it; None when it is no address."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
