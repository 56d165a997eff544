"""What is particular to the file of routes: other processes, hot reads, damage, full disks."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from toolkit.engine.errors import UserError
from toolkit.local.routes import FileRoutes

ADDER = """
    import sys
    from pathlib import Path
    from toolkit.engine.errors import Conflict
    from toolkit.local.routes import FileRoutes
    routes = FileRoutes(Path(sys.argv[1]))
    for number in range(int(sys.argv[2])):
        while True:
            tag = routes.etag()
            count = int(routes.get("count") or 0)
            try:
                routes.update({"count": str(count + 1)}, [], if_match=tag)
                break
            except Conflict:
                pass
"""

CRASH = """
    import os, sys
    from pathlib import Path
    from toolkit.local import routes
    store = routes.FileRoutes(Path(sys.argv[1]))
    routes.check_store = lambda size: os._exit(9)  # in the middle of the transaction
    store.update({"a": "2", "b": "2"}, [], if_match=store.etag())
"""


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def put(path: Path, **pairs: str) -> None:
    routes = FileRoutes(path)
    routes.update(pairs, [], if_match=routes.etag())


def test_several_processes_lose_no_update(tmp_path: Path) -> None:
    path = tmp_path / "new" / "routes.db"  # made by whichever process comes first
    command = [sys.executable, "-c", textwrap.dedent(ADDER), str(path), "50"]
    adders = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    assert [adder.communicate(timeout=60)[1] for adder in adders] == [""] * 3
    assert FileRoutes(path).get("count") == "150"


def test_a_crash_in_the_middle_of_an_update_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "routes.db"
    put(path, a="1")
    tag = FileRoutes(path).etag()
    assert run(CRASH, path).returncode == 9
    after = FileRoutes(path)
    assert (after.etag(), dict(after.items())) == (tag, {"a": "1"})
    put(path, a="3")


def test_hot_reads_are_fresh_after_another_process_wrote(tmp_path: Path) -> None:
    path = tmp_path / "routes.db"
    put(path, count="5")
    hot = FileRoutes(path).hot_reads()
    hot.refresh()
    assert (hot.get("count"), hot.get("missing")) == ("5", None)
    assert hot.refresh() is False
    assert run(ADDER, path, 1).returncode == 0
    assert hot.refresh() is True
    assert hot.get("count") == "6"


def test_hot_reads_are_fresh_after_this_process_wrote(tmp_path: Path) -> None:
    path = tmp_path / "routes.db"
    routes = FileRoutes(path)
    hot = routes.hot_reads()
    for number in range(3):
        tag = routes.update({"k": str(number)}, [], if_match=routes.etag())
        hot.refresh()
        assert hot.get("k") == str(number)
    routes.update({}, ["k"], if_match=tag)
    hot.refresh()
    assert hot.get("k") is None


def test_made_up_keys_do_not_fill_the_memory(tmp_path: Path) -> None:
    hot = FileRoutes(tmp_path / "routes.db").hot_reads()
    for number in range(60_000):
        assert hot.get(f"h:{number}") is None
    assert len(hot._values) <= 50_000


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "routes.db"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(UserError, match=r"routes\.db is damaged"):
        FileRoutes(path).etag()


def test_a_path_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be"):
        FileRoutes(tmp_path / "file" / "routes.db").etag()


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("a small file system can be mounted by root only")
    try:
        routes = FileRoutes(small / "routes.db")
        tag = routes.update({"a": "1"}, [], if_match=routes.etag())
        with pytest.raises(UserError, match=r"no space left|cannot be read or written"):
            for batch in range(100):
                kept = tag
                tag = routes.update({f"{batch}-{key}": "v" * 1024 for key in range(50)}, [], if_match=tag)
        assert routes.etag() == kept
        assert routes.get("a") == "1"
        del routes
    finally:
        subprocess.run(["umount", "-l", small], check=True)
