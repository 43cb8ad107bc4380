"""Costs of values, and of what functions return."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.expressions.costs import (
    ELEMENT_BYTES,
    MAX_BYTES,
    MAX_STEPS,
    RESULTS,
    Cost,
    concatenated,
    estimate_value,
)

VALUES = [
    (True, 1, 32),
    (5, 1, 32),
    ("", 0, 0),
    ("абв", 3, 6),
    ([], 0, 0),
    ([1, 2], 2, 192),
    # Each counts as the largest.
    (["a", "bcd"], 2, 134),
    ({"a": "bcd"}, 1, 134),
    ([["a", "b"], []], 2, 2 * (130 + 64)),
]


@pytest.mark.parametrize(
    ("value", "count", "size"), [pytest.param(*row, id=str(index)) for index, row in enumerate(VALUES)]
)
def test_parameters_cost_what_they_are(value: Any, count: int, size: int) -> None:
    assert estimate_value(value) == Cost(count, size)


def test_a_cost_says_what_is_too_much() -> None:
    assert Cost(1, MAX_BYTES, MAX_STEPS).fault is None
    assert "takes too long" in str(Cost(1, 1).after(MAX_STEPS).fault)
    assert "too large" in str(Cost(1, MAX_BYTES + 1).fault)


def test_what_is_found_later_has_taken_more_steps() -> None:
    loops = frozenset({(1, 64)})
    assert Cost(2, 3, 4, loops).after(5) == Cost(2, 3, 9, loops)


TEXT, LIST = Cost(10, 10), Cost(3, 3 * (10 + ELEMENT_BYTES))
# Function → the costs of what it is given → those of what it returns, elements and bytes.
RESULTS_OF = [
    ("_+_", [TEXT, TEXT], 20, 20),
    ("size", [LIST], 1, 32),
    ("replace", [TEXT, Cost(1, 1), TEXT], 121, 121),
    ("split", [TEXT, Cost(0, 0)], 11, 10 + 11 * ELEMENT_BYTES),
    ("join", [LIST, Cost(2, 2)], 36, 36),
    ("strings.quote", [TEXT], 20, 20),
    ("base64.encode", [TEXT], 20, 20),
]


@pytest.mark.parametrize(("function", "given", "count", "size"), RESULTS_OF)
def test_a_result_is_as_large_as_it_can_be(function: str, given: list[Cost], count: int, size: int) -> None:
    assert RESULTS[function](given) == Cost(count, size)


def test_lists_that_are_concatenated_count_each_element_as_the_largest() -> None:
    assert concatenated([Cost(2, 20), Cost(1, 100)]) == Cost(3, 300)
