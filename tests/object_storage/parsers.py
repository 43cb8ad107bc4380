"""Other readers of links, each brought to one form, to see whether they read as ours does.

Two follow the living standard of browsers (https://url.spec.whatwg.org/), which
drops tabs, takes '\\' for '/' and folds host names; the others follow RFC 3986,
each with liberties of its own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlparse, urlunparse

import ada_url
import pydantic_core
from urllib3.util import parse_url
from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.object_storage import Hosts, Link

USUAL_PORTS = {"https": 443, "http": 80}


class ParsedUrl(NamedTuple):
    """What a reader sees; a part that is not there is empty."""

    scheme: str
    host: str
    user_info: str
    port: str
    path: str
    query: str
    fragment: str
    written_again: str


def read_urllib(text: str) -> ParsedUrl:
    parts = urlparse(text)
    user, _, host = parts.netloc.rpartition("@")
    name, _, port = host.partition(":")
    assert parts.hostname == name.lower()
    again = urlunparse(parts)
    return ParsedUrl(parts.scheme, name, user, port, parts.path, parts.query, parts.fragment, again)


def read_yarl(text: str) -> ParsedUrl:
    url = URL(text, encoded=True)
    assert url.host == url.raw_host, "the host has another name in Unicode"
    decoded = URL(text)
    assert decoded.path == unquote(url.raw_path, errors="strict")
    assert decoded.raw_host == url.raw_host
    return ParsedUrl(
        url.scheme,
        url.raw_host or "",
        f"{url.raw_user or ''}{url.raw_password or ''}",
        str(url.explicit_port or ""),
        url.raw_path,
        url.raw_query_string,
        url.raw_fragment,
        str(url),
    )


def read_urllib3(text: str) -> ParsedUrl:
    """Read as requests and urllib3 do, which write the digits of escapes in upper case."""
    url = parse_url(text)
    return ParsedUrl(
        url.scheme or "",
        url.host or "",
        url.auth or "",
        str(url.port or ""),
        url.path or "",
        url.query or "",
        url.fragment or "",
        url.url,
    )


def read_rust(text: str) -> ParsedUrl:
    """Read as the Rust crate url does, which pydantic brings."""
    url = pydantic_core.Url(text)
    return ParsedUrl(
        url.scheme,
        url.host or "",
        f"{url.username or ''}{url.password or ''}",
        "" if url.port == USUAL_PORTS.get(url.scheme) else str(url.port),
        url.path or "",
        url.query or "",
        url.fragment or "",
        str(url),
    )


def read_ada(text: str) -> ParsedUrl:
    """Read as the C++ library Ada does, which Node.js brings."""
    url = ada_url.URL(text)
    return ParsedUrl(
        url.protocol.removesuffix(":"),
        url.hostname,
        f"{url.username}{url.password}",
        url.port,
        url.pathname,
        url.search.removeprefix("?"),
        url.hash.removeprefix("#"),
        url.href,
    )


PARSERS: dict[str, Callable[[str], ParsedUrl]] = {
    "urllib": read_urllib,
    "yarl": read_yarl,
    "urllib3": read_urllib3,
    "rust": read_rust,
    "ada": read_ada,
}


def check_parsers_agree(text: str, link: Link, hosts: Hosts) -> None:
    """Every reader sees this link and no other, and writes it again as it stands.

    Raises:
        AssertionError: one does not.
        ValueError: one does not read the text at all.
    """
    for name, read in PARSERS.items():
        reading = read(text)
        assert (reading.scheme, reading.host) == (link.scheme, link.host), name
        assert (reading.user_info, reading.port, reading.fragment) == ("", "", ""), name
        assert find_object(reading, hosts) == (link.bucket, link.key), name
        assert bool(reading.query) == link.presigned, name
        as_read = raise_escapes(text) if name == "urllib3" else text
        assert reading.written_again == as_read, name


def find_object(reading: ParsedUrl, hosts: Hosts) -> tuple[str, str]:
    """Find bucket and key where the documentation says, in what another reader generated of the text."""
    names = (*hosts.storage, *hosts.website)
    assert reading.path.startswith("/")
    path = reading.path[1:]
    if reading.host in names:
        bucket, _, key = path.partition("/")
    else:
        (bucket,) = [
            reading.host.removesuffix(f".{one}") for one in names if reading.host.endswith(f".{one}")
        ]
        key = path
    return bucket, unquote(key, errors="strict")


def raise_escapes(text: str) -> str:
    return re.sub("%[0-9a-fA-F]{2}", lambda match: match[0].upper(), text)
