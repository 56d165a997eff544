"""Where this machine keeps what belongs to a site but is no part of a version: repository, uploads, caches, build folders."""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.engine.layout import check_site


def home() -> Path:
    """The state folder: $TOOLKIT_HOME, else $XDG_DATA_HOME/hosting-toolkit, else ~/.local/share/hosting-toolkit."""
    if chosen := os.environ.get("TOOLKIT_HOME"):
        return Path(chosen).expanduser().absolute()
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(data).expanduser().absolute() / "hosting-toolkit"


def who() -> str:
    """Who acts, for the ledger: $TOOLKIT_WHO, else the login name."""
    try:
        return os.environ.get("TOOLKIT_WHO") or getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


class Workspace:
    """The folders of one site below the state folder."""

    def __init__(self, site: str, root: Path | None = None) -> None:
        self.site = check_site(site)
        self.root = root or home()
        self.folder = self.root / "sites" / site

    @property
    def repository(self) -> Path:
        return self.folder / "repo.git"

    @property
    def uploads(self) -> Path:
        return self.folder / "uploads"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def new_log(self) -> Path:
        """A file for a build's log; names sort by time."""
        self.logs.mkdir(parents=True, exist_ok=True)
        return self.logs / f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(3)}.log"

    def last_log(self) -> Path | None:
        return max(self.logs.glob("*.log"), default=None)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder for one build, removed afterwards; what a killed build left is removed after a day."""
        work = self.folder / "work"
        work.mkdir(parents=True, exist_ok=True)
        for old in work.iterdir():
            if old.stat().st_mtime < time.time() - 86400:
                shutil.rmtree(old, ignore_errors=True)
        folder = work / secrets.token_hex(6)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def alone_in(self, project: Path, waiting: Callable[[], object]) -> Iterator[None]:
        """Wait until no other build of ours runs in that working tree: two that write one output folder would publish a mix.

        `waiting` is called when there is one to wait for. The system releases the lock however its holder ends.
        """
        name = hashlib.sha256(os.fsencode(project.resolve())).hexdigest()[:16]
        locks = self.folder / "locks"
        locks.mkdir(parents=True, exist_ok=True)
        with (locks / name).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
