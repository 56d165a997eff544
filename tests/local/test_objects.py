"""What is particular to the folder store: crashes, full disks, file names, copies of the tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from toolkit.engine.errors import LimitExceeded, UserError
from toolkit.local.objects import FolderObjects


@pytest.fixture
def store(tmp_path: Path) -> FolderObjects:
    return FolderObjects(tmp_path / "root")


def left_in_tmp(store: FolderObjects) -> list[str]:
    return [path.name for path in (store.root / "tmp").iterdir() if not path.name.startswith("lock-")]


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_tree_is_the_buckets(store: FolderObjects) -> None:
    store.put("site/blobs/abc", b"x", {"content-type": "text/plain"})
    assert (store.root / "objects/site/blobs/abc").read_bytes() == b"x"
    (entry,) = json.loads((store.root / "meta/site/blobs/abc.json").read_text())
    assert entry["headers"] == {"content-type": "text/plain"}
    assert left_in_tmp(store) == []


def test_nothing_is_left_after_a_delete(store: FolderObjects) -> None:
    store.put("site/blobs/abc", b"x")
    store.delete(["site/blobs/abc"])
    assert list((store.root / "objects").iterdir()) == []
    assert list((store.root / "meta").iterdir()) == []


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/..", "./a", "a/./b", "a\0b", "a\nb", "\udcff"])
def test_keys_that_are_refused(store: FolderObjects, key: str) -> None:
    for use in (lambda: store.put(key, b"x"), lambda: store.get(key), lambda: store.head(key), lambda: store.delete([key])):
        with pytest.raises(UserError):
            use()
    assert not (store.root / "objects").exists()


def test_a_name_too_long_for_the_file_system(store: FolderObjects) -> None:
    with pytest.raises(UserError, match="cannot hold"):
        store.put("k" * 300, b"x")
    with pytest.raises(LimitExceeded):
        store.put("k/" * 512 + "k", b"x")
    assert left_in_tmp(store) == []


def test_a_key_below_another_object(store: FolderObjects) -> None:
    store.put("a", b"x")
    for key, kwargs in (("a/b", {}), ("a/b", {"if_absent": True})):
        with pytest.raises(UserError):
            store.put(key, b"y", **kwargs)
    store.put("c/d", b"x")
    for kwargs in ({}, {"if_absent": True}):
        with pytest.raises(UserError):
            store.put("c", b"y", **kwargs)
    assert (store.get("a")[1], store.get("c/d")[1]) == (b"x", b"x")
    assert left_in_tmp(store) == []


CRASH = """
    import os, sys
    from pathlib import Path
    from toolkit.local import objects
    from toolkit.local.objects import FolderObjects
    store, step = FolderObjects(Path(sys.argv[1])), int(sys.argv[2])
    calls = 0
    real = objects._into_folder
    def until_the_step(path, action):
        global calls
        calls += 1
        if calls == step:
            os._exit(9)
        real(path, action)
        if calls == step - 10:
            os._exit(9)
    objects._into_folder = until_the_step
    store.put("k", b"new bytes", {"x-amz-meta-edge": "new"})
"""


@pytest.mark.parametrize(("step", "expected"), [(1, "old"), (2, "old"), (11, "old"), (12, "new")])
def test_a_crash_at_any_step_leaves_one_whole_object(store: FolderObjects, step: int, expected: str) -> None:
    store.put("k", b"old bytes", {"x-amz-meta-edge": "old"})
    assert run(CRASH, store.root, step).returncode == 9
    for reader in (store, FolderObjects(store.root)):
        info, body = reader.get("k")
        assert (body.decode(), info.headers["x-amz-meta-edge"]) == (f"{expected} bytes", expected)
    assert [info.etag for info in store.list("k")] == [store.get("k")[0].etag]
    store.put("k", b"next", {"x-amz-meta-edge": "next"})
    assert store.get("k")[0].headers["x-amz-meta-edge"] == "next"


@pytest.mark.parametrize("step", [1, 2, 11])
def test_a_crash_before_a_first_write_leaves_nothing(store: FolderObjects, step: int) -> None:
    assert run(CRASH, store.root, step).returncode == 9
    assert store.head("k") is None
    assert list(store.list("")) == []
    assert store.put("k", b"x", if_absent=True) is True


def test_stale_temporary_files_go_after_a_day(store: FolderObjects) -> None:
    store.put("a", b"x")
    tmp = store.root / "tmp"
    for name, age in (("1-old", 25 * 3600), ("1-young", 3600)):
        (tmp / name).write_bytes(b"part")
        os.utime(tmp / name, (time.time() - age,) * 2)
    FolderObjects(store.root).put("b", b"x")
    assert left_in_tmp(store) == ["1-young"]


def test_a_copied_tree_keeps_its_headers(store: FolderObjects, tmp_path: Path) -> None:
    store.put("k", b"one", {"x-amz-meta-edge": "1"})
    store.put("k", b"two", {"x-amz-meta-edge": "2"})
    shutil.copytree(store.root, tmp_path / "copy")  # new inodes
    copy = FolderObjects(tmp_path / "copy")
    info, body = copy.get("k")
    assert (body, info.headers["x-amz-meta-edge"]) == (b"two", "2")
    assert [found.etag for found in copy.list("")] == [info.etag]
    copy.put("k", b"three", {"x-amz-meta-edge": "3"})
    assert copy.get("k")[0].headers["x-amz-meta-edge"] == "3"


def test_an_object_without_headers_is_said_to_be_damaged(store: FolderObjects) -> None:
    store.put("k", b"x")
    (store.root / "meta/k.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        store.get("k")
    (store.root / "meta/k.json").unlink()
    with pytest.raises(UserError, match="lost its headers"):
        store.get("k")


def test_an_open_object_outlives_its_replacement_and_its_deletion(store: FolderObjects) -> None:
    store.put("k", b"old", {"x-amz-meta-edge": "old"})
    info, file = store.open("k")
    store.put("k", b"new")
    store.delete(["k"])
    with file:
        assert (file.read(), info.headers["x-amz-meta-edge"]) == (b"old", "old")


FULL = """
    import resource, sys
    from pathlib import Path
    from toolkit.errors import UserError
    from toolkit.local.objects import FolderObjects
    store = FolderObjects(Path(sys.argv[1]))
    store.put("small", b"x")
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    try:
        store.put("site/large", b"x" * 10_000)
    except UserError as error:
        print(error.what, "|", error.fix)
"""


def test_a_write_that_does_not_fit_leaves_nothing(store: FolderObjects) -> None:
    done = run(FULL, store.root)
    assert "may not hold a file of this size | raise" in done.stdout, done.stderr
    assert left_in_tmp(store) == []
    assert [info.key for info in store.list("")] == ["small"]


def test_a_full_disk_is_named_with_its_fix(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("a small file system can be mounted by root only")
    try:
        store = FolderObjects(small)
        store.put("first", b"x" * 1000, {"content-type": "text/plain"})
        with pytest.raises(UserError) as caught:
            store.put("first", b"y" * 400_000)
        assert caught.value.what == f"no space left on {small}"
        assert "free some space" in caught.value.fix
        assert left_in_tmp(store) == []
        assert store.get("first")[1] == b"x" * 1000
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir(mode=0o555)
    with pytest.raises(UserError, match="permission denied"):
        FolderObjects(tmp_path / "root").put("a", b"x")


WRITER = """
    import sys
    from pathlib import Path
    from toolkit.local.objects import FolderObjects
    store = FolderObjects(Path(sys.argv[1]))
    for number in range(int(sys.argv[3])):
        name = f"{sys.argv[2]}{number}"
        store.put("shared", name.encode(), {"x-amz-meta-edge": name})
        store.put(f"only/{number}", name.encode(), {"x-amz-meta-edge": name}, if_absent=True)
        store.delete([f"gone/{number}", "gone/shared"])
        store.put("gone/shared", b"x")
"""


def test_several_processes_write_the_same_keys(store: FolderObjects) -> None:
    program = [sys.executable, "-c", textwrap.dedent(WRITER), str(store.root)]
    writers = [subprocess.Popen([*program, name, "60"], stderr=subprocess.PIPE, text=True) for name in "AB"]
    while any(writer.poll() is None for writer in writers):
        if store.head("shared"):
            info, body = store.get("shared")
            assert info.headers["x-amz-meta-edge"] == body.decode()
    assert [writer.communicate()[1] for writer in writers] == ["", ""]
    assert len(list(store.list("only/"))) == 60
    for info in store.list("only/"):
        found, body = store.get(info.key)
        assert found.headers["x-amz-meta-edge"] == body.decode()
