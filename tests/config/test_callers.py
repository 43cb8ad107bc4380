"""The section of the identification of callers."""

from __future__ import annotations

from gateway.config.callers import Callers


def test_callers_are_anonymous_by_default() -> None:
    assert Callers().type == "none"
    assert Callers().fields == {"address"}
