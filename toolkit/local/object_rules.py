"""What S3 accepts as an object's key and headers, checked on this machine before anything is written.

Stricter than S3 in one way: a key's segments are also file names, so none may be empty, `.` or `..`.
Sources: "Naming Amazon S3 objects" and "Working with object metadata" (S3 user guide).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from toolkit.engine import limits
from toolkit.engine.errors import LimitExceeded, UserError

KEY_BYTES = 1024
METADATA_PREFIX = "x-amz-meta-"
SYSTEM_HEADERS = {"content-type", "cache-control", "content-disposition", "content-language", "content-encoding"}
DEFAULT_TYPE = "binary/octet-stream"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def check_key(key: str) -> None:
    """UserError when S3 would refuse the key or a folder could not hold it; LimitExceeded above 1,024 bytes of UTF-8."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError as error:
        raise UserError(f"object key {key!r} is not Unicode text", "rename the file") from error
    if size > KEY_BYTES:
        raise LimitExceeded(f"object key {key[:40]!r}... takes {size} bytes, S3 allows {KEY_BYTES}", "use a shorter name")
    if _CONTROL.search(key):
        raise UserError(f"object key {key!r} holds a control character", "rename the file")
    if any(segment in ("", ".", "..") for segment in key.split("/")):
        raise UserError(f"object key {key!r} has an empty, '.' or '..' segment", "use names separated by single slashes")


def check_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers as a store keeps them, with S3's default content type. UserError, LimitExceeded above 2 KB a group."""
    kept = {"content-type": DEFAULT_TYPE, **headers}
    sizes = {True: 0, False: 0}
    for name, value in kept.items():
        is_metadata = name.startswith(METADATA_PREFIX)
        if not (is_metadata or name in SYSTEM_HEADERS) or not _NAME.fullmatch(name):
            raise UserError(
                f"an object cannot keep the header {name!r}",
                f"use {', '.join(sorted(SYSTEM_HEADERS))} or {METADATA_PREFIX}<lowercase name>",
            )
        if not _VALUE.fullmatch(value):
            raise UserError(
                f"the header {name!r} has the value {value!r}, an object keeps printable ASCII only",
                "encode it, for example as percent escapes",
            )
        sizes[is_metadata] += len(name.removeprefix(METADATA_PREFIX)) + len(value)
    for is_metadata, size in sizes.items():
        if size > limits.METADATA_BYTES:
            what = "x-amz-meta-* headers" if is_metadata else "headers"
            raise LimitExceeded(
                f"an object's {what} take {size} bytes, S3 allows {limits.METADATA_BYTES}", "set fewer or shorter headers"
            )
    return kept
