"""The contract of `engine.ports.ObjectStore`. An adapter's test subclasses this and gives a fixture `store`."""

from __future__ import annotations

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from toolkit.engine.errors import LimitExceeded, NotFound, UserError
from toolkit.engine.ports import ObjectStore

HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "public, max-age=0, s-maxage=31536000",
    "content-language": "en",
    "content-disposition": "inline",
    "content-encoding": "gzip",
    "x-amz-meta-edge": '{"c":"public, max-age=0","h":{"x-a":"1"}}',
}


class ObjectStoreContract:
    many = 1500
    reads_beside_writes = True  # False for a stand-in whose own reads fail while another thread replaces the object

    def test_what_was_put_comes_back(self, store: ObjectStore) -> None:
        before = time.time() - 2
        assert store.put("site/blobs/a", b"hello", HEADERS) is True
        info, body = store.get("site/blobs/a")
        assert body == b"hello"
        assert (info.key, info.size) == ("site/blobs/a", 5)
        assert info.etag == f'"{hashlib.md5(b"hello").hexdigest()}"'
        assert dict(info.headers) == HEADERS
        assert before <= info.modified <= time.time() + 2
        assert store.head("site/blobs/a") == info

    def test_a_file_as_body(self, store: ObjectStore, tmp_path: Path) -> None:
        content = bytes(range(256)) * 20_000
        source = tmp_path / "source.bin"
        source.write_bytes(content)
        assert store.put("a/b", source) is True
        source.write_bytes(b"changed later")
        assert store.get("a/b")[1] == content

    def test_a_missing_source_file_is_the_users_error(self, store: ObjectStore, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="missing"):
            store.put("a/b", tmp_path / "missing")
        assert store.head("a/b") is None

    def test_an_empty_object_and_the_default_type(self, store: ObjectStore) -> None:
        store.put("empty", b"")
        info, body = store.get("empty")
        assert (body, info.size) == (b"", 0)
        assert dict(info.headers) == {"content-type": "binary/octet-stream"}

    def test_what_is_not_there(self, store: ObjectStore) -> None:
        store.put("a/b", b"x")
        for key in ("nothing", "a", "a/b/c", "a/bb"):
            assert store.head(key) is None
            with pytest.raises(NotFound):
                store.get(key)
        store.delete(["nothing", "a", "a/b/c"])
        assert store.head("a/b") is not None

    def test_if_absent_writes_once(self, store: ObjectStore) -> None:
        assert store.put("k", b"first", {"content-type": "text/plain"}, if_absent=True) is True
        assert store.put("k", b"second", {"content-type": "text/html"}, if_absent=True) is False
        info, body = store.get("k")
        assert (body, info.headers["content-type"]) == (b"first", "text/plain")
        store.delete(["k"])
        assert store.put("k", b"third", if_absent=True) is True

    def test_replacing_takes_the_new_headers(self, store: ObjectStore) -> None:
        store.put("k", b"one", {"content-type": "text/plain", "x-amz-meta-edge": "1"})
        assert store.put("k", b"two", {"content-type": "text/html"}) is True
        info, body = store.get("k")
        assert (body, dict(info.headers)) == (b"two", {"content-type": "text/html"})
        assert info.etag == f'"{hashlib.md5(b"two").hexdigest()}"'

    def test_only_one_of_several_exclusive_writers_wins(self, store: ObjectStore) -> None:
        barrier = threading.Barrier(8)

        def write(number: int) -> bool:
            barrier.wait()
            return store.put("k", f"writer {number}".encode(), {"x-amz-meta-edge": str(number)}, if_absent=True)

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(write, range(8)))
        assert won.count(True) == 1
        info, body = store.get("k")
        assert body == f"writer {won.index(True)}".encode()
        assert info.headers["x-amz-meta-edge"] == str(won.index(True))

    def test_readers_never_see_parts_or_foreign_headers(self, store: ObjectStore) -> None:
        def content(number: int) -> bytes:
            return f"{number:08d}".encode() * 20_000

        if not self.reads_beside_writes:
            pytest.skip("the stand-in for this store is not safe for threads")
        store.put("k", content(0), {"x-amz-meta-edge": "0"})
        done = threading.Event()

        def read() -> int:
            seen = 0
            while not done.is_set() or not seen:
                info, body = store.get("k")
                number = int(info.headers["x-amz-meta-edge"])
                assert body == content(number)
                assert info.etag == f'"{hashlib.md5(body).hexdigest()}"'
                assert info.size == len(body)
                head = store.head("k")
                assert head is not None and head.size == len(body)
                seen += 1
            return seen

        with ThreadPoolExecutor(3) as pool:
            readers = [pool.submit(read) for _ in range(2)]
            for number in range(1, 40):
                store.put("k", content(number), {"x-amz-meta-edge": str(number)})
            done.set()
            assert all(reader.result() > 0 for reader in readers)

    def test_listing_is_sorted_by_whole_key_in_bytes(self, store: ObjectStore) -> None:
        keys = ["a", "a-b", "b/a/c", "b/a-b", "b/a.c", "b/a0", "b/B", "é/x", "z", "b/\U0001f600", "b/\uffee"]
        for key in keys:
            store.put(key, key.encode())
        assert [info.key for info in store.list("")] == sorted(keys, key=str.encode)

    def test_listing_by_prefix(self, store: ObjectStore) -> None:
        for key in ("s/blobs/a1", "s/blobs/a2", "s/blobs/b", "s/blobs2/a", "s/versions/v1.json", "t/blobs/a1"):
            store.put(key, key.encode(), {"content-type": "text/plain"})
        assert [info.key for info in store.list("s/blobs/")] == ["s/blobs/a1", "s/blobs/a2", "s/blobs/b"]
        assert [info.key for info in store.list("s/blobs/a")] == ["s/blobs/a1", "s/blobs/a2"]
        assert [info.key for info in store.list("s/blobs")] == ["s/blobs/a1", "s/blobs/a2", "s/blobs/b", "s/blobs2/a"]
        assert [info.key for info in store.list("s/versions/v1.json")] == ["s/versions/v1.json"]
        for nothing in ("u/", "s/blobs/c", "s/blobs/a1/", "../", "s/../s/", "/"):
            assert list(store.list(nothing)) == []
        (info,) = store.list("t/")
        assert info.size == len("t/blobs/a1")
        assert info.etag == f'"{hashlib.md5(b"t/blobs/a1").hexdigest()}"'
        assert dict(info.headers) == {}

    def test_many_objects(self, store: ObjectStore) -> None:
        keys = [f"s/blobs/{number:05d}" for number in range(self.many)]
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(lambda key: store.put(key, b"x", if_absent=True), keys))
        store.put("s/releases/live/1.json", b"kept")
        assert [info.key for info in store.list("s/blobs/")] == keys
        store.delete(iter(keys))
        assert [info.key for info in store.list("s/")] == ["s/releases/live/1.json"]

    def test_unicode_keys_are_told_apart(self, store: ObjectStore) -> None:
        composed, decomposed = "caf\u00e9 + 100%.txt", "cafe\u0301 + 100%.txt"
        store.put(composed, b"composed")
        store.put(decomposed, b"decomposed")
        store.put("UPPER", b"upper")
        assert store.get(composed)[1] == b"composed"
        assert store.get(decomposed)[1] == b"decomposed"
        assert store.head("upper") is None
        assert [info.key for info in store.list("caf")] == [decomposed, composed]

    def test_metadata_up_to_the_limit_and_not_beyond(self, store: ObjectStore) -> None:
        fits = {"x-amz-meta-edge": "v" * (2048 - len("edge"))}
        store.put("k", b"x", fits)
        assert store.get("k")[0].headers["x-amz-meta-edge"] == fits["x-amz-meta-edge"]
        with pytest.raises(LimitExceeded):
            store.put("k", b"y", {"x-amz-meta-edge": fits["x-amz-meta-edge"] + "v"})
        with pytest.raises(LimitExceeded):
            store.put("k", b"y", {f"x-amz-meta-{number}": "v" * 300 for number in range(8)})
        assert store.get("k")[1] == b"x"

    @pytest.mark.parametrize(
        "headers",
        [
            {"x-amz-meta-edge": "café"},
            {"x-amz-meta-edge": "a\nb"},
            {"x-amz-meta-edge": "a\x00b"},
            {"content-type": "text/html\r\nx-evil: 1"},
            {"x-frame-options": "DENY"},
            {"etag": '"mine"'},
        ],
    )
    def test_headers_that_no_store_keeps(self, store: ObjectStore, headers: dict[str, str]) -> None:
        with pytest.raises(UserError):
            store.put("k", b"x", headers)
        assert store.head("k") is None

    def test_the_length_of_keys(self, store: ObjectStore) -> None:
        segment = "k" * 200
        longest = "/".join([segment] * 5) + "/" + "k" * 19
        assert len(longest) == 1024
        store.put(longest, b"x")
        assert [info.key for info in store.list("kkk")] == [longest]
        with pytest.raises(LimitExceeded):
            store.put(longest + "k", b"x")
