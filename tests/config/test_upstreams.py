"""The sections of upstreams."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.config import Upstream


@pytest.mark.parametrize("address", ["host:0", ":80", "host"])
def test_an_upstream_needs_host_and_port(address: str) -> None:
    with pytest.raises(ValidationError, match="host:port"):
        Upstream(address=address)
