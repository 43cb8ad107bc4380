"""Decisions over the wire: what is evaluated is forwarded, and callers see what a policy says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.rpc import error_details_pb2, status_pb2

from gateway.errors import MAX_VIOLATIONS
from gateway.schema import Schema
from tests.conftest import GOOD_IMAGE, IMAGES, Start
from tests.policy.making import CREATE, binding_text, policy_text
from tests.served_bundle import create, metric, write

FILLING = policy_text(
    "request.labels['managed-by'] == 'gateway'",
    set=[
        {"field": 'labels["managed-by"]', "value": "'gateway'", "when": "!('managed-by' in request.labels)"},
        {"field": "description", "value": "request.name + ' by ' + caller.kind"},
    ],
)


async def test_what_is_judged_is_byte_for_byte_what_is_forwarded(
    start: Start, tmp_path: Path, schema: Schema
) -> None:
    running = await start(policies__path=write(tmp_path / "filling", FILLING, binding_text()))
    assert (await create(running))[0] == 200
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        read: Any = schema.known[CREATE].request.FromString
        request = schema.known[CREATE].request(
            folder_id="b1gexample",
            name="ubuntu-24-04",
            uri=GOOD_IMAGE["uri"],
            labels=GOOD_IMAGE["labels"],
        )
        callable_: Any = channel.unary_unary(f"/{CREATE}")
        with pytest.raises(grpc.aio.AioRpcError, match="already exists"):  # forwarded all the same
            await callable_(request.SerializeToString(), timeout=10)
    rest, rpc = (read(call.request) for call in running.emulator.calls)
    assert rest == rpc
    assert dict(rest.labels) == GOOD_IMAGE["labels"] | {"managed-by": "gateway"}
    assert rest.description == "ubuntu-24-04 by none"
    sent = [call.request for call in running.emulator.calls]
    assert sent[0] == sent[1] == rest.SerializeToString(deterministic=True)
    assert metric(running, 'gateway_mutations_total{policy="p"}') == "4.0"


async def test_a_policy_that_sets_what_the_api_refuses_is_named(start: Start, tmp_path: Path) -> None:
    setting = {"field": 'labels["managed-by"]', "value": "'No Such Value'"}
    path = write(tmp_path / "wrong", policy_text("true", set=[setting]), binding_text())
    running = await start(policies__path=path)
    status, body = await create(running)
    assert (status, body["code"]) == (400, 3)
    assert "(the policy p set it)" in body["message"]
    assert not running.emulator.calls


async def test_a_policy_may_fill_in_what_the_api_requires(start: Start, tmp_path: Path) -> None:
    setting = {"field": "uri", "value": f"'{GOOD_IMAGE['uri']}'", "when": "request.uri == ''"}
    path = write(tmp_path / "filling", policy_text("request.uri != ''", set=[setting]), binding_text())
    running = await start(policies__path=path)
    async with running.client.post(running.url(IMAGES), json={"name": "a1"}) as answer:
        assert answer.status == 200


async def test_configured_hosts_are_object_storage(start: Start) -> None:
    uri = "https://storage.yandexcloud.kz/golden-images/a.iso"
    running = await start()
    assert (await create(running, uri=uri))[0] == 403
    other = await start(source__hosts="[storage.yandexcloud.kz]")
    assert (await create(other, uri=uri))[0] == 200
    assert (await create(other))[0] == 403


async def test_long_texts_of_rules_reach_a_grpc_client(start: Start, tmp_path: Path, schema: Schema) -> None:
    rules = [{"assert": "false", "message": "request.description", "field": "description"}] * 5
    running = await start(policies__path=write(tmp_path / "b", policy_text(*rules), binding_text()))
    request = schema.known[CREATE].request(uri="x", description="я" * 1024)
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        callable_: Any = channel.unary_unary(f"/{CREATE}")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await callable_(request.SerializeToString(), timeout=10)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert "я… (4 violations left out" in str(caught.value.details())


async def test_rules_know_the_caller_of_either_protocol(start: Start, tmp_path: Path, schema: Schema) -> None:
    rule = "caller.address.inCidr('127.0.0.0/8') && caller.kind == 'none' && caller.id == ''"
    running = await start(policies__path=write(tmp_path / "b", policy_text(rule), binding_text()))
    assert (await create(running))[0] == 200
    request = schema.known[CREATE].request(name="debian-13", uri=GOOD_IMAGE["uri"])
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        callable_: Any = channel.unary_unary(f"/{CREATE}")
        assert await callable_(request.SerializeToString(), timeout=10)


async def test_warnings_are_bounded_and_go_with_the_upstreams_errors(
    start: Start, tmp_path: Path, schema: Schema
) -> None:
    rules = [{"assert": "false", "message": f"'w{number}'"} for number in range(40)]
    path = write(tmp_path / "b", policy_text(*rules), binding_text(action="warn"))
    running = await start(policies__path=path)
    for status in (200, 409):  # the second one is of a name that is taken
        async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE) as answer:
            warnings = answer.headers.getall("Warning")
            assert answer.status == status
        assert warnings[0] == '299 - "p/r0: w0"'
        assert warnings[10:] == ['299 - "and 30 more, see the decision log"']
    request = schema.known[CREATE].request(name="debian-13", uri=GOOD_IMAGE["uri"])
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        callable_: Any = channel.unary_unary(f"/{CREATE}")
        call = callable_(request.SerializeToString(), timeout=10)
        await call
        trailing = [value for key, value in await call.trailing_metadata() if key == "x-policy-warning"]
    assert trailing[0] == "p/r0: w0"
    assert trailing[-1] == "and 37 more, see the decision log"


@pytest.mark.parametrize("count", [20, 24, 300])
async def test_a_grpc_denial_names_as_many_rules_as_fit(
    start: Start, tmp_path: Path, schema: Schema, count: int
) -> None:
    rules = [{"assert": "false", "message": f"'{'m' * 150} {number}'"} for number in range(count)]
    running = await start(policies__path=write(tmp_path / "b", policy_text(*rules), binding_text()))
    request = schema.known[CREATE].request(uri="x")
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        callable_: Any = channel.unary_unary(f"/{CREATE}")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await callable_(request.SerializeToString(), timeout=10)
    trailing = dict(caught.value.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    info, told = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(told)
    assert len(told.field_violations) >= 18
    left_out = int(info.metadata.get("violations_left_out", "0"))
    named = min(count, MAX_VIOLATIONS) + (count > MAX_VIOLATIONS)  # the last one says that there are more
    assert len(told.field_violations) + left_out == named
