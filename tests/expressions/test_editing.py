"""Editing of checked expressions, as expressions show it that need it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.expressions.conftest import Compute

LABELS = {"b": "2", "a": "1"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("request.labels.map(k, k)", ["a", "b"]),
        ("request.labels.transformList(k, v, v)", ["1", "2"]),
        ("{2: 'x', 10: 'y', 1: 'z'}.map(k, k)", [1, 2, 10]),
        ("{true: 'x', false: 'y'}.map(k, k)", [False, True]),
        ("request.labels.filter(k, request.labels[k] == '2')", ["b"]),
    ],
)
def test_maps_are_gone_over_in_the_order_of_their_keys(compute: Compute, text: str, value: Any) -> None:
    assert compute(text, labels=LABELS) == value


@pytest.mark.parametrize(
    "text",
    [
        "request.labels.all(k, k.glob('?'))",
        "request.labels.all(k, ['x', 'y'].all(l, (k + l).glob('??')))",
        "request.labels.exists(k, [request.labels[k]].all(v, v.glob('1')))",
    ],
)
def test_calls_in_loops_are_look_ups(compute: Compute, text: str) -> None:
    assert compute(text, labels=LABELS) is True
