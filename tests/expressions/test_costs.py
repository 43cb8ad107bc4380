"""Costs: how large a value is, and how many steps it takes."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.expressions.costs import (
    MAX_BYTES,
    MAX_STEPS,
    SCALAR,
    Cost,
    concatenated,
    estimate_value,
    same,
)


@pytest.mark.parametrize(
    ("value", "count", "least"),
    [("жжж", 3, 6), ([1, 2, 3], 3, 96), ({"a": "b"}, 1, 2), (7, 1, 8), ([], 0, 0)],
    ids=str,
)
def test_values_are_measured(value: Any, count: int, least: int) -> None:
    cost = estimate_value(value)
    assert cost.count == count
    assert cost.size >= least


def test_a_cost_within_the_limits_is_no_fault() -> None:
    assert SCALAR.fault is None
    assert Cost(1, MAX_BYTES, MAX_STEPS).fault is None


def test_a_cost_over_a_limit_is_a_fault() -> None:
    assert "steps" in str(Cost(1, 1, MAX_STEPS + 1).fault)
    assert Cost(1, MAX_BYTES + 1).fault


def test_steps_add_up() -> None:
    assert SCALAR.after(5).after(6).steps == SCALAR.steps + 11


def test_results() -> None:
    parts = [Cost(3, 30), Cost(5, 50)]
    assert (concatenated(parts).count, concatenated(parts).size) == (8, 80)
    assert same(parts).size >= 30
