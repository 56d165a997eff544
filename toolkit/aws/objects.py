"""The object store in an S3 bucket, over boto3: small and right; speed comes with a later issue.

S3 itself gives what the port asks for: a PUT is seen whole or not at all, `If-None-Match: *` is exclusive, listings are sorted.
Cost: one request per object (a listing 1 per 1,000 keys, a delete 1 per 1,000 keys). Files above 5 GB do not fit one PUT.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from toolkit.aws.errors import answered, code, unanswered
from toolkit.aws.session import STEADY, asking
from toolkit.engine import limits
from toolkit.engine.errors import LimitExceeded, NotFound, Unavailable, UserError
from toolkit.engine.ports import ObjectInfo

KEY_BYTES = 1024
_METADATA = "x-amz-meta-"
_PARAMETERS = {
    "content-type": "ContentType",
    "cache-control": "CacheControl",
    "content-disposition": "ContentDisposition",
    "content-language": "ContentLanguage",
    "content-encoding": "ContentEncoding",
}
_MISSING = {"NoSuchKey", "404", "NotFound"}
_PASSING = {"RequestTimeout", "ServiceUnavailable", "InternalError", "503", "500"}
_TOO_LARGE = {"KeyTooLongError", "MetadataTooLarge", "EntityTooLarge"}
_TRIES = 5
_BATCH = 1000


class S3Objects:
    """`engine.ports.ObjectStore` over the keys below `prefix` in a bucket. `client` is a boto3 S3 client or
    a session.

    UserError when no client can be made: no region, no credentials.
    """

    def __init__(self, client: Any, bucket: str, prefix: str = "") -> None:
        with asking("AWS", "s3:GetObject"):
            self._client = client.client("s3", config=STEADY) if hasattr(client, "client") else client
        self._bucket = bucket
        self._prefix = prefix

    def put(self, key: str, body: bytes | Path, headers: Mapping[str, str] | None = None, *, if_absent: bool = False) -> bool:
        arguments = {"Bucket": self._bucket, "Key": self._prefix + key, **_parameters(self._prefix + key, headers or {})}
        if if_absent:
            arguments["IfNoneMatch"] = "*"
        for attempt in range(_TRIES):
            try:
                with _body(body) as content, self._errors(key):
                    self._client.put_object(Body=content, **arguments)
                return True
            except _Refused as refused:
                if refused.code == "PreconditionFailed":
                    return False
                # 409: another conditional write of this key was under way.
                time.sleep(0.05 * 2**attempt)
        raise Unavailable(f"s3://{self._bucket}/{self._prefix}{key}: other writers were in the way {_TRIES} times")

    def get(self, key: str) -> tuple[ObjectInfo, bytes]:
        with self._errors(key):
            reply = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
            return _info(key, reply), reply["Body"].read()

    def head(self, key: str) -> ObjectInfo | None:
        try:
            with self._errors(key):
                return _info(key, self._client.head_object(Bucket=self._bucket, Key=self._prefix + key))
        except NotFound:
            return None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        with self._errors(prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix + prefix)
            for page in pages:
                for item in page.get("Contents", ()):
                    key = item["Key"][len(self._prefix) :]
                    yield ObjectInfo(key, item["Size"], item["ETag"], item["LastModified"].timestamp())

    def delete(self, keys: Iterable[str]) -> None:
        remaining = iter(keys)
        while batch := list(islice(remaining, _BATCH)):
            with self._errors(batch[0]):
                wanted = {"Objects": [{"Key": self._prefix + key} for key in batch], "Quiet": True}
                reply = self._client.delete_objects(Bucket=self._bucket, Delete=wanted)
            for failed in reply.get("Errors", ())[:1]:
                raise Unavailable(f"s3://{self._bucket}/{failed['Key']} was not deleted: {failed.get('Message', failed['Code'])}")

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """boto3's errors as the port has them."""
        where = f"s3://{self._bucket}/{self._prefix}{key}"
        try:
            yield
        except ClientError as error:
            said = code(error)
            if said in ("PreconditionFailed", "ConditionalRequestConflict"):
                raise _Refused(said) from error
            if said in _MISSING:
                raise NotFound(key) from error
            if said in _TOO_LARGE:
                raise LimitExceeded(f"{where}: {said}", "use a shorter key, fewer headers or a smaller file") from error
            if said in _PASSING:
                raise Unavailable(f"{where}: {said}") from error
            known = answered(error, where, f"s3:{error.operation_name}")
            raise known or UserError(f"{where}: {error}", "check the bucket's name and its policy") from error
        except ParamValidationError as error:
            raise UserError(f"{where}: {error}", "object keys and headers must be valid for S3") from error
        except BotoCoreError as error:
            raise unanswered(error, where) from error


class _Refused(Exception):
    """A conditional write was turned down."""

    @property
    def code(self) -> str:
        return str(self.args[0])


@contextmanager
def _body(body: bytes | Path) -> Iterator[Any]:
    if isinstance(body, bytes):
        yield body
        return
    try:
        file = body.open("rb")
    except OSError as error:
        raise UserError(f"{body} cannot be read: {error.strerror}", "check the file and its mode") from error
    with file:
        yield file


def _parameters(key: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """PutObject's arguments for the headers; what S3 would only refuse after the upload is refused here."""
    metadata = {name.removeprefix(_METADATA): value for name, value in headers.items() if name.startswith(_METADATA)}
    size = sum(len(name) + len(value) for name, value in metadata.items())
    if size > limits.METADATA_BYTES:
        raise LimitExceeded(
            f"the x-amz-meta-* headers of {key} take {size} bytes, S3 allows {limits.METADATA_BYTES}",
            "set fewer or shorter headers",
        )
    if len(key.encode()) > KEY_BYTES:
        raise LimitExceeded(f"object key {key[:40]!r}... is longer than {KEY_BYTES} bytes", "use a shorter name")
    found: dict[str, Any] = {"Metadata": metadata} if metadata else {}
    for name, value in headers.items():
        if name.startswith(_METADATA):
            continue
        if name not in _PARAMETERS:
            raise UserError(f"an object cannot keep the header {name!r}", f"use {', '.join(_PARAMETERS)} or {_METADATA}<name>")
        found[_PARAMETERS[name]] = value
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise UserError(f"the header {name!r} has the value {value!r}, an object keeps printable ASCII only", "encode it")
    return found


def _info(key: str, reply: Mapping[str, Any]) -> ObjectInfo:
    headers = {name: reply[parameter] for name, parameter in _PARAMETERS.items() if reply.get(parameter)}
    headers.update({f"{_METADATA}{name.lower()}": value for name, value in reply.get("Metadata", {}).items()})
    return ObjectInfo(key, reply["ContentLength"], reply["ETag"], reply["LastModified"].timestamp(), headers)
