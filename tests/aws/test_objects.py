"""What is particular to the S3 store: prefixes, and AWS's errors as people can read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from toolkit.aws.objects import S3Objects
from toolkit.engine.errors import LimitExceeded, NotFound, Unavailable, UserError


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        yield client


class ScriptedClient:
    """Answers PutObject with the given error codes, one after the other, then with success."""

    def __init__(self, *codes: str) -> None:
        self.codes = list(codes)
        self.calls: list[dict[str, Any]] = []

    def put_object(self, **arguments: Any) -> None:
        self.calls.append(arguments)
        if self.codes:
            raise ClientError({"Error": {"Code": self.codes.pop(0), "Message": "m"}}, "PutObject")


def test_keys_stay_below_the_prefix(s3: Any) -> None:
    store = S3Objects(s3, "bucket", prefix="below/")
    s3.put_object(Bucket="bucket", Key="beside/a", Body=b"x")
    store.put("a/b", b"x")
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="bucket")["Contents"]] == ["below/a/b", "beside/a"]
    assert [info.key for info in store.list("")] == ["a/b"]
    assert store.head("beside/a") is None
    store.delete(["a/b"])
    assert list(store.list("")) == []


def test_a_missing_bucket_is_the_users_error(s3: Any) -> None:
    with pytest.raises(UserError, match="nowhere"):
        S3Objects(s3, "nowhere").put("a", b"x")


def test_a_conflicting_write_is_tried_again() -> None:
    client = ScriptedClient("ConditionalRequestConflict", "ConditionalRequestConflict")
    assert S3Objects(client, "b").put("a", b"x", if_absent=True) is True
    assert [call["IfNoneMatch"] for call in client.calls] == ["*"] * 3


def test_a_conflict_after_which_the_object_is_there() -> None:
    client = ScriptedClient("ConditionalRequestConflict", "PreconditionFailed")
    assert S3Objects(client, "b").put("a", b"x", if_absent=True) is False


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("SlowDown", Unavailable),
        ("InternalError", Unavailable),
        ("KeyTooLongError", LimitExceeded),
        ("MetadataTooLarge", LimitExceeded),
        ("AccessDenied", UserError),
        ("ExpiredToken", UserError),
        ("InvalidAccessKeyId", UserError),
        ("Throttling", Unavailable),
        ("NoSuchKey", NotFound),
    ],
)
def test_errors_have_the_ports_names(code: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        S3Objects(ScriptedClient(code), "b").put("a", b"x")


def test_credentials_that_are_missing_expired_or_not_enough_are_told_apart() -> None:
    """The same words as the other adapters have."""
    for client, said in [
        (ScriptedClient("ExpiredToken"), "s3://b/a: the AWS credentials have expired: sign in again"),
        (ScriptedClient("AccessDenied"), "s3://b/a: these AWS credentials may not do that: allow them s3:PutObject there"),
    ]:
        with pytest.raises(UserError) as caught:
            S3Objects(client, "b").put("a", b"x")
        assert f"{caught.value.what}: {caught.value.fix}".startswith(said)
