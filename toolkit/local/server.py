"""The local server's life: start, find, stop. One process, one event loop, granian for HTTP.

`<root>/server.lock` is held as long as a server lives, and the system releases it however the server dies; so neither a server.json
that was left behind (it keeps the port for the next start) nor a process id that was given out again is ever taken for a running
server. The listening socket is made before anything starts, so a port in use is the starter's error and not a line in a log.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.engine.errors import UserError
from toolkit.local.files import disk_errors, try_lock, write_whole
from toolkit.paths import resource

if TYPE_CHECKING:
    from toolkit.local.app import EdgeApp

CONTROL_HOST = "_toolkit.localhost"
DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8080
_CACHE_BYTES = 128 * 1024 * 1024
_START_SECONDS = 15.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True)
class ServerInfo:
    """A running server, as `<root>/server.json` has it. `started` is in seconds since the epoch."""

    pid: int
    host: str
    port: int
    started: float


def run(
    root: Path,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    *,
    on_ready: Callable[[ServerInfo], object] = lambda info: None,
    functions: Path | None = None,
    descriptor: int | None = None,
) -> int:
    """Serve the sites below `root` in this process until SIGTERM (returns 0) or Ctrl-C (returns 130). Port 0 takes any free one.

    `functions` is the folder of the two routing functions; `descriptor` a listening socket that a starter made, in place of
    host and port. UserError when the port is in use, or this root has a server already.
    """
    from toolkit.local.embedded import listen

    if descriptor is not None:
        return _run(root, socket.socket(fileno=descriptor), functions, on_ready)
    _refuse_second(root)
    return _run(root, listen(host, port), functions, on_ready)


def start_background(
    root: Path,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    *,
    functions: Path | None = None,
    command: Sequence[str] = (),
) -> ServerInfo:
    """Start a server that outlives this process and return once it answers. It logs to `<root>/server.log`. UserError.

    `command` is what to run instead of the bare server: it gets the number of a listening socket as its last word and calls `run`.
    """
    from toolkit.local.embedded import listen

    root = root.resolve()
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        _refuse_second(root)
        log = (root / "server.log").open("ab")
    with log, listen(host, port) as listener:
        written = log.tell()
        bare = [sys.executable, "-P", "-m", "toolkit.local.server", str(root), str(functions or "")]
        process = subprocess.Popen(
            [*(command or bare), str(listener.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        info = running(root)
        if info and (info.pid == process.pid or process.poll() is not None):
            return info  # ours, or one whose starter was killed before it was up
        if process.poll() is not None and not _is_held(root):
            break
        time.sleep(0.02)
    process.kill()
    process.wait()
    said = (root / "server.log").read_bytes()[written:].decode(errors="replace").strip().splitlines()
    told = [line.removeprefix("error: ") for line in said if line.startswith("error: ")] or said or ["it said nothing"]
    raise UserError(f"the server did not start: {told[-1]}", f"see {root / 'server.log'}")


def running(root: Path) -> ServerInfo | None:
    """The server of this root, if it lives and answers on its port as the process that server.json names."""
    info = _recorded(root)
    if info is None or not _is_held(root):
        return None
    answer = _ask(info)
    return info if answer and (answer.get("pid"), answer.get("root")) == (info.pid, str(root.resolve())) else None


def last_port(root: Path) -> int:
    """The port of the server that runs or ran last; 0 when none did. A site's address stays the same after a crash or a restart."""
    info = _recorded(root)
    return info.port if info else 0


def stop(root: Path) -> bool:
    """End the server of this root, gently and after ten seconds by force. False when none was running."""
    info = _recorded(root)
    alive = info is not None and _is_held(root)
    if info is not None and alive:
        try:
            os.kill(info.pid, signal.SIGTERM)
            if not _wait_for_end(root, _STOP_SECONDS):
                os.kill(info.pid, signal.SIGKILL)
                _wait_for_end(root, 2.0)
        except ProcessLookupError:
            pass  # it ended in between
        except PermissionError as error:
            raise UserError(f"the server (pid {info.pid}) belongs to another user", "stop it as that user") from error
    return alive


def build_app(root: Path, status: dict[str, object], functions: Path | None = None) -> EdgeApp:
    """The edge over the stores below `root`; `status` is what it tells of itself."""
    from toolkit.local.app import EdgeApp
    from toolkit.local.cache import Cache
    from toolkit.local.edge import Edge
    from toolkit.local.objects import FolderObjects
    from toolkit.local.origin import Origin
    from toolkit.local.routes import FileRoutes

    routes = FileRoutes(root / "routes.db").hot_reads()
    edge = Edge(routes, functions or resource("functions") / "edge")
    return EdgeApp(Origin(FolderObjects(root)), routes, edge, Cache(_CACHE_BYTES), status)


def _run(root: Path, listener: socket.socket, functions: Path | None, on_ready: Callable[[ServerInfo], object]) -> int:
    from toolkit.local.embedded import serve

    with listener, disk_errors(root):
        lock = try_lock(root / "server.lock")
        if lock is None:
            raise UserError(f"another server for {root} is starting or stopping at this moment", "try again")
        record = root / "server.json"
        try:
            host, port = listener.getsockname()[:2]
            record.unlink(missing_ok=True)  # from here on it must not name a process that is long gone
            info = ServerInfo(os.getpid(), host, port, time.time())
            app = build_app(root, {"root": str(root.resolve()), **asdict(info)}, functions)
            write_whole(record, json.dumps(asdict(info)).encode())
            return serve(app, listener, lambda: on_ready(info))
        finally:
            os.close(lock)


def _recorded(root: Path) -> ServerInfo | None:
    try:
        return ServerInfo(**json.loads((root / "server.json").read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _is_held(root: Path) -> bool:
    """Whether a live process holds the server's lock."""
    try:
        lock = try_lock(root / "server.lock")
    except OSError:
        return False
    if lock is None:
        return True
    os.close(lock)
    return False


def _wait_for_end(root: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while _is_held(root):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _refuse_second(root: Path) -> None:
    info = running(root)
    if info:
        raise UserError(f"a server for {root} runs already on port {info.port} (pid {info.pid})", "use it, or stop it first")


def _ask(info: ServerInfo) -> dict[str, Any] | None:
    """What the server tells of itself; over a bare socket, since every command asks and http.client takes 20 ms to import."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(info.host, info.host)
    question = f"GET /healthz HTTP/1.1\r\nHost: {CONTROL_HOST}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((address, info.port), timeout=2.0) as connection:
            connection.sendall(question.encode())
            reply = b""
            while chunk := connection.recv(65536):
                reply += chunk
        answer = json.loads(reply.partition(b"\r\n\r\n")[2])
    except (OSError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


def main(arguments: list[str]) -> int:
    """`python -m toolkit.local.server ROOT FUNCTIONS FD`: what `start_background` runs; FD is a listening socket."""
    root, functions, descriptor = arguments
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        return run(Path(root), functions=Path(functions) if functions else None, descriptor=int(descriptor))
    except UserError as error:
        print(f"{error.what}{f' ({error.fix})' if error.fix else ''}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
