"""What is wrong with credentials, region and network is said at the first question: one sentence, its fix, within five seconds."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws.account import FakeAccount
from tests.aws.conftest import Cli, said
from toolkit.aws.session import session
from toolkit.errors import UserError
from toolkit.targets import Ways

VERBS = (("status",), ("releases",), ("deploy", "dist"), ("up",), ("diff",), ("destroy",))
ids = [words[0] for words in VERBS]


@pytest.fixture
def silent() -> Iterator[str]:
    """An endpoint that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def told(cli: Cli, words: tuple[str, ...], connect: object = None) -> dict[str, object]:
    began = time.monotonic()
    outcome = cli(*words, "--json", ways=Ways(connect=connect or session))  # type: ignore[arg-type]
    assert time.monotonic() - began < 5 and outcome.code == 1, outcome.out + outcome.err
    return said(outcome)


@pytest.mark.parametrize("words", VERBS, ids=ids)
def test_no_region(cli: Cli, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    error = told(cli, words)
    assert error["what"] == "no AWS region is set" and "AWS_REGION" in str(error["fix"])


@pytest.mark.parametrize("words", VERBS, ids=ids)
def test_no_credentials(cli: Cli, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    error = told(cli, words)
    assert error["what"] == "there are no AWS credentials" and "aws sso login" in str(error["fix"])


def test_no_such_profile(cli: Cli, project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    (project / "site.toml").write_text('name = "blog"\ntarget = "aws"\n[aws]\nprofile = "work"\nregion = "eu-west-1"\n')
    assert "work" in str(told(cli, ("status",))["what"])


@pytest.mark.parametrize("words", [("status",), ("up",)], ids=["status", "up"])
def test_an_endpoint_that_never_answers(project: Path, account: FakeAccount, words: tuple[str, ...], silent: str) -> None:
    error = alone(words, AWS_ENDPOINT_URL=silent, AWS_REGION="eu-west-1")
    assert "AWS does not answer" in str(error["what"]) and "this machine reaches AWS" in str(error["fix"])


@pytest.mark.parametrize("words", VERBS, ids=ids)
def test_a_region_that_is_none(project: Path, account: FakeAccount, words: tuple[str, ...]) -> None:
    error = alone(words, AWS_ENDPOINT_URL="http://127.0.0.1:1", AWS_REGION="eu-wets-1")
    assert error["what"] == "AWS has no region eu-wets-1" and "did you mean eu-west-1?" in str(error["fix"])


@pytest.mark.parametrize(("code", "what"), [("ExpiredToken", "have expired"), ("AccessDenied", "may not do that")])
def test_credentials_that_are_not_good(cli: Cli, account: FakeAccount, code: str, what: str) -> None:
    account.cloudformation().denied["DescribeStacks"] = code
    assert what in str(told(cli, ("status",), account.connect)["what"])


def test_the_region_of_other_tools_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-2")
    assert session().region_name == "eu-west-2"
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    assert session().region_name == "eu-west-3"
    assert session("eu-west-1").region_name == "eu-west-1"
    with pytest.raises(UserError):
        session(profile="no-such-profile")


def alone(words: tuple[str, ...], **environ: str) -> dict[str, object]:
    """The error of a verb in a process of its own, where nothing stands in for AWS."""
    began = time.monotonic()
    command = [sys.executable, "-m", "toolkit", *words, "--json"]
    done = subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False)
    assert time.monotonic() - began < 5 and done.returncode == 1, done.stdout + done.stderr
    error: dict[str, object] = json.loads(done.stdout)["error"]
    return error
