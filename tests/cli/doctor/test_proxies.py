"""The proxy that the gRPC library uses, by the variables of the environment."""

from __future__ import annotations

import pytest

from gateway.cli.doctor.proxies import uses_proxy

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"https_proxy": ""}, False),
        ({"https_proxy": PROXY}, True),
        ({"HTTPS_PROXY": PROXY}, False),  # the gRPC library ignores it
        ({"grpc_proxy": PROXY}, True),
        ({"http_proxy": PROXY, "no_proxy": "localhost,.cloud.example"}, False),
        ({"http_proxy": PROXY, "no_proxy": "other.example"}, True),
        ({"http_proxy": PROXY, "no_proxy": "*"}, False),
        ({"http_proxy": PROXY, "no_proxy": "*", "no_grpc_proxy": "other.example"}, True),
    ],
)
def test_the_proxy_of_an_environment(environment: dict[str, str], *, expected: bool) -> None:
    assert uses_proxy("api.cloud.example", environment) is expected
