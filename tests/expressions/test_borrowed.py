"""Functions of the engine that the reference documents: each example is true."""

from __future__ import annotations

import pytest

from gateway.expressions.borrowed import BORROWED
from tests.expressions.conftest import Compute


@pytest.mark.parametrize("example", sorted({example for _, _, example in BORROWED}))
def test_every_example_is_true(compute: Compute, example: str) -> None:
    assert compute(example) is True
