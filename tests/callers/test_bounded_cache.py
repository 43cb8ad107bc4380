"""A cache that forgets the entry that was not used for the longest time."""

from __future__ import annotations

from gateway.callers.bounded_cache import BoundedCache


def test_the_entry_that_was_used_last_stays() -> None:
    cache = BoundedCache[str, int](2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c"), len(cache)) == (1, None, 3, 2)


def test_an_entry_is_replaced_and_removed() -> None:
    cache = BoundedCache[str, int](2)
    cache.put("a", 1)
    cache.put("a", 2)
    assert (cache.get("a"), len(cache)) == (2, 1)
    cache.remove("a")
    cache.remove("a")
    assert (cache.get("a"), len(cache)) == (None, 0)


def test_the_number_of_entries_is_bounded() -> None:
    cache = BoundedCache[int, int](10)
    for number in range(1000):
        cache.put(number, number)
    assert len(cache) == 10
