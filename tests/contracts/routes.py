"""The contract of `engine.ports.RouteStore`. An adapter's test subclasses this and gives a fixture `store`."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from toolkit.engine import limits
from toolkit.engine.errors import Conflict, LimitExceeded
from toolkit.engine.ports import RouteStore, Usage


def fill(store: RouteStore, pairs: int, value_bytes: int = limits.VALUE_BYTES, prefix: str = "fill") -> None:
    """Put `pairs` pairs whose keys take 10 bytes."""
    names = [f"{prefix}{number:06d}"[-10:] for number in range(pairs)]
    for start in range(0, pairs, limits.BATCH_KEYS):
        batch = dict.fromkeys(names[start : start + limits.BATCH_KEYS], "v" * value_bytes)
        store.update(batch, [], if_match=store.etag())


class RouteStoreContract:
    def test_a_new_store_is_empty(self, store: RouteStore) -> None:
        assert store.etag()
        assert store.etag() == store.etag()
        assert store.usage() == Usage(items=0, bytes=0)
        assert store.get("h:x") is None
        assert list(store.items()) == []

    def test_an_update_is_seen_and_changes_the_tag(self, store: RouteStore) -> None:
        first = store.etag()
        second = store.update({"h:a": "1", "h:b": "2"}, [], if_match=first)
        assert second not in ("", first)
        assert store.etag() == second
        assert (store.get("h:a"), store.get("h:b"), store.get("h:A")) == ("1", "2", None)
        third = store.update({"h:a": "one"}, ["h:b", "h:missing"], if_match=second)
        assert third not in (first, second)
        assert dict(store.items()) == {"h:a": "one"}
        assert store.usage() == Usage(items=1, bytes=len("h:aone"))

    def test_the_tag_changes_even_when_no_value_does(self, store: RouteStore) -> None:
        tag = store.update({"a": "1"}, [], if_match=store.etag())
        assert store.update({"a": "1"}, [], if_match=tag) != tag

    def test_a_stale_tag_changes_nothing(self, store: RouteStore) -> None:
        stale = store.etag()
        store.update({"a": "1"}, [], if_match=stale)
        for tag in (stale, "", "nonsense"):
            with pytest.raises(Conflict):
                store.update({"a": "2", "b": "2"}, ["c"], if_match=tag)
        assert dict(store.items()) == {"a": "1"}

    def test_items_come_in_key_order(self, store: RouteStore) -> None:
        keys = ["t:b", "t:a", "h:é.example", "h:z", "T", "a\U0001f600", "a\uffee"]
        store.update({key: key for key in keys}, [], if_match=store.etag())
        assert [key for key, _ in store.items()] == sorted(keys, key=str.encode)

    def test_sizes_are_bytes_of_utf8(self, store: RouteStore) -> None:
        store.update({"é": "ü€"}, [], if_match=store.etag())
        assert store.usage() == Usage(items=1, bytes=2 + 2 + 3)
        store.update({"é": "x"}, [], if_match=store.etag())
        assert store.usage() == Usage(items=1, bytes=3)
        store.update({}, ["é"], if_match=store.etag())
        assert store.usage() == Usage(items=0, bytes=0)

    @pytest.mark.parametrize(
        ("key", "value", "fits"),
        [
            ("k" * 512, "v" * 1024, True),
            ("k" * 513, "v", False),
            ("é" * 256, "v", True),
            ("é" * 256 + "k", "v", False),
            ("", "v", False),
            ("k", "v" * 1025, False),
            ("k", "é" * 512, True),
            ("k", "é" * 512 + "v", False),
        ],
    )
    def test_keys_and_values_have_a_size(self, store: RouteStore, key: str, value: str, fits: bool) -> None:
        tag = store.etag()
        if fits:
            store.update({key: value}, [], if_match=tag)
            assert store.get(key) == value
        else:
            with pytest.raises(LimitExceeded):
                store.update({"fine": "1", key: value}, [], if_match=tag)
            assert (store.etag(), list(store.items())) == (tag, [])

    def test_a_batch_has_a_size(self, store: RouteStore) -> None:
        tag = store.update({f"k{number}": "v" for number in range(50)}, [], if_match=store.etag())
        with pytest.raises(LimitExceeded):
            store.update({f"n{number}": "v" for number in range(26)}, [f"k{number}" for number in range(25)], if_match=tag)
        assert store.usage().items == 50
        store.update({f"n{number}": "v" for number in range(25)}, [f"k{number}" for number in range(25)], if_match=tag)
        assert store.usage().items == 50

    def test_a_key_is_put_or_deleted_not_both(self, store: RouteStore) -> None:
        with pytest.raises(ValueError, match="twice"):
            store.update({"k": "v"}, ["k"], if_match=store.etag())

    def test_the_store_has_a_size(self, store: RouteStore) -> None:
        pair = 10 + limits.VALUE_BYTES
        fill(store, limits.STORE_BYTES // pair)
        rest = limits.STORE_BYTES - store.usage().bytes
        tag = store.update({"k": "v" * (rest - 1)}, [], if_match=store.etag())
        assert store.usage().bytes == limits.STORE_BYTES
        with pytest.raises(LimitExceeded):
            store.update({"n": ""}, [], if_match=tag)
        with pytest.raises(LimitExceeded):
            store.update({"k": "v" * rest}, [], if_match=tag)
        assert (store.etag(), store.usage().bytes) == (tag, limits.STORE_BYTES)
        store.update({"n": "v"}, ["k"], if_match=tag)
        assert store.get("k") is None

    def test_exactly_one_of_several_writers_wins(self, store: RouteStore) -> None:
        for round_number in range(10):
            tag = store.etag()
            barrier = threading.Barrier(4)

            def write(number: int, tag: str = tag, barrier: threading.Barrier = barrier) -> bool:
                barrier.wait()
                try:
                    store.update({"winner": str(number), f"by{number}": "1"}, [], if_match=tag)
                except Conflict:
                    return False
                return True

            with ThreadPoolExecutor(4) as pool:
                won = list(pool.map(write, range(4)))
            assert won.count(True) == 1, round_number
            assert store.get("winner") == str(won.index(True))
            store.update({}, [key for key, _ in store.items()], if_match=store.etag())

    def test_no_update_is_lost_when_writers_retry(self, store: RouteStore) -> None:
        def add(number: int) -> None:
            while True:
                tag = store.etag()
                count = int(store.get("count") or "0")
                try:
                    store.update({"count": str(count + 1)}, [], if_match=tag)
                    return
                except Conflict:
                    continue

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(add, range(40)))
        assert store.get("count") == "40"
