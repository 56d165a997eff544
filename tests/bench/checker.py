"""Load a site and check every single answer while something switches its versions underneath.

An answer is right when its status is 200 and its body is, byte for byte, one published version's file for that path. All
else is a failure: another status, a body cut short or mixed from two versions, a connection that ends without an answer.
Several processes with a few keep-alive connections each; a request goes out on all of them before the first answer is read.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import random
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Protocol

from tests.bench.common import write_pages

# For each path the digest of every right body, and the version that it belongs to.
Allowed = Mapping[str, Mapping[bytes, str]]
WORKERS = 2
CONNECTIONS = 8
_KEPT = 20
_TIMEOUT = 30.0
# A worker that died would otherwise be waited for without an end.
_LONGEST = 1200.0


@dataclass
class Tally:
    """What was asked and answered. `failures` keeps the first few in words, `failed` counts them all."""

    requests: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        self.requests += other.requests
        self.failed += other.failed
        self.failures += other.failures[: max(0, _KEPT - len(self.failures))]
        self.versions.update(other.versions)

    def fail(self, what: str) -> None:
        self.failed += 1
        if len(self.failures) < _KEPT:
            self.failures.append(what)


class Results(Protocol):
    """A queue between processes."""

    def put(self, tally: Tally) -> None: ...

    def get(self, *, timeout: float) -> Tally: ...


def write_versions(folder: Path, count: int, pages: int) -> tuple[list[Path], dict[str, dict[bytes, str]]]:
    """`count` sites with the same paths and no body in common, and what each path may answer."""
    folders, allowed = [folder / f"v{number}" for number in range(count)], dict[str, dict[bytes, str]]()
    for number, version in enumerate(folders):
        paths = write_pages(version, pages, seed=number)
        for path in ["/", *paths]:
            body = (version / path.strip("/") / "index.html").read_bytes()
            allowed.setdefault(path, {})[hashlib.sha256(body).digest()] = version.name
    if any(len(bodies) != count for bodies in allowed.values()):
        raise AssertionError("two versions share a body: a mixture of them would go unseen")
    return folders, allowed


def load_during(port: int, host: str, allowed: Allowed, flips: Iterable[Callable[[], object]], at_least: int) -> Tally:
    """Ask without a pause while `flips` are carried out one after the other, and until `at_least` requests were made in all."""
    context = multiprocessing.get_context("spawn")
    stop, begun, results = context.Event(), context.Barrier(WORKERS + 1), context.Queue()
    each = -(-at_least // WORKERS)
    workers = [
        context.Process(target=_work, args=(port, host, allowed, each, number, begun, stop, results)) for number in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    total = Tally()
    try:
        begun.wait(_TIMEOUT)
        for flip in flips:
            flip()
    finally:
        stop.set()
        for _ in workers:
            total.add(results.get(timeout=_LONGEST))
        for worker in workers:
            worker.join()
    return total


def _work(port: int, host: str, allowed: Allowed, at_least: int, seed: int, begun: Barrier, stop: Event, results: Results) -> None:
    tally, chance, paths = Tally(), random.Random(seed), sorted(allowed)
    connections = [Connection(port, host) for _ in range(CONNECTIONS)]
    try:
        begun.wait(_TIMEOUT)
        while not stop.is_set() or tally.requests < at_least:
            asked = [(connection, chance.choice(paths)) for connection in connections]
            for connection, path in asked:
                connection.send(path)
            for connection, path in asked:
                _judge(connection, path, allowed[path], tally)
    except Exception as error:
        tally.fail(f"the checker broke: {error!r}")
        raise
    finally:
        results.put(tally)


def _judge(connection: Connection, path: str, bodies: Mapping[bytes, str], tally: Tally) -> None:
    tally.requests += 1
    try:
        status, body = connection.receive()
    except (OSError, ValueError) as error:
        connection.close()
        tally.fail(f"{path}: no whole answer: {error}")
        return
    version = bodies.get(hashlib.sha256(body).digest())
    if status != 200:
        tally.fail(f"{path}: status {status}: {body[:60]!r}")
    elif version is None:
        tally.fail(f"{path}: {len(body)} bytes that are no version's file")
    else:
        tally.versions[version] += 1


class Connection:
    """One keep-alive connection, opened when it is needed. It takes nothing for granted and repairs nothing."""

    def __init__(self, port: int, host: str) -> None:
        self._address, self._host = ("127.0.0.1", port), host
        self._socket: socket.socket | None = None
        self._buffer = b""

    def send(self, path: str) -> None:
        """Ask for `path`. An error shows when the answer is read."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection(self._address, _TIMEOUT)
                self._buffer = b""
            self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode("ascii"))
        except OSError:
            self.close()

    def receive(self) -> tuple[int, bytes]:
        """Status and body. ConnectionError when the server hung up, ValueError when the answer's length is not told."""
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        if "content-length" not in headers:
            raise ValueError(f"no Content-Length in {head}")
        body = self._exactly(int(headers["content-length"]))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return int(head[0].split()[1]), body

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._more()
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _more(self) -> None:
        data = self._socket.recv(1 << 18) if self._socket else b""
        if not data:
            raise ConnectionError("the connection ended")
        self._buffer += data
