"""What is logged of an upstream that fails, through a gateway before it."""

from __future__ import annotations

import logging
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2

from gateway.call import Call, Caller
from gateway.config import Upstream
from gateway.emulator import InjectedFault
from gateway.errors import Code, GatewayError, UpstreamError
from gateway.schema import Schema
from gateway.telemetry import Health, Tracing
from gateway.upstream.failure_log import INTERVAL_S, FailureLog
from tests.conftest import GOOD_IMAGE, IMAGES, Running, Start

SERVICE = "yandex.cloud.baremetal.v1alpha.ImageService"
CREATE = f"{SERVICE}/Create"


@pytest.fixture
async def running(start: Start) -> Running:
    """A gateway of one test: it reports a failure once in ten seconds."""
    return await start()


def failed(logs: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in logs.records if record.message == "upstream failed"]


async def create(running: Running) -> int:
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE) as response:
        await response.read()
        return response.status


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.INTERNAL, Code.UNKNOWN, Code.DATA_LOSS])
async def test_its_own_failure_is_a_warning_with_its_words(
    running: Running, logs: pytest.LogCaptureFixture, code: Code
) -> None:
    details = AnyMessage()
    details.Pack(error_details_pb2.ErrorInfo(reason="DISK_FULL", domain="cloud"))
    running.emulator.inject(
        InjectedFault(method=CREATE, code=code, message="no space\r\nleft \x1b[31m", details=(details,))
    )
    await create(running)
    (line,) = failed(logs)
    assert line["levelno"] == logging.WARNING
    assert (line["upstream"], line["address"]) == ("baremetal", running.emulator.address)
    assert (line["code"], line["reason"], line["method"]) == (code.name, "DISK_FULL", CREATE)
    assert line["peer_message"] == "no space\\u000d\\u000aleft \\u001b[31m"
    assert line["call_id"]
    assert line["trace_id"]


@pytest.mark.parametrize("code", [Code.NOT_FOUND, Code.INVALID_ARGUMENT, Code.PERMISSION_DENIED])
async def test_a_refusal_is_no_failure(running: Running, logs: pytest.LogCaptureFixture, code: Code) -> None:
    running.emulator.inject(InjectedFault(method=CREATE, code=code))
    await create(running)
    assert not failed(logs)


async def test_silence_is_a_failure(start: Start, logs: pytest.LogCaptureFixture) -> None:
    running = await start(limits__deadline_s=0.3)
    running.emulator.inject(InjectedFault(method=CREATE, drop=True))
    assert await create(running) == 504
    (line,) = failed(logs)
    assert (line["code"], line["reason"]) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")


class Nonsense(grpc.GenericRpcHandler):
    """Answers every call with bytes that are no message."""

    def service(self, _: grpc.HandlerCallDetails) -> Any:
        async def respond(_: bytes, __: Any) -> bytes:
            return b"\xff\xff\xff"

        return grpc.unary_unary_rpc_method_handler(respond)


async def test_a_response_that_cannot_be_read_is_a_failure(
    start: Start, logs: pytest.LogCaptureFixture
) -> None:
    server = grpc.aio.server(handlers=[Nonsense()])
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    running = await start(upstreams__baremetal__address=address)
    async with running.client.post(running.url(IMAGES), json=GOOD_IMAGE) as response:
        body = await response.json()
    await server.stop(0)
    assert body["message"].endswith("cannot be read; the call itself was carried out")
    assert body["details"][0]["reason"] == "REPLY_UNREADABLE"
    (line,) = failed(logs)
    assert (line["code"], line["reason"], line["address"]) == ("INTERNAL", "REPLY_UNREADABLE", address)
    assert line["peer_message"] == "3 bytes that are no yandex.cloud.operation.Operation"
    assert not [record for record in logs.records if record.exc_info]


@pytest.fixture
def call(schema: Schema) -> Call:
    method = schema.methods[CREATE]
    return Call(
        id="1",
        method=method,
        caller=Caller(address=""),
        request=method.request(),
        metadata={},
        deadline=0.0,
        span=Tracing().start_server("x", {}, {}),
    )


def test_each_upstream_and_code_is_reported_once_in_a_while(
    call: Call, logs: pytest.LogCaptureFixture
) -> None:
    now = 100.0
    log = FailureLog({name: Upstream(address=f"{name}:1") for name in ("a", "b")}, Health(), lambda: now)

    def report(upstream: str, code: Code) -> None:
        log.report(call, upstream, GatewayError(code, "R", "m"), "words")

    for _ in range(5):
        report("a", Code.UNAVAILABLE)
    report("a", Code.INTERNAL)
    report("b", Code.UNAVAILABLE)
    now += INTERVAL_S
    report("a", Code.UNAVAILABLE)
    now += INTERVAL_S
    report("a", Code.UNAVAILABLE)
    found = [(line["upstream"], line["code"], line["suppressed"]) for line in failed(logs)]
    assert found == [
        ("a", "UNAVAILABLE", 0),
        ("a", "INTERNAL", 0),
        ("b", "UNAVAILABLE", 0),
        ("a", "UNAVAILABLE", 4),
        ("a", "UNAVAILABLE", 0),
    ]


def test_words_are_bounded_and_hold_no_secret(call: Call, logs: pytest.LogCaptureFixture) -> None:
    link = "https://storage.yandexcloud.net/b/k.iso?X-Amz-Signature=deadbeef"
    error = UpstreamError(Code.INTERNAL, "")
    FailureLog({"a": Upstream(address="a:1")}, Health()).report(call, "a", error, f"{link} {'x' * 9000}")
    (line,) = failed(logs)
    assert "deadbeef" not in line["peer_message"]
    assert len(line["peer_message"]) <= 501


def test_details_that_cannot_be_read_do_no_harm(call: Call, logs: pytest.LogCaptureFixture) -> None:
    info = AnyMessage(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")
    FailureLog({"a": Upstream(address="a:1")}, Health()).report(
        call, "a", UpstreamError(Code.INTERNAL, "", [info]), ""
    )
    (line,) = failed(logs)
    assert line["reason"] == ""
