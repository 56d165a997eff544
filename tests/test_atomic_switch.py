"""Under load, every answer is one whole file of one version, however often the site switches; and the check of that can fail.

A small version of `make bench-flips`, which makes 100,000 requests during 50 flips.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from tests.bench import flips
from tests.bench.checker import load_during, write_versions

REQUESTS = 3000
FLIPS = 10


def test_no_answer_is_wrong_while_versions_switch(tmp_path: Path) -> None:
    durations: list[float] = []
    tally = flips.run(tmp_path, REQUESTS, FLIPS, durations, pages=20)
    assert (tally.failed, tally.failures) == (0, [])
    assert tally.requests >= REQUESTS and len(durations) == FLIPS
    assert len(tally.versions) > 2, "the load has hardly seen a switch"


class _Naive(BaseHTTPRequestHandler):
    """Sends what a file holds at the moment, and notes how much that was."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    root = Path()
    lengths: ClassVar[set[tuple[str, int]]] = set()

    def do_GET(self) -> None:
        body = (self.root / self.path.strip("/") / "index.html").read_bytes()
        self.lengths.add((self.path, len(body)))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _write_in_place(version: Path, root: Path) -> None:
    """How sites are still copied to servers: each file is emptied and filled again while visitors read it.

    The home page stays half written until a visitor came by: on a slow machine it would by chance, here it is certain.
    """
    shutil.copytree(version, root, dirs_exist_ok=True)
    body = (version / "index.html").read_bytes()
    with (root / "index.html").open("wb", buffering=0) as out:
        out.write(body[: len(body) // 2])
        _Naive.lengths.discard(("/", len(body) // 2))
        while ("/", len(body) // 2) not in _Naive.lengths:
            time.sleep(0.001)
        out.write(body[len(body) // 2 :])


@pytest.fixture
def naive(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    root = tmp_path / "root"
    root.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Naive", (_Naive,), {"root": root})) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield root, server.server_port
        server.shutdown()


def test_a_switch_in_place_is_caught(naive: tuple[Path, int], tmp_path: Path) -> None:
    root, port = naive
    versions, allowed = write_versions(tmp_path / "versions", 3, 20)
    shutil.copytree(versions[0], root, dirs_exist_ok=True)
    switches: list[Callable[[], None]] = [partial(_write_in_place, versions[number % 3], root) for number in range(1, FLIPS + 1)]
    tally = load_during(port, "naive.localhost", allowed, switches, REQUESTS)
    assert tally.failed >= FLIPS
    assert any("bytes that are no version's file" in failure for failure in tally.failures)


def test_the_naive_server_is_right_as_long_as_nobody_writes(naive: tuple[Path, int], tmp_path: Path) -> None:
    root, port = naive
    versions, allowed = write_versions(tmp_path / "versions", 2, 20)
    shutil.copytree(versions[0], root, dirs_exist_ok=True)
    tally = load_during(port, "naive.localhost", allowed, [], 500)
    assert (tally.failed, set(tally.versions)) == (0, {"v0"})
