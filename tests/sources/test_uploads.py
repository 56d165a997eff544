from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sources.rawzip import Archive, Raw
from toolkit.errors import UserError
from toolkit.sources.archive import is_project
from toolkit.sources.uploads import watch

ZIP = Archive([Raw(b"index.html", b"one")]).to_bytes()
OLD = time.time() - 3600


def until(true: Callable[[], object], what: str) -> None:
    """Generous: a wait ends as soon as it may, and an hour of load on the machine is no failure."""
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.005)


def stopped() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


class Watched:
    """A folder that is being watched, and what the handler was given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.taken: list[tuple[str, bytes]] = []
        self.reports: list[str] = []
        self.stop = threading.Event()
        self.handler: Callable[[Path], None] = lambda path: None
        self.thread: threading.Thread | None = None
        self.ended: list[BaseException | None] = []
        folder.mkdir(exist_ok=True)

    def start(self, **options: float) -> None:
        self.stop.clear()
        self.thread = threading.Thread(target=self._run, kwargs=options, daemon=True)
        self.thread.start()

    def _run(self, **options: float) -> None:
        try:
            watch(self.folder, self._handle, stop=self.stop, report=self.reports.append, **options)  # type: ignore[arg-type]
            self.ended.append(None)
        except BaseException as error:
            self.ended.append(error)

    def _handle(self, path: Path) -> None:
        assert path.parent == self.folder / "work"
        self.taken.append((path.name, path.read_bytes()))
        self.handler(path)

    def finish(self) -> None:
        self.stop.set()
        if self.thread:
            self.thread.join(30)
            assert not self.thread.is_alive()

    def names(self, folder: str = ".") -> list[str]:
        return sorted(path.name for path in (self.folder / folder).glob("*") if path.is_file() and path.name != ".lock")

    def drop(self, name: str, body: bytes = ZIP, mtime: float | None = None) -> None:
        """As a careful sender does: written under another name, then renamed."""
        part = self.folder / f".{name}.part"
        part.write_bytes(body)
        if mtime is not None:
            os.utime(part, (mtime, mtime))
        part.rename(self.folder / name)


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path / "uploads")
    yield watched
    watched.finish()
    assert watched.ended in ([], [None]), watched.ended


def test_a_file_that_is_renamed_in_is_handled_and_put_away(box: Watched) -> None:
    box.start()
    until(lambda: (box.folder / "failed").is_dir(), "start")
    box.drop("site.zip")
    until(lambda: box.names("done") == ["site.zip", "site.zip.log"], "done")
    assert box.taken == [("site.zip", ZIP)]
    assert (box.folder / "done/site.zip").read_bytes() == ZIP
    log = (box.folder / "done/site.zip.log").read_text()
    assert f"started site.zip, {len(ZIP)} bytes\n" in log
    assert log.endswith(" done\n")
    assert (box.names(), box.names("work"), box.names("failed"), box.reports) == ([], [], [], [])


def test_an_old_file_that_is_renamed_in_is_taken_at_once(box: Watched) -> None:
    box.start(settle=3600)
    box.drop("site.zip", mtime=OLD - 1)
    until(lambda: box.names("done"), "done without an hour's wait")


def test_a_file_that_is_still_written_is_waited_for(box: Watched) -> None:
    big = Archive([Raw(b"index.html", b"x" * 300_000), Raw(b"inner.zip", ZIP)]).to_bytes()
    box.start(settle=0.1, patience=3600)
    path = box.folder / "site.zip"
    with path.open("wb") as file:
        for start in range(0, len(big), 60_000):
            file.write(big[start : start + 60_000])
            file.flush()
            os.utime(path, (OLD, OLD))
            time.sleep(0.15)
            assert not box.taken or start + 60_000 >= len(big)
    until(lambda: box.names("done"), "done")
    assert box.taken == [("site.zip", big)]


def test_a_whole_file_that_still_changes_is_waited_for(box: Watched) -> None:
    """A sender may write out of order, the end first: it is whole only when it is still."""
    path = box.folder / "site.zip"
    box.start(settle=3000)
    path.write_bytes(ZIP)
    for _ in range(5):
        time.sleep(0.05)
        os.utime(path)
    box.drop("other.zip", mtime=OLD)
    until(lambda: box.names("done"), "the other one")
    assert [name for name, _ in box.taken] == ["other.zip"]
    os.utime(path, (OLD, OLD))
    until(lambda: len(box.taken) == 2, "taken once it has been still for that long")


@pytest.mark.parametrize(("body", "reason"), [(ZIP[:-5], "is truncated"), (b"", "is an empty file"), (b"<html>", "is not a zip")])
def test_a_file_that_never_becomes_whole_fails(box: Watched, body: bytes, reason: str) -> None:
    (box.folder / "site.zip").write_bytes(body)
    box.start(settle=0.05, patience=0.3)
    until(lambda: box.names("failed") == ["site.zip", "site.zip.log"], "failed")
    log = (box.folder / "failed/site.zip.log").read_text()
    assert f"failed: site.zip: {reason}" in log
    assert not box.taken


def test_a_slow_file_does_not_hold_up_the_others(box: Watched) -> None:
    (box.folder / "slow.zip").write_bytes(ZIP[:-5])
    box.start(settle=0.05, patience=3600)
    box.drop("quick.zip")
    until(lambda: box.names("done"), "quick")
    with (box.folder / "slow.zip").open("ab") as file:
        file.write(ZIP[-5:])
    until(lambda: len(box.taken) == 2, "slow")


def test_files_are_handled_in_order_of_arrival_one_at_a_time(box: Watched) -> None:
    names = [f"{name}.zip" for name in "cabed"]
    for name in names:
        box.drop(name, mtime=OLD - 100 * names.index(name))
        time.sleep(0.02)
    running: list[str] = []

    def handle(path: Path) -> None:
        assert not running
        running.append(path.name)
        time.sleep(0.01)
        running.clear()

    box.handler = handle
    box.start()
    until(lambda: len(box.names("done")) == 10, "all done")
    assert [name for name, _ in box.taken] == names


def test_an_error_of_one_file_does_not_end_the_watch(box: Watched) -> None:
    def handle(path: Path) -> None:
        if path.name == "bad.zip":
            raise UserError("the build failed: ünicode \udcff", "mend package.json")
        if path.name == "bug.zip":
            raise RuntimeError("an unexpected fault")

    box.handler = handle
    box.start()
    for name in ("bad.zip", "bug.zip", "good.zip"):
        box.drop(name, mtime=OLD)
    until(lambda: box.names("done") == ["good.zip", "good.zip.log"] and len(box.names("failed")) == 4, "all put away")
    assert "failed: the build failed: ünicode \\udcff\nmend package.json\n" in (box.folder / "failed/bad.zip.log").read_text()
    bug = (box.folder / "failed/bug.zip.log").read_text()
    assert "RuntimeError: an unexpected fault" in bug
    assert "not in the upload" in bug


def test_the_same_name_again_keeps_what_was_there(box: Watched) -> None:
    box.start(settle=0.01)
    for number in range(1, 4):
        box.drop("site.zip", ZIP, mtime=OLD)
        until(lambda count=number: len(box.names("done")) == 2 * count, f"upload {number}")
    assert box.names("done") == ["site.2.zip", "site.2.zip.log", "site.3.zip", "site.3.zip.log", "site.zip", "site.zip.log"]


def test_what_is_no_upload_is_left_alone(box: Watched) -> None:
    for name in (".hidden.zip", "site.zip.part", "notes.txt"):
        (box.folder / name).write_bytes(ZIP)
    (box.folder / "folder.zip").mkdir()
    box.start(settle=0.01)
    box.drop("SITE.ZIP", mtime=OLD)
    until(lambda: box.names("done"), "capital letters")
    assert box.names() == [".hidden.zip", "notes.txt", "site.zip.part"]


def test_a_link_is_not_followed(box: Watched, tmp_path: Path) -> None:
    (tmp_path / "secret.zip").write_bytes(ZIP)
    (box.folder / "link.zip").symlink_to(tmp_path / "secret.zip")
    box.start(settle=0.01)
    until(lambda: (box.folder / "failed/link.zip").is_symlink(), "refused")
    assert "is a link" in (box.folder / "failed/link.zip.log").read_text()
    assert (tmp_path / "secret.zip").read_bytes() == ZIP
    assert not box.taken


def test_what_was_there_before_the_start_is_handled(box: Watched) -> None:
    box.drop("early.zip", mtime=OLD)
    (box.folder / "work").mkdir()
    (box.folder / "work/crashed.zip").write_bytes(ZIP)
    box.start()
    until(lambda: len(box.names("done")) == 4, "both done")
    assert [name for name, _ in box.taken] == ["crashed.zip", "early.zip"]


def test_stopping_and_starting_handles_nothing_twice(box: Watched) -> None:
    box.start()
    box.drop("one.zip", mtime=OLD)
    until(lambda: box.names("done"), "one")
    box.finish()
    box.ended.clear()
    box.drop("two.zip", mtime=OLD)
    box.start()
    until(lambda: len(box.names("done")) == 4, "two")
    assert [name for name, _ in box.taken] == ["one.zip", "two.zip"]


KILLED = """
import os, signal, sys, threading
from pathlib import Path
from toolkit.sources.uploads import watch
def handle(path):
    print(path.name, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
watch(Path(sys.argv[1]), handle, stop=threading.Event(), settle=0.01)
"""


def test_a_crash_leaves_the_file_for_the_next_start_but_not_for_ever(box: Watched) -> None:
    box.drop("poison.zip", mtime=OLD)
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", KILLED, str(box.folder)], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (-signal.SIGKILL, "poison.zip\n"), done.stderr
        assert box.names("work") == ["poison.zip", "poison.zip.log"]
    box.start()
    box.drop("next.zip", mtime=OLD)
    until(lambda: box.names("done"), "the next one")
    assert [name for name, _ in box.taken] == ["next.zip"]
    assert "given up: the program ended 3 times" in (box.folder / "failed/poison.zip.log").read_text()


def test_words_of_a_build_do_not_count_as_starts(box: Watched) -> None:
    """What handled the file before wrote into its log; it ended once."""
    (box.folder / "work").mkdir(exist_ok=True)
    box.drop("site.zip", mtime=OLD)
    (box.folder / "site.zip").rename(box.folder / "work/site.zip")
    words = "server started\n" * 5
    (box.folder / "work/site.zip.log").write_text(f"2026-11-21T18:00:00Z started site.zip, 9 bytes\n{words}")
    box.start()
    until(lambda: box.names("done"), "it is handled")
    assert [name for name, _ in box.taken] == ["site.zip"]


def test_two_watches_of_one_folder(box: Watched) -> None:
    box.start()
    until(lambda: (box.folder / "work/.lock").exists(), "start")
    time.sleep(0.1)
    with pytest.raises(UserError, match="another process watches"):
        watch(box.folder, lambda path: None, stop=stopped())


def test_a_name_that_is_in_the_way_is_told_once(box: Watched) -> None:
    def handle(path: Path) -> None:
        (box.folder / "work/other.zip").write_bytes(b"left here by the handler")

    box.handler = handle
    box.start(settle=0.01)
    box.drop("first.zip", mtime=OLD)
    until(lambda: box.names("done"), "first")
    box.drop("other.zip", mtime=OLD)
    until(lambda: box.reports, "report")
    box.drop("third.zip", mtime=OLD)
    until(lambda: len(box.names("done")) == 4, "third")
    assert len(box.reports) == 1
    assert "is in the way" in box.reports[0]


def test_the_watch_ends_when_its_folder_is_removed(box: Watched, tmp_path: Path) -> None:
    box.start(settle=0.01)
    box.drop("site.zip", mtime=OLD)
    until(lambda: box.names("done"), "done")
    box.folder.rename(tmp_path / "gone")
    until(lambda: box.ended == [None], "end")


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be used"):
        watch(tmp_path / "file", lambda path: None, stop=stopped())


def test_where_the_system_tells_of_no_changes(tmp_path: Path) -> None:
    """watchfiles is hidden from the interpreter: the folder is polled."""
    code = (
        "import sys, threading; from pathlib import Path; sys.modules['watchfiles'] = None\n"
        "from toolkit.sources.uploads import watch\n"
        "stop, folder = threading.Event(), Path(sys.argv[1])\n"
        "threading.Timer(0.2, lambda: (folder / 'site.zip').write_bytes(bytes.fromhex(sys.argv[2]))).start()\n"
        "watch(folder, lambda path: stop.set(), stop=stop, settle=0.05)\n"
        "print(sorted(path.name for path in (folder / 'done').iterdir()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path), ZIP.hex()], capture_output=True, text=True, timeout=60)
    assert done.stdout == "['site.zip', 'site.zip.log']\n", done.stderr
    assert "is looked at once a second" in done.stderr


def test_watchfiles_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, toolkit.sources.uploads; print('watchfiles' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize(
    ("names", "project"),
    [
        (["index.html"], False),
        (["index.html", "assets/app.js", "docs/package.json"], False),
        (["index.html", "package.json"], True),
        (["index.html", "site.toml"], True),
        (["mkdocs.yml", "docs/index.md"], True),
        (["about.html"], True),
        ([], True),
    ],
)
def test_is_project(tmp_path: Path, names: list[str], project: bool) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    assert is_project(tmp_path) is project
