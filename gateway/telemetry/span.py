"""A span class that costs less than the SDK's span class.

The class uses no locks, and stores simple attributes in a dict. A span records the same data
as a span of the SDK, within the same limits. Only one thread may change a span. After the
span has ended, any thread may read the span.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from time import time_ns
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.semconv.schemas import Schemas
from opentelemetry.trace import Link, Status, StatusCode

from gateway.telemetry.shared_attributes import SharedAttributes

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanLimits
    from opentelemetry.trace import SpanContext, SpanKind
    from opentelemetry.util.types import Attributes, AttributeValue

    from gateway.telemetry.tail import KeptSpans

_log = logging.getLogger(__name__)

SCOPE = InstrumentationScope("baremetal-gateway", "", Schemas.V1_44_0.value)
"""The instrumentation scope of every span. The schema is the version of the semantic conventions."""
LOG_SCOPE = InstrumentationScope("baremetal-gateway", "")
"""The instrumentation scope of every log record. Its attributes are names of the gateway."""

_SCALARS = (str, bool, int, float)
_PLAIN = frozenset(_SCALARS)
_LISTS = (list, tuple)
NONE: Mapping[str, Any] = MappingProxyType({})
"""The own attributes of a span that has none."""
UNSET = Status(StatusCode.UNSET)
"""The status of a span if no other was set."""
# No span of the gateway has as many shared attributes. With a lower limit, spans have no shared attributes.
_MAX_SHARED = 64


@dataclass(frozen=True, slots=True)
class SpanSettings:
    """The common settings of all spans of a tracer.

    Attributes:
        resource: the resource that describes this process.
        limits: the limits for attributes and events.
        on_end: the function that is called with each span that has ended.
        may_share: whether spans have shared attributes. If not, the limits apply to each attribute.
    """

    resource: Resource
    limits: SpanLimits
    on_end: Callable[[RecordedSpan], None]
    may_share: bool = field(init=False)

    def __post_init__(self) -> None:
        limits = self.limits
        counts = (limits.max_span_attributes, limits.max_event_attributes)
        lengths = (limits.max_span_attribute_length, limits.max_attribute_length)
        may_share = lengths == (None, None) and all(one is None or one >= _MAX_SHARED for one in counts)
        object.__setattr__(self, "may_share", may_share)


class RecordedSpan(trace.Span):
    """A span that is recorded.

    Attributes:
        name: the name of the span.
        context: the trace ID, the span ID, the trace flags and the trace state of the span.
        parent: the context of the parent span, or None.
        kind: the kind of the span.
        shared: groups of attributes that the span has in common with other spans.
        own: the other attributes of the span, by key. The mapping is NONE if none were set, and a dict if all
            values are simple and the limits are not exceeded. If not, the mapping is the SDK's
            BoundedAttributes.
        events: the latest events. Each event is a tuple of its time in nanoseconds, its name, its shared
            attributes or None, and its other attributes. The limits define how many events are kept.
        dropped_events: the number of events that were dropped because of the limits.
        links: the contexts of spans of other traces that have caused this span.
        status: the status of the span.
        kept: the place where the span waits for the end of its call, if the sampler has not selected it; None
            if it has.
        is_sampled: whether the sampler has selected the span.
        trace_id: the trace ID, as 32 hexadecimal digits.
        start_time: the start time, in nanoseconds since the epoch.
        end_time: the end time, in nanoseconds since the epoch; None before the end.
    """

    # Most spans keep these values until their end. They are attributes of the class, because it takes time to
    # set them in each span. They are replaced, and never modified.
    shared: tuple[SharedAttributes, ...] = ()
    own: Mapping[str, Any] = NONE
    events: Sequence[tuple[int, str, SharedAttributes | None, Mapping[str, Any]]] = []
    dropped_events = 0
    status = UNSET
    end_time: int | None = None
    links: tuple[SpanContext, ...] = ()
    kept: KeptSpans | None = None

    def __init__(
        self,
        settings: SpanSettings,
        name: str,
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: Attributes,
        links: tuple[SpanContext, ...] = (),
        kept: KeptSpans | None = None,
        trace_id: str = "",
    ) -> None:
        self._settings = settings
        self.name = name
        self.context = context
        self.is_sampled = bool(context[3] & 1)  # of the trace flags, TraceFlags.SAMPLED
        self.trace_id = trace_id or context[0].to_bytes(16, "big").hex()
        self.parent = parent
        self.kind = kind
        if links:
            self.links = links
        if kept is not None:
            self.kept = kept
        if type(attributes) is SharedAttributes and settings.may_share:
            self.shared = (attributes,)
        elif attributes:
            limits = settings.limits
            self.own = _bound(attributes, limits.max_span_attributes, limits.max_span_attribute_length)
        self.start_time = time_ns()

    def get_span_context(self) -> SpanContext:
        """Return the context of the span, which contains the trace ID and the span ID."""
        return self.context

    def is_recording(self) -> bool:
        """Return whether the span has not ended."""
        return self.end_time is None

    @property
    def attributes(self) -> Mapping[str, Any]:
        """All attributes of the span."""
        if not self.shared:
            return self.own
        merged: dict[str, Any] = {}
        for group in self.shared:
            merged |= group
        return {**merged, **self.own}

    def own_attributes(self) -> MutableMapping[str, Any]:
        """Return the own attributes of the span, in a mapping to which attributes can be added."""
        if isinstance(self.own, MutableMapping):
            return self.own
        made: dict[str, Any] = dict(self.own)
        self.own = made
        return made

    def set_shared(self, attributes: SharedAttributes) -> None:
        """Set attributes that the span has in common with other spans."""
        if self.end_time is None and self._settings.may_share and self._has_none_of(attributes):
            self.shared += (attributes,)
        else:
            self.set_attributes(attributes)

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Set an attribute."""
        self.set_attributes({key: value})

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Set several attributes."""
        if self.end_time is not None:
            self._warn()
            return
        if self.shared and not self._has_none_of(attributes):
            merged = {**self.attributes, **attributes}
            self.shared, self.own = (), NONE
            self.set_attributes(merged)
            return
        limits, known = self._settings.limits, self.own_attributes()
        count, length = limits.max_span_attributes, limits.max_span_attribute_length
        if count is not None and self.shared:
            count -= sum(map(len, self.shared))
        if (
            type(known) is dict
            and length is None
            and (count is None or len(known) + len(attributes) <= count)
            and "" not in attributes
            and _PLAIN.issuperset(map(type, attributes.values()))
            and known.keys().isdisjoint(attributes)
        ):
            known.update(attributes)
            return
        for key, value in attributes.items():
            if type(known) is dict:
                has_room = count is None or len(known) < count
                if has_room and length is None and key and key not in known and isinstance(value, _SCALARS):
                    known[key] = value
                    continue
                self.own = known = BoundedAttributes(count, known, immutable=False, max_value_len=length)
            known[key] = value

    def _has_none_of(self, attributes: Mapping[str, Any]) -> bool:
        """Return whether no key of attributes is the key of an attribute of the span."""
        for group in self.shared:
            if not group.keys().isdisjoint(attributes):
                return False
        return not self.own or self.own.keys().isdisjoint(attributes)

    def add_event(
        self,
        name: str,
        attributes: Attributes = None,
        timestamp: int | None = None,
        *,
        shared: SharedAttributes | None = None,
    ) -> None:
        """Add an event. If there are too many events, drop the oldest event.

        Args:
            name: the name of the event.
            attributes: the attributes of the event.
            timestamp: the time of the event, in nanoseconds since the epoch; None means now.
            shared: the attributes that the event has in common with other events. No key is in `attributes`.
        """
        if self.end_time is not None:
            self._warn()
            return
        limits = self._settings.limits
        if shared is not None and not self._settings.may_share:
            attributes, shared = {**(attributes or {}), **shared}, None
        bounded = _bound(attributes, limits.max_event_attributes, limits.max_attribute_length)
        event = (time_ns() if timestamp is None else timestamp, name, shared, bounded)
        self.events = events = [*self.events, event]
        if limits.max_events is not None and len(events) > limits.max_events:
            self.events = events[1:]
            self.dropped_events += 1

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002 - as the API declares it
    ) -> None:
        """Add an event that describes an exception."""
        kind = type(exception)
        module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        fields: dict[str, Any] = {
            "exception.type": f"{module}{kind.__qualname__}",
            "exception.message": str(exception),
            "exception.stacktrace": "".join(traceback.format_exception(exception)),
            "exception.escaped": str(escaped),
        }
        self.add_event("exception", fields | dict(attributes or {}), timestamp)

    def update_name(self, name: str) -> None:
        """Set the name of the span."""
        if self.end_time is not None:
            self._warn()
            return
        self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status of the span, unless the status is already OK or the new status is UNSET."""
        if self.end_time is not None:
            self._warn()
            return
        new = status if isinstance(status, Status) else Status(status, description)
        if self.status.status_code is not StatusCode.OK and new.status_code is not StatusCode.UNSET:
            self.status = new

    def end(self, end_time: int | None = None) -> None:
        """End the span and call `on_end` with the span, or keep the span until the end of its call."""
        if self.end_time is not None:
            self._warn()
            return
        self.end_time = time_ns() if end_time is None else end_time
        if self.kept is None:
            self._settings.on_end(self)
        else:
            self.kept.add(self)

    def to_readable(self) -> ReadableSpan:
        """Return the span as a ReadableSpan for the exporters of the SDK."""
        events: Any = BoundedList(self._settings.limits.max_events)
        events.extend([Event(name, _merge(shared, own), time) for time, name, shared, own in self.events])
        events.dropped = self.dropped_events
        return ReadableSpan(
            name=self.name,
            context=self.context,
            parent=self.parent,
            resource=self._settings.resource,
            attributes=self.attributes,
            events=events,
            links=[Link(context) for context in self.links],
            kind=self.kind,
            status=self.status,
            start_time=self.start_time,
            end_time=self.end_time,
            instrumentation_scope=SCOPE,
        )

    def _warn(self) -> None:
        _log.warning("an ended span was changed", extra={"span": self.name})


def _merge(shared: SharedAttributes | None, own: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**own, **shared} if shared else own


def _bound(attributes: Attributes, count: int | None, length: int | None) -> MutableMapping[str, Any]:
    """Return a copy of attributes, reduced to the limits.

    In most cases, all values are simple and no limit is exceeded. The result is then a dict. In all other
    cases, the result is the SDK's BoundedAttributes.
    """
    if not attributes:
        return {}
    if length is None and (count is None or len(attributes) <= count):
        if _PLAIN.issuperset(map(type, attributes.values())) and "" not in attributes:
            return dict(attributes)
        plain: dict[str, Any] = {}
        for key, value in attributes.items():
            if isinstance(value, _SCALARS):
                plain[key] = value
            elif isinstance(value, _LISTS) and all(isinstance(one, _SCALARS) for one in value):
                plain[key] = tuple(value)
            else:
                break
        else:
            if "" not in plain:
                return plain
    return BoundedAttributes(count, attributes, immutable=False, max_value_len=length)
