"""The local target: a folder of objects, a file of routes, and a server that runs the routing functions over both."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.engine.channels import Names
from toolkit.engine.model import Release
from toolkit.engine.target import EdgeRun, Server
from toolkit.errors import UserError
from toolkit.local.objects import FolderObjects
from toolkit.local.routes import FileRoutes
from toolkit.paths import resource

if TYPE_CHECKING:
    from toolkit.local.deliveries import LocalDeliveries
    from toolkit.local.server import ServerInfo

DEFAULT_PORT = 8080
_PORTS_TO_TRY = 20
_ORPHAN_SECONDS = 1.0


class LocalTarget:
    """Everything below one state folder; many sites share one server and one port."""

    name = "local"
    names = Names(own="{site}.localhost", previews="localhost")
    workers = 8

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.objects = FolderObjects(self.root)
            self.routes = FileRoutes(self.root / "routes.db")
        except OSError as error:
            raise UserError(f"cannot use {self.root}: {error.strerror}", "set TOOLKIT_HOME to a folder you can write") from error

    def url(self, host: str) -> str:
        from toolkit.local import server

        port = self.server().port or server.last_port(self.root) or DEFAULT_PORT
        return f"http://{host}:{port}/"

    def start(self, *, address: str | None, port: int | None) -> Server:
        """The server, started unless it runs already; port 0 takes any free one, None the last or the next free one."""
        from toolkit.local.files import disk_errors, locked

        # Of two that start one at the same moment, the second finds it running.
        with disk_errors(self.root), locked(self.root / "start.lock"):
            return self._start(address, port)

    def _start(self, address: str | None, port: int | None) -> Server:
        from toolkit.local import server

        running = server.running(self.root)
        if running and (not port or running.port == port):
            return _described(running)
        bind = address or server.DEFAULT_HOST
        if running:
            from toolkit.local import embedded

            # A port that cannot be had is found out while the old server still answers.
            embedded.listen(bind, port or 0).close()
            server.stop(self.root)
        # The verb rather than the bare server: it also watches the upload folders.
        command = [sys.executable, "-P", "-m", "toolkit", "serve", "--target", self.name, "--descriptor"]
        port = _free_port(bind, server.last_port(self.root)) if port is None else port
        try:
            return _described(server.start_background(self.root, bind, port, command=command))
        except UserError:
            # A starter that was killed may have left a server that is about to answer, and holds the port already.
            deadline = time.monotonic() + _ORPHAN_SECONDS
            while time.monotonic() < deadline:
                if running := server.running(self.root):
                    return _described(running)
                time.sleep(0.05)
            raise

    def serve(self, *, address: str | None, port: int | None, descriptor: int | None, ready: Callable[[Server], None]) -> int:
        from toolkit.local import server

        bind = address or server.DEFAULT_HOST
        if port is None:
            port = 0 if descriptor is not None else _free_port(bind, server.last_port(self.root))
        return server.run(self.root, bind, port, descriptor=descriptor, on_ready=lambda info: ready(_described(info)))

    def server(self) -> Server:
        from toolkit.local import server

        running = server.running(self.root)
        return _described(running) if running else Server("stopped", "not running")

    def free_port(self) -> int:
        """The port that `start` would take by itself. UserError when none is free."""
        from toolkit.local import server

        return _free_port(server.DEFAULT_HOST, server.last_port(self.root))

    def stop(self) -> bool:
        from toolkit.local import server

        return bool(server.stop(self.root))

    def edge(self, routes: Mapping[str, str] | None = None) -> EdgeRun:
        from toolkit.local.edge import Edge

        return Edge(self.routes if routes is None else dict(routes), resource("functions") / "edge")

    def released(self, record: Release) -> str:
        return ""

    def deliveries(self, site: str) -> LocalDeliveries | None:
        from toolkit.local.deliveries import LocalDeliveries

        return LocalDeliveries(self.root, site, self.name, lambda: self.server().state == "running")


def _described(info: ServerInfo) -> Server:
    return Server("running", f"{info.host}:{info.port} (pid {info.pid})", info.port, info.pid)


def _free_port(address: str, last: int) -> int:
    """The port of last time, else the first free one from the default on: the user named none, so the next one is as good."""
    usual = list(range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TO_TRY))
    for port in [last, *usual] if last else usual:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port
    raise UserError(
        f"ports {DEFAULT_PORT} to {DEFAULT_PORT + _PORTS_TO_TRY - 1} on {address} are all in use", "choose one with --port"
    )
