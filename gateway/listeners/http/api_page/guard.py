"""Decides whether a request to try a call is accepted.

The gateway makes the call for the page, from its own host. So a person who tries a call must not reach more
than without the page, and no other web page may try calls in the person's browser:

- By default, only peers on the same host may try calls. They could call the REST listener themselves, with
  the same address. A request that a proxy has forwarded is refused, because its sender may be elsewhere.
- A web page of another origin cannot send the request: a browser would first ask with a preflight request,
  because of the content type and of a header that only the API page sets. No preflight request is allowed.
  The headers Origin and Sec-Fetch-Site are checked as well.
- A web page whose host name was made to resolve to the address of the gateway (DNS rebinding) has the same
  origin as the gateway for the browser. So the host has to be `localhost` or an IP address, which no DNS
  server can resolve differently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.addresses.ip_addresses import parse_host

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.config import Config

MARK = "x-try-call"
"""The header that the API page sets on a request to try a call. Its value is `1`."""

_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^:\[\]/@]+)(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class TryGuard:
    """The rules for requests to try a call, according to the configuration."""

    config: Config

    def find_obstacle(self, peer: str, headers: Mapping[str, str]) -> str:
        """Return why calls cannot be tried on a page that a peer has opened; empty if they can.

        Args:
            peer: the IP address of the peer.
            headers: the headers of a request of the page. Names are looked up in any case.
        """
        mode = self.config.admin.try_calls
        if mode == "never":
            return "calls cannot be tried here, because admin.try_calls is never"
        if self.config.rest.tls is not None and self.config.rest.tls.client_ca is not None:
            return "calls cannot be tried here, because the REST listener requires client certificates"
        if not _is_address(headers.get("host", "")):
            return "calls can be tried only if the page is opened with localhost or an IP address"
        address = parse_host(peer)
        is_local = address is not None and address.is_loopback
        if mode == "local" and (not is_local or any(name in headers for name in _FORWARDED)):
            return (
                "calls can be tried only from the host of the gateway, for example through an SSH tunnel or "
                "kubectl port-forward; admin.try_calls changes this"
            )
        return ""


def is_own_page(headers: Mapping[str, str]) -> bool:
    """Return whether the API page itself sent a request, and not a web page of another origin."""
    if headers.get(MARK) != "1" or headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return False
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return False
    try:
        origin = urlsplit(headers.get("origin", ""))
    except ValueError:
        return False
    is_web = origin.scheme in {"http", "https"} and not (origin.path or origin.query or origin.fragment)
    return is_web and origin.netloc.lower() == headers.get("host", "").lower() != ""


def _is_address(host: str) -> bool:
    """Return whether a Host header is `localhost` or an IP address, with or without a port."""
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    name = match["name"].lower()
    return name == "localhost" or parse_host(name.strip("[]")) is not None
