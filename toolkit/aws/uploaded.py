"""What the bucket of uploads knows of a zip: what was said when it was put there, and whether something newer took its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from botocore.exceptions import ClientError

from toolkit.aws.errors import status
from toolkit.aws.session import STEADY, asking
from toolkit.errors import UserError

_COMMIT = re.compile(r"[0-9a-f]{7,64}")
# Whoever may not list a bucket is told 403 of what is not there (docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html).
_GONE = (403, 404)


@dataclass(frozen=True)
class Uploaded:
    """What the uploader says, each "" when not said. `is_newest`: nothing newer has the key, and it was not deleted."""

    who: str = ""
    message: str = ""
    commit: str = ""
    branch: str = ""
    is_newest: bool = True


def uploaded(session: Any, bucket: str, key: str, version: str) -> Uploaded:
    """UserError when that version of the object is gone; Unavailable."""
    client, where = session.client("s3", config=STEADY), f"s3://{bucket}/{key}"
    with asking(where, "s3:GetObject, s3:GetObjectVersion"):
        try:
            found = client.head_object(Bucket=bucket, Key=key, VersionId=version)
        except ClientError as error:
            if status(error) not in _GONE:
                raise
            raise UserError(f"{where} was removed since it was uploaded, or may not be read", "upload it again") from error
        try:
            is_newest = client.head_object(Bucket=bucket, Key=key).get("VersionId") == version
        except ClientError as error:
            if status(error) not in _GONE:
                raise
            is_newest = False
    # Percent-encoded, since headers are ASCII. What an uploader calls a commit becomes part of a version's id: only if it is one.
    told = {name: unquote(text, errors="replace") for name, text in found.get("Metadata", {}).items()}
    texts = {name: " ".join(told.get(name, "").split()) for name in ("who", "branch")}
    commit = told.get("commit", "") if _COMMIT.fullmatch(told.get("commit", "")) else ""
    return Uploaded(**texts, message=told.get("message", ""), commit=commit, is_newest=is_newest)
