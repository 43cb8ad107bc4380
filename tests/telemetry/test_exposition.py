"""The text formats of Prometheus and OpenMetrics, as other programs read them."""

from __future__ import annotations

import math

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import set_span_in_context
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_open
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open
from prometheus_client.parser import text_string_to_metric_families as parse

from gateway.telemetry.exposition import OPENMETRICS, PROMETHEUS, Exposition, choose_format

RESOURCE = Resource({"service.name": "x", "9-odd name": 'a"b\\c\nd', "flag": True})


def record(provider: MeterProvider) -> None:
    """Record values of every kind."""
    meter = provider.get_meter("x")
    counter = meter.create_counter("a.counts", "", "Counts\nthings.")
    counter.add(3, {"some.key": 'quote " slash \\ line \n', "other": 7})
    counter.add(1, {"some.key": "", "other": 1.5})
    meter.create_up_down_counter("a.level", "By", "A level.").add(-2)
    gauge = meter.create_gauge("a.gauge", "s", "A gauge.")
    for name, value in (("inf", math.inf), ("minus", -math.inf), ("nan", math.nan), ("large", 1e17)):
        gauge.set(value, {"is": name})
    histogram = meter.create_histogram(
        "a.time", "s", "Times.", explicit_bucket_boundaries_advisory=[0.00005, 1.0, 2.5]
    )
    for value in (0.00001, 1, 1.5, 9):
        histogram.record(value, {"k": "v"})
    histogram.record(1)


@pytest.fixture
def written() -> tuple[InMemoryMetricReader, CollectorRegistry]:
    """The same values for the gateway's writer and for that of OpenTelemetry."""
    reader, registry = InMemoryMetricReader(), CollectorRegistry()
    other = PrometheusMetricReader(registry=registry, scope_info_enabled=False)
    record(MeterProvider([reader, other], RESOURCE, shutdown_on_exit=False))
    return reader, registry


def read_open(text: str) -> list[Metric]:
    return list(parse_open(text))  # type: ignore[no-untyped-call]


def samples(text: str) -> dict[str, str]:
    found = {}
    for family in read_open(text) if text.endswith("# EOF\n") else parse(text):
        for one in family.samples:
            labels = sorted((key, value) for key, value in one.labels.items() if value)
            found[f"{family.name} {family.type} {family.documentation} {one.name} {labels}"] = repr(one.value)
    return found


def test_the_text_is_that_of_the_library(
    written: tuple[InMemoryMetricReader, CollectorRegistry],
) -> None:
    reader, registry = written
    for media_type, expected in ((PROMETHEUS, generate_latest), (OPENMETRICS, generate_open)):
        data = reader.get_metrics_data()
        assert data is not None
        text = Exposition().write(data, media_type).decode()
        theirs = expected(registry).decode()
        assert len(samples(text)) == 17
        assert samples(text) == samples(theirs)
        assert text.endswith("# EOF\n") is (media_type == OPENMETRICS)


def test_exemplars_are_in_the_buckets_of_their_values() -> None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], RESOURCE, shutdown_on_exit=False)
    histogram = provider.get_meter("x").create_histogram(
        "a", "s", explicit_bucket_boundaries_advisory=[1.0, 2.0]
    )
    spans = [TracerProvider(shutdown_on_exit=False).get_tracer("x").start_span("x") for _ in range(2)]
    for value, span in zip((1.0, 5.0), spans, strict=True):
        histogram.record(value, {}, set_span_in_context(span))
    data = reader.get_metrics_data()
    assert data is not None
    (found,) = (
        one for one in read_open(Exposition().write(data, OPENMETRICS).decode()) if one.name == "a_seconds"
    )
    exemplars = {one.labels["le"]: one.exemplar for one in found.samples if one.exemplar}
    assert {le: (one.value, int(one.labels["trace_id"], 16)) for le, one in exemplars.items()} == {
        "1.0": (1.0, spans[0].get_span_context().trace_id),
        "+Inf": (5.0, spans[1].get_span_context().trace_id),
    }
    assert b"trace_id" not in Exposition().write(data, PROMETHEUS)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", PROMETHEUS),
        ("*/*", PROMETHEUS),
        ("text/html, text/plain", PROMETHEUS),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", OPENMETRICS),
        ("text/plain;q=0.2, Application/OpenMetrics-Text; version=nonsense", OPENMETRICS),
        ("application/openmetrics-text-not", PROMETHEUS),
        (",;,=;", PROMETHEUS),
    ],
)
def test_the_client_chooses_the_format(accept: str, expected: str) -> None:
    assert choose_format(accept) == expected
