"""HTTP headers → the metadata of a call: an explicit list passes, everything else stays here."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from typing import TYPE_CHECKING

from gateway.errors import FieldViolation, invalid_request
from gateway.listeners.errors import headers_too_large

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from multidict import CIMultiDictProxy

# What the cloud's API documents for its callers.
PASSED = ("authorization", "idempotency-key", "x-client-request-id", "x-client-trace-id")

# gRPC peers take 8 KiB of metadata by default; the gateway's own has to fit in as well.
_MAX_METADATA_BYTES = 6 * 1024
_VISIBLE = re.compile(r"[\x20-\x7e]*")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_TIMEOUT = re.compile(r"(?P<number>[0-9]{1,8})(?P<unit>[HMSmun])")
_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class MetadataReader:
    """Picks out of all that a caller sent the metadata that it may set.

    What is not on the list stays here, whatever it is called: hop-by-hop headers,
    `grpc-*`, the gateway's own, and look-alikes with `_` for `-`.
    """

    def __init__(self, further: Iterable[str], header_bytes: int) -> None:
        """Prepare.

        Args:
            further: names beside those that the cloud documents; those in `-bin` are binary.
            header_bytes: largest size of all headers of an HTTP request together.
        """
        self._names = frozenset([*PASSED, *further])
        self._header_bytes = header_bytes

    def read_http(self, headers: CIMultiDictProxy[str]) -> dict[str, str | bytes]:
        """Return the metadata in the headers of an HTTP request, binary values decoded from base64.

        Raises:
            HttpError: 431 when the headers are too large together.
            GatewayError: as read.
        """
        if sum(len(name) + len(value) for name, value in headers.items()) > self._header_bytes:
            raise headers_too_large()
        return self.read((name.lower(), value) for name, value in headers.items())

    def read(self, given: Iterable[tuple[str, str | bytes]]) -> dict[str, str | bytes]:
        """Return the metadata among names and values.

        Args:
            given: lower-case names with their values.

        Raises:
            HttpError: 431 when it is more than upstreams take.
            GatewayError: INVALID_ARGUMENT with every name that stands twice or holds what metadata cannot.
        """
        metadata: dict[str, str | bytes] = {}
        violations = []
        for name, value in given:
            if name not in self._names:
                continue
            if name in metadata:
                violations.append(_violation(name, "stands there more than once; send it once"))
                continue
            try:
                metadata[name] = _read_value(name, value)
            except ValueError as error:
                violations.append(_violation(name, str(error)))
        if violations:
            raise invalid_request("a header is malformed", violations)
        if sum(len(name) + len(value) for name, value in metadata.items()) > _MAX_METADATA_BYTES:
            raise headers_too_large()
        return metadata


def _read_value(name: str, value: str | bytes) -> str | bytes:
    if name.endswith("-bin"):
        return value if isinstance(value, bytes) else _decode(value)
    if not isinstance(value, str) or not _VISIBLE.fullmatch(value):
        raise ValueError("has a character that is not visible ASCII")
    return value


def _decode(text: str) -> bytes:
    """Decode base64 of either alphabet, padded or not, as gRPC's own HTTP mapping has it."""
    digits = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("is no base64 text") from error


def request_id(headers: Mapping[str, str]) -> str:
    """Return the caller's own x-request-id when it is well-formed, or a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else new_request_id()


def new_request_id() -> str:
    """Return a fresh request ID."""
    return str(uuid.uuid4())


def new_identifiers() -> dict[str, str]:
    """Return the headers that identify a request without a trace of its own."""
    request_id = new_request_id()
    return {"x-request-id": request_id, "x-server-trace-id": request_id.replace("-", "")}


def read_timeout(headers: Mapping[str, str], limit_s: float) -> float:
    """Return how long a call may take: what Grpc-Timeout asks for, within the limit, in seconds.

    Raises:
        GatewayError: INVALID_ARGUMENT when it is not as
            https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md has it.
    """
    text = headers.get("grpc-timeout")
    if text is None:
        return limit_s
    match = _TIMEOUT.fullmatch(text)
    if match is None:
        description = "is up to eight digits and a unit of H, M, S, m, u or n, as 10S"
        raise invalid_request("a header is malformed", [_violation("grpc-timeout", description)])
    return min(int(match["number"]) * _SECONDS[match["unit"]], limit_s)


def _violation(name: str, description: str) -> FieldViolation:
    return FieldViolation(field=f"header {name}", description=description, reason="MALFORMED")
