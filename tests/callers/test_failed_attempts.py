"""The limit of failed attempts."""

from __future__ import annotations

from gateway.callers.failed_attempts import FailedAttempts
from gateway.config import Rate
from tests.callers.making import Clock

RATE = Rate(count=3, seconds=60)


def test_so_many_attempts_are_allowed_at_once() -> None:
    attempts = FailedAttempts(RATE, clock=Clock())
    waits = []
    for _ in range(4):
        waits.append(attempts.wait_s("a"))
        attempts.add("a")
    assert waits == [0, 0, 0, 20]
    assert attempts.wait_s("b") == 0


def test_further_attempts_come_back_at_the_rate() -> None:
    clock = Clock()
    attempts = FailedAttempts(RATE, clock=clock)
    for _ in range(3):
        attempts.add("a")
    clock.time_s += 19.5
    assert attempts.wait_s("a") == 1
    clock.time_s += 0.5
    assert attempts.wait_s("a") == 0
    attempts.add("a")
    assert attempts.wait_s("a") == 20
    clock.time_s += 3600
    assert attempts.wait_s("a") == 0


def test_an_attempt_after_a_long_time_does_not_count_for_more() -> None:
    clock = Clock(0.0)
    attempts = FailedAttempts(Rate(count=60, seconds=60), clock=clock)
    attempts.add("a")
    clock.time_s = 10_000.0
    waits = []
    for _ in range(61):
        waits.append(attempts.wait_s("a"))
        attempts.add("a")
    assert waits == [0] * 60 + [1]


def test_the_number_of_addresses_is_bounded() -> None:
    attempts = FailedAttempts(RATE, max_keys=10, clock=Clock())
    for number in range(1000):
        attempts.add(str(number))
    assert len(attempts) == 10
