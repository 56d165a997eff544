"""Files of the local target: locks that die with their holder, whole-file writes, and disk errors as people can read them."""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolkit.engine.errors import UserError

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FIXES = {
    errno.EACCES: ("may not be written or read: permission denied", "check who owns it and its mode"),
    errno.EPERM: ("does not permit this operation", "check who owns it, its mode and its file system"),
    errno.EROFS: ("is on a read-only file system", "choose another folder with TOOLKIT_HOME"),
    errno.EFBIG: ("may not hold a file of this size", "raise the file size limit (ulimit -f)"),
    errno.ENAMETOOLONG: ("gets a name that its file system cannot hold", "use a shorter name"),
    errno.EEXIST: ("is in the way of an object", "remove it or use another name"),
    errno.ENOTDIR: ("holds a file where a folder is needed", "remove that file or use another name"),
    errno.EISDIR: ("holds a folder where a file is needed", "remove that folder or use another name"),
    errno.ENOENT: ("does not exist", "check the path"),
    errno.ENOTSUP: ("is on a file system without hard links", "choose another folder with TOOLKIT_HOME"),
    errno.EMFILE: ("cannot be opened: too many open files", "raise the limit (ulimit -n)"),
    errno.EIO: ("failed: the disk reports an error", "check the disk"),
}


@contextmanager
def disk_errors(place: Path) -> Iterator[None]:
    """Turn an OSError into a UserError that names the path and what to do about it."""
    try:
        yield
    except OSError as error:
        where = error.filename2 or error.filename or place
        if error.errno in _FULL:
            raise UserError(f"no space left on {place}", "free some space there; nothing was changed") from error
        what, fix = _FIXES.get(error.errno or 0, (f"failed: {error.strerror or error}", ""))
        raise UserError(f"{os.fsdecode(where)} {what}", fix) from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of that file; it waits for the holder, and the system releases it when a holder dies."""
    handle = open_lock(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def try_lock(path: Path) -> int | None:
    """The lock as an open descriptor to close later, or None when another process holds it."""
    handle = open_lock(path)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def open_lock(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def write_whole(path: Path, content: bytes) -> None:
    """Replace the file in one step: readers see the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
