"""Every instrument, as Prometheus reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource

from gateway.telemetry import Metrics

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDED: list[tuple[str, Callable[[Metrics], None], str]] = [
    (
        "request",
        lambda metrics: metrics.record_request(0.003, "GET", "/", 200),
        (
            'http_server_request_duration_seconds_count{http_request_method="GET",'
            'http_response_status_code="200",http_route="/"} 1.0'
        ),
    ),
    (
        "call",
        lambda metrics: metrics.record_call(0.003, "s/M", "OK"),
        'rpc_server_call_duration_seconds_count{rpc_method="s/M",rpc_response_status_code="OK"} 1.0',
    ),
    (
        "upstream",
        lambda metrics: metrics.record_upstream(0.003, "s/M", "UNAVAILABLE"),
        'rpc_client_call_duration_seconds_count{rpc_method="s/M",rpc_response_status_code="UNAVAILABLE"} 1.0',
    ),
    (
        "allowed",
        lambda metrics: metrics.record_decision(0.00006, "s/M", is_allowed=True),
        'gateway_decision_duration_seconds_bucket{decision="allow",le="0.0001",rpc_method="s/M"} 1.0',
    ),
    (
        "denied",
        lambda metrics: metrics.record_decision(0.2, "s/M", is_allowed=False),
        'gateway_decision_duration_seconds_bucket{decision="deny",le="0.1",rpc_method="s/M"} 0.0',
    ),
    (
        "violation",
        lambda metrics: metrics.record_violation("policy/rule", "deny"),
        'gateway_violations_total{action="deny",rule="policy/rule"} 1.0',
    ),
    ("waiver", lambda metrics: metrics.record_waiver("w"), 'gateway_waivers_total{waiver="w"} 1.0'),
    ("mutation", lambda metrics: metrics.record_mutation("p"), 'gateway_mutations_total{policy="p"} 1.0'),
    (
        "shadow",
        lambda metrics: metrics.record_shadow("would deny"),
        'gateway_shadow_decisions_total{outcome="would deny"} 1.0',
    ),
    ("lost", lambda metrics: metrics.record_lost_records(3), "gateway_decision_log_lost_total 3.0"),
    ("stale", lambda metrics: metrics.show_stale(is_stale=True), "gateway_bundle_stale 1.0"),
    ("fresh", lambda metrics: metrics.show_stale(is_stale=False), "gateway_bundle_stale 0.0"),
    (
        "reload",
        lambda metrics: metrics.record_reload(is_good=True),
        'gateway_bundle_reloads_total{outcome="in force"} 1.0',
    ),
    (
        "refused reload",
        lambda metrics: metrics.record_reload(is_good=False),
        'gateway_bundle_reloads_total{outcome="refused"} 1.0',
    ),
    (
        "removal",
        lambda metrics: metrics.record_removal("rule"),
        'gateway_bundle_removals_total{kind="rule"} 1.0',
    ),
    ("active", lambda metrics: metrics.change_active(2), "gateway_calls_active 2.0"),
    ("dropped lines", lambda _: None, "gateway_log_dropped_total 0.0"),
]


@pytest.mark.parametrize(
    ("record", "line"), [pytest.param(record, line, id=name) for name, record, line in RECORDED]
)
def test_what_is_recorded_is_exposed(record: Callable[[Metrics], None], line: str) -> None:
    metrics = Metrics(Resource({}))
    record(metrics)
    assert line in metrics.expose().decode().splitlines()
    metrics.shutdown()


def test_further_readers_see_the_same_values() -> None:
    reader = InMemoryMetricReader()
    metrics = Metrics(Resource({}), [reader])
    metrics.record_waiver("w")
    data = reader.get_metrics_data()
    assert data is not None
    (scope,) = data.resource_metrics[0].scope_metrics
    assert {"gateway.waivers", "gateway.log.dropped"} <= {metric.name for metric in scope.metrics}
    metrics.shutdown()
