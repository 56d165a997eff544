"""Files that stacks refer to, sent to the bootstrap's bucket: each once, as their names are digests of their content."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import Any

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError

from toolkit.aws.assembly import FileAsset
from toolkit.aws.errors import code, status
from toolkit.aws.session import asking
from toolkit.engine.stacks import Asset
from toolkit.errors import Unavailable, UserError

# Zip has no older date; the same content makes the same file.
_DATE = (1980, 1, 1, 0, 0, 0)


def send(client: Any, asset: FileAsset, owner: str) -> Asset:
    """Send a file unless it is there. UserError when `owner`, an account, has no such bucket."""
    where = f"s3://{asset.bucket}/{asset.key}"
    with asking(where, "s3:GetObject"):
        try:
            client.head_object(Bucket=asset.bucket, Key=asset.key, ExpectedBucketOwner=owner)
            return Asset(asset.source.name, 0, False)
        except ClientError as error:
            # A missing object is 403 for whoever may not list the bucket.
            if status(error) not in (403, 404):
                raise
    with tempfile.TemporaryDirectory(prefix="toolkit-asset-") as folder:
        file = _zipped(asset.source, Path(folder) / "asset.zip") if asset.is_folder else asset.source
        with asking(where, "s3:PutObject"):
            try:
                # The SDK's own transfer sends large files in parts.
                client.upload_file(str(file), asset.bucket, asset.key, ExtraArgs={"ExpectedBucketOwner": owner})
            except S3UploadFailedError as error:
                # boto3 wraps what AWS answered, and keeps it as the context.
                cause = error.__context__ if isinstance(error.__context__, ClientError) else None
                if cause is None:
                    raise Unavailable(f"{where}: {error}") from error
                if code(cause) == "NoSuchBucket":
                    missing = f"there is no bucket {asset.bucket}, where the CDK's bootstrap puts files"
                    raise UserError(missing, f"run `npx aws-cdk@2 bootstrap aws://{owner}/{asset.region}`") from error
                raise cause from error
        return Asset(asset.source.name, file.stat().st_size, True)


def _zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            member = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _DATE)
            member.external_attr = (file.stat().st_mode & 0o777) << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, file.read_bytes())
    return target
