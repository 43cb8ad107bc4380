"""Counts of calls by key: the limit holds for each key, and an unused key needs no memory."""

from __future__ import annotations

from gateway.limits.call_counts import CallCounts, Claim


def test_a_limit_holds_for_each_key() -> None:
    counts = CallCounts(2)
    first, second = counts.claim("a"), counts.claim("a")
    assert isinstance(first, Claim)
    assert isinstance(second, Claim)
    assert counts.claim("a") is None
    assert counts.claim("b") is not None
    first.release()
    assert counts.claim("a") is not None
    assert counts.claim("a") is None


def test_a_key_without_calls_needs_no_memory() -> None:
    counts = CallCounts(3)
    claims = [claim for number in range(30) if (claim := counts.claim(f"caller-{number % 10}"))]
    assert len(claims) == 30
    for claim in claims:
        claim.release()
    assert counts._counts == {}  # noqa: SLF001 - the memory is what the test is about
