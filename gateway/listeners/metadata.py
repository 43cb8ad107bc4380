"""The metadata of a call. It is read from the request headers.

Metadata is passed to the upstream only if its name is in PASSED or in the argument `further` of
MetadataReader.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING

from gateway.call import new_uuid
from gateway.callers.proxy_addresses import FORWARDED_HEADERS
from gateway.errors import FieldViolation, invalid_request
from gateway.listeners.errors import headers_too_large

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from multidict import CIMultiDictProxy

# The headers that the cloud's API documents for its callers.
PASSED = ("authorization", "idempotency-key", "x-client-request-id", "x-client-trace-id")

# By default, gRPC peers accept 8 KiB of metadata. This limit leaves 2 KiB for the metadata
# that the gateway adds.
_MAX_METADATA_BYTES = 6 * 1024
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_TIMEOUT = re.compile(r"(?P<number>[0-9]{1,8})(?P<unit>[HMSmun])")
_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class MetadataReader:
    """Selects the metadata that a caller may set.

    Metadata is passed to the upstream only if its name is listed in PASSED or in `further`. So the upstream
    receives no hop-by-hop headers, no `grpc-*` headers, no headers that the gateway sets itself, and no names
    with `_` instead of `-`.
    """

    def __init__(self, further: Iterable[str], header_bytes: int, identity_header: str | None = None) -> None:
        """Initialize the reader.

        Args:
            further: the names of metadata that is passed to the upstream, in addition to the names in PASSED.
                Metadata whose name ends in `-bin` has binary values.
            header_bytes: the maximum total size of the headers of an HTTP request, in bytes.
            identity_header: the header in which callers identify themselves to the gateway, in lower case. It
                is never passed to the upstream. None means that no such header is used.
        """
        self._names = frozenset([*PASSED, *further]) - {identity_header}
        # A name that only looks like the identity header is refused, so all headers are needed to find it.
        self._used = None if identity_header is not None else self._names.union(FORWARDED_HEADERS)
        self._header_bytes = header_bytes

    def list_headers(self, headers: CIMultiDictProxy[str]) -> list[tuple[str, str]]:
        """Return the headers of an HTTP request that a gateway may use, with names in lower case.

        Raises:
            HttpError: 431 if all headers together are too large.
        """
        size, found, used = 0, [], self._used
        for given, value in headers.items():
            size += len(given) + len(value)
            name = given.lower()
            if used is None or name in used:
                found.append((name, value))
        if size > self._header_bytes:
            raise headers_too_large()
        return found

    def read(self, given: Iterable[tuple[str, str | bytes]]) -> dict[str, str | bytes]:
        """Return the metadata that is passed to the upstream. Binary values are decoded from base64.

        Args:
            given: the received metadata or headers, as pairs of a name in lower case and a value.

        Raises:
            HttpError: 431 if the selected metadata is larger than upstreams accept.
            GatewayError: INVALID_ARGUMENT if a listed name is repeated or has a malformed value.
        """
        metadata: dict[str, str | bytes] = {}
        violations, size = [], 0
        for name, value in given:
            if name not in self._names:
                continue
            if name in metadata:
                violations.append(_violation(name, "is repeated; send it once"))
                continue
            try:
                metadata[name] = read = _read_value(name, value)
                size += len(name) + len(read)
            except ValueError as error:
                violations.append(_violation(name, str(error)))
        if violations:
            raise invalid_request("a header is malformed", violations)
        if size > _MAX_METADATA_BYTES:
            raise headers_too_large()
        return metadata


def _read_value(name: str, value: str | bytes) -> str | bytes:
    if name.endswith("-bin"):
        return value if isinstance(value, bytes) else _decode(value)
    if not isinstance(value, str) or not (value.isascii() and value.isprintable()):
        raise ValueError("has a character that is not visible ASCII")
    return value


def _decode(text: str) -> bytes:
    """Decode base64 as gRPC over HTTP/2 does.

    The standard alphabet and the URL-safe alphabet are accepted. Padding is optional.
    """
    digits = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("is not base64") from error


def request_id(headers: Mapping[str, str]) -> str:
    """Return the caller's x-request-id if it is well-formed, otherwise a new request ID."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else new_request_id()


def new_request_id() -> str:
    """Return a new request ID."""
    return new_uuid()


def new_identifiers() -> dict[str, str]:
    """Return response headers with a new request ID and trace ID. They are for a request without a trace."""
    request_id = new_request_id()
    return {"x-request-id": request_id, "x-server-trace-id": request_id.replace("-", "")}


def read_timeout(headers: Mapping[str, str], limit_s: float) -> float:
    """Return the maximum duration of a call, in seconds.

    The result is the smaller of `limit_s` and the caller's Grpc-Timeout. If the caller sent no Grpc-Timeout,
    the result is `limit_s`.

    Raises:
        GatewayError: INVALID_ARGUMENT if the Grpc-Timeout does not have the format of
            https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
    """
    text = headers.get("grpc-timeout")
    if text is None:
        return limit_s
    match = _TIMEOUT.fullmatch(text)
    if match is None:
        description = "must be up to eight digits and a unit (H, M, S, m, u or n), for example 10S"
        raise invalid_request("a header is malformed", [_violation("grpc-timeout", description)])
    return min(int(match["number"]) * _SECONDS[match["unit"]], limit_s)


def _violation(name: str, description: str) -> FieldViolation:
    return FieldViolation(field=f"header {name}", description=description, reason="MALFORMED")
