"""A store that does not answer: one sentence and exit code 1, whichever store and whichever verb."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError

from tests.aws.account import FakeAccount
from tests.aws.conftest import Cli, said
from toolkit.targets import Ways


@pytest.fixture(autouse=True)
def hosting(account: FakeAccount) -> None:
    account.set_up()


def silent_s3(account: FakeAccount) -> Ways:
    def fail(request: Any, **_: object) -> None:
        raise ReadTimeoutError(endpoint_url=request.url)

    def connect(region: str, profile: str) -> boto3.Session:
        session = account.connect(region, profile)
        session.events.register_first("before-send.s3.*", fail)
        return session

    return Ways(connect, account.lookup, account.synthesise, account.ways.sleep)


@pytest.mark.parametrize("verb", [("deploy", "dist"), ("releases",)])
def test_a_bucket_that_does_not_answer(cli: Cli, project: Path, account: FakeAccount, verb: tuple[str, ...]) -> None:
    outcome = cli(*verb, "--json", ways=silent_s3(account))
    assert outcome.code == 1, outcome.err
    assert "Read timeout" in str(said(outcome)["what"]) and said(outcome)["fix"] == "run the command again; doing so is safe"
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("verb", [("deploy", "dist"), ("status",), ("rollback",)])
def test_a_route_store_that_does_not_answer(cli: Cli, project: Path, account: FakeAccount, verb: tuple[str, ...]) -> None:
    for operation in ("DescribeKeyValueStore", "GetKey", "ListKeys", "UpdateKeys"):
        account.store.fail(operation, "timeout", times=500)
    outcome = cli(*verb, "--json")
    assert outcome.code == 1, outcome.err
    assert said(outcome)["what"] and said(outcome)["fix"] and "Traceback" not in outcome.err
