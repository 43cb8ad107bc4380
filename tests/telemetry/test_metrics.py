"""Every instrument, as Prometheus reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk.metrics import Histogram
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    MetricExporter,
    MetricExportResult,
    MetricsData,
)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation
from opentelemetry.sdk.resources import Resource

from gateway.telemetry import Metrics
from gateway.telemetry.instruments import need_sdk

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
        lambda metrics: metrics.record_upstream(0.003, "s/M", "UNAVAILABLE", "a"),
        (
            'rpc_client_call_duration_seconds_count{rpc_method="s/M",rpc_response_status_code="UNAVAILABLE",'
            'upstream="a"} 1.0'
        ),
    ),
    (
        "allowed",
        lambda metrics: metrics.record_decision(0.00006, "s/M", is_allowed=True),
        'gateway_decision_duration_seconds_bucket{decision="allow",rpc_method="s/M",le="0.0001"} 1.0',
    ),
    (
        "denied",
        lambda metrics: metrics.record_decision(0.2, "s/M", is_allowed=False),
        'gateway_decision_duration_seconds_bucket{decision="deny",rpc_method="s/M",le="0.1"} 0.0',
    ),
    (
        "violation",
        lambda metrics: metrics.record_violation("policy", "policy/rule", "deny", is_allowed=False),
        'gateway_violations_total{action="deny",decision="deny",policy="policy",rule="policy/rule"} 1.0',
    ),
    ("waiver", lambda metrics: metrics.record_waiver("w"), 'gateway_waivers_total{waiver="w"} 1.0'),
    ("mutation", lambda metrics: metrics.record_mutation("p"), 'gateway_mutations_total{policy="p"} 1.0'),
    ("retry", lambda metrics: metrics.record_retry("a"), 'gateway_upstream_retries_total{upstream="a"} 1.0'),
    (
        "refused caller",
        lambda metrics: metrics.record_refused_caller("jwt", "EXPIRED"),
        'gateway_callers_failures_total{kind="jwt",reason="EXPIRED"} 1.0',
    ),
    (
        "shadow",
        lambda metrics: metrics.record_shadow("would deny"),
        'gateway_shadow_decisions_total{outcome="would deny"} 1.0',
    ),
    (
        "good refresh",
        lambda metrics: metrics.record_refresh("shared", is_good=True),
        'gateway_credentials_refreshes_total{credentials="shared",outcome="ok"} 1.0',
    ),
    (
        "failed refresh",
        lambda metrics: metrics.record_refresh("shared", is_good=False),
        'gateway_credentials_refreshes_total{credentials="shared",outcome="failed"} 1.0',
    ),
    (
        "credentials",
        lambda metrics: metrics.watch_credentials("shared", lambda: 60.0),
        'gateway_credentials_remaining_seconds{credentials="shared"} 60.0',
    ),
    ("lost", lambda metrics: metrics.record_lost_records(3), "gateway_decision_log_lost_total 3.0"),
    ("stale", lambda metrics: metrics.show_stale(is_stale=True), "gateway_bundle_stale 1.0"),
    ("fresh", lambda metrics: metrics.show_stale(is_stale=False), "gateway_bundle_stale 0.0"),
    (
        "reload",
        lambda metrics: metrics.record_reload(is_good=True),
        'gateway_bundle_reloads_total{outcome="active"} 1.0',
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
    ("active", lambda metrics: metrics.watch_active(lambda: 2), "gateway_calls_active 2.0"),
    (
        "refused by a limit",
        lambda metrics: metrics.record_refused("per_caller.rate"),
        'gateway_limits_refused_total{limit="per_caller.rate"} 1.0',
    ),
    ("queued", lambda metrics: metrics.change_queued(2), "gateway_queue_calls 2.0"),
    (
        "queue",
        lambda metrics: metrics.record_queue(0.02, "admitted"),
        'gateway_queue_duration_seconds_count{outcome="admitted"} 1.0',
    ),
    ("waiters", lambda metrics: metrics.change_waiters(2), "gateway_waiters 2.0"),
    ("dropped lines", lambda _: None, "gateway_log_dropped_total 0.0"),
]


_AGGREGATION = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"
BOTH = pytest.mark.parametrize("by_sdk", [False, True], ids=["own", "sdk"])


class Kept(MetricExporter):
    """Keeps what is exported."""

    def __init__(self) -> None:
        super().__init__()
        self.exported: list[MetricsData] = []

    def export(self, metrics_data: MetricsData, *_: Any, **__: Any) -> MetricExportResult:
        self.exported.append(metrics_data)
        return MetricExportResult.SUCCESS

    def force_flush(self, *_: Any) -> bool:
        return True

    def shutdown(self, *_: Any, **__: Any) -> None:
        """Nothing to do."""


@BOTH
@pytest.mark.parametrize(
    ("record", "line"), [pytest.param(record, line, id=name) for name, record, line in RECORDED]
)
def test_what_is_recorded_is_exposed(record: Callable[[Metrics], None], line: str, *, by_sdk: bool) -> None:
    metrics = Metrics(Resource({}), by_sdk=by_sdk)
    record(metrics)
    assert line in metrics.expose().decode().splitlines()
    metrics.shutdown()


@BOTH
def test_further_readers_see_the_same_values(*, by_sdk: bool) -> None:
    exporter = Kept()
    metrics = Metrics(Resource({}), exporter, by_sdk=by_sdk)
    metrics.record_waiver("w")
    metrics.shutdown()
    (data,) = exporter.exported
    (scope,) = data.resource_metrics[0].scope_metrics
    assert {"gateway.waivers", "gateway.log.dropped"} <= {metric.name for metric in scope.metrics}


def record_much(metrics: Metrics) -> None:
    for _, record, _ in RECORDED:
        record(metrics)
    for duration_s in (0.0, 1e-6, 0.001, 0.0010001, 0.3, 30, 31, 1e6):
        metrics.record_request(duration_s, "POST", "/baremetal/v1alpha/images", 200)
        metrics.record_request(duration_s, "POST", "", 404)
        metrics.record_call(duration_s, "s/M", "UNAVAILABLE")
        metrics.record_upstream(duration_s, "s/M", "OK", "a")
        metrics.record_decision(duration_s, "s/M", is_allowed=duration_s > 1)
        metrics.record_violation("policy", "policy/rule", "warn", is_allowed=True)
        metrics.change_waiters(-1)


def families(metrics: Metrics) -> list[str]:
    """What is exposed of each metric, help and type included, in the order of names.

    The metrics of the process are left out, because they change between two reads.
    """
    found = metrics.expose().decode().split("# HELP ")
    return sorted(one for one in found if not one.startswith("process_"))


def exported(metrics: Metrics, exporter: Kept) -> dict[str, Any]:
    """Each metric as OTLP's message, without the times of its points."""
    metrics.shutdown()
    (resource_metrics,) = encode_metrics(exporter.exported[-1]).resource_metrics
    (scope,) = resource_metrics.scope_metrics
    for metric in scope.metrics:
        for point in getattr(metric, str(metric.WhichOneof("data"))).data_points:
            assert 0 <= point.start_time_unix_nano <= point.time_unix_nano
            point.ClearField("start_time_unix_nano")
            point.ClearField("time_unix_nano")
    return {metric.name: metric for metric in scope.metrics if not metric.name.startswith("process.")}


def test_the_own_aggregates_are_those_of_the_sdk() -> None:
    exporters = [Kept(), Kept()]
    own, sdk = (
        Metrics(Resource({}), one, by_sdk=by) for one, by in zip(exporters, (False, True), strict=True)
    )
    assert families(own) == families(sdk)
    for metrics in (own, sdk):
        record_much(metrics)
    assert families(own) == families(sdk)
    assert len(families(own)) > 13
    assert exported(own, exporters[0]) == exported(sdk, exporters[1])


def test_the_number_of_points_is_bounded() -> None:
    own, sdk = (Metrics(Resource({}), by_sdk=by_sdk) for by_sdk in (False, True))
    for metrics in (own, sdk):
        for number in range(2005):
            metrics.record_mutation(f"policy-{number}")
        metrics.record_mutation("policy-7")
    assert families(own) == families(sdk)
    assert 'gateway_mutations_total{otel_metric_overflow="true"} 5.0' in own.expose().decode()
    for metrics in (own, sdk):
        metrics.shutdown()


@pytest.mark.parametrize(
    ("environment", "is_needed"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "Cumulative"}, False),
        ({"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"}, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "LOWMEMORY"}, True),
        ({_AGGREGATION: "explicit_bucket_histogram"}, False),
        ({_AGGREGATION: "base2_exponential_bucket_histogram"}, True),
        ({"OTEL_METRICS_EXEMPLAR_FILTER": "trace_based"}, False),
        ({"OTEL_METRICS_EXEMPLAR_FILTER": "always_on"}, True),
    ],
    ids=[
        "nothing",
        "cumulative",
        "delta",
        "lowmemory",
        "explicit",
        "exponential",
        "trace_based",
        "always_on",
    ],
)
def test_what_only_the_sdk_can_do(environment: dict[str, str], *, is_needed: bool) -> None:
    assert need_sdk(environment) is is_needed


def test_delta_temporality_and_exponential_histograms() -> None:
    exporter = Kept()
    exporter._preferred_temporality = {Histogram: AggregationTemporality.DELTA}  # noqa: SLF001 - as OTLP's own does
    exporter._preferred_aggregation = {Histogram: ExponentialBucketHistogramAggregation()}  # noqa: SLF001
    metrics = Metrics(Resource({}), exporter, by_sdk=True)
    metrics.record_call(0.003, "s/M", "OK")
    found = exported(metrics, exporter)["rpc.server.call.duration"]
    assert found.exponential_histogram.aggregation_temporality == AggregationTemporality.DELTA.value
