"""The request message of a gRPC call: how long it may take, and what is refused."""

from __future__ import annotations

import asyncio
import gc

from tests.conftest import Running, Start
from tests.listeners import http2
from tests.listeners.rpc.conftest import Open, streams
from tests.waiting import GENEROUS_S


async def test_of_calls_without_a_request_the_oldest_give_way(start: Start, opened: Open) -> None:
    running = await start(limits__concurrency=3, limits__deadline_s=GENEROUS_S)
    peer = await opened(running)
    for stream in streams(8):
        peer.writer.write(http2.head(stream))
    await peer.wait(lambda: len(peer.statuses()) == 5)
    assert set(peer.statuses()) == {"8"}
    # The others waited for a slot; the first three have lost theirs.
    assert {stream for stream, _ in peer.kinds(http2.HEADERS)} >= set(streams(3))
    # Whoever sends a request is served all the same.
    peer.writer.write(http2.head(17) + http2.message(17, b"\x0a\x0ab1gexample"))
    await peer.wait(lambda: "0" in peer.statuses())


async def test_a_request_has_to_arrive_within_the_deadline(start: Start, opened: Open) -> None:
    running = await start(limits__deadline_s=0.3)
    peer = await opened(running)
    peer.writer.write(http2.head(1))
    await peer.wait(peer.statuses)
    assert peer.statuses() == ["4"]


async def test_a_call_without_any_request_is_answered(running: Running, opened: Open) -> None:
    peer = await opened(running)
    peer.writer.write(http2.head(1) + http2.frame(http2.DATA, http2.END_STREAM, 1))
    await peer.wait(peer.statuses)
    assert peer.statuses() == ["3"]


async def test_requests_that_time_out_leave_nothing_behind(start: Start, opened: Open) -> None:
    running = await start(limits__concurrency=10, limits__deadline_s=GENEROUS_S)
    peer = await opened(running)
    for number in range(40):
        peer.writer.write(b"".join(http2.head(stream + 100 * number) for stream in streams(50)))
        await peer.wait(lambda number=number: len(peer.statuses()) >= 50 * number + 40)
    await peer.close()
    async with asyncio.timeout(GENEROUS_S):
        while [one for one in asyncio.all_tasks() if one.get_name().startswith("HandleExceptions")]:
            await asyncio.sleep(0.05)
    gc.collect()
