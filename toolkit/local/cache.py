"""The edge's cache: objects as the origin gave them, least recently used first to go, bounded in bytes.

The key is CloudFront's for these sites: the URI after viewer-request and the normalised Accept-Encoding; no host, no query.
Since a URI names content, a deploy invalidates nothing: what did not change stays warm.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

Key = tuple[str, str]
Fields = list[tuple[bytes, bytes]]
# What viewer-response made of an entry: status, header lines, and a body if it put its own in place.
Finished = tuple[int, Fields, bytes | None]

_OVERHEAD = 2048
MOST_PREPARED = 16


@dataclass(slots=True)
class Entry:
    """One representation of an object. `body` is None for one that is streamed from the store each time.

    `size` is of the representation in bytes; `etag`, `modified` and `headers` are what the origin (and compression) say of it.
    `event_headers` is the same as the JSON that functions see, without the braces. `prepared` holds final header lists by what
    viewer-response answered, so that equal answers are not turned into bytes again.
    """

    object_key: str
    headers: Mapping[str, str]
    event_headers: str
    etag: str
    modified: float
    size: int
    body: bytes | None
    lifetime: float
    stored: float = field(default_factory=time.monotonic)
    prepared: dict[str, Finished] = field(default_factory=dict)

    @property
    def age(self) -> int:
        """Whole seconds in the cache, as the Age header has it."""
        return int(time.monotonic() - self.stored)

    @property
    def weight(self) -> int:
        return _OVERHEAD + (len(self.body) if self.body else 0)


class Cache:
    """A least-recently-used map of entries within `limit` bytes. For one thread."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self.hits = 0
        self.misses = 0
        self._entries: OrderedDict[Key, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Entry | None:
        """The entry if it is there and its lifetime has not passed; counts a hit or a miss."""
        entry = self._entries.get(key)
        if entry is None:
            self.misses += 1
            return None
        if time.monotonic() - entry.stored >= entry.lifetime:
            self.remove(key)
            self.misses += 1
            return None
        self._entries.move_to_end(key)
        self.hits += 1
        return entry

    def put(self, key: Key, entry: Entry) -> None:
        """Keep the entry unless it has no lifetime or is larger than the whole cache."""
        self.remove(key)
        if entry.lifetime <= 0 or entry.weight > self.limit:
            return
        self._entries[key] = entry
        self.size += entry.weight
        while self.size > self.limit:
            _, oldest = self._entries.popitem(last=False)
            self.size -= oldest.weight

    def remove(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry:
            self.size -= entry.weight
