"""Send one blob, or see that it is there: what a key holds is what its digest says, whatever happens to the file meanwhile.

Cost: a small file is read once more and sent from memory; one above 16 MB is read twice more, and its store is asked first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from toolkit.engine import layout
from toolkit.engine.errors import UserError
from toolkit.engine.model import Asset
from toolkit.engine.ports import ObjectStore
from toolkit.engine.scan import ScannedFile

# Up to this size the very bytes that are sent are hashed again.
IN_MEMORY = 16 << 20


def upload(objects: ObjectStore, site: str, asset: Asset, entry: ScannedFile) -> int:
    """Send a file unless its blob is there; the size that is then known to be stored."""
    key = layout.blob(site, asset.blob)
    if not (_send_large if asset.size > IN_MEMORY else _send)(objects, key, asset, entry):
        raise UserError(f"{entry.file} changed while it was published", "deploy again once nothing writes to the folder")
    info = objects.head(key)
    if info is None or info.size != asset.size:
        raise UserError(f"the stored copy of {asset.path} is not whole", "deploy again")
    return asset.size


def _send(objects: ObjectStore, key: str, asset: Asset, entry: ScannedFile) -> bool:
    """False when the file is not what was scanned; nothing is written then."""
    body = _read(entry)
    if hashlib.sha256(body).hexdigest() != asset.sha256:
        return False
    objects.put(key, body, asset.headers, if_absent=True)
    return True


def _send_large(objects: ObjectStore, key: str, asset: Asset, entry: ScannedFile) -> bool:
    """As `_send`, for what memory should not hold: read again first, it must keep its time and size until it is sent."""
    if objects.head(key) is not None:
        return True
    with _readable(entry):
        before = entry.file.stat()
        with entry.file.open("rb") as stream:
            intact = hashlib.file_digest(stream, "sha256").hexdigest() == asset.sha256
    if not intact:
        return False
    written = objects.put(key, entry.file, asset.headers, if_absent=True)
    with _readable(entry):
        after = entry.file.stat()
    if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size):
        return True
    if written:  # another's copy of the same blob is whole, and may be live
        objects.delete([key])
    return False


def _read(entry: ScannedFile) -> bytes:
    with _readable(entry):
        return entry.file.read_bytes()


@contextmanager
def _readable(entry: ScannedFile) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot read {entry.file}: {error.strerror}", "deploy again once nothing writes to the folder") from error


def verify(objects: ObjectStore, site: str, asset: Asset, entry: ScannedFile | None) -> None:
    """A blob that an earlier version brought must still be there and whole; it is sent again when this version has its file."""
    key = layout.blob(site, asset.blob)
    info = objects.head(key)
    if info is not None and info.size == asset.size:
        return
    if entry is None:
        raise UserError(f"the stored copy of {asset.path}, an asset of an earlier version, is gone", "deploy again")
    if info is not None:
        objects.delete([key])
    upload(objects, site, asset, entry)
