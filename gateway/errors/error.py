"""The errors that end a call. Both listeners use these errors.

A listener turns a GatewayError into a response. Any other exception is a failure of
the gateway itself. The response to such a failure has a fixed text.
"""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum
from typing import TYPE_CHECKING, Self

from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from gateway.errors.field_text import FieldName, field_text, rename_fields
from gateway.value_class import value_class

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from google.protobuf.message import Message

DOMAIN = "baremetal-gateway"
"""The ErrorInfo.domain of all errors of the gateway. Errors of the upstream have other domains."""

MAX_VIOLATIONS = 256
"""The maximum number of violations that one error lists.

A search for violations stops when it has found more than this number of violations (see Violations).
"""
INVALID_REQUEST = "INVALID_REQUEST"
"""The reason of the error for a request that is malformed or not valid."""
POLICY_VIOLATION = "POLICY_VIOLATION"
"""The reason of the error for a request that a policy denies."""
MORE = "MORE"
"""The reason of the last violation if a request has more violations than an error lists."""

_SUMMARIZED = 3
_MAX_FIELD = 500
_REQUEST_INFO = "google.rpc.RequestInfo"


class Code(IntEnum):
    """The canonical status codes (see https://grpc.io/docs/guides/status-codes/)."""

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


@value_class(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """One problem of one field of a request.

    Attributes:
        field: the path of the field in the request, such as `labels["Bad Key"]`. An empty path means the
            whole request. The path consists of the field names in the .proto file. Inside an Any, it consists
            of JSON names.
        description: the human-readable text. It describes the problem, the value and how to fix the problem.
        reason: the violated constraint in UPPER_SNAKE_CASE, or the violated policy rule as `<policy>/<rule>`.
    """

    field: str
    description: str
    reason: str


class EnoughViolationsError(Exception):
    """An exception that stops the search for violations.

    The exception is raised if more than MAX_VIOLATIONS violations were found, or if the
    search for further violations would cost too much.
    """


class Violations:
    """Collects the violations of one request, up to a limit.

    Attributes:
        found: the violations that were added.
    """

    __slots__ = ("found",)

    def __init__(self) -> None:
        self.found: list[FieldViolation] = []

    def add(self, field: str, description: str, reason: str) -> None:
        """Add a violation.

        Raises:
            EnoughViolationsError: more than MAX_VIOLATIONS violations were added. GatewayError replaces the
                last violation with a note that there are more violations.
        """
        self.found.append(FieldViolation(field=field, description=description, reason=reason))
        if len(self.found) > MAX_VIOLATIONS:
            raise EnoughViolationsError


class GatewayError(Exception):
    """An error that ends a call with a status.

    Attributes:
        code: the canonical status code.
        reason: the reason in UPPER_SNAKE_CASE. All errors of one kind have the same reason.
        message: the error message for the caller. It never contains a secret.
        violations: the first MAX_VIOLATIONS violations of the request. If there are more violations, the last
            item is a note.
        metadata: further information about the reason. The keys are the names of the items.
        warnings: the warnings of policy rules, which are sent together with the error.
        may_have_acted: whether the upstream may have carried out the call, although the call failed. Only
            errors of upstream calls set this attribute.
        headers: additional headers of the HTTP response. A gRPC response has them as trailing metadata. The
            names are keys as in HTTP, such as `WWW-Authenticate`.
        retry_after_s: the time after which the caller may repeat the call, in seconds; None if it is not
            known. The details of the error then include a RetryInfo.
    """

    def __init__(
        self,
        code: Code,
        reason: str,
        message: str,
        *,
        retry_after_s: float | None = None,
        violations: Sequence[FieldViolation] = (),
        metadata: Mapping[str, str] | None = None,
        warnings: Sequence[str] = (),
        may_have_acted: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = str(message)  # gRPC does not accept subclasses of str
        self._named = message
        self.violations = _bounded(violations)
        self.metadata = dict(metadata or {})
        self.warnings = tuple(warnings)
        self.may_have_acted = may_have_acted
        self.headers = dict(headers or {})
        self.retry_after_s = retry_after_s

    def copy(self) -> Self:
        """Return a copy, for another call that ends with the same error."""
        same = type(self).__new__(type(self))
        same.__dict__.update(self.__dict__)
        same.args = self.args
        return same

    def rename_fields(self, rename: Callable[[str], str]) -> None:
        """Convert all field paths in the error to the names that the client's protocol uses.

        Args:
            rename: a function that takes a field path with the names of the .proto file and returns the
                converted path.
        """
        self._named = rename_fields(self._named, rename)
        self.message = str(self._named)
        self.warnings = tuple(rename_fields(text, rename) for text in self.warnings)
        self.violations = tuple(
            replace(one, field=rename(one.field), description=rename_fields(one.description, rename))
            for one in self.violations
        )

    def details(self) -> list[AnyMessage]:
        """Return the details of the google.rpc.Status, without the request ID."""
        info = error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=self.metadata)
        details = [_pack(info)]
        if self.violations:
            details.append(_pack(_bad_request(self.violations)))
        if self.retry_after_s is not None:
            details.append(_pack(_retry_info(self.retry_after_s)))
        return details


class UpstreamError(GatewayError):
    """An error that the upstream returned. The code, the error message and the details stay unchanged."""

    def __init__(
        self, code: Code, message: str, details: Sequence[AnyMessage] = (), *, may_have_acted: bool = False
    ) -> None:
        super().__init__(code, "", message, may_have_acted=may_have_acted)
        self._details = list(details)

    def details(self) -> list[AnyMessage]:
        """Return all details that the upstream sent. The gateway may not know the types of the details."""
        return self._details


def invalid_request(message: str, violations: Sequence[FieldViolation] = ()) -> GatewayError:
    """Return the error for a request that is malformed or breaks the API's constraints.

    Args:
        message: the error message. The first violations are appended to it, because some clients show only
            the error message.
        violations: all violations that were found.
    """
    text = summarize(message, violations)
    return GatewayError(Code.INVALID_ARGUMENT, INVALID_REQUEST, text, violations=violations)


def summarize(message: str, violations: Sequence[FieldViolation]) -> str:
    """Append the first violations to an error message."""
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
    """Shorten a field path to a readable length. A long map key can make the path very long."""
    return path if len(path) <= _MAX_FIELD else path[:_MAX_FIELD] + "…"


def to_status(error: GatewayError, request_id: str) -> status_pb2.Status:
    """Return an error as a google.rpc.Status. The details of the status include a RequestInfo."""
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


def _retry_info(seconds: float) -> error_details_pb2.RetryInfo:
    info = error_details_pb2.RetryInfo()
    info.retry_delay.FromNanoseconds(round(seconds * 1e9))
    return info


def _pack(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed
