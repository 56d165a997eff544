"""What a policy says of one address: which file answers there, or where it sends the visitor."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_SLASHES = re.compile("//+")


@dataclass(frozen=True)
class Serve:
    """`file` (a decoded path) answers here, status 200."""

    file: str


@dataclass(frozen=True)
class Move:
    """A redirect within the host. `address` is a decoded path, as files are named: encode it before it goes into a Location."""

    address: str
    status: int


Answer = Serve | Move
Exists = Callable[[str], bool]
Resolve = Callable[[str, Exists], Answer | None]


def move(address: str, status: int) -> Move:
    """A Move that cannot leave the host: browsers read `//name` as another one, and a file named `.html` would give such a path."""
    return Move(_SLASHES.sub("/", address) or "/", status)


def folder_index(path: str) -> str:
    """The index page of the folder that `path` would be, with or without its last slash."""
    return f"{path}index.html" if path.endswith("/") else f"{path}/index.html"
