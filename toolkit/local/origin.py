"""From the object store to the edge's cache: what S3 would answer, compressed as CloudFront would.

Small objects are held in memory; above a megabyte an object that is not compressed is read from its file each time it is sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from toolkit.engine.errors import NotFound
from toolkit.engine.ports import ObjectInfo
from toolkit.local import http
from toolkit.local.cache import Entry
from toolkit.local.objects import FolderObjects

IN_MEMORY = 1024 * 1024
# Reading and compressing more than this is left to a thread, so that other visitors are not kept waiting.
IN_LOOP = 64 * 1024
_READABLE = re.compile(r"/([^/]+/blobs/[A-Za-z0-9_-]+)")


@dataclass(frozen=True)
class Opened:
    """An object and its open file, on the way into the cache."""

    info: ObjectInfo
    file: BinaryIO

    @property
    def is_quick(self) -> bool:
        return self.info.size <= IN_LOOP


class Origin:
    """What the bucket policy lets the edge read: blobs, nothing else."""

    def __init__(self, objects: FolderObjects) -> None:
        self._objects = objects

    def open(self, uri: str) -> Opened:
        """The object behind a URI. NotFound when there is none or it may not be read: S3 answers 403 to both."""
        found = _READABLE.fullmatch(uri)
        if not found:
            raise NotFound(uri)
        return Opened(*self._objects.open(found[1]))

    def entry(self, opened: Opened, encoding: str) -> Entry:
        """Read the object into an entry in the encoding ("br", "gzip", "") as far as it is one that CloudFront compresses."""
        info = opened.info
        headers = {
            **info.headers,
            "content-length": str(info.size),
            "etag": info.etag,
            "last-modified": http.http_date(info.modified),
            "accept-ranges": "bytes",
        }
        body = None
        if http.is_compressible(info.headers, info.size):
            headers["vary"] = "Accept-Encoding"
        else:
            encoding = ""
        with opened.file as file:
            if encoding:
                body = http.compress(file.read(), encoding)
                headers |= {
                    "content-encoding": encoding,
                    "etag": http.weakened(info.etag),
                    "content-length": str(len(body)),
                }
            elif info.size <= IN_MEMORY:
                body = file.read()
        return Entry(
            object_key=info.key,
            headers=headers,
            event_headers=event_fields(headers),
            etag=headers["etag"],
            modified=info.modified,
            size=info.size if body is None else len(body),
            body=body,
            lifetime=http.edge_lifetime(info.headers),
        )


def event_fields(headers: Mapping[str, str]) -> str:
    """Headers as the inside of an event's `headers` object."""
    return json.dumps({name: {"value": value} for name, value in headers.items()})[1:-1]
