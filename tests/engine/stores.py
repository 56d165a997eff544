"""The memory stores with a clock, with hooks and with faults: what a test lets happen between two store calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tests.contracts.fakes import MemoryObjects, MemoryRoutes
from toolkit.engine.errors import Unavailable
from toolkit.engine.ports import ObjectInfo, ObjectStore, RouteStore, Usage

Before = Callable[[str, object], None]
After = Callable[[str, object], None]


def nothing(call: str, what: object) -> None:
    """The hook that lets everything pass."""


class ClockedObjects(MemoryObjects):
    """MemoryObjects whose `modified` is a test's own clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self.clock = clock

    def put(self, key: str, body: bytes | Path, headers: Mapping[str, str] | None = None, *, if_absent: bool = False) -> bool:
        written = super().put(key, body, headers, if_absent=if_absent)
        if written:
            info, content = self.stored[key]
            self.stored[key] = (replace(info, modified=self.clock()), content)
        return written


class HookedObjects:
    """An ObjectStore that calls `before` and `after` around each call, with its name and key."""

    def __init__(self, inner: ObjectStore, before: Before = nothing, after: After = nothing) -> None:
        self.inner, self.before, self.after = inner, before, after

    def put(self, key: str, body: bytes | Path, headers: Mapping[str, str] | None = None, *, if_absent: bool = False) -> bool:
        self.before("put", key)
        done = self.inner.put(key, body, headers, if_absent=if_absent)
        self.after("put", key)
        return done

    def get(self, key: str) -> tuple[ObjectInfo, bytes]:
        self.before("get", key)
        found = self.inner.get(key)
        self.after("get", key)
        return found

    def head(self, key: str) -> ObjectInfo | None:
        self.before("head", key)
        found = self.inner.head(key)
        self.after("head", key)
        return found

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self.before("list", prefix)
        yield from list(self.inner.list(prefix))
        self.after("list", prefix)

    def delete(self, keys: Iterable[str]) -> None:
        wanted = list(keys)
        self.before("delete", wanted)
        self.inner.delete(wanted)
        self.after("delete", wanted)


class HookedRoutes:
    """A RouteStore that calls `before` and `after` around each call, with its name and key (for `update`: its puts and deletes)."""

    def __init__(self, inner: RouteStore, before: Before = nothing, after: After = nothing) -> None:
        self.inner, self.before, self.after = inner, before, after

    def etag(self) -> str:
        self.before("etag", "")
        tag = self.inner.etag()
        self.after("etag", "")
        return tag

    def usage(self) -> Usage:
        self.before("usage", "")
        return self.inner.usage()

    def get(self, key: str) -> str | None:
        self.before("get", key)
        value = self.inner.get(key)
        self.after("get", key)
        return value

    def items(self) -> Iterator[tuple[str, str]]:
        self.before("items", "")
        yield from list(self.inner.items())
        self.after("items", "")

    def update(self, puts: Mapping[str, str], deletes: Sequence[str], *, if_match: str) -> str:
        self.before("update", (puts, deletes))
        tag = self.inner.update(puts, deletes, if_match=if_match)
        self.after("update", (puts, deletes))
        return tag


class Once:
    """A hook that does something the first time that a call of this name touches a key that holds `part`."""

    def __init__(self, call: str, part: str, action: Callable[[], object]) -> None:
        self.call, self.part, self.action, self.done = call, part, action, False

    def __call__(self, call: str, what: object) -> None:
        if not self.done and call == self.call and self.part in repr(what):
            self.done = True
            self.action()


def lost(call: str = "update", part: str = "", times: int = 1) -> Callable[[str, object], None]:
    """A hook that raises Unavailable: before the call the write did not take effect, after it only the reply was lost."""
    left = [times]

    def hook(name: str, what: object) -> None:
        if left[0] and name == call and part in repr(what):
            left[0] -= 1
            raise Unavailable(name)

    return hook


__all__ = ["ClockedObjects", "HookedObjects", "HookedRoutes", "MemoryRoutes", "Once", "lost", "nothing"]
