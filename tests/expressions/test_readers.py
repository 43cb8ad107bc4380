"""Arguments that are read without the engine have the values that the engine would give."""

from __future__ import annotations

import pytest

from gateway.expressions import EvaluationError
from tests.expressions.conftest import Compute


@pytest.mark.parametrize(
    "argument",
    [
        "request.name",
        "params.names[0]",
        "'a'",
        "request.labels['k']",
        "request.labels.k",
        "caller.kind",
        "method",
    ],
)
def test_a_value_is_the_same_with_and_without_the_engine(compute: Compute, argument: str) -> None:
    fields = {"name": "n", "labels": {"k": "v"}}
    assert compute(f"({argument}).glob('**')", **fields) is True
    assert compute(f"({argument} + '').glob('**')", **fields) is True


@pytest.mark.parametrize("argument", ["request.labels['x']", "request.labels.x", "params.names[1]"])
def test_a_value_that_is_not_there_is_an_error(compute: Compute, argument: str) -> None:
    with pytest.raises(EvaluationError):
        compute(f"({argument}).glob('*')")
    assert compute(f"true || ({argument}).glob('*')") is True
