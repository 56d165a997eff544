"""A zip on its way into the upload bucket, and the delivery that it starts there.

The key names the channel (`engine.channels.of_upload`), the rest goes with the object as metadata. Its delivery is found by key and
version: that is what EventBridge hands to the pipeline.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from toolkit.aws.session import STEADY, asking
from toolkit.engine import channels
from toolkit.engine.deliveries import Upload
from toolkit.errors import UserError

# User metadata of an object: 2 KB (docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html); what a person wrote is cut.
_FACT_BYTES = 450
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def key_for(prefix: str, upload: Upload, now: float | None = None) -> str:
    """Where a zip goes: keys sort by time. UserError for a channel that no key leads to."""
    stem = _UNSAFE.sub("-", upload.file.name.removesuffix(upload.file.suffix)).strip("-.") or "site"
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    folder = "" if upload.channel == channels.LIVE else f"{upload.channel}/"
    key = f"{prefix}{folder}{moment}-{stem[:80]}.zip"
    if channels.of_upload(key, prefix) != upload.channel:
        raise UserError(f"no upload leads to {upload.channel!r}", "choose a name without empty parts and spaces around it")
    return key


def send(session: Any, bucket: str, key: str, upload: Upload, progress: Callable[[int], None]) -> str:
    """Put the file there, in parts if it is large; the object's version. UserError, Unavailable."""
    where = f"s3://{bucket}/{key}"
    metadata = {name: _encoded(value) for name, value in upload.facts.items()}
    with asking(where, "s3:PutObject"):
        client = session.client("s3", config=STEADY)
        try:
            given = {"Metadata": metadata, "ContentType": "application/zip"}
            client.upload_file(str(upload.file), bucket, key, ExtraArgs=given, Callback=progress)
        except S3UploadFailedError as error:
            if isinstance(error.__context__, ClientError):
                raise error.__context__ from error
            raise UserError(f"{where}: {error}", "upload it again") from error
    with asking(where, "s3:GetObject"):
        version = client.head_object(Bucket=bucket, Key=key).get("VersionId", "")
    if not version or version == "null":
        raise UserError(f"the bucket {bucket} keeps no versions, so that nothing is delivered from it", _versioning(bucket))
    return str(version)


def _versioning(bucket: str) -> str:
    return f"aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled"


def _encoded(text: str) -> str:
    """Percent-encoded: metadata is ASCII. Cut before it is encoded, so that no escape is cut in two."""
    text = text.encode("utf-8", "replace").decode()  # a file's name may be no UTF-8
    encoded = quote(text, safe="")
    while len(encoded) > _FACT_BYTES:
        text = text[: max(1, len(text) * _FACT_BYTES // len(encoded) - 1)]
        encoded = quote(text, safe="")
    return encoded
