"""The section of discovery."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import Address, load_config
from gateway.config.discovery import CLOUD_ENDPOINTS, Discovery, is_wildcard
from gateway.faults import FaultsError

LOOPBACK = Address(host="127.0.0.1", port=8081)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("", True), ("0.0.0.0", True), ("::", True), ("[::]", True), ("127.0.0.1", False), ("gateway", False)],
)
def test_wildcards(host: str, expected: bool) -> None:  # noqa: FBT001 - a table
    assert is_wildcard(host) is expected


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        (LOOPBACK, "127.0.0.1:8081"),
        (Address(host="::1", port=1), "[::1]:1"),
        (Address(host="", port=8081), None),
        (Address(host="0.0.0.0", port=8081), None),
        (Address(host="127.0.0.1", port=0), None),
    ],
)
def test_the_default_is_the_listener_if_clients_can_reach_it(listen: Address, address: str | None) -> None:
    assert Discovery().own_address(listen) == address
    assert Discovery(address="gw.example.com:443").own_address(listen) == "gw.example.com:443"


def test_endpoints_add_to_those_of_the_cloud() -> None:
    section = Discovery(endpoints={"compute": None, "iam": "iam.internal:443", "mine": "mine:1"})
    found = section.list_endpoints({"baremetal": "gw:1"})
    assert list(found) == sorted(found)
    assert found == {
        **{name: address for name, address in CLOUD_ENDPOINTS.items() if name != "compute"},
        "iam": "iam.internal:443",
        "mine": "mine:1",
        "baremetal": "gw:1",
    }


def test_the_cloud_s_addresses_leave_out_what_only_the_gateway_serves() -> None:
    assert not {"baremetal", "operation", "endpoint"} & CLOUD_ENDPOINTS.keys()
    assert CLOUD_ENDPOINTS["managed-postgresql"] == "mdb.api.cloud.yandex.net:443"
    assert all(address.endswith(":443") for address in CLOUD_ENDPOINTS.values())


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("{address: gateway}", "2:13: discovery.address: 'gateway': an address to connect to is host:port"),
        ('{address: "0.0.0.0:8081"}', "2:13: discovery.address: '0.0.0.0:8081': clients cannot connect"),
        ('{address: "[::]:8081"}', "2:13: discovery.address: '[::]:8081': clients cannot connect"),
        (
            "{endpoints: {baremetal: 'a:1'}}",
            "2:25: discovery.endpoints.baremetal: the gateway serves it, so discovery.address is its address",
        ),
        ("{endpoints: {endpoint: null}}", "discovery.endpoints.endpoint: the gateway serves it"),
        ("{endpoints: {comput: null}}", "none has this ID; did you mean compute?"),
        (
            "{enabled: false, address: 'a:1'}",
            "discovery.address: has no effect, because discovery.enabled is false",
        ),
    ],
)
def test_faults(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(f"# discovery\ndiscovery: {text}\n")
    with pytest.raises(FaultsError) as caught:
        load_config(file, {})
    assert fault in str(caught.value)


def test_a_service_of_the_gateway_cannot_be_forwarded(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text("api: {services: {yandex.cloud.endpoint.ApiEndpointService: baremetal}}\n")
    with pytest.raises(FaultsError, match="ApiEndpointService: is served by the gateway itself"):
        load_config(file, {})
