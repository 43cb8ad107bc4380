"""The errors that listeners raise."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from gateway.errors import Code, GatewayError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.errors import FieldViolation


class HttpError(GatewayError):
    """An error with its own HTTP status.

    Attributes:
        status: the HTTP status of the response. This status replaces the one that belongs to the error code.
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
        super().__init__(code, reason, message, violations=violations, headers=headers)
        self.status = status


def internal_error(trace_id: str) -> GatewayError:
    """Return the error for a failure of the gateway itself.

    The error message contains the trace ID, so that an operator can find the cause in the log.
    """
    return GatewayError(
        Code.INTERNAL, "INTERNAL", f"the gateway failed; its log has the reason under trace {trace_id}"
    )


def headers_too_large() -> HttpError:
    """Return the error for a request whose request line or headers are too large."""
    return HttpError(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        Code.INVALID_ARGUMENT,
        "HEADERS_TOO_LARGE",
        "the request line or the headers are larger than the gateway accepts",
    )


def stopping_error() -> GatewayError:
    """Return the error for a call that is cancelled because the gateway is stopping."""
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()  # while the task counts as cancelled, it cannot send the response
    return GatewayError(
        Code.UNAVAILABLE,
        "STOPPING",
        "the gateway stops; a change may have been carried out: repeat it with the same idempotency-key",
    )
