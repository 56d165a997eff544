"""The deliveries of a site on this machine: zips in its upload folders, and builds that were triggered.

A zip is where its state says (`sources.uploads`): in the folder, in `work/`, in `done/` or `failed/`, with its log beside it.
`uploads/` leads to live, `uploads/preview/<name, percent-encoded>/` to that preview. What was triggered runs in a process of its
own that holds its log locked as long as it runs, and writes its exit code as the last line. A push is followed where it is made:
git shows what its hook says.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote

from toolkit.engine import channels
from toolkit.engine.deliveries import DONE, FAILED, RUNNING, STOPPED, WAITING, Delivery, Upload
from toolkit.errors import UserError
from toolkit.local import deliveries_log

_PAUSE_SECONDS = 0.1
_CHUNK = 1 << 20
_KEPT_TRIGGERS = 20
_EXIT = "exit code "
_PLACES = {"": WAITING, "work": RUNNING, "done": DONE, "failed": FAILED}
_TIME = "%Y%m%dT%H%M%SZ"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class LocalDeliveries:
    """`root` is the state folder, `target` the name of what runs there; `is_served` says whether somebody watches the folders."""

    def __init__(self, root: Path, site: str, target: str, is_served: Callable[[], bool]) -> None:
        self._site, self._target, self._is_served = site, target, is_served
        self._root = root
        self._folder = root / "sites" / site
        self._uploads = self._folder / "uploads"
        self._triggers = self._folder / "triggers"

    def recent(self, count: int) -> list[Delivery]:
        zips = [f"upload/{path.relative_to(self._uploads)}" for path in self._inboxes() for path in self._names(path)]
        triggers = [f"trigger/{path.stem}" for path in self._triggers.glob("*.log")]
        found = [one for id in (*zips, *triggers) if (one := self._seen(id))]
        return sorted(found, key=lambda one: (one.started, one.id.rpartition("/")[2]), reverse=True)[:count]

    def one(self, id: str) -> Delivery:
        found = self._seen(id)
        if found is None:
            raise self._unknown(id)
        if found.source == "upload" and found.state in (WAITING, RUNNING) and not self._is_served():
            raise UserError(
                f"nobody goes on with {id}: the server is not running", "start it with `toolkit up`; it goes on by itself"
            )
        return found

    def _unknown(self, id: str) -> UserError:
        return UserError(f"{self._site} has no delivery {id!r}", "see `toolkit status --json` for their ids")

    def last_build(self) -> Delivery | None:
        log = max((self._folder / "logs").glob("*.log"), default=None)
        if log is None:
            return None
        return Delivery(f"build/{log.stem}", "build", RUNNING if _locked(log) else DONE, deliveries_log.began(log.stem, log))

    def log(self, id: str, *, follow: bool) -> Iterator[str]:
        kind, _, name = id.partition("/")
        logs = {"build": self._folder / "logs", "trigger": self._triggers}.get(kind)
        path = logs / f"{Path(name).name}.log" if logs else self._place(name)[1]
        if not (self._seen(id) or (kind == "build" and path == self._folder / "logs" / f"{name}.log" and path.is_file())):
            raise self._unknown(id)
        if not path.is_file():
            raise UserError(f"{id} has no log yet", "see `toolkit status` for how far it came")
        with path.open(encoding="utf-8", errors="replace") as file:
            begun = ""
            while True:
                # Asked first, so that what is written in between is not missed.
                goes_on = follow and (self.one(id).state == RUNNING if kind == "upload" else _locked(path))
                *lines, begun = (begun + file.read()).split("\n")
                yield from lines
                if not goes_on:
                    break
                self.wait()
            if begun:
                yield begun

    def upload(self, upload: Upload, progress: Callable[[int], None]) -> str:
        if not self._uploads.is_dir():
            raise UserError(f"{self._site} has no upload folder on this machine", "set the site up: toolkit up")
        if not self._is_served():
            raise UserError("the server is not running, so nobody takes uploads", "start it with `toolkit up` or `toolkit serve`")
        folder = self._uploads / _folder_of(upload.channel)
        stem = _UNSAFE.sub("-", upload.file.stem).strip("-.")[:80] or "site"
        name = f"{_now()}-{stem}.zip"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f".{name}.json").write_text(json.dumps(dict(upload.facts)), encoding="utf-8")
            with upload.file.open("rb") as given, (folder / f".{name}").open("wb") as taken:
                while chunk := given.read(_CHUNK):
                    taken.write(chunk)
                    progress(len(chunk))
            (folder / f".{name}").rename(folder / name)
        except OSError as error:
            for rest in (f".{name}", f".{name}.json"):
                with suppress(OSError):
                    (folder / rest).unlink(missing_ok=True)
            raise UserError(
                f"{upload.file} cannot be copied to {folder}: {error.strerror}", "free some space there, or check its mode"
            ) from error
        return f"upload/{(folder / name).relative_to(self._uploads)}"

    def trigger(self, branch: str) -> str:
        repository = self._folder / "repo.git"
        try:
            live = (repository / "HEAD").read_text(encoding="utf-8").strip().removeprefix("ref: refs/heads/")
        except OSError as error:
            raise UserError(f"{self._site} has no repository on this machine", "make one: toolkit up, then git push") from error
        receive = [sys.executable, "-P", "-m", "toolkit", "receive", "--site", self._site, "--branch", live]
        command = [*receive, "--repository", str(repository), "--target", self._target, "--again", branch or live]
        self._triggers.mkdir(parents=True, exist_ok=True)
        for old in sorted(self._triggers.glob("*.log"))[: -_KEPT_TRIGGERS + 1]:
            old.unlink(missing_ok=True)
        name = _now()
        with (self._triggers / f"{name}.log").open("wb") as log:
            # The lock goes with the open file: it is held until the last process that writes to it has ended.
            fcntl.flock(log, fcntl.LOCK_EX)
            subprocess.Popen(
                ["/bin/sh", "-c", f'"$@"; echo "{_EXIT}$?"', "sh", *command],
                cwd=self._folder,
                env={**os.environ, "TOOLKIT_HOME": str(self._root), "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return f"trigger/{name}"

    def wait(self) -> None:
        time.sleep(_PAUSE_SECONDS)

    def _inboxes(self) -> Iterator[Path]:
        yield self._uploads
        yield from (path for path in (self._uploads / "preview").glob("*") if path.is_dir())

    def _names(self, inbox: Path) -> Iterator[Path]:
        """The zips of an inbox, wherever they are, as if they still lay in it."""
        for place in _PLACES:
            folder = inbox / place if place else inbox
            for path in folder.glob("*"):
                # As the watch takes them, however their ending is written.
                if path.suffix.lower() == ".zip" and path.is_file() and not path.name.startswith("."):
                    yield inbox / path.name

    def _place(self, name: str) -> tuple[str, Path]:
        """The state of a zip, "" when it is nowhere, and where its log is."""
        file = self._uploads / name
        # Backwards, as it goes forwards: it is not missed while it is renamed.
        for _ in range(2):
            for place, state in reversed(_PLACES.items()):
                path = file.parent / place / file.name
                if path.is_file():
                    return state, path.with_name(f"{path.name}.log")
        return "", file

    def _seen(self, id: str) -> Delivery | None:
        kind, _, name = id.partition("/")
        if ".." in Path(name).parts or not name:
            return None
        if kind == "upload":
            state, log = self._place(name)
            return deliveries_log.delivery(id, "upload", state, _channel_of(name), _text(log), log) if state else None
        path = self._triggers / f"{name}.log"
        if kind != "trigger" or not path.is_file():
            return None
        state = RUNNING if _locked(path) else ""
        text = _text(path)
        if not state:
            code = text.rstrip("\n").rpartition("\n")[2]
            state = {f"{_EXIT}0": DONE}.get(code, FAILED if code.startswith(_EXIT) else STOPPED)
        return deliveries_log.delivery(id, "trigger", state, "", text, path)


def _folder_of(channel: str) -> str:
    """The upload folder of a channel below the site's. UserError for a name that is too long for one."""
    if channel == channels.LIVE:
        return ""
    name = quote(channel.removeprefix(channels.PREVIEW), safe="")
    if not name.strip("."):
        name = name.replace(".", "%2E")
    if len(name) > 255:
        raise UserError(f"the preview's name is too long for a folder: {channel[:40]!r}…", "choose a shorter one")
    return f"preview/{name}"


def _channel_of(name: str) -> str:
    inbox = Path(name).parent
    return channels.LIVE if not inbox.name else channels.preview_channel(unquote(inbox.name))


def _now() -> str:
    """The beginning of a name that nobody else takes; they sort by time, within a second as well."""
    now = time.time()
    return f"{time.strftime(_TIME, time.gmtime(now))}-{int(now % 1 * 1000):03d}{secrets.token_hex(2)}"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _locked(path: Path) -> bool:
    """Whether somebody still writes to the file."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
