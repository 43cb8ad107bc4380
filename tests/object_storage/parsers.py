"""Other parsers of URLs, with results in one form, for comparison with the gateway's parser.

Two follow the living standard of browsers (https://url.spec.whatwg.org/), which
drops tabs, reads '\\' as '/' and folds host names; the others follow RFC 3986,
with deviations of their own.
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
    """The parts of a URL; a missing part is empty."""

    scheme: str
    host: str
    user_info: str
    port: str
    path: str
    query: str
    fragment: str
    formatted: str


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
    """Parse with urllib3, as requests does; it writes the digits of escapes in upper case."""
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
    """Parse with the Rust crate url, which is part of pydantic."""
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
    """Parse with the C++ library Ada, which is part of Node.js."""
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
    """Check that every parser finds the same parts, and formats them as the same text.

    Raises:
        AssertionError: a parser differs.
        ValueError: a parser refuses the text.
    """
    for name, read in PARSERS.items():
        parsed = read(text)
        assert (parsed.scheme, parsed.host) == (link.scheme, link.host), name
        assert (parsed.user_info, parsed.port, parsed.fragment) == ("", "", ""), name
        assert find_object(parsed, hosts) == (link.bucket, link.key), name
        assert bool(parsed.query) == link.presigned, name
        as_read = upper_case_escapes(text) if name == "urllib3" else text
        assert parsed.formatted == as_read, name


def find_object(parsed: ParsedUrl, hosts: Hosts) -> tuple[str, str]:
    """Return bucket and key, found as documented, in the result of another parser."""
    names = (*hosts.storage, *hosts.website)
    assert parsed.path.startswith("/")
    path = parsed.path[1:]
    if parsed.host in names:
        bucket, _, key = path.partition("/")
    else:
        (bucket,) = [parsed.host.removesuffix(f".{one}") for one in names if parsed.host.endswith(f".{one}")]
        key = path
    return bucket, unquote(key, errors="strict")


def upper_case_escapes(text: str) -> str:
    return re.sub("%[0-9a-fA-F]{2}", lambda match: match[0].upper(), text)
