"""Parsers of the headers in which proxies write the addresses of their peers.

https://www.rfc-editor.org/rfc/rfc7239 defines `Forwarded`. `X-Forwarded-For` is a list of addresses.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_HOPS = 64
"""The maximum number of hops in a header."""

_HIDDEN = re.compile(r"unknown|_[A-Za-z0-9._-]+", re.IGNORECASE)
_PORT = r"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?"
_NODE = re.compile(rf"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<v4>[0-9.]+)){_PORT}")
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]"  # noqa: S105 - characters
# Some proxies write addresses with ports or brackets without the quotes that the RFC requires.
_PAIR = re.compile(
    rf'[ \t]*(?P<name>{_TOKEN}+)=(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>(?:{_TOKEN}|[\[\]:])+))[ \t]*'
)


def parse_forwarded_for(values: Sequence[str]) -> list[str | None]:
    """Return the hops of X-Forwarded-For headers, the one that is nearest to the gateway last.

    A hop is an IP address; None if the proxy hides it.

    Raises:
        ValueError: a value is malformed.
    """
    return [_parse_node(node) for node in _bounded(",".join(values).split(","))]


def parse_forwarded(values: Sequence[str]) -> list[str | None]:
    """Return the hops of Forwarded headers, the one that is nearest to the gateway last.

    A hop is an IP address; None if the proxy hides it, or says nothing about it.

    Raises:
        ValueError: a value is malformed.
    """
    text, at = ",".join(values), 0
    hops: list[str | None] = []
    pairs: dict[str, str] = {}
    while True:
        match = _PAIR.match(text, at)
        if match is None or match["name"].lower() in pairs:
            raise ValueError("is malformed")
        plain = match["plain"]
        pairs[match["name"].lower()] = re.sub(r"\\(.)", r"\1", match["quoted"]) if plain is None else plain
        at = match.end()
        end = text[at : at + 1]
        if end not in {"", ",", ";"}:
            raise ValueError("is malformed")
        at += 1
        if end != ";":
            hops.append(_parse_node(pairs["for"]) if "for" in pairs else None)
            pairs = {}
            _bounded(hops)
        if not end:
            return hops


def _parse_node(text: str) -> str | None:
    node = text.strip(" \t")
    if _HIDDEN.fullmatch(node):
        return None
    match = _NODE.fullmatch(node)
    address = node if match is None else match["v6"] or match["v4"]
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        raise ValueError("contains a node that is not an IP address") from None


def _bounded(hops: list[str] | list[str | None]) -> list[str]:
    if len(hops) > MAX_HOPS:
        raise ValueError("contains too many hops")
    return hops  # type: ignore[return-value]  # the second type is only counted
