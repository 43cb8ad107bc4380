"""The target of an HTTP request: the segments of the path, and the parameters of the query.

The target is parsed as received. It is not decoded or normalised before parsing. The gateway therefore
routes exactly the path that the client sent.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from gateway.errors import invalid_request
from gateway.value_class import value_class

_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_MAX_PARAMETERS = 256


@value_class(frozen=True, slots=True)
class RequestTarget:
    """The parsed target of an HTTP request.

    Attributes:
        path: the path as received, without scheme and host.
        segments: the segments of the path, percent-encoded as received.
        query: the decoded names and values of the query parameters, in the order of the query.
    """

    path: str
    segments: tuple[str, ...]
    query: tuple[tuple[str, str], ...]


def parse_target(raw: str) -> RequestTarget:
    """Parse the target of a request.

    Raises:
        GatewayError: INVALID_ARGUMENT. The target does not begin with `/`, or has a fragment, a malformed
            percent escape, a NUL, bytes that are not UTF-8 or too many query parameters.
    """
    absolute = _ABSOLUTE.match(raw)  # https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2
    target = raw[absolute.end() :] if absolute else raw
    path, _, query = target.partition("?")
    if absolute and not path:
        path = "/"
    if not path.startswith("/"):
        raise invalid_request("the request target has to begin with '/'")
    if "#" in raw:
        raise invalid_request("the request target has a fragment; leave out what follows '#'")
    segments = path.split("/")
    if not _is_plain(path):
        for segment in segments:
            decode(segment, "the path")
    return RequestTarget(path, tuple(segments[1:]), tuple(_parse_query(query)) if query else ())


def decode(text: str, what: str, *, plus: bool = False) -> str:
    """Percent-decode a text once.

    Args:
        text: the percent-encoded text.
        what: the description of the text for error messages.
        plus: whether to decode `+` to a space.

    Raises:
        GatewayError: INVALID_ARGUMENT. The text has a malformed percent escape, a NUL or bytes that are not
            UTF-8.
    """
    if plus:
        text = text.replace("+", " ")
    if _is_plain(text):
        return text
    if _BAD_ESCAPE.search(text):
        raise invalid_request(
            f"{what} has a '%' without two hexadecimal digits after it; write '%25' for '%'"
        )
    try:
        # The HTTP server converts bytes that are not UTF-8 to surrogates. The next line raises
        # UnicodeError for surrogates too.
        decoded = unquote_to_bytes(text).decode()
    except UnicodeError as error:
        raise invalid_request(f"{what} is not UTF-8 once decoded") from error
    if "\0" in decoded:
        raise invalid_request(f"{what} has a NUL character; leave it out")
    return decoded


def _is_plain(text: str) -> bool:
    """Return whether a text needs neither decoding nor checks."""
    return "%" not in text and "\0" not in text and text.isascii()


def _parse_query(query: str) -> list[tuple[str, str]]:
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    if len(pairs) > _MAX_PARAMETERS:
        raise invalid_request(f"the query has {len(pairs)} parameters; {_MAX_PARAMETERS} are allowed")
    return [
        (decode(name, "a query parameter's name", plus=True), decode(value, "a query parameter", plus=True))
        for name, _, value in pairs
    ]
