"""The S3 store keeps the contract, on moto's S3."""

from __future__ import annotations

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from tests.contracts.objects import ObjectStoreContract
from toolkit.aws.objects import S3Objects


class TestS3Objects(ObjectStoreContract):
    many = 1100  # listings and deletes take pages of 1,000
    reads_beside_writes = False

    @pytest.fixture
    def store(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Objects]:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        with mock_aws():
            session = boto3.Session(region_name="us-east-1")
            session.client("s3").create_bucket(Bucket="bucket")
            yield S3Objects(session, "bucket")
