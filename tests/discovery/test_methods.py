"""Discovery over both listeners, with real clients."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from gateway.app import Addresses
from gateway.config import Address, Config
from gateway.config.discovery import CLOUD_ENDPOINTS
from gateway.discovery.methods import GET, LIST
from gateway.process import report_start
from gateway.schema import Schema, load_schema
from tests.conftest import Running, Start, make_config
from tests.served_ledger import options, wait_for_rows
from tests.waits import get

OWN = "gw.example.com:8443"
OWN_IDS = {"baremetal", "endpoint", "operation"}
DENY = """\
apiVersion: baremetal-gateway/v1
kind: Policy
metadata: {name: hidden}
spec:
  methods: [yandex.cloud.endpoint.ApiEndpointService/List]
  rules: [{name: no, assert: "false", message: "'the list is hidden'"}]
---
apiVersion: baremetal-gateway/v1
kind: Binding
metadata: {name: hidden}
spec: {policy: hidden}
"""


@pytest.fixture(scope="session")
def discovery_schema() -> Schema:
    return load_schema(Config().served)


async def call(running: Running, schema: Schema, name: str, **fields: Any) -> Any:
    """Call a method over gRPC, without credentials."""
    method = schema.methods[name]
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        unary: Any = channel.unary_unary(f"/{name}", response_deserializer=method.reply.FromString)
        return await unary(method.request(**fields).SerializeToString())


async def test_both_listeners_list_the_same(start: Start, discovery_schema: Schema) -> None:
    running = await start(discovery__address=OWN)
    status, listed = await get(running, "/endpoints")
    assert status == 200
    found = {one["id"]: one["address"] for one in listed["endpoints"]}
    assert found == CLOUD_ENDPOINTS | dict.fromkeys(OWN_IDS, OWN)
    assert set(listed) == {"endpoints"}  # there is no next page
    reply = await call(running, discovery_schema, LIST)
    assert {one.id: one.address for one in reply.endpoints} == found
    assert not running.emulator.calls


async def test_the_fields_for_pages_have_no_effect(start: Start, discovery_schema: Schema) -> None:
    running = await start(discovery__address=OWN)
    everything = await get(running, "/endpoints")
    assert await get(running, "/endpoints?pageSize=1&pageToken=x") == everything
    reply = await call(running, discovery_schema, LIST, page_size=1, page_token="x")
    assert len(reply.endpoints) == len(everything[1]["endpoints"])


async def test_one_endpoint(start: Start, discovery_schema: Schema) -> None:
    running = await start(discovery__address=OWN, discovery__endpoints="{iam: 'iam.internal:443'}")
    assert await get(running, "/endpoints/baremetal") == (200, {"id": "baremetal", "address": OWN})
    reply = await call(running, discovery_schema, GET, api_endpoint_id="iam")
    assert (reply.id, reply.address) == ("iam", "iam.internal:443")


@pytest.mark.parametrize("unknown", ["baremetall", ""])
async def test_an_unknown_endpoint(start: Start, discovery_schema: Schema, unknown: str) -> None:
    running = await start(discovery__address=OWN)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(running, discovery_schema, GET, api_endpoint_id=unknown)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert (
        caught.value.details() == f'there is no endpoint "{unknown}"; {LIST} returns the IDs of all endpoints'
    )
    if unknown:
        status, error = await get(running, f"/endpoints/{unknown}")
        assert (status, error["code"], error["message"]) == (404, 5, caught.value.details())


async def test_without_an_address_of_its_own_the_gateway_says_what_to_set(
    start: Start, discovery_schema: Schema
) -> None:
    running = await start()  # the port of the listener is chosen when it starts
    status, error = await get(running, "/endpoints")
    assert (status, error["code"]) == (501, 12)
    assert "set discovery.address" in error["message"]
    assert error["details"][0]["reason"] == "DISCOVERY_ADDRESS_NOT_SET"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(running, discovery_schema, LIST)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.UNIMPLEMENTED, error["message"])


@pytest.mark.parametrize(
    ("sections", "is_logged"),
    [
        ({"grpc__listen": "0.0.0.0:8081"}, True),
        ({"grpc__listen": "127.0.0.1:8081"}, False),
        ({"grpc__listen": "0.0.0.0:8081", "discovery__address": OWN}, False),
        ({"grpc__listen": "0.0.0.0:8081", "discovery__enabled": False}, False),
    ],
)
def test_an_address_that_is_missing_is_logged_at_the_start(
    logs: pytest.LogCaptureFixture, sections: dict[str, Any], *, is_logged: bool
) -> None:
    address = Address(host="127.0.0.1", port=1)
    config = make_config("127.0.0.1:1", grpc__allow_plaintext=True, **sections)
    report_start(config, Addresses(rest=address, grpc=address, admin=address))
    assert any("set discovery.address" in one.message for one in logs.records) is is_logged


async def test_it_can_be_disabled(start: Start, discovery_schema: Schema) -> None:
    running = await start(discovery__enabled=False)
    assert (await get(running, "/endpoints"))[0] == 404
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(running, discovery_schema, LIST)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_it_works_without_any_other_service(start: Start, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.yaml"
    bundle.write_text(DENY.replace("/List]", "/Get]"))
    services = ", ".join(f"{name}: null" for name in Config().services)
    running = await start(discovery__address=OWN, api__services=f"{{{services}}}", policies__path=str(bundle))
    status, listed = await get(running, "/endpoints")
    own = {one["id"] for one in listed["endpoints"] if one["address"] == OWN}
    assert (status, own) == (200, {"endpoint"})


async def test_policies_decide_on_it_and_it_is_recorded_as_a_read(start: Start, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.yaml"
    bundle.write_text(DENY)
    ledger = tmp_path / "ledger.db"
    running = await start(**options(ledger), discovery__address=OWN, policies__path=str(bundle))
    status, error = await get(running, "/endpoints")
    assert (status, error["details"][1]["fieldViolations"][0]["description"]) == (403, "the list is hidden")
    assert (await get(running, "/endpoints/operation"))[0] == 200
    assert await wait_for_rows(ledger, 2) == [(LIST, "denied", "PERMISSION_DENIED"), (GET, "ok", "OK")]
