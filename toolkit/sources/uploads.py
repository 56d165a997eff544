"""A folder that zips are dropped into: each is taken once it is whole, handled, and put away with a log beside it.

Stages of a file: `site.zip` in the folder → `work/site.zip` (claimed by a rename) → `done/` or `failed/`, with `site.zip.log`.
What a crash leaves in `work/` is handled again at the next start, at most three times. A file is whole when its end record
fits its length (a zip's is written last) and nothing has touched it for `settle` seconds, so a renamed file that is older than
that is taken at once. The cost: a file that is written and renamed in the same instant waits out the rest of those 0.3 s.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import stat
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import UserError
from toolkit.sources.archive import check_complete

_POLL_SECONDS = 1.0
# How often a file that is not whole yet is looked at.
_LOOK_SECONDS = 0.05
_ATTEMPTS = 3
_STARTED = "started"
Handle = Callable[[Path], None]
Report = Callable[[str], None]


def _to_stderr(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)


def watch(
    folder: Path,
    handle: Handle,
    *,
    stop: threading.Event,
    settle: float = 0.3,
    patience: float = 30.0,
    report: Report = _to_stderr,
) -> None:
    """Give each `*.zip` that arrives in `folder` to `handle`, one at a time in order of arrival, until `stop` is set.

    `handle` gets the path in `work/`, with the name that the file came with, and may add to the log beside it; what it raises puts
    the file into `failed/` and its reason into the log, and the watch goes on. A file that is not whole after `patience` seconds
    without change fails as well. Names that start with a dot are left alone: writers may use them until they rename. `report` hears
    of what is no file's fault. The watch also ends when the folder is removed. UserError: another process watches the folder, or it
    cannot be written.
    """
    try:
        for name in ("work", "done", "failed"):
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the upload folder {folder} cannot be used: {error.strerror}", "make it writable for this user") from error
    with _alone(folder):
        inbox = _Inbox(folder, handle, settle, patience, report)
        inbox.resume(stop)
        for _ in _wakeups(folder, stop, report):
            while inbox.look(stop) and not stop.wait(_LOOK_SECONDS):
                pass
            if not (folder / "work").is_dir():
                return


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two watchers would each handle what the other has in `work/`."""
    with (folder / "work" / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(f"another process watches the upload folder {folder}", "stop that one first") from error
        yield


def _wakeups(folder: Path, stop: threading.Event, report: Report) -> Iterator[None]:
    """At once, then when something changes in the folder, and each second in case the system does not tell (network disks)."""
    yield
    try:
        from watchfiles import watch as changes

        for _ in changes(
            folder, watch_filter=None, debounce=200, step=50, stop_event=stop, rust_timeout=int(_POLL_SECONDS * 1000),
            yield_on_timeout=True, recursive=False, raise_interrupt=True,
        ):  # fmt: skip
            yield
    except (ImportError, OSError, RuntimeError) as error:
        # watchfiles raises these when it is missing or the system has no watches left.
        report(f"{folder} is looked at once a second, for the system does not tell of changes: {error}")
    while not stop.wait(_POLL_SECONDS):
        yield


@dataclass
class _Sighting:
    """How a file was last seen: `since` is when that began, on the monotonic clock."""

    size: int
    modified: int
    since: float


class _Inbox:
    """The files of one upload folder, and what is known of those that are not whole yet."""

    def __init__(self, folder: Path, handle: Handle, settle: float, patience: float, report: Report) -> None:
        self.folder = folder
        self.handle = handle
        self.settle = settle
        self.patience = patience
        self.report = report
        self.sightings: dict[str, _Sighting] = {}
        self.stuck: set[tuple[str, int]] = set()

    def resume(self, stop: threading.Event) -> None:
        """What was being handled when the last watch was killed comes first."""
        for name, _ in sorted(self._zips(self.folder / "work"), key=_arrival):
            if stop.is_set():
                return
            self._process(self.folder / "work" / name)

    def look(self, stop: threading.Event) -> bool:
        """Handle every file that is whole. True: there are files to look at again soon."""
        while not stop.is_set():
            found = dict(self._zips(self.folder))
            self.sightings = {name: self._seen(name, info) for name, info in found.items()}
            ready = [(name, info) for name, info in found.items() if (name, info.st_ino) not in self.stuck]
            for name, info in sorted(ready, key=_arrival):
                decided, problem = self._judge(name, info)
                if decided and self._claim(name, info):
                    self._process(self.folder / "work" / name, problem)
                    break
            else:
                return bool(ready)
        return False

    def _zips(self, folder: Path) -> list[tuple[str, os.stat_result]]:
        """Names and states of what could be uploads; nothing when the folder is gone, together with its site."""
        found = []
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.suffix.lower() == ".zip" and not path.name.startswith("."):
                with suppress(FileNotFoundError):
                    info = path.lstat()
                    if not stat.S_ISDIR(info.st_mode):
                        found.append((path.name, info))
        return found

    def _seen(self, name: str, info: os.stat_result) -> _Sighting:
        before = self.sightings.get(name)
        if before and (before.size, before.modified) == (info.st_size, info.st_mtime_ns):
            return before
        # A file that has been still for a while already need not be watched for as long again; a clock may be wrong, though.
        still = min(max(time.time() - info.st_mtime, 0.0), self.settle)
        return _Sighting(info.st_size, info.st_mtime_ns, time.monotonic() - still)

    def _judge(self, name: str, info: os.stat_result) -> tuple[bool, UserError | None]:
        """Whether it is clear what to do with the file, and what is wrong with it."""
        path = self.folder / name
        if not stat.S_ISREG(info.st_mode):
            return True, UserError(f"{name} is a link or no file at all", "copy the zip itself into the folder")
        quiet = time.monotonic() - self.sightings[name].since
        if quiet < self.settle:
            return False, None
        try:
            check_complete(path)
        except UserError as problem:
            return quiet >= self.patience, problem
        except FileNotFoundError:
            return False, None
        except OSError as error:
            return True, UserError(f"{name} cannot be read: {error.strerror}", "make it readable for the user that runs this")
        return True, None

    def _claim(self, name: str, info: os.stat_result) -> bool:
        """Take the file out of reach of other writers. False: it is gone, or cannot be taken (said once)."""
        claimed = self.folder / "work" / name
        try:
            if claimed.exists():
                raise FileExistsError(0, f"{claimed} is in the way")
            (self.folder / name).rename(claimed)
        except FileNotFoundError:
            return False
        except OSError as error:
            self.stuck.add((name, info.st_ino))
            self.report(f"{self.folder / name} cannot be taken: {error.strerror}")
            return False
        return True

    def _process(self, path: Path, problem: UserError | None = None) -> None:
        """Handle one claimed file and put it away; nothing that it does or is ends the watch."""
        log = path.with_name(f"{path.name}.log")
        try:
            attempts = _attempts(log)
            if attempts >= _ATTEMPTS:
                problem = UserError(f"given up: the program ended {attempts} times while handling {path.name}", "deploy it by hand")
            _note(log, f"{_STARTED} {path.name}, {path.lstat().st_size:,} bytes")
            problem = problem or self._handled(path)
            _note(log, f"failed: {problem.what}\n{problem.fix}".rstrip() if problem else "done")
            self._put_away(path, log, self.folder / ("failed" if problem else "done"))
        except OSError as error:
            self.report(f"{path} cannot be put away: {error.strerror} ({error.filename})")

    def _handled(self, path: Path) -> UserError | None:
        try:
            self.handle(path)
        except UserError as error:
            return error
        except Exception:
            return UserError(f"a fault in this program, not in the upload:\n{traceback.format_exc()}", "please report it")
        return None

    def _put_away(self, path: Path, log: Path, folder: Path) -> None:
        """The log goes first: a crash in between leaves the file to be handled again, without a log of its past."""
        for number in itertools.count(1):
            name = path.name if number == 1 else f"{path.stem}.{number}{path.suffix}"
            if not (folder / name).exists() and not (folder / f"{name}.log").exists():
                log.rename(folder / f"{name}.log")
                path.rename(folder / name)
                return


def _attempts(log: Path) -> int:
    """How often the file was handled before; what handling it wrote into the log does not count."""
    if not log.exists():
        return 0
    return len(re.findall(rf"^\S+Z {_STARTED} ", log.read_text(encoding="utf-8", errors="replace"), re.MULTILINE))


def _arrival(item: tuple[str, os.stat_result]) -> tuple[int, str]:
    """By when a file took its name or its last byte: the change time, which unlike the modification time nobody sets."""
    return item[1].st_ctime_ns, item[0]


def _note(log: Path, text: str) -> None:
    with log.open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")
