"""The two ports in memory, with every limit of the real stores, for tests of what stands on them."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from toolkit.engine.batch import check_batch, check_store, pair_bytes
from toolkit.engine.errors import Conflict, NotFound, UserError
from toolkit.engine.ports import ObjectInfo, Usage
from toolkit.local.object_rules import check_headers, check_key


class MemoryObjects:
    """`ObjectStore` in a dict. `writes` counts objects written and `deletes` keys removed."""

    def __init__(self) -> None:
        self.stored: dict[str, tuple[ObjectInfo, bytes]] = {}
        self.writes = 0
        self.deletes = 0
        self._lock = threading.Lock()

    def put(self, key: str, body: bytes | Path, headers: Mapping[str, str] | None = None, *, if_absent: bool = False) -> bool:
        check_key(key)
        kept = check_headers(headers or {})
        try:
            content = body if isinstance(body, bytes) else body.read_bytes()
        except OSError as error:
            raise UserError(f"{body} cannot be read: {error.strerror}", "check the file") from error
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        with self._lock:
            if if_absent and key in self.stored:
                return False
            self.stored[key] = (ObjectInfo(key, len(content), etag, time.time(), kept), content)
            self.writes += 1
        return True

    def get(self, key: str) -> tuple[ObjectInfo, bytes]:
        try:
            return self.stored[key]
        except KeyError:
            raise NotFound(key) from None

    def head(self, key: str) -> ObjectInfo | None:
        found = self.stored.get(key)
        return found[0] if found else None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        for key in sorted(self.stored, key=str.encode):
            if key.startswith(prefix):
                info = self.stored[key][0]
                yield ObjectInfo(key, info.size, info.etag, info.modified)

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            if self.stored.pop(key, None):
                self.deletes += 1


class MemoryRoutes:
    """`RouteStore` in a dict. `updates` counts the successful ones."""

    def __init__(self) -> None:
        self.pairs: dict[str, str] = {}
        self.updates = 0
        self._lock = threading.Lock()

    def etag(self) -> str:
        return f"tag-{self.updates}"

    def usage(self) -> Usage:
        return Usage(len(self.pairs), _bytes(self.pairs))

    def get(self, key: str) -> str | None:
        return self.pairs.get(key)

    def items(self) -> Iterator[tuple[str, str]]:
        return iter(sorted(self.pairs.items(), key=lambda pair: pair[0].encode()))

    def update(self, puts: Mapping[str, str], deletes: Sequence[str], *, if_match: str) -> str:
        check_batch(puts, deletes)
        with self._lock:
            if if_match != self.etag():
                raise Conflict("the store changed since it was read")
            pairs = {key: value for key, value in self.pairs.items() if key not in set(deletes)} | dict(puts)
            check_store(_bytes(pairs))
            self.pairs = pairs
            self.updates += 1
            return self.etag()


def _bytes(pairs: Mapping[str, str]) -> int:
    return sum(pair_bytes(key, value) for key, value in pairs.items())
