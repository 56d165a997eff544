"""granian inside our own event loop, on a socket that we made.

granian makes its socket with SO_REUSEPORT, which lets two servers share a port in silence, and cannot take a port that the system
chose. It hands its workers a SocketHolder, and that can be made from any listening descriptor. Embedded means one process: nothing
survives a killed parent.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

from granian import _granian
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from toolkit.engine.errors import UserError

_BACKLOG = 1024
_DRAIN_SECONDS = 5.0


def listen(host: str, port: int) -> socket.socket:
    """A listening socket that nobody else can share. UserError when the address is in use or not this machine's."""
    if not 0 <= port <= 65535:  # the system would take the number modulo 65536
        raise UserError(f"{port} is not a port", "choose one from 1 to 65535 with --port")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, OverflowError, UnicodeError) as error:
        raise UserError(f"{host} port {port} is not an address to listen on", "check --host and --port") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        raise _listen_error(host, port, error) from error
    return listener


def serve(app: Any, listener: socket.socket, on_ready: Callable[[], object]) -> int:
    """Serve an ASGI callable until SIGTERM (returns 0) or SIGINT (returns 130); what is under way has five seconds to finish."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_serve(app, listener, on_ready))


async def _serve(app: Any, listener: socket.socket, on_ready: Callable[[], object]) -> int:
    server = _OwnSocketServer(
        app, interface=Interfaces.ASGINL, http=HTTPModes.http1, websockets=False, backlog=_BACKLOG, log_enabled=False
    )
    server.own_socket = listener
    loop = asyncio.get_running_loop()
    received: list[int] = []
    cut_off = asyncio.Event()

    def end(number: int) -> None:
        received.append(number)
        server.stop()  # type: ignore[no-untyped-call]
        # A visitor who has stopped reading must not keep the server alive; nor must a second Ctrl-C be told to wait.
        loop.call_later(0 if len(received) > 1 else _DRAIN_SECONDS, cut_off.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
    loop.call_soon(on_ready)
    serving, cutting = asyncio.ensure_future(server.serve()), asyncio.ensure_future(cut_off.wait())
    await asyncio.wait({serving, cutting}, return_when=asyncio.FIRST_COMPLETED)
    cutting.cancel()
    if serving.done():
        serving.result()
    else:
        serving.cancel()
    return 130 if signal.SIGINT in received else 0


class _OwnSocketServer(Server):
    own_socket: socket.socket

    def _init_shared_socket(self) -> None:
        make_holder: Any = _granian.SocketHolder
        self._ssp = None
        # The holder closes its descriptor.
        self._shd = make_holder(os.dup(self.own_socket.fileno()), False, self.backlog)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _listen_error(host: str, port: int, error: OSError | OverflowError) -> UserError:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        return UserError(f"port {port} on {host} is in use by another program", "choose another with --port")
    if number in (errno.EACCES, errno.EPERM):
        return UserError(f"port {port} needs administrator's rights", "choose one above 1023 with --port")
    return UserError(f"cannot listen on {host} port {port}: {error}", "check --host and --port")
