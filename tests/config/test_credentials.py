"""The section of the credentials for upstreams."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.config.credentials import Credentials


def test_the_caller_s_credentials_are_passed_through_by_default() -> None:
    assert Credentials().type == "passthrough"
    with pytest.raises(ValidationError):
        Credentials.model_validate({"type": "magic"})
