"""Keeps the spans of calls that the sampler has not selected, until the calls end.

The sampler decides when a call starts. At this time nobody knows whether the call will be denied, will fail,
or will be slow. So the spans of the other calls are kept in memory. They are exported if the call ends in one
of these ways, and are dropped if not. The memory is bounded by the number of active calls.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from opentelemetry.trace import SpanKind, StatusCode

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from gateway.telemetry.span import RecordedSpan

MAX_SPANS = 64
"""The maximum number of spans that are kept for one call. Further spans are dropped."""

KEPT = "gateway.kept"
"""The attribute of a span that was exported although the sampler had not selected it. It holds the reason."""


class Reason(StrEnum):
    """Why the spans of a call are exported although the sampler has not selected them.

    Attributes:
        DENIED: a policy has denied the call.
        FAILED: the call has failed.
        SLOW: the call took longer than `telemetry.slow_s`.
    """

    DENIED = "denied"
    FAILED = "failed"
    SLOW = "slow"


class Tail:
    """The settings that all calls share.

    Attributes:
        reasons: the reasons for which spans are kept.
        export: the function that exports a kept span.
    """

    __slots__ = ("export", "reasons")

    def __init__(self, reasons: Collection[Reason], export: Callable[[RecordedSpan], None]) -> None:
        self.reasons = frozenset(reasons)
        self.export = export

    def open(self, reason: Reason | None = None) -> KeptSpans:
        """Return the place for the spans of one call. With a reason, they are exported in any case."""
        spans = KeptSpans(self)
        if reason is not None:
            spans.keep(reason)
        return spans


class KeptSpans:
    """The spans of one call that the sampler has not selected.

    Attributes:
        reason: the reason for which the spans are exported; None if there is none yet.
    """

    __slots__ = ("__weakref__", "_is_over", "_spans", "_tail", "reason")

    def __init__(self, tail: Tail) -> None:
        self._tail = tail
        self._spans: list[RecordedSpan] = []
        self._is_over = False
        self.reason: Reason | None = None

    def keep(self, reason: Reason) -> None:
        """Export the spans when the call ends. The first reason counts."""
        if self.reason is None and reason in self._tail.reasons:
            self.reason = reason

    def add(self, span: RecordedSpan) -> None:
        """Keep a span that has ended. The end of the call's own span decides on all spans of the call."""
        if self._is_over:
            self._add_late(span)
        elif span.kind is not SpanKind.CLIENT:
            self._end(span)
        elif len(self._spans) < MAX_SPANS:
            self._spans.append(span)

    def _end(self, span: RecordedSpan) -> None:
        self._is_over = True
        spans, self._spans = (
            self._spans,
            [],
        )  # a span refers to this object, so a list of spans would be a cycle
        if self.reason is not None:
            for one in (*spans, span):
                self._export(one, self.reason)

    def _add_late(self, span: RecordedSpan) -> None:
        """Handle a span that ends after its call: a change continues if its caller has left."""
        if self.reason is None and span.status.status_code is StatusCode.ERROR:
            self.keep(Reason.FAILED)
        if self.reason is not None:
            self._export(span, self.reason)

    def _export(self, span: RecordedSpan, reason: Reason) -> None:
        span.own_attributes()[KEPT] = reason.value
        self._tail.export(span)
