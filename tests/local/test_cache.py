"""The edge's cache: bounds, order, lifetimes."""

from __future__ import annotations

import time

from toolkit.local.cache import Cache, Entry


def entry(size: int, lifetime: float = 100.0, age: float = 0.0) -> Entry:
    return Entry("site/blobs/k", {}, "", '"e"', 0.0, size, b"x" * size, lifetime, stored=time.monotonic() - age)


def test_the_least_recently_used_goes_first() -> None:
    cache = Cache(3 * entry(1000).weight)
    for name in "abc":
        cache.put((name, ""), entry(1000))
    assert cache.get(("a", ""))
    cache.put(("d", ""), entry(1000))
    assert [name for name in "abcd" if cache.get((name, ""))] == ["a", "c", "d"]
    assert (cache.hits, cache.misses) == (4, 1)


def test_its_size_is_bounded_and_counted() -> None:
    cache = Cache(10_000)
    for number in range(50):
        cache.put((str(number), ""), entry(number * 37))
        assert cache.size <= 10_000
    for number in range(50):
        cache.remove((str(number), ""))
    assert (cache.size, len(cache)) == (0, 0)


def test_replacing_does_not_count_twice() -> None:
    cache = Cache(100_000)
    cache.put(("a", ""), entry(10))
    cache.put(("a", ""), entry(500))
    assert cache.size == entry(500).weight


def test_too_large_or_without_a_lifetime_is_not_kept() -> None:
    cache = Cache(5_000)
    cache.put(("large", ""), entry(10_000))
    cache.put(("no-store", ""), entry(10, lifetime=0))
    assert len(cache) == 0


def test_a_lifetime_passes() -> None:
    cache = Cache(100_000)
    cache.put(("old", ""), entry(10, lifetime=60, age=61))
    cache.put(("young", ""), entry(10, lifetime=60, age=59))
    assert cache.get(("old", "")) is None
    young = cache.get(("young", ""))
    assert young is not None
    assert young.age == 59
    assert cache.size == young.weight


def test_encodings_are_apart() -> None:
    cache = Cache(100_000)
    cache.put(("a", "br"), entry(10))
    assert cache.get(("a", "gzip")) is None
    assert cache.get(("a", "br")) is not None
