"""A task that waits for a future, and does not cancel it, compared with asyncio.shield()."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import coroutine
from typing import TYPE_CHECKING, Any

import pytest

from gateway.upstream.shielded import Shielded

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

EVENTS = ["result", "error", "cancel future", "cancel task"]


async def shield(future: asyncio.Future[Any]) -> Any:
    return await asyncio.shield(future)


@coroutine
def use_shielded(future: asyncio.Future[Any]) -> Generator[Any, None, Any]:
    future._asyncio_future_blocking = True  # noqa: SLF001 - as if a coroutine had yielded it
    yield Shielded(future)
    return future.result()


async def wait(wait_for: Callable[[Any], Any], events: tuple[str, ...]) -> tuple[str, str]:
    """Let events happen in one turn of the event loop. Return the ends of the task and of the future."""
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.ensure_future(run(wait_for, future))
    await asyncio.sleep(0)
    for event in events:
        if event == "cancel task":
            task.cancel()
        elif not future.done():
            if event == "result":
                future.set_result("a result")
            elif event == "error":
                future.set_exception(ValueError("an error"))
            else:
                future.cancel()
    await asyncio.wait([task], timeout=5)
    await asyncio.sleep(0)
    return describe(task), describe(future) if future.done() else "pending"


async def run(wait_for: Callable[[Any], Any], future: asyncio.Future[str]) -> str:
    found: str = await wait_for(future)
    return found


def describe(future: asyncio.Future[Any]) -> str:
    if future.cancelled():
        return "cancelled"
    return repr(future.exception() or future.result())


@pytest.mark.parametrize("second", ["", *EVENTS])
@pytest.mark.parametrize("first", EVENTS)
async def test_a_wait_ends_like_one_for_a_shielded_future(first: str, second: str) -> None:
    events = (first, second) if second else (first,)
    assert await wait(use_shielded, events) == await wait(shield, events)


async def test_a_task_can_wait_again_after_it_was_cancelled() -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def wait_twice() -> str:
        with suppress(asyncio.CancelledError):
            await use_shielded(future)
        return await run(use_shielded, future)

    task = asyncio.ensure_future(wait_twice())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0.01)
    assert not task.done()
    future.set_result("a result")
    assert await task == "a result"
