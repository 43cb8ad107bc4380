"""The results of exports are counted, and the last ones are known."""

from __future__ import annotations

from gateway.telemetry.export_results import ExportResults


def test_results_are_counted_from_zero() -> None:
    results = ExportResults()
    results.expect("traces")
    assert {key: count for count, key in results.observe()} == {
        ("traces", "ok"): 0,
        ("traces", "failed"): 0,
    }
    for is_good in (True, False, False):
        results.note("traces", is_good=is_good)
    assert {key: count for count, key in results.observe()} == {
        ("traces", "ok"): 1,
        ("traces", "failed"): 2,
    }


def test_a_signal_fails_until_an_export_succeeds() -> None:
    results = ExportResults()
    results.note("traces", is_good=False)
    results.note("metrics", is_good=False)
    assert results.failing == ["metrics", "traces"]
    results.note("metrics", is_good=True)
    assert results.failing == ["traces"]
