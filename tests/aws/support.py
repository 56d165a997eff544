"""What the tests of the AWS adapters share."""

from __future__ import annotations

from collections.abc import Callable

import boto3

from tests.contracts.kvs import ARN, FakeKeyValueStore
from toolkit.aws.routes import KeyValueRoutes


def no_sleep(seconds: float) -> None:
    """Waiting ends at once."""


def session_on(store: FakeKeyValueStore, region: str | None = "eu-west-1") -> boto3.Session:
    session = boto3.Session(aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret", region_name=region)
    store.attach(session)
    return session


def routes_on(store: FakeKeyValueStore, arn: str = ARN, sleep: Callable[[float], None] = no_sleep) -> KeyValueRoutes:
    """The adapter on the stand-in."""
    return KeyValueRoutes(session_on(store), arn, sleep=sleep)
