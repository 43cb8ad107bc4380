from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from gateway.emulator import EVERY_METHOD, Emulator, InjectedFault
from gateway.emulator.server import CALLS_KEPT
from gateway.errors import Code

if TYPE_CHECKING:
    from gateway.schema import Schema

Call = Callable[..., Any]

SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
URI = "https://storage.yandexcloud.net/golden/one.iso"


async def error_of(started: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await started
    return caught.value


def status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    raw = dict(error.trailing_metadata())["grpc-status-details-bin"]
    assert isinstance(raw, bytes)
    return status_pb2.Status.FromString(raw)


async def wait_for_calls(emulator: Emulator, count: int) -> None:
    while len(emulator.calls) < count:
        await asyncio.sleep(0.001)


async def test_start_tells_the_address_and_stop_forgets_it() -> None:
    emulator = Emulator()
    address = await emulator.start()
    assert address == emulator.address
    host, _, port = address.rpartition(":")
    assert (host, int(port) > 0) == ("127.0.0.1", True)
    with pytest.raises(RuntimeError, match=address):
        await emulator.start()
    await emulator.stop()
    assert emulator.address == ""
    await emulator.stop()


async def test_a_taken_address_is_refused(emulator: Emulator) -> None:
    with pytest.raises(RuntimeError):
        await Emulator().start(emulator.address)


async def test_images_outlive_a_restart(schema: Schema) -> None:
    emulator = Emulator()
    method = schema.methods[f"{SERVICE}/Create"]
    request = method.request(uri=URI).SerializeToString()
    replies: list[Any] = []
    for _ in range(2):
        async with emulator, grpc.aio.insecure_channel(emulator.address) as channel:
            stub: Any = channel.unary_unary(method.path)
            reply = await stub(request, metadata=(("idempotency-key", "k"),))
            replies.append(method.reply.FromString(reply))
    assert replies[0].id == replies[1].id


async def test_after_a_reset_nothing_is_left(emulator: Emulator, call: Call) -> None:
    emulator.inject(InjectedFault(method=EVERY_METHOD, code=Code.INTERNAL, nth=2, times=None))
    await call("Image/Create", uri=URI, folder_id="b1g")
    emulator.reset()
    assert not (await call("Image/List", folder_id="b1g")).images
    assert not (await call("Image/List", folder_id="b1g")).images
    assert len(emulator.calls) == 2


async def test_the_systems_clock_is_the_default(schema: Schema) -> None:
    method = schema.methods[f"{SERVICE}/Create"]
    async with Emulator() as emulator, grpc.aio.insecure_channel(emulator.address) as channel:
        stub: Any = channel.unary_unary(method.path, method.request.SerializeToString)
        reply: Any = method.reply.FromString(await stub(method.request(uri=URI)))
    assert abs(reply.created_at.ToNanoseconds() / 1e9 - time.time()) < 60


async def test_every_answer_has_a_request_id(call: Call) -> None:
    ids = []
    for _ in range(2):
        started = call("Image/List")
        await started
        ids.append(dict(await started.initial_metadata())["x-request-id"])
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    ("method", "fields", "interval"),
    [("Image/Create", {"uri": URI}, "1"), ("Image/List", {}, None)],
)
async def test_operations_come_with_a_poll_interval(
    call: Call, method: str, fields: dict[str, str], interval: str | None
) -> None:
    started = call(method, **fields)
    await started
    assert dict(await started.initial_metadata()).get("x-operation-poll-interval") == interval


async def test_errors_carry_the_request_id_in_their_details(call: Call) -> None:
    error = await error_of(call("Image/Get", image_id="nix"))
    status = status_of(error)
    assert (status.code, status.message) == (5, "image 'nix' not found")
    info = error_details_pb2.RequestInfo()
    assert status.details[0].Unpack(info)
    assert info.request_id == dict(error.initial_metadata())["x-request-id"]


async def test_calls_are_recorded_as_they_arrived(emulator: Emulator, call: Call, schema: Schema) -> None:
    await call("Image/Create", uri=URI, name="one", metadata=(("x-mark", "a"), ("x-mark-bin", b"\x00\xff")))
    await error_of(call("Image/Get", image_id="nix"))
    first, second = emulator.calls
    assert (first.method, second.method) == (f"{SERVICE}/Create", f"{SERVICE}/Get")
    assert schema.methods[first.method].request.FromString(first.request) == schema.methods[
        first.method
    ].request(uri=URI, name="one")
    assert {("x-mark", "a"), ("x-mark-bin", b"\x00\xff")} <= set(first.metadata)
    assert all(type(pair) is tuple for pair in first.metadata)


async def test_records_are_bounded_and_keep_secrets_out_of_their_repr(emulator: Emulator, call: Call) -> None:
    await call("Image/List", metadata=(("authorization", "Bearer t1.secret"),))
    assert "secret" not in repr(emulator.calls)
    assert emulator.calls.maxlen == CALLS_KEPT


async def test_bytes_that_are_no_message_are_refused(emulator: Emulator) -> None:
    async with grpc.aio.insecure_channel(emulator.address) as channel:
        stub: Any = channel.unary_unary(f"/{SERVICE}/Get")
        error = await error_of(stub(b"\xff\xff"))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert emulator.calls[0].request == b"\xff\xff"


async def test_a_method_of_neither_service_is_unimplemented(emulator: Emulator) -> None:
    async with grpc.aio.insecure_channel(emulator.address) as channel:
        stub: Any = channel.unary_unary(f"/{SERVICE}/Import")
        error = await error_of(stub(b""))
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("code", [code for code in Code if code is not Code.OK])
async def test_a_fault_of_every_code(emulator: Emulator, call: Call, code: Code) -> None:
    detail = AnyMessage()
    detail.Pack(error_details_pb2.ErrorInfo(reason="QUOTA"))
    emulator.inject(
        InjectedFault(method=f"{SERVICE}/Create", code=code, message="no more", details=(detail,))
    )
    error = await error_of(call("Image/Create", uri=URI))
    assert (error.code().value[0], error.details()) == (code, "no more")
    status = status_of(error)
    assert (status.code, status.message, status.details[0]) == (code, "no more", detail)
    assert status.details[1].TypeName() == "google.rpc.RequestInfo"
    assert not (await call("Image/List")).images


async def test_a_fault_after_the_effect_hides_a_success(emulator: Emulator, call: Call) -> None:
    emulator.inject(InjectedFault(method=f"{SERVICE}/Create", code=Code.DEADLINE_EXCEEDED, after_effect=True))
    key = (("idempotency-key", "k"),)
    await error_of(call("Image/Create", metadata=key, uri=URI))
    (image,) = (await call("Image/List")).images
    again = await call("Image/Create", metadata=key, uri=URI)
    assert again.response.value == image.SerializeToString(deterministic=True)


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_reply_of_the_fault_replaces_the_calls(
    emulator: Emulator, call: Call, schema: Schema, *, after_effect: bool
) -> None:
    other = schema.methods[f"{SERVICE}/Create"].reply(id="other").SerializeToString()
    emulator.inject(InjectedFault(method=f"{SERVICE}/Create", reply=other, after_effect=after_effect))
    assert (await call("Image/Create", uri=URI)).id == "other"
    assert len((await call("Image/List")).images) == after_effect


async def test_a_key_that_was_forgotten_is_new(emulator: Emulator, call: Call) -> None:
    key = (("idempotency-key", "k"),)
    first = await call("Image/Create", metadata=key, uri=URI)
    emulator.forget_keys()
    second = await call("Image/Create", metadata=key, uri=URI)
    assert first.id != second.id
    assert len((await call("Image/List")).images) == 2


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_dropped_call_lasts_until_its_deadline(
    emulator: Emulator, call: Call, *, after_effect: bool
) -> None:
    emulator.inject(InjectedFault(method=f"{SERVICE}/Create", drop=True, after_effect=after_effect))
    error = await error_of(call("Image/Create", uri=URI, timeout_s=0.02))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert len((await call("Image/List")).images) == after_effect


async def test_a_delayed_call_is_answered(emulator: Emulator, call: Call) -> None:
    emulator.inject(InjectedFault(method=EVERY_METHOD, delay_s=0.005))
    before = time.monotonic()
    await call("Image/Create", uri=URI)
    assert time.monotonic() - before >= 0.005


async def test_faults_can_be_cleared(emulator: Emulator, call: Call) -> None:
    emulator.inject(InjectedFault(method=EVERY_METHOD, code=Code.UNAVAILABLE, times=None))
    await error_of(call("Image/List"))
    await error_of(call("Image/List"))
    emulator.clear_faults()
    await call("Image/List")


async def test_stop_ends_the_calls_still_open(emulator: Emulator, call: Call) -> None:
    emulator.inject(InjectedFault(method=EVERY_METHOD, drop=True))
    started = call("Image/List")
    waiting = asyncio.ensure_future(error_of(started))
    await wait_for_calls(emulator, 1)
    await emulator.stop()
    assert (await waiting).code() is grpc.StatusCode.UNAVAILABLE


async def test_calls_at_once_are_carried_out_one_by_one(call: Call) -> None:
    started = [call("Image/Create", uri=URI, name="one", folder_id="b1g") for _ in range(8)]
    outcomes = await asyncio.gather(*started, return_exceptions=True)
    assert sum(isinstance(outcome, grpc.aio.AioRpcError) for outcome in outcomes) == 7
