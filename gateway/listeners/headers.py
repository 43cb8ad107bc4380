"""HTTP headers → the metadata of a call: an explicit list passes, everything else stays here."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

from gateway.errors import FieldViolation, invalid_request
from gateway.listeners.http_server import headers_too_large

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from multidict import CIMultiDictProxy

# What the cloud's API documents for its callers.
PASSED = ("authorization", "idempotency-key", "x-client-request-id", "x-client-trace-id")

_VISIBLE = re.compile(r"[\x20-\x7e]*")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_TIMEOUT = re.compile(r"(?P<number>[0-9]{1,8})(?P<unit>[HMSmun])")
_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


def read_metadata(headers: CIMultiDictProxy[str], limit_bytes: int) -> dict[str, str]:
    """Return the metadata that an HTTP caller may set.

    Raises:
        HttpError: 431 when the headers are too large together.
        GatewayError: as read_passed.
    """
    if sum(len(name) + len(value) for name, value in headers.items()) > limit_bytes:
        raise headers_too_large()
    return read_passed([(name.lower(), value) for name, value in headers.items()])


def read_passed(given: Iterable[tuple[str, str | bytes]]) -> dict[str, str]:
    """Return the metadata that a caller may set, out of all that it sent.

    Args:
        given: lower-case names with their values.

    Raises:
        GatewayError: INVALID_ARGUMENT with every name that stands twice or holds what metadata cannot.
    """
    metadata: dict[str, str] = {}
    violations = []
    for name, value in given:
        if name not in PASSED:
            continue
        if name in metadata:
            violations.append(_violation(name, "stands there more than once; send it once"))
        elif not isinstance(value, str) or not _VISIBLE.fullmatch(value):
            violations.append(_violation(name, "has a character that is not visible ASCII"))
        else:
            metadata[name] = value
    if violations:
        raise invalid_request("a header is malformed", violations)
    return metadata


def request_id(headers: Mapping[str, str]) -> str:
    """Return the caller's own x-request-id when it is well-formed, or a new one."""
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else new_request_id()


def new_request_id() -> str:
    """Return a fresh request ID."""
    return str(uuid.uuid4())


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
