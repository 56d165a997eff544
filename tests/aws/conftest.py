"""An account and a project folder, with the command line on both."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from tests.aws.account import FakeAccount
from tests.aws.pipelines import FakePipelines
from tests.commands.conftest import Outcome, plain_project
from toolkit.cli import main
from toolkit.targets import Ways

Cli = Callable[..., Outcome]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAccount]:
    """Empty, in eu-west-1."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    # moto is asked beside a stand-in, not after it, unless it is told to let a service pass.
    with mock_aws(config={"core": {"passthrough": {"services": ["cloudformation"]}}}):
        yield FakeAccount()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plain site named blog that runs in AWS, the working folder; state goes to a folder of its own."""
    return plain_project(tmp_path, monkeypatch, 'name = "blog"\ntarget = "aws"\n')


@pytest.fixture
def cli(project: Path, account: FakeAccount, capsys: pytest.CaptureFixture[str]) -> Cli:
    def run(*words: str | Path, ways: Ways | None = None) -> Outcome:
        capsys.readouterr()
        code = main([str(word) for word in words], ways or account.ways)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def pipelines() -> FakePipelines:
    """Those of the account; nothing has run yet."""
    return FakePipelines()


@pytest.fixture
def run(cli: Cli, account: FakeAccount, pipelines: FakePipelines) -> Cli:
    """The command line where there are pipelines, too."""
    ways = Ways(connect=lambda region, profile: pipelines.attach(account.connect(region, profile)), sleep=pipelines.sleep)
    return lambda *words: cli(*words, ways=ways)


def said(outcome: Outcome) -> dict[str, object]:
    """The error of a verb that was asked for JSON."""
    error: dict[str, object] = json.loads(outcome.out)["error"]
    return error
