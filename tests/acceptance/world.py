"""A machine for a user who means no good: a state folder, a real server, the real command line as a process of its own.

Nothing of the toolkit is called in this process: what these tests see is what a user sees. Each world has its own home and its own
folder for temporary files, so that what a command leaves behind is found.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SITE = "shop"
HOST = f"{SITE}.localhost"
LIMIT = 60.0


@dataclass(frozen=True)
class Outcome:
    """Exit code and what was printed."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; header names are lowercase."""

    status: int
    headers: dict[str, str]
    body: bytes


class World:
    """One state folder and its server. `folder` is scratch space, `tmp` what commands use as the system's temporary folder."""

    def __init__(self, folder: Path, state: Path | None = None) -> None:
        self.folder = folder
        self.state = state or folder / "state"
        self.tmp = folder / "tmp"
        self.project = folder / "project"
        self.tmp.mkdir(parents=True, exist_ok=True)
        self.project.mkdir(exist_ok=True)
        self.port = 0
        # With compiled modules, as users have them: each command starts in half the time.
        alien = ("GIT_", "TOOLKIT_", "XDG_", "PYTHONDONTWRITEBYTECODE")
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(alien)},
            "HOME": str(folder), "TOOLKIT_HOME": str(self.state), "TOOLKIT_WHO": "tester", "TMPDIR": str(self.tmp),
            "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "NO_COLOR": "1",
            "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.invalid",
            "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.invalid",
        }  # fmt: skip

    def command(self, *words: str | Path) -> list[str]:
        return [sys.executable, "-m", "toolkit", *map(str, words)]

    def cli(self, *words: str | Path, cwd: Path | None = None, preexec: Callable[[], None] | None = None) -> Outcome:
        done = subprocess.run(
            self.command(*words), cwd=cwd or self.project, env=self.env, capture_output=True, stdin=subprocess.DEVNULL,
            preexec_fn=preexec, timeout=LIMIT, check=False,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    def spawn(self, *words: str | Path, cwd: Path | None = None) -> subprocess.Popen[bytes]:
        """A command in a process group of its own, as a shell starts it."""
        return subprocess.Popen(
            self.command(*words), cwd=cwd or self.project, env=self.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def up(self, *words: str, cwd: Path | None = None) -> Any:
        """Run `toolkit up` for the site in `cwd`; what it says of itself."""
        done = self.cli("up", "--json", "--port", str(self.port), *words, cwd=cwd)
        assert done.code == 0, done.out + done.err
        self.port = done.data["server"]["port"]
        return done.data

    def deploy(self, *words: str | Path, cwd: Path | None = None) -> Any:
        done = self.cli("deploy", *words, "--json", cwd=cwd)
        assert done.code == 0, done.out + done.err
        return done.data

    def get(self, path: str = "/", host: str = HOST, **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"host": host, **headers})
            answer = connection.getresponse()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def git(self, *words: str | Path, cwd: Path | None = None) -> Outcome:
        done = subprocess.run(
            ["git", *words], cwd=cwd or self.project, env=self.env, capture_output=True, text=True, errors="replace",
            timeout=LIMIT, check=False,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout, done.stderr)

    def ledger(self, site: str = SITE) -> list[Any]:
        done = self.cli("releases", "--json", "--site", site)
        assert done.code == 0, done.out + done.err
        return list(done.data["releases"])

    def ledger_numbers(self, site: str = SITE) -> list[int]:
        """The numbers of the ledger's entries, from their files: quicker than asking the command line."""
        return sorted(int(path.stem) for path in (self.state / "objects" / site / "releases" / "live").glob("*.json"))

    def leftovers(self, site: str = SITE) -> list[str]:
        """What commands should have taken away with them: build folders, temporary files, half-written objects."""
        work = self.state / "sites" / site / "work"
        found = [*self.tmp.iterdir(), *(work.iterdir() if work.is_dir() else ())]
        half = (path for path in (self.state / "tmp").iterdir() if not path.name.startswith("lock-"))
        return sorted(str(path) for path in [*found, *half])

    def end(self) -> None:
        self.cli("serve", "--stop")


@contextmanager
def world(state: Path | None = None) -> Iterator[World]:
    """A world with the site `shop` set up and its server running on a free port; all of it is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="toolkit-acceptance-"))
    made = World(folder, state)
    try:
        (made.project / "site.toml").write_text(f'name = "{SITE}"\n', encoding="utf-8")
        made.up()
        yield made
    finally:
        made.end()
        shutil.rmtree(folder, ignore_errors=True)


def write_site(folder: Path, word: str, extra: int = 0) -> Path:
    """A small site whose every file says `word`; `extra` more pages."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(f"<title>{word}</title>", encoding="utf-8")
    (folder / "about.html").write_text(f"about {word}", encoding="utf-8")
    for number in range(extra):
        (folder / f"page-{number}.html").write_text(f"page {number} of {word}", encoding="utf-8")
    return folder


def assert_serves(world: World, word: str, site: str = SITE) -> None:
    host = f"{site}.localhost"
    for path, body in {"/": f"<title>{word}</title>", "/about": f"about {word}"}.items():
        reply = world.get(path, host)
        assert (reply.status, reply.body.decode()) == (200, body), f"{host}{path} answers {reply}, not {body!r}"


def assert_refusal(done: Outcome, *says: str, code: int = 1) -> None:
    """One clear sentence that holds each of `says`, a fix, the right exit code, and nothing that only a programmer reads."""
    told = done.out + done.err
    assert done.code == code, told
    assert "Traceback" not in told and "toolkit-crash" not in told, told
    lines = done.err.splitlines()
    assert sum(line.startswith("error: ") for line in lines) == 1, told
    assert sum(bool(re.match(r"  fix: \S", line)) for line in lines) == 1, told
    sentence = done.err[done.err.index("error: ") : done.err.index("\n  fix: ")]
    for part in says:
        assert part in sentence, f"{part!r} is not in {sentence!r}"


def wait_until(condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.01)


def end_group(process: subprocess.Popen[bytes], number: signal.Signals) -> Outcome:
    """Send a signal to the whole group, as a terminal does; how the process ended."""
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=LIMIT)
    return Outcome(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))
