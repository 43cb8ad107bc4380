"""What is reported about one gRPC call."""

from __future__ import annotations

from typing import Any

import grpc.aio
import pytest

from gateway.errors import Code, GatewayError
from gateway.listeners import Head
from tests.conftest import Running, Start

LIST = "yandex.cloud.baremetal.v1alpha.ImageService/List"


async def call(running: Running, method: str) -> grpc.aio.AioRpcError | None:
    channel = grpc.aio.insecure_channel(str(running.addresses.grpc))
    callable_: Any = channel.unary_unary(f"/{method}")
    try:
        await callable_(b"\x0a\x0ab1gexample")
    except grpc.aio.AioRpcError as error:
        return error
    finally:
        await channel.close()
    return None


async def test_a_call_is_reported_with_its_method(start: Start, logs: pytest.LogCaptureFixture) -> None:
    running = await start(is_traced=True)
    assert await call(running, LIST) is None
    span = running.spans()[LIST]
    assert span.attributes is not None
    assert span.attributes["rpc.response.status_code"] == "OK"
    (line,) = [vars(one) for one in logs.records if one.message == "responded"]
    assert (line["method"], line["status"]) == (LIST, "OK")
    assert f'rpc_method="{LIST}"' in running.metrics.expose().decode()


async def test_a_method_that_is_not_served_makes_no_time_series(start: Start) -> None:
    running = await start(is_traced=True)
    error = await call(running, "made.up/Method")
    assert error is not None
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED
    trailing = dict(error.trailing_metadata() or ())
    assert {"grpc-status-details-bin", "x-request-id", "x-server-trace-id"} <= set(trailing)
    assert set(running.spans()) == {"_OTHER"}
    assert "made.up" not in running.metrics.expose().decode()


async def test_the_headers_of_an_error_are_trailing_metadata(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        headers = {"WWW-Authenticate": 'Bearer realm="r"'}
        raise GatewayError(Code.UNAUTHENTICATED, "X", "x", headers=headers)

    monkeypatch.setattr(Head, "admit", refuse)
    error = await call(running, LIST)
    assert error is not None
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    trailing = dict(error.trailing_metadata() or ())
    assert trailing["www-authenticate"] == 'Bearer realm="r"'
