"""Stores that read through and keep every write to themselves: a dry run is the real thing over these, not a flag in loops."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from toolkit.engine.errors import Conflict, NotFound
from toolkit.engine.ports import ObjectInfo, ObjectStore, RouteStore, Usage


class DryObjects:
    """An ObjectStore whose writes stay in memory; bodies given as a file are read again when asked for."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner
        self._written: dict[str, tuple[ObjectInfo, bytes | Path]] = {}
        self._deleted: set[str] = set()

    def put(self, key: str, body: bytes | Path, headers: Mapping[str, str] | None = None, *, if_absent: bool = False) -> bool:
        if if_absent and self.head(key) is not None:
            return False
        size = len(body) if isinstance(body, bytes) else body.stat().st_size
        etag = f'"{hashlib.sha256(body).hexdigest()}"' if isinstance(body, bytes) else f'"{body}"'
        self._written[key] = (ObjectInfo(key, size, etag, time.time(), dict(headers or {})), body)
        self._deleted.discard(key)
        return True

    def get(self, key: str) -> tuple[ObjectInfo, bytes]:
        if key in self._written:
            info, body = self._written[key]
            return info, body if isinstance(body, bytes) else body.read_bytes()
        if key in self._deleted:
            raise NotFound(key)
        return self._inner.get(key)

    def head(self, key: str) -> ObjectInfo | None:
        if key in self._written:
            return self._written[key][0]
        return None if key in self._deleted else self._inner.head(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        there = {info.key: info for info in self._inner.list(prefix) if info.key not in self._deleted}
        there.update({key: info for key, (info, _) in self._written.items() if key.startswith(prefix)})
        for key in sorted(there):
            yield there[key]

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._written.pop(key, None)
            self._deleted.add(key)


class DryRoutes:
    """A RouteStore whose writes stay in memory. The limits of a batch are the inner store's business, room is counted here."""

    def __init__(self, inner: RouteStore) -> None:
        self._inner = inner
        self._values: dict[str, str | None] = {}
        self._updates = 0

    def etag(self) -> str:
        return f"{self._inner.etag()}+{self._updates}"

    def usage(self) -> Usage:
        held = list(self.items())
        return Usage(len(held), sum(len(key.encode()) + len(value.encode()) for key, value in held))

    def get(self, key: str) -> str | None:
        return self._values[key] if key in self._values else self._inner.get(key)

    def items(self) -> Iterator[tuple[str, str]]:
        there: dict[str, str | None] = {**dict(self._inner.items()), **self._values}
        for key in sorted(there):
            value = there[key]
            if value is not None:
                yield key, value

    def update(self, puts: Mapping[str, str], deletes: Sequence[str], *, if_match: str) -> str:
        if if_match != self.etag():
            raise Conflict(if_match)
        self._values.update(dict.fromkeys(deletes))
        self._values.update(puts)
        self._updates += 1
        return self.etag()
