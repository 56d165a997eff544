"""The two stores that the engine needs; every target brings one of each.

An adapter is correct when it passes `tests/contracts`: the engine relies on nothing that is not asserted there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class ObjectInfo:
    """What a store knows of one object. `size` in bytes, `modified` in seconds since the epoch.

    `etag` is a strong entity tag with its quotes. `headers` (lowercase names) is filled by `get` and `head`, empty in listings.
    """

    key: str
    size: int
    etag: str
    modified: float
    headers: Mapping[str, str] = field(default_factory=dict)


class ObjectStore(Protocol):
    """Objects under slash-separated keys: an S3 bucket, or a folder that holds the same tree.

    A write is seen whole or not at all, by every reader, as soon as `put` returns. Headers are `content-type`, `cache-control`,
    `content-disposition`, `content-language`, `content-encoding` and `x-amz-meta-*`; the latter together take at most
    `limits.METADATA_BYTES` of printable ASCII (LimitExceeded).
    """

    def put(self, key: str, body: bytes | Path, headers: Mapping[str, str] | None = None, *, if_absent: bool = False) -> bool:
        """Write one object; `body` is the bytes or a file to read. False: it was there and `if_absent` forbade replacing it."""

    def get(self, key: str) -> tuple[ObjectInfo, bytes]:
        """The object, whole. NotFound."""

    def head(self, key: str) -> ObjectInfo | None:
        """What is known of the object, or None."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object whose key starts with `prefix`, sorted by key, however many there are."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there are no error."""


@dataclass(frozen=True)
class Usage:
    """How full a route store is: `bytes` counts keys and values as UTF-8."""

    items: int
    bytes: int


class RouteStore(Protocol):
    """A CloudFront KeyValueStore, or a file with the same limits: one ETag over everything, writes are all-or-nothing."""

    def etag(self) -> str:
        """The tag of the store as it is now; any successful `update` changes it."""

    def usage(self) -> Usage:
        """How many keys and bytes the store holds."""

    def get(self, key: str) -> str | None:
        """The value, or None."""

    def items(self) -> Iterator[tuple[str, str]]:
        """Every key and value, in key order. On AWS this costs a request per 50 keys: not for hot paths."""

    def update(self, puts: Mapping[str, str], deletes: Sequence[str], *, if_match: str) -> str:
        """Apply all of it or nothing, and return the new ETag. Deleting a missing key is no error.

        Conflict when `if_match` is not the current tag; LimitExceeded when a key, a value, the batch (50 keys, 3 MB) or the
        store (5 MB) would grow too large; Unavailable when the answer was lost.
        """
