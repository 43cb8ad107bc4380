"""The section of the log."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.config.log import LogSection


def test_defaults() -> None:
    assert LogSection().model_dump() == {"format": "auto", "level": "INFO"}


@pytest.mark.parametrize("values", [{"format": "xml"}, {"level": "LOUD"}])
def test_other_values_are_refused(values: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        LogSection.model_validate(values)
