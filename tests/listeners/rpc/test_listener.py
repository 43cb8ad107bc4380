"""The gRPC listener with real clients, before the emulator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from gateway.emulator import InjectedFault
from gateway.errors import Code
from gateway.listeners.rpc.unread_replies import peer_address
from gateway.schema import Schema
from tests.conftest import GOOD_IMAGE, Running, Start
from tests.listeners.naming import write_bundle

CREATE = "yandex.cloud.baremetal.v1alpha.ImageService/Create"
GOOD = {"folder_id": "b1gexample"} | {name: value for name, value in GOOD_IMAGE.items() if name != "folderId"}


@pytest.fixture
async def channel(running: Running) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as opened:
        yield opened


def create(channel: grpc.aio.Channel, schema: Schema, metadata: Any = (), **fields: Any) -> Any:
    method = schema.methods[CREATE]
    callable_ = channel.unary_unary(
        method.path,
        request_serializer=method.request.SerializeToString,
        response_deserializer=method.reply.FromString,
    )
    return callable_(method.request(**fields), metadata=metadata, timeout=10)


def status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    trailing = {str(key): value for key, value in error.trailing_metadata() or ()}
    return status_pb2.Status.FromString(trailing["grpc-status-details-bin"])


def bad_fields(error: grpc.aio.AioRpcError) -> dict[str, str]:
    found = error_details_pb2.BadRequest()
    for detail in status_of(error).details:
        detail.Unpack(found)
    return {one.field: one.reason for one in found.field_violations}


async def test_a_create_goes_the_same_way(running: Running, channel: Any, schema: Schema) -> None:
    metadata = [
        ("authorization", "Bearer t"),
        ("idempotency-key", "k"),
        ("x-evil", "1"),
        ("x-request-id", "mine"),
    ]
    call = create(channel, schema, metadata, **GOOD)
    operation = await call
    assert operation.id
    initial = dict(await call.initial_metadata())
    assert initial["x-request-id"] == "mine"
    assert len(initial["x-server-trace-id"]) == 32
    assert initial["x-operation-poll-interval"] == "1"
    received = dict(running.emulator.calls[0].metadata)
    assert (received["authorization"], received["idempotency-key"]) == ("Bearer t", "k")
    assert "x-evil" not in received
    request = schema.methods[CREATE].request
    assert request.FromString(running.emulator.calls[0].request) == request(**GOOD)


async def test_a_denial_has_the_same_details(running: Running, channel: Any, schema: Schema) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await create(channel, schema, **(GOOD | {"uri": "https://storage.yandexcloud.net/other/a.img"}))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert bad_fields(caught.value) == {"uri": "approved-source/iso"}
    assert status_of(caught.value).code == 7
    assert not running.emulator.calls


async def test_a_warning_is_trailing_metadata(channel: Any, schema: Schema) -> None:
    call = create(channel, schema, **(GOOD | {"name": "noversion"}))
    await call
    assert "naming/product-and-version" in dict(await call.trailing_metadata())["x-policy-warning"]


async def test_an_invalid_request_names_every_field(running: Running, channel: Any, schema: Schema) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await create(channel, schema, folder_id="B1G", labels={"Bad Key": ""})
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert bad_fields(caught.value) == {
        "folder_id": "PATTERN",
        "uri": "REQUIRED",
        'labels["Bad Key"]': "PATTERN",
    }
    assert not running.emulator.calls


async def test_thousands_of_labels_are_refused_for_their_number(channel: Any, schema: Schema) -> None:
    labels = {f"B{number}": "" for number in range(4500)}
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await create(channel, schema, **(GOOD | {"labels": labels}))
    assert bad_fields(caught.value) == {"labels": "SIZE"}


async def test_thousands_of_paths_are_refused_for_their_number(channel: Any, schema: Schema) -> None:
    method = schema.methods["yandex.cloud.baremetal.v1alpha.ImageService/Update"]
    request = method.request(image_id="a" * 20, update_mask={"paths": ["name"] * 4097})
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(method.path)(request.SerializeToString())
    assert bad_fields(caught.value) == {"update_mask.paths": "SIZE"}


async def test_fields_have_the_names_of_the_proto_files_in_every_response(
    start: Start, schema: Schema, tmp_path: Path
) -> None:
    running = await start(policies__path=write_bundle(tmp_path))
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await create(channel, schema, **(GOOD | {"labels": {"folder_id": "x"}}))
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert bad_fields(caught.value) == {"folder_id": "names/denied", 'labels["folder_id"]': "names/label"}
        text = 'folder_id is wrong; folder_id is "b1gexample"'
        assert (caught.value.details() or "").startswith(f"denied by policy: folder_id: {text}")
        trailing = dict(caught.value.trailing_metadata() or ())
        assert trailing["x-policy-warning"] == 'warned/warned: warned; folder_id is "b1gexample"'


@pytest.mark.parametrize(
    "data", [b"\xff", b"\x0a\x02a", b"\x0a\x01\xff"], ids=["tag", "cut off", "not utf-8"]
)
async def test_bytes_that_are_no_message(running: Running, channel: Any, data: bytes) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(f"/{CREATE}")(data)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not running.emulator.calls


async def test_a_field_that_could_not_be_judged_is_refused(
    running: Running, channel: Any, schema: Schema
) -> None:
    data = schema.methods[CREATE].request(**GOOD).SerializeToString() + b"\x28\x01"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(f"/{CREATE}")(data)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not running.emulator.calls


@pytest.mark.parametrize(
    "path", ["/yandex.cloud.endpoint.ApiEndpointService/List", f"/{CREATE.lower()}", "/x.Y/Z"]
)
async def test_other_methods_are_unimplemented(channel: Any, path: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(path)(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_two_copies_of_an_identity_are_refused(running: Running, channel: Any, schema: Schema) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await create(channel, schema, [("authorization", "a"), ("authorization", "b")], **GOOD)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not running.emulator.calls


async def test_a_denial_with_many_violations_reaches_the_client(channel: Any, schema: Schema) -> None:
    labels = {f"Key {number} {'x' * 40}": "Y" * 63 for number in range(64)}
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await create(channel, schema, **(GOOD | {"labels": labels}))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert len(bad_fields(caught.value)) > 5


@pytest.mark.parametrize("code", [one for one in Code if one is not Code.OK])
async def test_every_upstream_code_keeps_message_and_details(
    running: Running, channel: Any, schema: Schema, code: Code
) -> None:
    unknown = AnyMessage(type_url="type.example/some.Unknown", value=b"\x08\x01")
    running.emulator.inject(
        InjectedFault(method=CREATE, code=code, message="as it is", details=(unknown,), times=None)
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await create(channel, schema, **GOOD)
    assert caught.value.code().value[0] == code
    assert caught.value.details() == "as it is"
    assert status_of(caught.value).details[0] == unknown


async def test_the_deadline_goes_on_to_the_upstream(running: Running, channel: Any, schema: Schema) -> None:
    running.emulator.inject(InjectedFault(method=CREATE, drop=True))
    method = schema.methods[CREATE]
    callable_ = channel.unary_unary(method.path, request_serializer=method.request.SerializeToString)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await callable_(method.request(**GOOD), timeout=0.2)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


async def test_a_fault_of_the_gateway_is_a_fixed_text(
    channel: Any, schema: Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("inner workings")

    monkeypatch.setattr("gateway.policy.decider._evaluate_program", fail)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await create(channel, schema, **GOOD)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "inner workings" not in str(caught.value)


async def test_spans_are_one_trace(start: Start, schema: Schema) -> None:
    running = await start(is_traced=True)
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with grpc.aio.insecure_channel(str(running.addresses.grpc)) as channel:
        await create(channel, schema, [("traceparent", parent)], **GOOD)
    kinds = {span.kind.name: span for span in running.exporter.get_finished_spans()}
    assert kinds.keys() == {"SERVER", "CLIENT"}
    for span in kinds.values():
        assert span.context is not None
        assert span.context.trace_id == 0x0AF7651916CD43DD8448EB211C80319C


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.1:4711", ("192.0.2.1", 4711)),
        ("ipv6:%5B2001:db8::1%5D:4711", ("2001:db8::1", 4711)),
        ("ipv6:[::1]:4711", ("::1", 4711)),
        ("unix:/run/gateway.sock", ("", 0)),
        ("unix-abstract:gateway:1", ("", 0)),
        ("", ("", 0)),
    ],
)
def test_the_address_of_a_peer(peer: str, address: tuple[str, int]) -> None:
    assert peer_address(peer) == address


def request_id_of(error: grpc.aio.AioRpcError) -> tuple[str, str]:
    """The request ID of an error, as its details and as its metadata have it."""
    info = error_details_pb2.RequestInfo()
    for detail in status_of(error).details:
        detail.Unpack(info)
    trailing = {str(key): value for key, value in error.trailing_metadata() or ()}
    return info.request_id, str(trailing["x-request-id"])


@pytest.mark.parametrize(
    ("path", "data", "code"),
    [
        ("/x.Y/Z", b"", grpc.StatusCode.UNIMPLEMENTED),
        (f"/{CREATE}", b"\x1a\x80\x80\x04" + b"x" * 65536, grpc.StatusCode.RESOURCE_EXHAUSTED),
        (f"/{CREATE}", b"\x1a\x80\x88\x04" + b"x" * 66560, grpc.StatusCode.RESOURCE_EXHAUSTED),
    ],
    ids=["unknown method", "too large", "larger"],
)
async def test_what_the_library_refused_has_the_same_details(
    running: Running, channel: Any, path: str, data: bytes, code: grpc.StatusCode
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(path)(data, metadata=[("x-request-id", "mine")], timeout=20)
    assert caught.value.code() is code
    assert request_id_of(caught.value) == ("mine", "mine")
    assert not running.emulator.calls


async def test_a_message_far_too_large_is_refused_without_a_traceback(
    running: Running, channel: Any, logs: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary(f"/{CREATE}")(b"x" * 1_000_000, timeout=20)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not running.emulator.calls
    async with running.client.get(running.url("/nothing")) as response:
        assert response.status == 404
    assert "Traceback" not in logs.text


async def test_an_unknown_method_makes_no_time_series_of_its_own(running: Running, channel: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError):
        await channel.unary_unary("/made.Up/Name")(b"", timeout=20)
    text = running.metrics.expose().decode()
    assert 'rpc_method="_OTHER"' in text
    assert "made.Up" not in text
