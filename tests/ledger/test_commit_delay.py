"""Commits are delayed while several callers wait, and only then."""

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


async def is_delayed(delay: CommitDelay) -> bool:
    waiting = asyncio.ensure_future(delay.wait())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    is_waiting = not waiting.done()
    waiting.cancel()
    return is_waiting


async def test_the_first_commit_is_not_delayed() -> None:
    assert not await is_delayed(CommitDelay(Clock()))
    assert not await is_delayed(CommitDelay())


@pytest.mark.parametrize(
    ("callers", "delays"), [(0, False), (1, False), (SIBLINGS - 1, False), (SIBLINGS, True)]
)
async def test_several_callers_delay_the_next_commit(callers: int, *, delays: bool) -> None:
    delay = CommitDelay(Clock())
    delay.note_commit(callers)
    assert await is_delayed(delay) is delays


async def test_a_commit_of_outcomes_changes_nothing() -> None:
    delay = CommitDelay(Clock())
    delay.note_commit(SIBLINGS)
    delay.note_commit(0)
    assert await is_delayed(delay)


async def test_a_caller_alone_ends_the_delay() -> None:
    delay = CommitDelay(Clock())
    delay.note_commit(SIBLINGS)
    delay.note_commit(1)
    assert not await is_delayed(delay)


async def test_a_pause_ends_the_delay() -> None:
    clock = Clock()
    delay = CommitDelay(clock)
    delay.note_commit(SIBLINGS)
    clock.now += BUSY_S
    assert not await is_delayed(delay)


async def test_the_delay_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    delay = CommitDelay(Clock())
    delay.note_commit(SIBLINGS)
    async with asyncio.timeout(5):
        await delay.wait()
