"""What a folder store knows of the last two files written under one key: JSON in `<root>/meta/<key>.json`, newest first.

An entry belongs to one file, named by inode, modification time and size, so it is never read for other bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from toolkit.engine.errors import UserError

_CHUNK = 1024 * 1024

Identity = tuple[int, int, int]


@dataclass(frozen=True)
class Entry:
    """Headers and quoted ETag of one file; `file` is its inode, mtime in nanoseconds and size in bytes."""

    etag: str
    headers: Mapping[str, str]
    file: Identity


def identity(status: os.stat_result) -> Identity:
    return status.st_ino, status.st_mtime_ns, status.st_size


def pack_entries(entries: list[Entry]) -> bytes:
    return json.dumps([asdict(entry) for entry in entries], separators=(",", ":")).encode()


def read_entries(path: Path) -> list[Entry]:
    """None there is an empty list. UserError when the file is damaged."""
    try:
        found = json.loads(path.read_bytes())
        return [Entry(item["etag"], item["headers"], tuple(item["file"])) for item in found]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged", "deploy the site again") from error


def entry_of(entries: list[Entry], status: os.stat_result) -> Entry | None:
    wanted = identity(status)
    return next((entry for entry in entries if entry.file == wanted), None)


def entry_by_content(entries: list[Entry], file: BinaryIO) -> Entry | None:
    """The newest entry whose ETag is the MD5 of the bytes: for a tree that was copied, where every inode is new."""
    digest = hashlib.md5(usedforsecurity=False)
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    file.seek(0)
    etag = f'"{digest.hexdigest()}"'
    return next((entry for entry in entries if entry.etag == etag), None)
