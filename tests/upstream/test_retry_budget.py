"""The retry budget: when retries stop, and when they are allowed again."""

from __future__ import annotations

from gateway.upstream.retry_budget import MAX_TOKENS, SUCCESSES_PER_TOKEN, RetryBudget


def fail(budget: RetryBudget, count: int) -> None:
    for _ in range(count):
        budget.note_failure()


def succeed(budget: RetryBudget, count: int) -> None:
    for _ in range(count):
        budget.note_success()


def test_retries_stop_when_half_of_the_tokens_are_left() -> None:
    budget = RetryBudget()
    fail(budget, MAX_TOKENS // 2 - 1)
    assert budget.allows_retry()
    fail(budget, 1)
    assert not budget.allows_retry()


def test_successes_allow_retries_again() -> None:
    budget = RetryBudget()
    fail(budget, MAX_TOKENS // 2 + 3)
    succeed(budget, 3 * SUCCESSES_PER_TOKEN)
    assert not budget.allows_retry()
    succeed(budget, 1)
    assert budget.allows_retry()


def test_a_budget_is_never_more_than_full() -> None:
    budget = RetryBudget()
    succeed(budget, 1000)
    fail(budget, MAX_TOKENS // 2)
    assert not budget.allows_retry()


def test_a_budget_is_never_less_than_empty() -> None:
    budget = RetryBudget()
    fail(budget, 10 * MAX_TOKENS)
    succeed(budget, MAX_TOKENS // 2 * SUCCESSES_PER_TOKEN)
    assert not budget.allows_retry()
    succeed(budget, 1)
    assert budget.allows_retry()
