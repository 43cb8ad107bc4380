"""Commits are delayed while several callers are there that do not wait yet, and only then."""

from __future__ import annotations

import asyncio

import pytest

from gateway.ledger import commit_delay
from gateway.ledger.commit_delay import BUSY_S, SIBLINGS, CommitDelay


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def long_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A delay that cannot be overlooked."""
    monkeypatch.setattr(commit_delay, "DELAY_S", 3600.0)


def add_callers(delay: CommitDelay, count: int) -> None:
    for _ in range(count):
        delay.add_caller()


def commit(delay: CommitDelay, callers: int = 0, *, meanwhile: int = 0) -> None:
    """Commit for callers. Further callers arrive during the commit."""
    add_callers(delay, callers)
    delay.start_commit()
    add_callers(delay, meanwhile)
    delay.end_commit()


async def is_delayed(delay: CommitDelay) -> bool:
    waiting = asyncio.ensure_future(delay.wait())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    is_waiting = not waiting.done()
    waiting.cancel()
    return is_waiting


async def test_the_first_commit_is_not_delayed() -> None:
    delay = CommitDelay()
    add_callers(delay, SIBLINGS)
    assert not await is_delayed(delay)


@pytest.mark.parametrize(
    ("callers", "delays"), [(0, False), (1, False), (SIBLINGS - 1, False), (SIBLINGS, True)]
)
async def test_several_callers_delay_the_next_commit(callers: int, *, delays: bool) -> None:
    delay = CommitDelay(Clock())
    commit(delay, callers)
    add_callers(delay, 1)
    assert await is_delayed(delay) is delays


async def test_callers_in_two_halves_share_the_next_commit() -> None:
    delay = CommitDelay(Clock())
    commit(delay, 2, meanwhile=2)
    add_callers(delay, 1)
    assert await is_delayed(delay)
    add_callers(delay, 1)
    assert not await is_delayed(delay)


async def test_the_last_caller_ends_the_delay() -> None:
    delay = CommitDelay(Clock())
    commit(delay, SIBLINGS)
    add_callers(delay, SIBLINGS - 1)
    waiting = asyncio.ensure_future(delay.wait())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    delay.add_caller()
    async with asyncio.timeout(5):
        await waiting


async def test_a_commit_of_outcomes_changes_nothing() -> None:
    delay = CommitDelay(Clock())
    commit(delay, SIBLINGS)
    commit(delay, 0, meanwhile=1)
    assert await is_delayed(delay)


async def test_the_callers_of_a_withdrawn_commit_still_wait() -> None:
    delay = CommitDelay(Clock())
    commit(delay, SIBLINGS)
    add_callers(delay, SIBLINGS)
    delay.start_commit()
    delay.withdraw_commit()
    assert not await is_delayed(delay)


async def test_a_caller_alone_ends_the_delays() -> None:
    delay = CommitDelay(Clock())
    commit(delay, SIBLINGS)
    commit(delay, 1)
    assert not await is_delayed(delay)


async def test_a_pause_ends_the_delays() -> None:
    clock = Clock()
    delay = CommitDelay(clock)
    commit(delay, SIBLINGS)
    clock.now += BUSY_S
    delay.add_caller()
    assert not await is_delayed(delay)


async def test_the_delay_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    delay = CommitDelay(Clock())
    commit(delay, SIBLINGS)
    delay.add_caller()
    async with asyncio.timeout(5):
        await delay.wait()
