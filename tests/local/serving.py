"""A real server on a port of its own, and a client that sends exactly what it is told."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolkit.local import server
from toolkit.local.server import ServerInfo

HOST = "site.localhost"


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    lines: list[tuple[str, str]]

    @property
    def cache(self) -> str:
        return self.headers["x-cache"]


@dataclass
class Client:
    """Requests over one connection each, byte for byte; a reply's repeated headers are in `lines`."""

    info: ServerInfo
    host: str = HOST

    def get(self, target: str, headers: dict[str, str] | None = None, *, method: str = "GET", version: str = "1.1") -> Reply:
        lines = {"Host": f"{self.host}:{self.info.port}", "Connection": "close", **(headers or {})}
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
        return self.send(f"{method} {target} HTTP/{version}\r\n{text}\r\n".encode("latin-1"))

    def head(self, target: str, headers: dict[str, str] | None = None) -> Reply:
        return self.get(target, headers, method="HEAD")

    def send(self, request: bytes) -> Reply:
        with self.connect() as connection:
            connection.sendall(request)
            reply = b""
            while chunk := connection.recv(1 << 20):
                reply += chunk
        return parse(reply)

    def connect(self) -> socket.socket:
        return socket.create_connection((self.info.host, self.info.port), timeout=30)


def parse(reply: bytes) -> Reply:
    head, _, body = reply.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    lines = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in rest)]
    return Reply(int(first.split()[1]), dict(lines), body, lines)


@contextmanager
def running_server(root: Path, functions: Path | None = None) -> Iterator[Client]:
    info = server.start_background(root, port=0, functions=functions)
    try:
        yield Client(info)
    finally:
        server.stop(root)
