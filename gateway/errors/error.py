"""Errors that end a call, in terms that both listeners use.

A listener turns a GatewayError into a response. Any other exception is a failure of
the gateway itself: its response has a fixed text.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING

from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from gateway.errors.field_text import FieldName, field_text, rename_fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from google.protobuf.message import Message

DOMAIN = "baremetal-gateway"
"""ErrorInfo.domain of every error that is the gateway's own, not the upstream's."""

MAX_VIOLATIONS = 256
"""Violations that one error names. Whatever looks for them stops behind so many: see Violations."""
INVALID_REQUEST = "INVALID_REQUEST"
"""Reason of the error for a request that is malformed or not valid."""
MORE = "MORE"
"""Reason of the last violation when there are more than an error names."""

_SUMMARIZED = 3
_MAX_FIELD = 500
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
        field: path from the request, `labels["Bad Key"]`; empty for the whole. Names are those of the .proto
            file, but for names within an Any, which are those of its JSON.
        description: what is wrong, with the value, and how to fix it.
        reason: the rule that was broken, in UPPER_SNAKE_CASE or `<policy>/<rule>`.
    """

    field: str
    description: str
    reason: str


class EnoughViolationsError(Exception):
    """Raised to stop the search for violations.

    There are as many as an error may list already, or finding the rest would cost too much.
    """


class Violations:
    """Collects the violations of one request, up to the number that an error may list."""

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: list[FieldViolation] = []

    def add(self, field: str, description: str, reason: str) -> None:
        """Add a violation.

        Raises:
            EnoughViolationsError: this one is more than an error names; GatewayError says so in its place.
        """
        self.found.append(FieldViolation(field=field, description=description, reason=reason))
        if len(self.found) > MAX_VIOLATIONS:
            raise EnoughViolationsError


class GatewayError(Exception):
    """A call ends with this status.

    Attributes:
        code: the canonical code.
        reason: UPPER_SNAKE_CASE, constant for one kind of error.
        message: the message for the caller; never holds a secret.
        violations: everything wrong with the request, up to MAX_VIOLATIONS, and that there are more.
        metadata: further facts about the reason.
        warnings: texts of rules that warn; they are sent with the error.
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
        self.message = str(message)  # gRPC takes no subclass of str
        self._named = message
        self.violations = _bounded(violations)
        self.metadata = dict(metadata or {})
        self.warnings = tuple(warnings)

    def rename_fields(self, rename: Callable[[str], str]) -> None:
        """Write every field path in the form of another protocol: of violations, message and warnings.

        Args:
            rename: a field path with the names of the .proto file → the path to show.
        """
        self._named = rename_fields(self._named, rename)
        self.message = str(self._named)
        self.warnings = tuple(rename_fields(text, rename) for text in self.warnings)
        self.violations = tuple(
            replace(one, field=rename(one.field), description=rename_fields(one.description, rename))
            for one in self.violations
        )

    def details(self) -> list[AnyMessage]:
        """Return the details of the status, without the request ID."""
        info = error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=self.metadata)
        details = [_pack(info)]
        if self.violations:
            details.append(_pack(_bad_request(self.violations)))
        return details


class UpstreamError(GatewayError):
    """The upstream responded with an error: its code, message and details are passed on unchanged."""

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
        violations: all that were found.
    """
    text = summarize(message, violations)
    return GatewayError(Code.INVALID_ARGUMENT, INVALID_REQUEST, text, violations=violations)


def summarize(message: str, violations: Sequence[FieldViolation]) -> str:
    """Return a message with the first violations behind it."""
    parts: list[str] = [message]
    for index, one in enumerate(violations[:_SUMMARIZED]):
        parts.append("; " if index else ": ")
        parts += [FieldName(shorten_path(one.field)), ": "] if one.field else []
        parts.append(one.description)
    more = len(violations) - _SUMMARIZED
    if len(violations) > MAX_VIOLATIONS:
        parts.append(f"; and more than {MAX_VIOLATIONS - _SUMMARIZED} others")
    elif more > 0:
        parts.append(f"; and {more} more")
    return field_text(*parts)


def shorten_path(path: str) -> str:
    """Return a field path of a length that a person reads: keys of maps may make it as long as a request."""
    return path if len(path) <= _MAX_FIELD else path[:_MAX_FIELD] + "…"


def to_status(error: GatewayError, request_id: str) -> status_pb2.Status:
    """Return the wire form of an error, with a RequestInfo among its details."""
    details = error.details()
    if not any(detail.type_url.endswith(f"/{_REQUEST_INFO}") for detail in details):
        details.append(_pack(error_details_pb2.RequestInfo(request_id=request_id)))
    return status_pb2.Status(code=int(error.code), message=error.message, details=details)


def _bounded(violations: Sequence[FieldViolation]) -> tuple[FieldViolation, ...]:
    if len(violations) <= MAX_VIOLATIONS or violations[MAX_VIOLATIONS].reason == MORE:
        return tuple(violations)
    more = FieldViolation(
        field="", description=f"there are more violations; the first {MAX_VIOLATIONS} are listed", reason=MORE
    )
    return (*violations[:MAX_VIOLATIONS], more)


def _bad_request(violations: Sequence[FieldViolation]) -> error_details_pb2.BadRequest:
    return error_details_pb2.BadRequest(
        field_violations=[
            error_details_pb2.BadRequest.FieldViolation(
                field=shorten_path(one.field), description=one.description, reason=one.reason
            )
            for one in violations
        ]
    )


def _pack(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed
