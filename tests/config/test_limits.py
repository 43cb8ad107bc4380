"""The section of the limits."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.config import Limits


def test_limits_have_bounds() -> None:
    assert Limits().concurrency == 256
    with pytest.raises(ValidationError):
        Limits(concurrency=0)
