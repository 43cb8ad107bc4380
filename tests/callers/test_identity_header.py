"""The header of callers' identities."""

from __future__ import annotations

import pytest

from gateway.callers.identity_header import IdentityHeader
from gateway.errors import Code, GatewayError

NAME = "x-gateway-authorization"


def test_the_value_is_found() -> None:
    header = IdentityHeader(NAME)
    assert header.read([("host", "a"), (NAME, "Bearer x")]) == "Bearer x"
    assert header.read([("host", "a"), ("authorization", "Bearer x"), ("x_other", "b")]) is None


@pytest.mark.parametrize(
    "headers",
    [
        [(NAME, "Bearer a"), (NAME, "Bearer b")],
        [(NAME, "Bearer a"), (NAME, "Bearer a")],
        [(NAME, "Bearer a"), ("x_gateway_authorization", "Bearer b")],
        [("x_gateway_authorization", "Bearer b")],
        [("x-gateway_authorization", "Bearer b")],
        [("x_gateway-authorization", ""), ("host", "a")],
        [(NAME, b"Bearer a")],
    ],
    ids=str,
)
def test_a_second_copy_and_variants_are_refused(headers: list[tuple[str, str | bytes]]) -> None:
    with pytest.raises(GatewayError) as caught:
        IdentityHeader(NAME).read(headers)
    assert caught.value.code is Code.INVALID_ARGUMENT
    (violation,) = caught.value.violations
    assert violation.field == f"header {NAME}"
    assert "Bearer" not in str(caught.value)


def test_a_name_without_dashes_has_no_variants() -> None:
    assert IdentityHeader("authorization").read([("_authorization", "x")]) is None
