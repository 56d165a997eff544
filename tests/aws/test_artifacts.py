"""An artifact in S3: looked into without fetching it, and the same bytes from the first look to the last."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from toolkit.aws.artifacts import Artifact
from toolkit.engine.errors import UserError
from toolkit.sources import archive


@pytest.fixture
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        made = boto3.Session(region_name="us-east-1")
        made.client("s3").create_bucket(Bucket="artifacts")
        yield made


def put(session: boto3.Session, body: bytes) -> str:
    return str(session.client("s3").put_object(Bucket="artifacts", Key="in/site.zip", Body=body).get("VersionId", ""))


def large_zip() -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as made:
        for number in range(8):
            made.writestr(f"{number}.bin", random.Random(number).randbytes(1 << 20))
    return body.getvalue()


def test_a_look_into_the_directory_fetches_the_end_only(session: boto3.Session) -> None:
    put(session, large_zip())
    fetched: list[int] = []

    def count(request: Any, **_: object) -> None:
        first, last = request.headers["Range"].decode().removeprefix("bytes=").split("-")
        fetched.append(int(last) - int(first) + 1)

    session.events.register_first("before-send.s3.GetObject", count)
    artifact = Artifact(session, "artifacts", "in/site.zip")
    with artifact.open() as file:
        assert archive.survey(file, artifact.name) == (8, 8 << 20)
    assert artifact.name == "site.zip" and len(fetched) <= 8 and sum(fetched) < 100_000


@pytest.mark.parametrize("size", [0, 1, 256 * 1024, 600_001])
def test_it_reads_as_a_file_does(session: boto3.Session, size: int) -> None:
    body = random.Random(size).randbytes(size)
    put(session, body)
    like = io.BytesIO(body)
    with Artifact(session, "artifacts", "in/site.zip").open() as file:
        for whence, offset, length in [
            (2, 0, 5),
            (0, 0, 10),
            (0, size // 2, -1),
            (2, -min(size, 100), 40),
            (1, 3, 7),
            (0, size + 5, 1),
        ]:
            assert file.seek(offset, whence) == like.seek(offset, whence)
            assert file.read(length) == like.read(length)
            assert file.tell() == like.tell()


def test_it_is_written_to_a_file(session: boto3.Session, tmp_path: Path) -> None:
    body = large_zip()
    put(session, body)
    Artifact(session, "artifacts", "in/site.zip").download(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == body


def test_one_that_was_replaced_meanwhile_is_refused(session: boto3.Session, tmp_path: Path) -> None:
    """Two builds must never be mixed: what was looked into is what is unpacked."""
    put(session, b"one")
    artifact = Artifact(session, "artifacts", "in/site.zip")
    put(session, b"two")
    for read in (lambda: artifact.part(0, 3), lambda: artifact.download(tmp_path / "file")):
        with pytest.raises(UserError, match=r"s3://artifacts/in/site\.zip: PreconditionFailed"):
            read()


def test_the_version_that_is_named_stays_itself(session: boto3.Session) -> None:
    client = session.client("s3")
    client.put_bucket_versioning(Bucket="artifacts", VersioningConfiguration={"Status": "Enabled"})
    first = put(session, b"one")
    put(session, b"two")
    assert Artifact(session, "artifacts", "in/site.zip", first).part(0, 9) == b"one"
    assert Artifact(session, "artifacts", "in/site.zip").part(0, 9) == b"two"


@pytest.mark.parametrize(("bucket", "key"), [("artifacts", "none.zip"), ("nowhere", "in/site.zip")])
def test_one_that_is_not_there_is_named(session: boto3.Session, bucket: str, key: str) -> None:
    with pytest.raises(UserError, match=f"s3://{bucket}/{key}"):
        Artifact(session, bucket, key)
