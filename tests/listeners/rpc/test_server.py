"""Paths that are not UTF-8: the call ends, and the server goes on."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest

from gateway.emulator import InjectedFault
from tests.conftest import Start
from tests.listeners import http2
from tests.listeners.rpc.conftest import Open, call_list, streams
from tests.waiting import GENEROUS_S, wait_for

LIST = http2.LIST.decode().lstrip("/")
UNDECODABLE = b"/\xff.Y/Z"


async def test_a_path_that_is_not_utf_8_ends_only_its_own_call(
    start: Start, opened: Open, logs: pytest.LogCaptureFixture
) -> None:
    running = await start()
    running.emulator.inject(InjectedFault(method=LIST, delay_s=0.5))
    before = asyncio.create_task(call_list(running))
    await wait_for(lambda: running.emulator.calls)
    peer = await opened(running)
    for stream in streams(3):
        peer.writer.write(http2.head(stream, UNDECODABLE) + http2.message(stream, b""))
    await peer.wait(lambda: len(peer.statuses()) == 3)
    assert set(peer.statuses()) == {"1"}
    gc.collect()  # calls that the first accept loop has received are still referenced
    await call_list(running)
    await before
    peer.writer.write(http2.head(7) + http2.message(7, b"\x0a\x0ab1gexample"))
    await peer.wait(lambda: len(peer.statuses()) == 4)
    assert peer.statuses()[-1] == "0"
    assert [one.levelname for one in logs.records if "not UTF-8" in one.message] == ["WARNING"] * 3
    assert "Traceback" not in logs.text
    counted = 'rpc_method="_OTHER",rpc_response_status_code="CANCELLED"} 3.0'
    assert counted in running.metrics.expose().decode()


async def test_a_gateway_with_such_calls_stops_as_usual(start: Start, opened: Open) -> None:
    running = await start()
    peer = await opened(running)
    for stream in streams(2):
        peer.writer.write(http2.head(stream, UNDECODABLE) + http2.message(stream, b""))
    await peer.wait(lambda: len(peer.statuses()) == 2)
    running.emulator.inject(InjectedFault(method=LIST, delay_s=0.3))
    last = asyncio.create_task(call_list(running))
    await wait_for(lambda: running.emulator.calls)
    async with asyncio.timeout(GENEROUS_S):
        await running.gateway.stop()
    await last


async def test_the_log_keeps_no_reference_to_a_server_that_is_deallocated(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    # The gRPC library passes the dying object itself to the log. A handler that keeps it crashes the process.
    library = "grpc._cython.cygrpc"
    with caplog.at_level(logging.DEBUG, library):
        running = await start()
        await call_list(running)
        await running.gateway.stop()
        del running
        gc.collect()
        logging.getLogger(library).debug("__dealloc__ called on %s with usability %s", "a server", "False")
        logging.getLogger(library).debug("another record")
    kept = [one.msg for one in caplog.records if one.name == library]
    assert "another record" in kept
    assert not [one for one in kept if one.startswith("__dealloc__")]
