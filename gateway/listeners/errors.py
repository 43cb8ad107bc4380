"""Errors that listeners themselves end calls with."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from gateway.errors import Code, GatewayError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.errors import FieldViolation


class HttpError(GatewayError):
    """An error that HTTP has a status of its own for.

    Attributes:
        status: instead of the one that the code maps to.
        headers: to answer with.
    """

    def __init__(
        self,
        status: HTTPStatus,
        code: Code,
        reason: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        violations: tuple[FieldViolation, ...] = (),
    ) -> None:
        super().__init__(code, reason, message, violations=violations)
        self.status = status
        self.headers = dict(headers or {})


def internal_error(trace_id: str) -> GatewayError:
    """Return the answer to a fault of the gateway's own: the log tells more, by the trace ID."""
    return GatewayError(
        Code.INTERNAL, "INTERNAL", f"the gateway failed; its log has the reason under trace {trace_id}"
    )


def client_streaming_error() -> GatewayError:
    """Return the answer to a call of a method that takes a stream of requests."""
    message = "a stream of requests is served by neither listener"
    return GatewayError(Code.UNIMPLEMENTED, "CLIENT_STREAMING", message)


def headers_too_large() -> HttpError:
    """Return the answer to a request whose line or headers are over the limit."""
    return HttpError(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        Code.INVALID_ARGUMENT,
        "HEADERS_TOO_LARGE",
        "the request line or the headers are larger than the gateway takes",
    )


def stopping_error() -> GatewayError:
    """Return the error of a call that the gateway's stop has ended."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()  # there is a response to send yet
    return GatewayError(
        Code.UNAVAILABLE,
        "STOPPING",
        "the gateway stops; a change may have been carried out: repeat it with the same idempotency-key",
    )
