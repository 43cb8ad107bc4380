"""What goes wrong with a call, in the terms that both listeners answer with.

A GatewayError is the only exception that a listener turns into an answer of its
own; anything else is a fault of the gateway and answers with a fixed text.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from google.protobuf.message import Message

DOMAIN = "baremetal-gateway"
"""ErrorInfo.domain of every error that is the gateway's own, not the upstream's."""

MORE = "MORE"
"""FieldViolation.reason of the last violation where further ones are only counted."""

_SUMMARIZED = 3
_MAX_VIOLATIONS = 256
_REQUEST_INFO = "google.rpc.RequestInfo"


class Code(IntEnum):
    """The canonical codes, https://grpc.io/docs/guides/status-codes/."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """One thing wrong with one field of a request.

    Attributes:
        field: path from the request, `labels["Bad Key"]`; empty for the whole.
        description: what is wrong, with the value, and how to mend it.
        reason: the rule that was broken, in UPPER_SNAKE_CASE or `<policy>/<rule>`.
    """

    field: str
    description: str
    reason: str


class GatewayError(Exception):
    """A call ends with this status.

    Attributes:
        code: the canonical code.
        reason: UPPER_SNAKE_CASE, constant for one kind of error.
        message: for the caller; never holds a secret.
        violations: everything wrong with the request, not only the first find.
        metadata: further facts about the reason.
        warnings: texts of rules that warn, beside what ended the call.
    """

    def __init__(
        self,
        code: Code,
        reason: str,
        message: str,
        *,
        violations: Sequence[FieldViolation] = (),
        metadata: Mapping[str, str] | None = None,
        warnings: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.violations = tuple(violations)
        self.metadata = dict(metadata or {})
        self.warnings = tuple(warnings)

    def details(self) -> list[AnyMessage]:
        """Return what explains the status, without the request's own ID."""
        info = error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=self.metadata)
        details = [_pack(info)]
        if self.violations:
            details.append(_pack(_bad_request(self.violations)))
        return details


class UpstreamError(GatewayError):
    """The upstream answered with an error: its code, message and details are passed on as they are."""

    def __init__(self, code: Code, message: str, details: Sequence[AnyMessage] = ()) -> None:
        super().__init__(code, "", message)
        self._details = list(details)

    def details(self) -> list[AnyMessage]:
        """Return the upstream's own details, also those of types unknown here."""
        return self._details


def invalid_request(message: str, violations: Sequence[FieldViolation] = ()) -> GatewayError:
    """Return the error for a request that is malformed or breaks the API's constraints.

    Args:
        message: what is wrong; the first violations are added to it, for clients that show nothing else.
        violations: all of them; beyond a number that no one reads, the rest is counted.
    """
    shown = list(violations[:_MAX_VIOLATIONS])
    if len(violations) > len(shown):
        rest = f"{len(violations) - len(shown)} more violations are left out"
        shown.append(FieldViolation(field="", description=rest, reason=MORE))
    text = summarize(message, violations)
    return GatewayError(Code.INVALID_ARGUMENT, "INVALID_REQUEST", text, violations=shown)


def summarize(message: str, violations: Sequence[FieldViolation]) -> str:
    """Return a message with the first violations behind it."""
    shown = [": ".join(filter(None, (one.field, one.description))) for one in violations[:_SUMMARIZED]]
    more = len(violations) - len(shown)
    return "; ".join([": ".join([message, *shown[:1]]), *shown[1:], *([f"and {more} more"] if more else [])])


def to_status(error: GatewayError, request_id: str) -> status_pb2.Status:
    """Return the wire form of an error, with a RequestInfo among its details."""
    details = error.details()
    if not any(detail.type_url.endswith(f"/{_REQUEST_INFO}") for detail in details):
        details.append(_pack(error_details_pb2.RequestInfo(request_id=request_id)))
    return status_pb2.Status(code=int(error.code), message=error.message, details=details)


def _bad_request(violations: Sequence[FieldViolation]) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=one.field, description=one.description, reason=one.reason
            )
            for one in violations
        ]
    )


def _pack(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed
