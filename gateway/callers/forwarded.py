"""Parsers of the headers in which proxies write the addresses of their peers.

https://www.rfc-editor.org/rfc/rfc7239 defines `Forwarded`. `X-Forwarded-For` is a list of addresses.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_HOPS = 64
"""The maximum number of hops in a header."""

_TOO_MANY = "contains too many hops"
_HIDDEN = re.compile(r"unknown|_[A-Za-z0-9._-]+", re.IGNORECASE)
_PORT = r"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?"
_NODE = re.compile(rf"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<v4>[0-9.]+)){_PORT}")
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]"  # noqa: S105 - characters
# Some proxies write addresses with ports or brackets without the quotes that the RFC requires.
_PAIR = re.compile(
    rf'[ \t]*(?P<name>{_TOKEN}+)=(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>(?:{_TOKEN}|[\[\]:])+))[ \t]*'
)


def parse_forwarded_for(values: Sequence[str]) -> Iterator[str | None]:
    """Yield the hops of X-Forwarded-For headers, the one that is nearest to the gateway first.

    A hop is an IP address; None if the proxy hides it. Only the hops that are read from the iterator are
    parsed, because anyone may have written the others.

    Raises:
        ValueError: a hop is malformed, or there are too many.
    """
    for number, node in enumerate(reversed(",".join(values).split(","))):
        if number >= MAX_HOPS:
            raise ValueError(_TOO_MANY)
        yield _parse_node(node)


def parse_forwarded(values: Sequence[str]) -> Iterator[str | None]:
    """Return the hops of Forwarded headers, the one that is nearest to the gateway first.

    A hop is an IP address; None if the proxy hides it, or says nothing about it. The whole header has to be
    well-formed, because a quote in the first hop can make the others a part of it.

    Raises:
        ValueError: a value is malformed, or contains too many hops.
    """
    text, at = ",".join(values), 0
    nodes: list[str | None] = []
    pairs: dict[str, str] = {}
    end = ","
    while end:
        match = _PAIR.match(text, at)
        if match is None or match["name"].lower() in pairs:
            raise ValueError("is malformed")
        plain = match["plain"]
        pairs[match["name"].lower()] = re.sub(r"\\(.)", r"\1", match["quoted"]) if plain is None else plain
        end = text[match.end() : match.end() + 1]
        at = match.end() + 1
        if end not in {"", ",", ";"}:
            raise ValueError("is malformed")
        if end != ";":
            nodes.append(pairs.get("for"))
            pairs = {}
    if len(nodes) > MAX_HOPS:
        raise ValueError(_TOO_MANY)
    return (None if node is None else _parse_node(node) for node in reversed(nodes))


def _parse_node(text: str) -> str | None:
    node = text.strip(" \t")
    if _HIDDEN.fullmatch(node):
        return None
    match = _NODE.fullmatch(node)
    address = node if match is None else match["v6"] or match["v4"]
    try:
        # The zone of an IPv6 address may be any text, and has a meaning only at the proxy.
        return str(ipaddress.ip_address(address.replace("%", "/")))
    except ValueError:
        raise ValueError("contains a node that is not an IP address") from None
