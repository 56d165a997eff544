"""What the benchmarks share: a scratch folder, the toolkit as a user runs it, servers that end with us, facts about the machine."""

from __future__ import annotations

import json
import os
import platform
import random
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

_TEXT = "river tide stone lamp harbour winter letter garden copper bread window thunder quiet orchard salt meadow engine paper"
_WORDS = _TEXT.split()
_GIT = (
    "-c",
    "user.name=Bench",
    "-c",
    "user.email=bench@example.invalid",
    "-c",
    "commit.gpgsign=false",
    "-c",
    "init.defaultBranch=main",
)


class BenchError(Exception):
    """The benchmark cannot run or its result would be worth nothing; the text says why."""


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that takes everything a benchmark writes, and goes away with it."""
    folder = Path(tempfile.mkdtemp(prefix="toolkit-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_pages(folder: Path, count: int = 200, smallest: int = 2_000, largest: int = 30_000, seed: int = 1) -> list[str]:
    """`count` HTML pages of evenly spread sizes in bytes, each an index.html in its own folder, and a home page; their paths."""
    chance = random.Random(seed)
    paths = []
    for number in range(count):
        size = smallest + (largest - smallest) * number // max(1, count - 1)
        paths.append(f"/page-{number:03d}/")
        _write_page(folder / f"page-{number:03d}", f"Page {number}", size, chance)
    _write_page(folder, "Home", smallest, chance)
    return paths


def _write_page(folder: Path, title: str, size: int, chance: random.Random) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    head = f"<!doctype html>\n<html lang=en><meta charset=utf-8><title>{title}</title>\n<h1>{title}</h1>\n"
    text = " ".join(chance.choices(_WORDS, k=size // 5))
    (folder / "index.html").write_text(f"{head}<p>{text}"[: size - 1] + "\n", encoding="ascii")


class Toolkit:
    """The command line with a home of its own below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "HOME": str(folder),
            "TOOLKIT_HOME": str(self.state),
            "TOOLKIT_WHO": "bench",
        }

    def __call__(self, *words: str, cwd: Path) -> dict[str, Any]:
        """What a verb prints with --json. BenchError when it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "toolkit", *words, "--json"],
            cwd=cwd,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BenchError(f"toolkit {' '.join(words)} failed: {done.stderr.strip() or done.stdout.strip()}")
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def git(self, *words: str, cwd: Path) -> str:
        done = subprocess.run(["git", *_GIT, *words], cwd=cwd, env=self.environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"git {' '.join(words)} failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    @contextmanager
    def served(self) -> Iterator[int]:
        """The local server in the foreground, as a child of ours; its port."""
        port = free_port()
        command = [sys.executable, "-m", "toolkit", "serve", "--port", str(port)]
        with child(command, self.state.parent, self.environment, port):
            yield port


@contextmanager
def child(
    command: Sequence[str | Path], cwd: Path, environment: Mapping[str, str], port: int, seconds: float = 60.0
) -> Iterator[None]:
    """A server in a process group of its own, ready when it accepts connections on `port`, gone with its children afterwards."""
    log = cwd / f"server-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(map(str, command)),
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + seconds
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"{command[0]} does not answer on port {port}: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        yield
    finally:
        _end(process)


def _answers(port: int) -> bool:
    try:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/")
        connection.getresponse().read()
        connection.close()
    except (OSError, HTTPException):
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the group that we started: first politely."""
    for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def need(name: str, how: str) -> str:
    path = shutil.which(name)
    if not path:
        raise BenchError(f"{name} is not installed: {how}")
    return path


def output_of(*command: str | Path) -> str:
    """The last word-bearing line that a `--version` command prints."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return lines[0] if lines else "unknown"


def machine() -> str:
    """One line about where the figures were taken."""
    load = os.getloadavg()[0]
    python = f"Python {platform.python_version()}"
    return f"{os.cpu_count()} cores ({platform.machine()}), Linux {platform.release()}, {python}, load {load:.1f} at the start"


def milliseconds(values: Sequence[float]) -> str:
    """Median and range of durations in seconds."""
    return f"{statistics.median(values) * 1000:.0f} ms ({min(values) * 1000:.0f} to {max(values) * 1000:.0f})"
