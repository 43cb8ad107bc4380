"""IP addresses of callers, and the keys under which connections are counted."""

from __future__ import annotations

import ipaddress

_SUBSCRIBER_BITS = 64
"""The prefix length of an IPv6 network in which a single host may use all addresses."""


def address_key(host: str) -> str:
    """Return the key under which the connections of a host are counted.

    The key of an IPv4 address is the address. The key of an IPv6 address is its /64 network.

    Args:
        host: the IP address of a socket's peer. A text that is not an IP address is returned unchanged.
    """
    address = parse_host(host)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(address), _SUBSCRIBER_BITS), strict=False))
    return str(address or host)


def parse_host(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that a text contains; None if the text is not an IP address.

    An IPv4-mapped IPv6 address is returned as an IPv4 address.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
