"""Finds the address of a caller that may be behind proxies."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import TYPE_CHECKING

from gateway.addresses import parse_host
from gateway.callers.forwarded import parse_forwarded, parse_forwarded_for
from gateway.errors import FieldViolation, GatewayError, invalid_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_MAX_CACHED = 4096

_PARSERS: dict[str, Callable[[Sequence[str]], Iterator[str | None]]] = {
    "x-forwarded-for": parse_forwarded_for,
    "forwarded": parse_forwarded,
}
FORWARDED_HEADERS = tuple(_PARSERS)
"""The names of the headers in which proxies name the address of a caller, in lower case."""


class AddressFinder:
    """Finds the address of a caller: the hop nearest to the gateway that is not a trusted proxy.

    The headers of a request are used only if its peer is a trusted proxy. Each hop in a header was written by
    the hop after it. So the hops are read from the last one, and only as long as they are trusted proxies.
    """

    def __init__(self, trusted: Iterable[str]) -> None:
        """Initialize the finder.

        Args:
            trusted: the networks of the trusted proxies, such as `10.0.0.0/8`.
        """
        self._networks = tuple(ipaddress.ip_network(one) for one in trusted)
        # Most calls come from a few addresses.
        self._look_up = lru_cache(_MAX_CACHED)(self._classify)

    def find(self, peer: str, headers: Iterable[tuple[str, str | bytes]]) -> str:
        """Return the address of the caller.

        Args:
            peer: the address of the peer.
            headers: the headers of the request. Their names are in lower case.

        Raises:
            GatewayError: INVALID_ARGUMENT if a trusted proxy has sent a header that is malformed, or two
                headers that disagree.
        """
        address, is_trusted = self._look_up(peer)
        if not is_trusted:
            return address
        given: dict[str, list[str]] = {}
        for name, value in headers:
            if name in _PARSERS and isinstance(value, str):
                given.setdefault(name, []).append(value)
        found = {self._follow(address, name, values) for name, values in given.items()}
        if len(found) > 1:
            # A proxy sets one of the headers, and passes on the other one as the caller has sent it.
            raise _refuse("forwarded", "gives another address than x-forwarded-for; send one of the two")
        return found.pop() if found else address

    def _follow(self, peer: str, name: str, values: Sequence[str]) -> str:
        """Return the last hop that is no trusted proxy; if there is none, the first one that is known."""
        address = peer
        try:
            for hop in _PARSERS[name](values):
                if hop is None:
                    break
                address, is_trusted = self._look_up(hop)
                if not is_trusted:
                    break
        except ValueError as error:
            raise _refuse(name, str(error)) from None
        return address

    def _classify(self, host: str) -> tuple[str, bool]:
        """Return the normal form of an address, and whether the address is a trusted proxy."""
        address = parse_host(host)
        if address is None:
            return host, False
        is_trusted = any(address.version == one.version and address in one for one in self._networks)
        return str(address), is_trusted


def _refuse(name: str, description: str) -> GatewayError:
    violation = FieldViolation(field=f"header {name}", description=description, reason="MALFORMED")
    return invalid_request("a header is malformed", [violation])
