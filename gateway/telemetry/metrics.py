"""The instruments of the gateway, and their export to Prometheus.

The attributes of metrics contain only names that the gateway defines, and no text of a
caller. Therefore callers cannot increase the number of attribute sets without limit.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from gateway.telemetry.instruments import (
    SCOPE_NAME,
    ExportingReader,
    OwnInstruments,
    PrometheusReader,
    SdkInstruments,
)
from gateway.telemetry.logs import dropped_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import CallbackOptions, Meter
    from opentelemetry.sdk.metrics.export import MetricExporter, MetricReader
    from opentelemetry.sdk.resources import Resource

    from gateway.telemetry.instruments import Instruments

_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]
_DECISION_SECONDS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.1]
_OPERATION_SECONDS = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0]
_QUEUE_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0]
_RPC = ("rpc.method", "rpc.response.status_code")


class Metrics:
    """The gateway's instruments.

    Args:
        resource: the resource that describes this process.
        exporter: the exporter of the metrics; None if the metrics are only available at `/metrics`.
        by_sdk: whether the SDK aggregates all metrics. If the value is false, the gateway itself aggregates
            the metrics that every call records.
    """

    def __init__(
        self, resource: Resource, exporter: MetricExporter | None = None, *, by_sdk: bool = False
    ) -> None:
        self._registry = CollectorRegistry()
        own = OwnInstruments()
        readers: list[MetricReader] = [PrometheusReader(own, self._registry)]
        if exporter is not None:
            readers.append(ExportingReader(own, exporter))
        self._provider = MeterProvider(readers, resource, shutdown_on_exit=False)
        meter = self._provider.get_meter(SCOPE_NAME)
        instruments = SdkInstruments(meter) if by_sdk else own
        self._create_for_calls(instruments)
        self._create_for_limits(instruments)
        self._create_for_ledger(instruments)
        self._create_for_bundles(meter)
        self._certificates: dict[str, float] = {}  # Unix times, keyed by the section of the configuration
        meter.create_observable_gauge(
            "gateway.tls.certificate.time_left",
            callbacks=[self._observe_certificates],
            unit="s",
            description="Time until a certificate of the gateway expires; negative when it has expired.",
        )
        self._create_for_credentials(meter)

    def _create_for_calls(self, instruments: Instruments) -> None:
        """Create the instruments that calls record in."""
        self._requests = instruments.create_histogram(
            "http.server.request.duration",
            "Time from the request's head to the end of its response.",
            ("http.request.method", "http.route", "http.response.status_code"),
            _SECONDS,
        )
        self._calls = instruments.create_histogram(
            "rpc.server.call.duration", "Time from a gRPC call's arrival to its response.", _RPC, _SECONDS
        )
        self._upstream = instruments.create_histogram(
            "rpc.client.call.duration", "Time that an upstream took to respond.", _RPC, _SECONDS
        )
        self._decisions = instruments.create_histogram(
            "gateway.decision.duration",
            "Time that a decision took.",
            ("rpc.method", "decision"),
            _DECISION_SECONDS,
        )
        self._violations = instruments.create_counter(
            "gateway.violations", "Rules broken, by the action of their binding.", ("rule", "action")
        )
        self._waivers = instruments.create_counter(
            "gateway.waivers", "Broken rules that a waiver allowed.", ("waiver",)
        )
        self._mutations = instruments.create_counter(
            "gateway.mutations", "Fields that policies set.", ("policy",)
        )
        self._retries = instruments.create_counter(
            "gateway.upstream.retries", "Further attempts of calls to an upstream.", ("upstream",)
        )
        self._refused_callers = instruments.create_counter(
            "gateway.callers.failures",
            "Requests whose caller was not identified, by the kind and the problem of the credential.",
            ("kind", "reason"),
        )
        self._active = instruments.create_up_down_counter("gateway.calls.active", "Calls under way.")
        self._waiters = instruments.create_up_down_counter(
            "gateway.waiters", "Calls that wait for operations."
        )

    def _create_for_limits(self, instruments: Instruments) -> None:
        """Create the instruments of the limits on calls."""
        self._refused = instruments.create_counter(
            "gateway.limits.refused", "Calls refused by a limit, by the key of the limit.", ("limit",)
        )
        self._queued = instruments.create_up_down_counter("gateway.queue.calls", "Calls in the queue.")
        self._queue_wait = instruments.create_histogram(
            "gateway.queue.duration", "Time that a call spent in the queue.", ("outcome",), _QUEUE_SECONDS
        )

    def _create_for_ledger(self, instruments: Instruments) -> None:
        """Create the instruments of the ledger, and of the work on calls after their responses."""
        self._commits = instruments.create_histogram(
            "gateway.ledger.commit.duration", "Time that a commit of the ledger took.", (), _SECONDS
        )
        self._committed = instruments.create_counter(
            "gateway.ledger.events", "Events committed to the ledger."
        )
        self._operations = instruments.create_histogram(
            "gateway.operation.duration",
            "Time from a change to the end of the operation that it started.",
            ("rpc.method", "operation.code"),
            _OPERATION_SECONDS,
        )
        self._settlements = instruments.create_counter(
            "gateway.settlements", "Changes whose outcome was established later.", ("outcome", "by")
        )

    def _create_for_bundles(self, meter: Meter) -> None:
        """Create the instruments that are used rarely or by several threads."""
        self._shadows = meter.create_counter(
            "gateway.shadow.decisions", description="Decisions that the shadow bundle evaluated too."
        )
        self._lost_records = meter.create_counter(
            "gateway.decision_log.lost", description="Records of decisions that could not be written."
        )
        self._lost_events = meter.create_counter(
            "gateway.ledger.lost", description="Events of calls that were not committed to the ledger."
        )
        self._unsettled = meter.create_gauge(
            "gateway.ledger.unsettled",
            description="Changes whose outcome is not known, by pending or unknown.",
        )
        self._following = meter.create_gauge(
            "gateway.operations.following", description="Operations that the gateway follows."
        )
        self._stale = meter.create_gauge(
            "gateway.bundle.stale", description="1 while the bundle on disk is not the active one."
        )
        self._reloads = meter.create_counter(
            "gateway.bundle.reloads", description="Bundles that changed on disk."
        )
        self._removals = meter.create_counter(
            "gateway.bundle.removals", description="Rules, and bindings that deny, that reloads removed."
        )
        meter.create_observable_counter(
            "gateway.log.dropped",
            callbacks=[_observe_dropped_lines],
            description="Log lines dropped because nobody reads them, or writing failed.",
        )

    def _create_for_credentials(self, meter: Meter) -> None:
        self._refreshes = meter.create_counter(
            "gateway.credentials.refreshes",
            description="Attempts to get a token for upstreams, by ok or failed.",
        )
        self._remaining: dict[str, Callable[[], float | None]] = {}
        meter.create_observable_gauge(
            "gateway.credentials.remaining",
            callbacks=[self._observe_credentials],
            unit="s",
            description="Time until the present token for upstreams expires.",
        )

    def _observe_credentials(self, _: CallbackOptions) -> list[Observation]:
        found = [(name, get_remaining_s()) for name, get_remaining_s in self._remaining.items()]
        return [Observation(value, {"credentials": name}) for name, value in found if value is not None]

    def record_request(self, duration_s: float, http_method: str, route: str, status: int) -> None:
        """Record the duration of an HTTP request. If no route matched the request, the route is empty."""
        self._requests(duration_s, http_method, route, status)

    def record_call(self, duration_s: float, method: str, code: str) -> None:
        """Record the duration of a gRPC call."""
        self._calls(duration_s, method, code)

    def record_upstream(self, duration_s: float, method: str, code: str) -> None:
        """Record the duration of a call to an upstream."""
        self._upstream(duration_s, method, code)

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

    def record_decision(self, duration_s: float, method: str, *, is_allowed: bool) -> None:
        """Record the duration of a policy decision."""
        self._decisions(duration_s, method, "allow" if is_allowed else "deny")

    def record_violation(self, rule: str, action: str) -> None:
        """Count a broken rule. The name of the rule is `<policy>/<rule>`."""
        self._violations(1, rule, action)

    def record_waiver(self, waiver: str) -> None:
        """Count a broken rule that a waiver allowed."""
        self._waivers(1, waiver)

    def record_mutation(self, policy: str) -> None:
        """Count a field that a policy set."""
        self._mutations(1, policy)

    def record_shadow(self, outcome: str) -> None:
        """Count a decision of the shadow bundle. The possible outcomes are described in docs/policies.md."""
        self._shadows.add(1, {"outcome": outcome})

    def record_lost_records(self, count: int) -> None:
        """Count decision records that could not be written."""
        self._lost_records.add(count)

    def record_commit(self, duration_s: float, events: int) -> None:
        """Record a commit of the ledger, and the number of its events."""
        self._commits(duration_s)
        self._committed(events)

    def record_operation(self, duration_s: float, method: str, code: str) -> None:
        """Record the end of an operation, with the name of its status code."""
        self._operations(duration_s, method, code)

    def record_settlement(self, outcome: str, by: str) -> None:
        """Count a change whose outcome was established later, and the way in which it was established."""
        self._settlements(1, outcome, by)

    def show_open_calls(self, pending: int, unknown: int, operations: int) -> None:
        """Set the numbers of changes without a known outcome, and of operations that are followed."""
        self._unsettled.set(pending, {"outcome": "pending"})
        self._unsettled.set(unknown, {"outcome": "unknown"})
        self._following.set(operations)

    def record_lost_events(self, count: int) -> None:
        """Count events that were not committed to the ledger."""
        self._lost_events.add(count)

    def show_stale(self, *, is_stale: bool) -> None:
        """Set whether the bundle on disk differs from the active bundle."""
        self._stale.set(int(is_stale))

    def record_reload(self, *, is_good: bool) -> None:
        """Count a reload of a changed bundle.

        Args:
            is_good: whether the changed bundle was accepted.
        """
        self._reloads.add(1, {"outcome": "in force" if is_good else "refused"})

    def record_removal(self, kind: str) -> None:
        """Count a rule or a binding that a reload removed.

        Args:
            kind: the kind of the removal: `rule`, `binding`, or `method`. The kind `method` means the last
                denying binding of a method.
        """
        self._removals.add(1, {"kind": kind})

    def watch_credentials(self, name: str, get_remaining_s: Callable[[], float | None]) -> None:
        """Show how long credentials of the gateway's own remain valid.

        Args:
            name: the name of the credentials, which is from the configuration.
            get_remaining_s: a function that returns the remaining time in seconds; None if the token does not
                expire. It may be called in any thread.
        """
        self._remaining[name] = get_remaining_s

    def record_refresh(self, name: str, *, is_good: bool) -> None:
        """Count an attempt to get a token."""
        self._refreshes.add(1, {"credentials": name, "outcome": "ok" if is_good else "failed"})

    def change_active(self, by: int) -> None:
        """Add an amount to the number of active calls. The amount may be negative."""
        self._active(by)

    def change_waiters(self, by: int) -> None:
        """Add an amount to the number of calls that wait for operations. The amount may be negative."""
        self._waiters(by)

    def show_certificate_expiry(self, section: str, expires: float) -> None:
        """Set the Unix time in seconds at which the certificate of a section of the configuration expires."""
        self._certificates[section] = expires

    def _observe_certificates(self, _: CallbackOptions) -> list[Observation]:
        now = time.time()
        return [Observation(end - now, {"section": name}) for name, end in self._certificates.copy().items()]

    def record_refused(self, limit: str) -> None:
        """Count a call that a limit refused. The limit is named by its key within the section `limits`."""
        self._refused(1, limit)

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

    def expose(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        return generate_latest(self._registry)

    def shutdown(self, timeout_s: float = 30.0) -> None:
        """Export the latest metrics within the timeout, and stop."""
        self._provider.shutdown(timeout_s * 1e3)


def _observe_dropped_lines(_: CallbackOptions) -> list[Observation]:
    return [Observation(dropped_lines())]
