"""The violations of requests that are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from gateway.errors import Code, GatewayError

Bind: TypeAlias = Callable[..., Any]


def violations(bind: Bind, http_method: str, raw: str, body: bytes = b"") -> list[tuple[str, str]]:
    """Bind a request that must be refused; return the field and the description of each violation."""
    with pytest.raises(GatewayError) as caught:
        bind(http_method, raw, body)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert {one.reason for one in caught.value.violations} <= {"MALFORMED"}
    return [(one.field, one.description) for one in caught.value.violations]


def refusal(bind: Bind, http_method: str, raw: str, body: bytes = b"") -> tuple[str, str]:
    """Return the only violation of a request."""
    (found,) = violations(bind, http_method, raw, body)
    return found
