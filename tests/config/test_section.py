"""What all sections of the configuration have in common."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.config import Address, Config
from gateway.config.listeners import Rest


def test_sections_are_closed_and_frozen() -> None:
    with pytest.raises(ValidationError):
        Rest(lisen="x")  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        Config().rest.listen = Address(host="", port=1)  # type: ignore[misc]
