"""The section of the end of the gateway."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.config.shutdown import Shutdown


def test_the_default_waits_for_the_longest_deadline() -> None:
    assert (Shutdown().delay_s, Shutdown().grace_s) == (0, None)
    with pytest.raises(ValidationError):
        Shutdown(delay_s=-1)
