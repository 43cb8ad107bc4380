"""The limits on inputs of expressions are the defaults of the configuration."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from gateway.config import Config
from gateway.expressions import InputLimits


def test_the_defaults_are_those_of_the_configuration() -> None:
    limits = Config().limits
    assert InputLimits() == InputLimits(
        text=limits.policy_text, elements=limits.policy_elements, message=limits.body_bytes
    )


def test_limits_are_immutable() -> None:
    with pytest.raises(FrozenInstanceError):
        InputLimits().text = 1  # type: ignore[misc]
