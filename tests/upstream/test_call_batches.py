"""Calls wait for each other, and only while each turn of the event loop brings further ones."""

from __future__ import annotations

import asyncio

import pytest

from gateway.upstream.call_batches import MAX_TURNS, CallBatches


class Turns:
    """Counts the turns of the event loop, and notes in which turn calls are sent."""

    def __init__(self) -> None:
        self.batches = CallBatches()
        self.sent: list[tuple[str, int]] = []
        self.now = 0

    async def count(self) -> None:
        while True:
            await asyncio.sleep(0)
            self.now += 1

    async def send(self, name: str, turn: int) -> None:
        """Send a call that is ready in a turn."""
        while self.now < turn:
            await asyncio.sleep(0)
        await self.batches.wait()
        self.sent.append((name, self.now))

    async def run(self, calls: dict[str, int]) -> list[tuple[str, int]]:
        """Send calls that are ready in the given turns. Return the order and the turns in which they go."""
        counting = asyncio.ensure_future(self.count())
        await asyncio.sleep(0)
        await asyncio.gather(*(self.send(name, turn) for name, turn in calls.items()))
        counting.cancel()
        return self.sent


async def test_a_call_alone_waits_for_one_turn() -> None:
    assert await Turns().run({"a": 2}) == [("a", 3)]


async def test_calls_of_one_turn_are_sent_together() -> None:
    sent = await Turns().run({"a": 2, "b": 2, "c": 2})
    assert sent == [("a", 4), ("b", 4), ("c", 4)]


async def test_calls_of_the_next_turn_are_waited_for() -> None:
    sent = await Turns().run({"a": 2, "b": 2, "c": 3})
    assert {turn for _, turn in sent} == {5}


async def test_no_call_waits_longer_than_the_longest_wait() -> None:
    sent = dict(await Turns().run({str(number): 2 + number // 2 for number in range(20)}))
    waits = [turn - (2 + int(number) // 2) for number, turn in sent.items()]
    assert max(waits) == MAX_TURNS
    assert sent["0"] < sent["19"]


async def test_a_call_after_a_pause_belongs_to_another_batch() -> None:
    assert await Turns().run({"a": 2, "b": 8}) == [("a", 3), ("b", 9)]


async def test_a_cancelled_call_delays_no_other() -> None:
    batches = CallBatches()

    async def send() -> None:
        await batches.wait()

    tasks = [asyncio.ensure_future(send()) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks[1:])
