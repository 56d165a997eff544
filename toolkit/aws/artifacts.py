"""A build's artifact in S3: looked into without fetching it, then fetched whole, both times the same bytes; and written."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any, BinaryIO

from boto3.exceptions import S3UploadFailedError

from toolkit.aws.session import asking

_BUFFER = 256 * 1024


class Artifact:
    """One object, of one version: what is asked for later is what was there when this was made, or an error.

    `session` is a boto3 session; `version` is S3's id, "" for the newest. UserError when there is no such object.
    """

    def __init__(self, session: Any, bucket: str, key: str, version: str = "") -> None:
        self.where, self.name = f"s3://{bucket}/{key}", key.rpartition("/")[2]
        self._client = session.client("s3")
        self._wanted = {"Bucket": bucket, "Key": key, **({"VersionId": version} if version else {})}
        with self._asking():
            found = self._client.head_object(**self._wanted)
        self.size = int(found["ContentLength"])
        self._wanted["IfMatch"] = found["ETag"]

    def open(self) -> BinaryIO:
        """The object as a file to read from anywhere; whatever is not in its buffer is a ranged GET."""
        return io.BufferedReader(_Ranges(self), _BUFFER)

    def download(self, path: Path) -> None:
        """Write it to a file, in pieces."""
        with self._asking(), path.open("wb") as file:
            shutil.copyfileobj(self._client.get_object(**self._wanted)["Body"], file, _BUFFER)

    def part(self, start: int, length: int) -> bytes:
        """At most `length` bytes from `start`."""
        end = min(start + length, self.size)
        if start >= end:
            return b""
        with self._asking():
            reply = self._client.get_object(**self._wanted, Range=f"bytes={start}-{end - 1}")
            return bytes(reply["Body"].read())

    def _asking(self) -> Any:
        return asking(self.where, "s3:GetObject, s3:GetObjectVersion")


def store(session: Any, bucket: str, key: str, path: Path) -> None:
    """Write a file to an object, in pieces where it is large. UserError, Unavailable."""
    with asking(f"s3://{bucket}/{key}", "s3:PutObject"):
        try:
            session.client("s3").upload_file(str(path), bucket, key)
        except S3UploadFailedError as error:
            # It hides what S3 said, whether that was a refusal or a passing fault.
            raise error.__context__ or error from None


class _Ranges(io.RawIOBase):
    def __init__(self, artifact: Artifact) -> None:
        self._artifact, self._at = artifact, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._artifact.size}[whence]
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        piece = self._artifact.part(self._at, len(buffer))
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def readall(self) -> bytes:
        # Python's own asks for 8 KB at a time.
        piece = self._artifact.part(self._at, self._artifact.size)
        self._at += len(piece)
        return piece
