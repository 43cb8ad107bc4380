"""Rates in this process: the same decisions as the package `limits`, bounded memory, a true waiting time."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace

import limits.aio.storage.memory as library_memory
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from limits import RateLimitItemPerSecond
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from gateway.config.rates import Rate
from gateway.limits.rate_counter import RateCounter, find_wait_s

# Times in 1/64 s, so that no time is rounded.
_TICKS = 64
gaps = st.one_of(st.just(0), st.integers(0, 3 * _TICKS), st.integers(0, 90 * _TICKS))


class Library:
    """The same strategy of the package `limits`, in memory, with a clock of the test."""

    def __init__(self, rate: Rate) -> None:
        self.now = 0.0
        self._limiter = SlidingWindowCounterRateLimiter(library_memory.MemoryStorage())
        self._item = RateLimitItemPerSecond(rate.count, rate.seconds)

    async def hit(self, key: str) -> bool:
        # The storage drops keys whose time has passed in a task of its own; it must have ended.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(library_memory, "time", SimpleNamespace(time=lambda: self.now))
            is_allowed = await self._limiter.hit(self._item, key)
            await asyncio.sleep(0)
        return is_allowed


def hit(counter: RateCounter, key: str, now: float) -> bool:
    if counter.wait_s(key, now):
        return False
    counter.add(key)
    return True


@settings(max_examples=300, deadline=None)
@given(
    count=st.integers(1, 12),
    seconds=st.sampled_from([1, 60]),
    calls=st.lists(st.tuples(gaps, st.sampled_from("ab")), max_size=80),
)
@example(count=1, seconds=1, calls=[(0, "a"), (_TICKS, "a"), (1, "a"), (_TICKS - 1, "a")])
def test_every_decision_is_that_of_the_package_limits(
    count: int, seconds: int, calls: list[tuple[int, str]]
) -> None:
    async def compare() -> None:
        rate = Rate(count, seconds)
        counter, library = RateCounter(rate), Library(rate)
        ticks = 1000 * 60 * _TICKS  # the times of the library are far from 0
        for gap, key in calls:
            ticks += gap
            now = library.now = ticks / _TICKS
            assert hit(counter, key, now) == await library.hit(key), (key, now)

    asyncio.run(compare())


@settings(max_examples=300, deadline=None)
@given(
    count=st.integers(1, 12),
    seconds=st.sampled_from([1, 60, 3600, 86400]),
    calls=st.lists(gaps, max_size=60),
)
def test_after_the_wait_the_rate_allows_a_call_and_not_before(
    count: int, seconds: int, calls: list[int]
) -> None:
    counter, ticks = RateCounter(Rate(count, seconds)), 10**6
    for gap in calls:
        ticks += gap
        hit(counter, "a", ticks / _TICKS)
    now = ticks / _TICKS
    wait_s = counter.wait_s("a", now)
    assert 0 <= wait_s <= 2 * seconds
    assert counter.wait_s("a", now + max(wait_s - 0.002, 0)) > 0 or wait_s == 0
    assert counter.wait_s("a", now + wait_s) == 0


def test_a_burst_is_allowed_and_then_the_rate() -> None:
    counter = RateCounter(Rate(20, 1))
    assert sum(hit(counter, "a", 1000.0) for _ in range(50)) == 20
    allowed = sum(hit(counter, "a", 1000 + tick / 100) for tick in range(1, 1001))
    assert 170 <= allowed <= 200  # the calls of the burst count in the first second
    assert hit(counter, "b", 1005.0)


def test_a_day_is_counted_as_exactly_as_a_second() -> None:
    counter = RateCounter(Rate(3, 86400))
    assert [hit(counter, "a", 10 * 86400 + second) for second in (0, 1, 2, 3)] == [True, True, True, False]
    assert counter.wait_s("a", 10 * 86400 + 3) == pytest.approx(86397, abs=0.01)


def test_the_memory_of_many_callers_has_a_bound() -> None:
    counter = RateCounter(Rate(5, 60), max_keys=1000)
    for number in range(20_000):
        assert hit(counter, f"address:192.0.2.{number}", 60.0 + number / 1000)
    assert len(counter) <= 1000
    for number in range(20_000):
        assert hit(counter, f"address:192.0.2.{number}", 120.0 + number / 1000)
    assert len(counter) <= 2000
    assert counter.wait_s("x", 600.0) == 0
    assert len(counter) == 0


def test_100_000_callers_need_little_memory_each() -> None:
    counter = RateCounter(Rate(5, 3600))
    for number in range(100_000):
        hit(counter, f"token:caller-{number}", 7200.0)
    assert len(counter) == 100_000
    tables = sum(sys.getsizeof(getattr(counter, name)) for name in ("_current", "_previous"))
    assert tables < 100_000 * 100


def test_of_too_many_callers_the_oldest_are_forgotten_first() -> None:
    counter = RateCounter(Rate(1, 60), max_keys=10)
    for number in range(11):
        hit(counter, str(number), 60.0)
    assert counter.wait_s("10", 60.0) > 0
    assert counter.wait_s("1", 60.0) > 0
    assert counter.wait_s("0", 60.0) == 0


def test_the_wait_ends_when_enough_of_the_previous_window_has_passed() -> None:
    # 10 calls of the previous window count fully; half of them must have passed.
    assert find_wait_s(Rate(10, 60), 10, 60.0, 5, 60.0) == pytest.approx(30.001)
    assert find_wait_s(Rate(10, 60), 0, 60.0, 10, 45.0) == pytest.approx(45.001)
    assert find_wait_s(Rate(10, 60), 10, 1.0, 9, 1.0) == pytest.approx(0.001)
