"""An object store in a folder: the tree of a bucket, one file per object.

    <root>/objects/<key>     the bytes
    <root>/meta/<key>.json   headers and ETag of the last two writes under that key, newest first
    <root>/tmp/              files on their way, and the locks

A write goes: bytes to tmp and fsync; under the key's lock, the new entry joins the old one in the meta file; then one rename or
link makes the bytes visible. An entry names the very file it belongs to (inode, mtime, size), so a reader who opens a file finds
that file's headers before, during and after a switch, and a crash in between leaves the old object whole. After a copy of the tree
(new inodes) the MD5 of the bytes finds the entry instead.

Cost: two fsyncs a write (about 1 ms each on an SSD; use threads for many objects). Folders are not fsynced: journalling file
systems keep the order of renames, so a power cut loses the last writes at most, never their order.
"""

from __future__ import annotations

import errno
import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from toolkit.engine.errors import NotFound, UserError
from toolkit.engine.ports import ObjectInfo
from toolkit.local.entries import Entry, entry_by_content, entry_of, identity, pack_entries, read_entries
from toolkit.local.files import disk_errors, locked
from toolkit.local.object_rules import check_headers, check_key

_CHUNK = 1024 * 1024
_STALE_SECONDS = 24 * 3600
_LOCKS = 64
_NO_OBJECT = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)


class FolderObjects:
    """`engine.ports.ObjectStore` over a folder. Safe for threads and for processes on one machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._objects = root / "objects"
        self._meta = root / "meta"
        self._tmp = root / "tmp"
        self._swept = False

    def put(self, key: str, body: bytes | Path, headers: Mapping[str, str] | None = None, *, if_absent: bool = False) -> bool:
        """See the port. UserError when the disk is full or may not be written; nothing is left behind then."""
        check_key(key)
        kept = check_headers(headers or {})
        target = self._objects / key
        if if_absent and target.is_file():
            return False
        with disk_errors(self.root):
            self._sweep()
            with self._arriving(body) as (arrived, etag):
                return self._place(key, arrived, etag, kept, if_absent)

    def get(self, key: str) -> tuple[ObjectInfo, bytes]:
        info, file = self.open(key)
        with file:
            return info, file.read()

    def open(self, key: str) -> tuple[ObjectInfo, BinaryIO]:
        """The object as an open file, for bodies too large for memory; replacing or deleting the key does not disturb it.

        NotFound. The caller closes the file.
        """
        check_key(key)
        for _ in range(100):
            file = self._open_file(key)
            try:
                status = os.fstat(file.fileno())
                entry = self._entry(key, file, status)
            except BaseException:
                file.close()
                raise
            if entry:
                return _info(key, status, entry), file
            file.close()  # replaced or deleted while we looked
        raise UserError(f"the object {key} in {self.root} has lost its headers", "deploy the site again")

    def head(self, key: str) -> ObjectInfo | None:
        try:
            info, file = self.open(key)
        except NotFound:
            return None
        file.close()
        return info

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        folder = prefix[: prefix.rfind("/") + 1]
        if any(segment in ("", ".", "..") for segment in folder.split("/")[:-1]):
            return
        with disk_errors(self.root):
            yield from self._walk(folder, prefix)

    def delete(self, keys: Iterable[str]) -> None:
        with disk_errors(self.root):
            for key in keys:
                check_key(key)
                with self._lock(key):
                    _remove(self._objects / key, self._objects)
                    _remove(self._meta_path(key), self._meta)

    def _walk(self, folder: str, prefix: str) -> Iterator[ObjectInfo]:
        try:
            with os.scandir(self._objects / folder) as found:
                # S3 sorts whole keys by their bytes: a folder sorts as its name with the slash that follows in the key.
                names = sorted((os.fsencode(entry.name + ("/" if entry.is_dir() else "")), entry) for entry in found)
        except OSError as error:
            if error.errno in _NO_OBJECT:
                return
            raise
        for encoded, entry in names:
            key = folder + os.fsdecode(encoded)
            if key.endswith("/"):
                if key.startswith(prefix) or prefix.startswith(key):
                    yield from self._walk(key, prefix)
            elif key.startswith(prefix):
                info = self._listed(key, entry)
                if info:
                    yield info

    def _listed(self, key: str, entry: os.DirEntry[str]) -> ObjectInfo | None:
        try:
            status = entry.stat()
        except FileNotFoundError:
            return None
        known = entry_of(read_entries(self._meta_path(key)), status)
        if known:
            return ObjectInfo(key, status.st_size, known.etag, status.st_mtime)
        info = self.head(key)
        return info and ObjectInfo(key, info.size, info.etag, info.modified)

    @contextmanager
    def _arriving(self, body: bytes | Path) -> Iterator[tuple[Path, str]]:
        """The body in a temporary file, synced, with its ETag. Gone afterwards unless it was renamed."""
        path = self._tmp / f"{os.getpid()}-{uuid.uuid4().hex}"
        try:
            with path.open("xb") as out:
                digest = _copy(body, out)
                out.flush()
                os.fsync(out.fileno())
            yield path, f'"{digest}"'
        finally:
            path.unlink(missing_ok=True)

    def _place(self, key: str, arrived: Path, etag: str, headers: dict[str, str], if_absent: bool) -> bool:
        target, meta = self._objects / key, self._meta_path(key)
        entry = Entry(etag, headers, identity(arrived.stat()))
        with self._lock(key):
            if if_absent and target.is_file():
                return False
            old = self._entry_now(key)
            entries = [entry, old] if old else [entry]
            with self._arriving(pack_entries(entries)) as (described, _):
                _into_folder(meta, lambda: described.replace(meta))
            if if_absent:
                _into_folder(target, lambda: target.hardlink_to(arrived))
            else:
                _into_folder(target, lambda: arrived.replace(target))
        return True

    def _entry(self, key: str, file: BinaryIO, status: os.stat_result) -> Entry | None:
        entries = read_entries(self._meta_path(key))
        return entry_of(entries, status) or (entry_by_content(entries, file) if entries else None)

    def _entry_now(self, key: str) -> Entry | None:
        """The entry of the file that is there, for the holder of the lock."""
        try:
            with self._open_file(key) as file:
                status = os.fstat(file.fileno())
                entry = self._entry(key, file, status)
        except NotFound:
            return None
        return entry and Entry(entry.etag, entry.headers, identity(status))

    def _open_file(self, key: str) -> BinaryIO:
        try:
            return (self._objects / key).open("rb")
        except OSError as error:
            if error.errno in _NO_OBJECT:
                raise NotFound(key) from None
            with disk_errors(self._objects / key):
                raise

    def _meta_path(self, key: str) -> Path:
        return self._meta / f"{key}.json"

    @contextmanager
    def _lock(self, key: str) -> Iterator[None]:
        number = hashlib.blake2s(key.encode(), digest_size=2).digest()[0] % _LOCKS
        with locked(self._tmp / f"lock-{number:02d}"):
            yield

    def _sweep(self) -> None:
        """Once per process: remove what writers that were killed left in tmp more than a day ago."""
        self._tmp.mkdir(parents=True, exist_ok=True)
        if self._swept:
            return
        self._swept = True
        limit = time.time() - _STALE_SECONDS
        for path in self._tmp.iterdir():
            if not path.name.startswith("lock-"):
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < limit:
                        path.unlink()


def _copy(body: bytes | Path, out: BinaryIO) -> str:
    """Write the body and return its MD5 in hex: the ETag that S3 gives a single PUT."""
    digest = hashlib.md5(usedforsecurity=False)
    if isinstance(body, bytes):
        digest.update(body)
        out.write(body)
        return digest.hexdigest()
    with disk_errors(body):
        source = body.open("rb")
    with source:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest()


def _into_folder(path: Path, action: Callable[[], object]) -> None:
    """Run a rename or link into `path`'s folder, which a delete may be removing at this moment."""
    for _ in range(100):
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            action()
            return
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))


def _remove(path: Path, top: Path) -> None:
    """Unlink the file and the folders that are empty without it, as a bucket has no empty folders."""
    try:
        path.unlink()
    except OSError as error:
        if error.errno in (*_NO_OBJECT, errno.EPERM) and not path.is_file():
            return
        raise
    for folder in path.parents:
        if folder == top:
            return
        try:
            folder.rmdir()
        except OSError:
            return


def _info(key: str, status: os.stat_result, entry: Entry) -> ObjectInfo:
    return ObjectInfo(key, status.st_size, entry.etag, status.st_mtime, entry.headers)
