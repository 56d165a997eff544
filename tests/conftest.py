"""What every test gets: no network outside this machine, and a say on tools that are missing."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
from collections.abc import Iterator

import pytest

_connect = socket.socket.connect
_getaddrinfo = socket.getaddrinfo


def _is_local(host: object) -> bool:
    if host in (None, "", "localhost") or str(host).endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def _guarded_connect(self: socket.socket, address: object) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address[0]):  # type: ignore[index]
        raise OSError(f"tests may not reach {address!r}: only this machine")
    return _connect(self, address)  # type: ignore[arg-type]


def _guarded_getaddrinfo(host: object, *args: object, **kwargs: object) -> object:
    if not _is_local(host.decode() if isinstance(host, bytes) else host):
        raise OSError(f"tests may not look up {host!r}: only this machine")
    return _getaddrinfo(host, *args, **kwargs)  # type: ignore[arg-type]


@pytest.fixture(autouse=True, scope="session")
def _no_outside_network() -> Iterator[None]:
    socket.socket.connect = _guarded_connect  # type: ignore[method-assign,assignment]
    socket.getaddrinfo = _guarded_getaddrinfo  # type: ignore[assignment]
    yield
    socket.socket.connect = _connect  # type: ignore[method-assign]
    socket.getaddrinfo = _getaddrinfo


def require_tool(name: str, why: str = "") -> str:
    """The tool's path. On a bare machine the test skips and says so; with CI=true a missing tool is a failure."""
    path = shutil.which(name)
    if path:
        return path
    message = f"{name} is not installed{': ' + why if why else ''}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
