"""The instruments of the gateway, and their export.

The definitions of all metrics are in the module definitions.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeAlias

from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider

from gateway.telemetry import definitions
from gateway.telemetry.definition import Kind
from gateway.telemetry.export_results import ExportResults
from gateway.telemetry.exposition import PROMETHEUS
from gateway.telemetry.instruments import SCOPE_NAME, OwnInstruments, SdkInstruments
from gateway.telemetry.logs import dropped_lines
from gateway.telemetry.process_metrics import observe_process
from gateway.telemetry.readers import ExportingReader, TextReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from opentelemetry.metrics import CallbackOptions
    from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader
    from opentelemetry.sdk.resources import Resource

    from gateway.telemetry.definition import Definition
    from gateway.telemetry.health import Health
    from gateway.telemetry.instruments import Instruments
    from gateway.telemetry.span_processor import SpanProcessor
    from gateway.telemetry.tracing import Span

    Read: TypeAlias = Callable[[], Iterable[tuple[float, tuple[str, ...]]]]


class Metrics:
    """The gateway's instruments.

    Attributes:
        results: the results of exports.
    """

    def __init__(
        self,
        resource: Resource,
        exporter: MetricExporter | None = None,
        *,
        by_sdk: bool = False,
        has_exemplars: bool = True,
    ) -> None:
        """Create the instruments.

        Args:
            resource: the resource that describes this process.
            exporter: the exporter of the metrics; None if the metrics are only available at `/metrics`.
            by_sdk: whether the SDK aggregates all metrics. If the value is false, the gateway itself
                aggregates the metrics that every call records.
            has_exemplars: whether histograms of durations have exemplars.
        """
        own = OwnInstruments(has_exemplars=has_exemplars)
        self.results = ExportResults()
        self._text = TextReader(own)
        readers: list[MetricReader] = [self._text]
        if exporter is not None:
            readers.append(ExportingReader(own, exporter, self.results))
        self._provider = MeterProvider(readers, resource, shutdown_on_exit=False)
        self._meter = self._provider.get_meter(SCOPE_NAME)
        self._reads: dict[str, list[Read]] = {}  # keyed by the name of the metric
        sdk = SdkInstruments(self._meter)
        self._create_for_calls(sdk if by_sdk else own)
        self._create_for_ledger(sdk if by_sdk else own)
        self._create_rare(sdk)
        # A collection can start while the SDK holds a lock, so the SDK must not record its pause.
        self._gc_pauses = own.create(definitions.GC_PAUSES)
        observe_process(self)
        self._certificates: dict[str, float] = {}  # Unix times, keyed by the section of the configuration
        self.observe(definitions.CERTIFICATES, self._read_certificates)
        self.observe(definitions.DROPPED_LINES, lambda: [(dropped_lines(), ())])
        self.observe(definitions.EXPORTS, self.results.observe)

    def _create_for_calls(self, instruments: Instruments) -> None:
        """Create the instruments that calls record in."""
        self._requests = instruments.create_traced(definitions.REQUESTS)
        self._calls = instruments.create_traced(definitions.RPC_CALLS)
        self._upstream = instruments.create_traced(definitions.UPSTREAM_CALLS)
        self._retries = instruments.create(definitions.RETRIES)
        self._waiters = instruments.create(definitions.WAITERS)
        self._refused_callers = instruments.create(definitions.REFUSED_CALLERS)
        self._refused = instruments.create(definitions.LIMITED_CALLS)
        self._unchecked = instruments.create(definitions.UNCHECKED_CALLS)
        self._queued = instruments.create(definitions.QUEUED_CALLS)
        self._queue_wait = instruments.create(definitions.QUEUE_WAITS)
        self._decisions = instruments.create(definitions.DECISIONS)
        self._violations = instruments.create(definitions.VIOLATIONS)
        self._waivers = instruments.create(definitions.WAIVERS)
        self._mutations = instruments.create(definitions.MUTATIONS)
        self._lag = instruments.create(definitions.EVENT_LOOP_LAG)
        self._observed = instruments.create(definitions.OBSERVED_CALLS)

    def _create_for_ledger(self, instruments: Instruments) -> None:
        """Create the instruments of the ledger, and of the work on calls after their responses."""
        self._commits = instruments.create(definitions.COMMITS)
        self._ledger_failures = instruments.create(definitions.FAILED_COMMITS)
        self._committed = instruments.create(definitions.COMMITTED_EVENTS)
        self._operations = instruments.create(definitions.OPERATIONS)
        self._settlements = instruments.create(definitions.SETTLEMENTS)

    def _create_rare(self, instruments: Instruments) -> None:
        """Create the instruments that are used rarely or by several threads."""
        self._shadows = instruments.create(definitions.SHADOW_DECISIONS)
        self._lost_records = instruments.create(definitions.LOST_RECORDS)
        self._lost_events = instruments.create(definitions.LOST_EVENTS)
        self._unsettled = instruments.create(definitions.UNSETTLED_CHANGES)
        self._following = instruments.create(definitions.FOLLOWED_OPERATIONS)
        self._stale = instruments.create(definitions.STALE_BUNDLE)
        self._reloads = instruments.create(definitions.RELOADS)
        self._removals = instruments.create(definitions.REMOVALS)
        self._refreshes = instruments.create(definitions.REFRESHES)
        self._key_fetches = instruments.create(definitions.KEY_FETCHES)

    def observe(self, definition: Definition, read: Read) -> None:
        """Read a metric each time the metrics are collected.

        Args:
            definition: the definition of an observed metric.
            read: a function that returns the values, each with the values of its labels. It may be called in
                any thread.
        """
        reads = self._reads.setdefault(definition.name, [])
        reads.append(read)
        if len(reads) > 1:
            return
        keys = definition.keys

        def observe(_: CallbackOptions) -> Iterator[Observation]:
            for each in reads:
                for value, labels in each():
                    yield Observation(value, dict(zip(keys, labels, strict=True)))

        is_counter = definition.kind is Kind.OBSERVED_COUNTER
        create = self._meter.create_observable_counter if is_counter else self._meter.create_observable_gauge
        create(definition.name, [observe], definition.unit, definition.meaning)

    def watch_health(self, health: Health) -> None:
        """Show the conditions of the gateway."""
        self.observe(definitions.CONDITIONS, health.observe_conditions)

    def watch_active(self, get_number: Callable[[], int]) -> None:
        """Show the number of active calls. The function may be called in any thread."""
        self.observe(definitions.ACTIVE_CALLS, lambda: [(get_number(), ())])

    def watch_queue(self, definition: Definition, get_length: Callable[[], int]) -> None:
        """Show the length of a queue. The function may be called in any thread."""
        self.observe(definition, lambda: [(get_length(), ())])

    def watch_spans(self, spans: SpanProcessor[object]) -> None:
        """Show the numbers of spans that were not sent."""
        self.observe(definitions.DROPPED_SPANS, spans.observe_dropped)

    def record_request(
        self, duration_s: float, http_method: str, route: str, status: int, span: Span | None = None
    ) -> None:
        """Record the duration of an HTTP request. If no route matched the request, the route is empty."""
        self._requests(duration_s, span, http_method, route, status)

    def record_call(self, duration_s: float, method: str, code: str, span: Span | None = None) -> None:
        """Record the duration of a gRPC call."""
        self._calls(duration_s, span, method, code)

    def record_upstream(
        self, duration_s: float, method: str, code: str, upstream: str, span: Span | None = None
    ) -> None:
        """Record the duration of a call to an upstream. Its name is from the configuration."""
        self._upstream(duration_s, span, method, code, upstream)

    def record_retry(self, upstream: str) -> None:
        """Count a further attempt of a call. The name of the upstream is from the configuration."""
        self._retries(1, upstream)

    def record_refused_caller(self, kind: str, reason: str) -> None:
        """Count a request whose caller was not identified.

        Args:
            kind: the kind of the credential; `none` if it is missing.
            reason: the problem of the credential.
        """
        self._refused_callers(1, kind, reason)

    def record_observed(self, effect: str, reason: str) -> None:
        """Count what enforcement would have done to a call in the mode `observe`.

        Args:
            effect: `deny`, `refuse` or `mutate`.
            reason: the reason of the error; empty for `mutate`.
        """
        self._observed(1, effect, reason)

    def record_decision(self, duration_s: float, method: str, *, is_allowed: bool) -> None:
        """Record the duration of a policy decision."""
        self._decisions(duration_s, method, "allow" if is_allowed else "deny")

    def record_violation(self, policy: str, rule: str, action: str, *, is_allowed: bool) -> None:
        """Count a broken rule. The name of the rule is `<policy>/<rule>`."""
        self._violations(1, policy, rule, action, "allow" if is_allowed else "deny")

    def record_waiver(self, waiver: str) -> None:
        """Count a broken rule that a waiver allowed."""
        self._waivers(1, waiver)

    def record_mutation(self, policy: str) -> None:
        """Count a field that a policy set."""
        self._mutations(1, policy)

    def record_shadow(self, outcome: str) -> None:
        """Count a decision of the shadow bundle. The possible outcomes are described in docs/policies.md."""
        self._shadows(1, outcome)

    def record_lost_records(self, count: int) -> None:
        """Count decision records that could not be written."""
        self._lost_records(count)

    def record_commit(self, duration_s: float, events: int) -> None:
        """Record a commit of the ledger, and the number of its events."""
        self._commits(duration_s)
        self._committed(events)

    def record_ledger_failure(self) -> None:
        """Count an attempt to open the ledger, or to commit events, that has failed."""
        self._ledger_failures(1)

    def record_operation(self, duration_s: float, method: str, code: str) -> None:
        """Record the end of an operation, with the name of its status code."""
        self._operations(duration_s, method, code)

    def record_settlement(self, outcome: str, by: str) -> None:
        """Count a change whose outcome was established later, and the way in which it was established."""
        self._settlements(1, outcome, by)

    def show_open_calls(self, pending: int, unknown: int, operations: int) -> None:
        """Set the numbers of changes without a known outcome, and of operations that are followed."""
        self._unsettled(pending, "pending")
        self._unsettled(unknown, "unknown")
        self._following(operations)

    def record_lost_events(self, count: int) -> None:
        """Count events that were not committed to the ledger."""
        self._lost_events(count)

    def show_stale(self, *, is_stale: bool) -> None:
        """Set whether the bundle on disk differs from the active bundle."""
        self._stale(int(is_stale))

    def record_reload(self, *, is_good: bool) -> None:
        """Count a reload of a changed bundle.

        Args:
            is_good: whether the changed bundle was accepted.
        """
        self._reloads(1, "active" if is_good else "refused")

    def record_removal(self, kind: str) -> None:
        """Count a rule or a binding that a reload removed.

        Args:
            kind: the kind of the removal: `rule`, `binding`, or `method`. The kind `method` means the last
                denying binding of a method.
        """
        self._removals(1, kind)

    def watch_credentials(self, name: str, get_remaining_s: Callable[[], float | None]) -> None:
        """Show how long credentials of the gateway's own remain valid.

        Args:
            name: the name of the credentials, which is from the configuration.
            get_remaining_s: a function that returns the remaining time in seconds; None if the token does not
                expire. It may be called in any thread.
        """

        def read() -> Iterator[tuple[float, tuple[str]]]:
            remaining_s = get_remaining_s()
            if remaining_s is not None:
                yield remaining_s, (name,)

        self.observe(definitions.CREDENTIALS, read)

    def record_refresh(self, name: str, *, is_good: bool) -> None:
        """Count an attempt to get a token."""
        self._refreshes(1, name, "ok" if is_good else "failed")

    def record_key_fetch(self, *, is_good: bool) -> None:
        """Count an attempt to fetch the keys of callers."""
        self._key_fetches(1, "ok" if is_good else "failed")

    def change_waiters(self, by: int) -> None:
        """Add an amount to the number of calls that wait for operations. The amount may be negative."""
        self._waiters(by)

    def show_certificate_expiry(self, section: str, expires: float) -> None:
        """Set the Unix time in seconds at which the certificate of a section of the configuration expires."""
        self._certificates[section] = expires

    def _read_certificates(self) -> Iterator[tuple[float, tuple[str]]]:
        now = time.time()
        for name, end in self._certificates.copy().items():
            yield end - now, (name,)

    def record_refused(self, limit: str) -> None:
        """Count a call that a limit refused. The limit is named by its key within the section `limits`."""
        self._refused(1, limit)

    def record_unchecked(self) -> None:
        """Count a call whose rates were not checked."""
        self._unchecked(1)

    def change_queued(self, by: int) -> None:
        """Add an amount to the number of calls in the queue. The amount may be negative."""
        self._queued(by)

    def record_queue(self, duration_s: float, outcome: str) -> None:
        """Record the time that a call spent in the queue.

        Args:
            duration_s: the time in seconds.
            outcome: how the wait ended: `admitted`, `refused` or `cancelled`.
        """
        self._queue_wait(duration_s, outcome)

    def record_lag(self, duration_s: float) -> None:
        """Record the lag of the event loop."""
        self._lag(duration_s)

    def record_gc_pause(self, duration_s: float, generation: str) -> None:
        """Record the time for which a garbage collection stopped the process. This method takes no lock."""
        self._gc_pauses(duration_s, generation)

    def expose(self, media_type: str = PROMETHEUS) -> bytes:
        """Return all metrics as text of a media type of the module exposition."""
        return self._text.read(media_type)

    def shutdown(self, timeout_s: float = 30.0) -> None:
        """Export the latest metrics within the timeout, and stop."""
        self._provider.shutdown(timeout_s * 1e3)
