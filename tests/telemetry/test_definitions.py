"""The definitions of all metrics agree with themselves."""

from __future__ import annotations

from gateway.telemetry.definition import Kind
from gateway.telemetry.definitions import ALL_DEFINITIONS


def test_names_are_unique_and_meanings_are_sentences() -> None:
    assert len(ALL_DEFINITIONS) > 40
    assert len({one.name for one in ALL_DEFINITIONS}) == len(ALL_DEFINITIONS)
    for one in ALL_DEFINITIONS:
        assert one.meaning.endswith("."), one.name
        assert all(one.labels.values()), one.name


def test_only_histograms_have_bounds_and_counters_start() -> None:
    for one in ALL_DEFINITIONS:
        assert bool(one.bounds) == (one.kind is Kind.HISTOGRAM), one.name
        assert list(one.bounds) == sorted(set(one.bounds)), one.name
        assert not one.starts or one.kind in {Kind.COUNTER, Kind.UP_DOWN}, one.name
        assert all(len(values) == len(one.keys) for values in one.starts), one.name
