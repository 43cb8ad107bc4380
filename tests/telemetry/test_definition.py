"""The definition of a metric, and its names in Prometheus."""

from __future__ import annotations

import pytest

from gateway.telemetry.definition import Definition, Kind, prometheus_label


@pytest.mark.parametrize(
    ("kind", "unit", "name", "shown"),
    [
        (Kind.COUNTER, "", "a_b_total", "counter"),
        (Kind.OBSERVED_COUNTER, "s", "a_b_seconds_total", "counter"),
        (Kind.UP_DOWN, "", "a_b", "gauge"),
        (Kind.GAUGE, "By", "a_b_bytes", "gauge"),
        (Kind.OBSERVED_GAUGE, "s", "a_b_seconds", "gauge"),
        (Kind.HISTOGRAM, "s", "a_b_seconds", "histogram"),
    ],
)
def test_names_are_translated(kind: Kind, unit: str, name: str, shown: str) -> None:
    definition = Definition(name="a.b", kind=kind, meaning="m", unit=unit, labels={"c.d": "l"})
    assert (definition.prometheus_name, definition.prometheus_kind) == (name, shown)
    assert [prometheus_label(key) for key in definition.keys] == ["c_d"]
