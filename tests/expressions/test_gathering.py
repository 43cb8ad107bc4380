"""Arguments of calls in loops: those of all turns are gathered in one evaluation."""

from __future__ import annotations

import pytest

from gateway.expressions import Environment
from tests.expressions.conftest import Compute

LABELS = {"a-1": "x", "b-22": "y"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("request.labels.all(k, k.split('-')[1].glob('?*'))", True),
        ("request.labels.exists(k, (k + request.labels[k]).glob('b-22y'))", True),
        ("request.labels.all(k, ['x', 'y'].exists(v, (k + v).glob('?-*')))", True),
        ("request.labels.map(k, (request.name + k).glob('n?-*'))", [True, True]),
    ],
)
def test_evaluated_arguments(compute: Compute, text: str, value: object) -> None:
    assert compute(text, labels=LABELS, name="n") == value


def test_variables_of_the_policy_are_known_in_loops(environment: Environment, compute: Compute) -> None:
    environment.declare("prefix", environment.compile("request.name + '-'"))
    environment.declare("full", environment.compile("prefix + 'x'"))
    assert compute("request.labels.all(k, (full + k).glob('n-x*'))", labels=LABELS, name="n") is True
