"""The failures of upstreams, which are reported in the log and in health conditions.

For one upstream and one status code, at most one line is logged in each interval. If an upstream refuses a
call, for example with `NOT_FOUND`, this error is not a failure of the upstream.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2

from gateway.errors import Code, GatewayError, UpstreamError
from gateway.quoting import escape_line
from gateway.redaction import redact_text
from gateway.telemetry import Status, trace_id_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gateway.call import Call
    from gateway.config import Upstream
    from gateway.telemetry import Health

_log = logging.getLogger(__name__)

INTERVAL_S = 10.0
"""The minimum number of seconds between two log lines about one upstream and one status code.

Failures between the two lines are not logged. The second line shows their number.
"""

UNREACHABLE = "UPSTREAM_UNAVAILABLE"
"""The error reason for a call whose upstream could not be reached."""

TOO_SLOW = "DEADLINE_EXCEEDED"
"""The error reason for a call whose upstream has not responded before the deadline."""

_MAX_MESSAGE = 500
# The status codes that report a failure of the upstream itself, not a mistake of the caller.
_FAILURES = frozenset(
    {
        Code.UNKNOWN,
        Code.DEADLINE_EXCEEDED,
        Code.UNIMPLEMENTED,
        Code.INTERNAL,
        Code.UNAVAILABLE,
        Code.DATA_LOSS,
    }
)


class FailureLog:
    """Logs failures of upstreams. Each line has the facts that an operator needs to find the cause."""

    def __init__(
        self,
        upstreams: Mapping[str, Upstream],
        health: Health,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Initialize the log, and set a condition for each upstream.

        Args:
            upstreams: the sections of the upstreams in the configuration, keyed by the name of the upstream.
            health: the health of the gateway. It contains a condition for each upstream.
            clock: a function that returns the time in seconds.
        """
        self._addresses = {name: upstream.address for name, upstream in upstreams.items()}
        self._health = health
        self._clock = clock
        self._silent: set[str] = set()  # the upstreams from which the last call had no response
        for name in upstreams:
            health.set(_condition(name), Status.OK)
        self._reported_at: dict[tuple[str, Code], float] = {}
        self._suppressed: dict[tuple[str, Code], int] = {}

    def note_response(self, upstream: str) -> None:
        """Note that an upstream has responded. Any response shows that the upstream can be reached."""
        if upstream in self._silent:
            self._silent.discard(upstream)
            self._health.set(_condition(upstream), Status.OK)

    def report(self, call: Call, upstream: str, error: GatewayError, peer_message: str) -> None:
        """Update the condition of an upstream after an error, and log the error if it is a failure.

        A failure is not logged if a failure of the same upstream with the same status code was logged less
        than INTERVAL_S seconds ago.

        Args:
            call: the call that failed.
            upstream: the name of the upstream.
            error: the error with which the call ends.
            peer_message: the error text of the upstream, or of the channel to the upstream.
        """
        if error.reason == UNREACHABLE:
            self._show_silent(upstream, _shown(peer_message))
        elif error.reason == TOO_SLOW and call.deadline < call.caller_deadline:  # no caller was impatient
            self._show_silent(upstream, "no response within limits.deadline_s")
        elif isinstance(error, UpstreamError) or error.reason == "REPLY_TOO_LARGE":
            self.note_response(upstream)
        if not _is_failure(error):
            return
        kind, now = (upstream, error.code), self._clock()
        reported_at = self._reported_at.get(kind)
        if reported_at is not None and now - reported_at < INTERVAL_S:
            self._suppressed[kind] = self._suppressed.get(kind, 0) + 1
            return
        self._reported_at[kind] = now
        fields = {
            "upstream": upstream,
            "address": self._addresses[upstream],
            "code": error.code.name,
            "reason": _reason(error),
            "peer_message": _shown(peer_message),
            "suppressed": self._suppressed.pop(kind, 0),
            "method": call.method.name,
            "call_id": call.id,
            "trace_id": trace_id_of(call.span),
        }
        _log.warning("upstream failed", extra=fields)

    def _show_silent(self, upstream: str, reason: str) -> None:
        self._silent.add(upstream)
        self._health.set(_condition(upstream), Status.DEGRADED, f"{self._addresses[upstream]}: {reason}")


def _condition(upstream: str) -> str:
    return f"upstream/{upstream}"


def _is_failure(error: GatewayError) -> bool:
    if isinstance(error, UpstreamError):
        return error.code in _FAILURES
    return error.code is not Code.CANCELLED  # the gateway or the caller has cancelled the call


def _reason(error: GatewayError) -> str:
    """Return the reason of the gateway's error, or the reason in the ErrorInfo of an upstream's error."""
    if not isinstance(error, UpstreamError):
        return error.reason
    info = error_details_pb2.ErrorInfo()
    for detail in error.details():
        if detail.Is(info.DESCRIPTOR):
            try:
                detail.Unpack(info)
            except DecodeError:
                continue
            return _shown(info.reason)
    return ""


def _shown(text: str) -> str:
    """Return the redacted form of a text on one line, cut to a readable length."""
    return escape_line(redact_text(text, _MAX_MESSAGE))
