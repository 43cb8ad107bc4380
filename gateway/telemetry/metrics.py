"""The instruments, and their text for Prometheus.

Attributes hold only names that the gateway knows, never text of a caller: their
number is bounded whatever is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from gateway.telemetry.logs import dropped_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.metrics import CallbackOptions, Meter
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.resources import Resource

_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]
_DECISION_SECONDS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.1]


class Metrics:
    """The gateway's instruments.

    Args:
        resource: what describes this process.
        readers: further readers of the metrics, in addition to `/metrics`.
    """

    def __init__(self, resource: Resource, readers: Sequence[MetricReader] = ()) -> None:
        self._registry = CollectorRegistry()
        own = PrometheusMetricReader(registry=self._registry, scope_info_enabled=False)
        self._provider = MeterProvider([own, *readers], resource, shutdown_on_exit=False)
        meter = self._provider.get_meter("baremetal-gateway")
        self._requests = meter.create_histogram(
            "http.server.request.duration",
            unit="s",
            description="Time from the request's head to the end of its response.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._calls = meter.create_histogram(
            "rpc.server.call.duration",
            unit="s",
            description="Time from a gRPC call's arrival to its response.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._upstream = meter.create_histogram(
            "rpc.client.call.duration",
            unit="s",
            description="Time that an upstream took to respond.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._create_policy_instruments(meter)
        self._active = meter.create_up_down_counter("gateway.calls.active", description="Calls under way.")
        meter.create_observable_counter(
            "gateway.log.dropped",
            callbacks=[_observe_dropped_lines],
            description="Log lines dropped because nobody reads them, or writing failed.",
        )

    def _create_policy_instruments(self, meter: Meter) -> None:
        self._decisions = meter.create_histogram(
            "gateway.decision.duration",
            unit="s",
            description="Time that a decision took.",
            explicit_bucket_boundaries_advisory=_DECISION_SECONDS,
        )
        self._violations = meter.create_counter(
            "gateway.violations", description="Rules broken, by the action of their binding."
        )
        self._waivers = meter.create_counter(
            "gateway.waivers", description="Broken rules that a waiver allowed."
        )
        self._mutations = meter.create_counter("gateway.mutations", description="Fields that policies set.")
        self._shadows = meter.create_counter(
            "gateway.shadow.decisions", description="Decisions that the shadow bundle evaluated too."
        )
        self._lost_records = meter.create_counter(
            "gateway.decision_log.lost", description="Records of decisions that could not be written."
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

    def record_request(self, duration_s: float, http_method: str, route: str, status: int) -> None:
        """Count an HTTP request that was responded to; the route is empty when none matched."""
        self._requests.record(
            duration_s,
            {"http.request.method": http_method, "http.route": route, "http.response.status_code": status},
        )

    def record_call(self, duration_s: float, method: str, code: str) -> None:
        """Count a gRPC call that was responded to."""
        self._calls.record(duration_s, {"rpc.method": method, "rpc.response.status_code": code})

    def record_upstream(self, duration_s: float, method: str, code: str) -> None:
        """Count a call to an upstream that has ended."""
        self._upstream.record(duration_s, {"rpc.method": method, "rpc.response.status_code": code})

    def record_decision(self, duration_s: float, method: str, *, is_allowed: bool) -> None:
        """Count a decision."""
        decision = "allow" if is_allowed else "deny"
        self._decisions.record(duration_s, {"rpc.method": method, "decision": decision})

    def record_violation(self, rule: str, action: str) -> None:
        """Count a broken rule, `<policy>/<rule>`."""
        self._violations.add(1, {"rule": rule, "action": action})

    def record_waiver(self, waiver: str) -> None:
        """Count a broken rule that a waiver allowed."""
        self._waivers.add(1, {"waiver": waiver})

    def record_mutation(self, policy: str) -> None:
        """Count a field that a policy set."""
        self._mutations.add(1, {"policy": policy})

    def record_shadow(self, outcome: str) -> None:
        """Count a decision of the shadow bundle; its outcomes are in docs/policies.md."""
        self._shadows.add(1, {"outcome": outcome})

    def record_lost_records(self, count: int) -> None:
        """Count records of decisions that could not be written."""
        self._lost_records.add(count)

    def show_stale(self, *, is_stale: bool) -> None:
        """Set whether the bundle on disk differs from the active one."""
        self._stale.set(int(is_stale))

    def record_reload(self, *, is_good: bool) -> None:
        """Count a reload of a changed bundle: accepted or refused."""
        self._reloads.add(1, {"outcome": "in force" if is_good else "refused"})

    def record_removal(self, kind: str) -> None:
        """Count what a reload removed: a `rule`, a `binding`, or the last denying binding of a `method`."""
        self._removals.add(1, {"kind": kind})

    def change_active(self, by: int) -> None:
        """Follow the number of calls under way."""
        self._active.add(by)

    def expose(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def shutdown(self) -> None:
        """Hand the last figures over and stop."""
        self._provider.shutdown()


def _observe_dropped_lines(_: CallbackOptions) -> list[Observation]:
    return [Observation(dropped_lines())]
