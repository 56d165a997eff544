"""As a new user of the AWS target: every verb says within five seconds what is wrong and how to mend it, and no traceback.

The faults come from an endpoint on loopback (AWS_ENDPOINT_URL); boto3 is the real one.
"""

from __future__ import annotations

import json
import socket
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.acceptance.stub_aws import answering
from tests.commands.conftest import write_site
from toolkit.cli import VERBS, main

SECONDS = 5.0
VERSION = "20261120T231500Z-1a2b3c4"
# Of each verb, how a person would call it.
WORDS: dict[str, tuple[str, ...]] = {
    "up": (),
    "diff": (),
    "deploy": ("dist",),
    "upload": ("site.zip",),
    "trigger": (),
    "releases": (),
    "rollback": (),
    "promote": (VERSION,),
    "canary": (VERSION,),
    "preview": ("list",),
    "maintenance": ("on",),
    "pin": (VERSION,),
    "status": (),
    "explain": ("/",),
    "logs": (),
    "prune": (),
    "doctor": (),
    "verify": (),
    "destroy": ("--yes",),
}
# Those that ask nothing of AWS, whatever the target; and those of this machine alone.
WITHOUT_AWS = {"permissions", "cost"}
LOCAL = {"init", "serve", "demo"}
DEPLOYING = {"up", "diff"}


@dataclass
class Told:
    """What a verb said; `errors` are pairs of what and fix."""

    code: int
    seconds: float
    errors: list[tuple[str, str]]
    printed: str


@pytest.fixture(autouse=True)
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project for AWS, keys, a region, and no other settings of AWS."""
    folder = tmp_path / "project"
    folder.mkdir()
    write_site(folder / "dist", "one")
    (folder / "site.toml").write_text('name = "blog"\ntarget = "aws"\n', encoding="utf-8")
    with zipfile.ZipFile(folder / "site.zip", "w") as archive:
        archive.write(folder / "dist" / "index.html", "index.html")
    monkeypatch.chdir(folder)
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN", "AWS_CREDENTIAL_EXPIRATION"):
        monkeypatch.delenv(name, raising=False)
    said = {
        "TOOLKIT_HOME": str(tmp_path / "state"),
        "NO_COLOR": "1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    }
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    return folder


Tell = Callable[[str], Told]


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    def run(verb: str) -> Told:
        capsys.readouterr()
        began = time.monotonic()
        code = main([verb, *WORDS[verb], "--json"])
        seconds = time.monotonic() - began
        captured = capsys.readouterr()
        return Told(code, seconds, _errors(captured.out), captured.out + captured.err)

    return run


def _errors(out: str) -> list[tuple[str, str]]:
    data = json.loads(out)
    found = [data["error"]] if "error" in data else [one for one in data.get("findings", ()) if one["state"] == "problem"]
    return [(one["what"], one["fix"]) for one in found]


def check(told: Told, *, what: str, fix: str) -> None:
    assert "Traceback" not in told.printed and "this is a bug" not in told.printed, told.printed
    assert told.code == 1, told.printed
    assert told.seconds < SECONDS, f"{told.seconds:.1f} s"
    assert any(what in said and fix in mend for said, mend in told.errors), told.errors
    assert all(mend for _, mend in told.errors)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Let an endpoint answer by a rule for the rest of the test."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda rule: monkeypatch.setenv("AWS_ENDPOINT_URL", stack.enter_context(answering(rule)))


def test_no_verb_is_forgotten() -> None:
    assert set(WORDS) | WITHOUT_AWS | LOCAL == set(VERBS)


@pytest.mark.parametrize("verb", WORDS)
def test_no_credentials(tell: Tell, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    check(tell(verb), what="no AWS credentials", fix="aws sso login")


@pytest.mark.parametrize("verb", WORDS)
def test_expired_credentials(tell: Tell, verb: str, stub: Callable[..., None]) -> None:
    stub(lambda asked: (403, "ExpiredToken", "The security token included in the request is expired"))
    check(tell(verb), what="have expired", fix="sign in again")


@pytest.mark.parametrize("verb", WORDS)
def test_keys_that_aws_does_not_know(tell: Tell, verb: str, stub: Callable[..., None]) -> None:
    stub(lambda asked: (403, "InvalidClientTokenId", "The security token included in the request is invalid"))
    check(tell(verb), what="does not accept the credentials", fix="check the profile")


@pytest.mark.parametrize("verb", WORDS)
def test_a_region_that_is_none(tell: Tell, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers for it: its endpoints have no name in DNS."""
    monkeypatch.setenv("AWS_REGION", "eu-wset-1")
    check(tell(verb), what="no region eu-wset-1", fix="eu-west-1")


@pytest.mark.parametrize("verb", WORDS)
def test_no_region(tell: Tell, verb: str, monkeypatch: pytest.MonkeyPatch, stub: Callable[..., None]) -> None:
    stub(lambda asked: None)
    monkeypatch.delenv("AWS_REGION")
    check(tell(verb), what="no AWS region is set", fix="AWS_REGION")


@pytest.mark.parametrize("verb", [*sorted(DEPLOYING), "doctor"])
def test_an_account_that_is_not_bootstrapped(tell: Tell, verb: str, stub: Callable[..., None]) -> None:
    def rule(asked: str) -> tuple[int, str, str] | None:
        if asked.startswith("sts:"):
            return None
        return (400, "ParameterNotFound", "") if asked.startswith("ssm:") else (403, "AccessDenied", "not needed here")

    stub(rule)
    check(tell(verb), what="not bootstrapped for the CDK", fix="bootstrap aws://123456789012/eu-west-1")


@pytest.mark.parametrize("verb", [verb for verb in WORDS if verb not in DEPLOYING | {"doctor", "destroy"}])
def test_a_site_that_is_not_set_up(tell: Tell, verb: str, stub: Callable[..., None]) -> None:
    stub(
        lambda asked: (
            None if asked.startswith("sts:") else (400, "ValidationError", "Stack with id toolkit-site-blog does not exist")
        )
    )
    check(tell(verb), what="no stack toolkit-site-blog in eu-west-1", fix="toolkit up --target aws")


@pytest.mark.parametrize("verb", WORDS)
def test_nobody_listens(tell: Tell, verb: str) -> None:
    check(tell(verb), what="not answer", fix="reaches")


@pytest.mark.parametrize("verb", WORDS)
def test_an_endpoint_that_never_answers(tell: Tell, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        check(tell(verb), what="not answer", fix="reaches")


@pytest.mark.parametrize("verb", WORDS)
def test_what_the_credentials_may_not_do(tell: Tell, verb: str, stub: Callable[..., None]) -> None:
    stub(lambda asked: (403, "AccessDenied", "User is not authorized"))
    check(tell(verb), what="may not do that", fix="allow them")


@pytest.mark.parametrize("verb", sorted(WITHOUT_AWS))
def test_what_asks_nothing_of_aws_needs_nothing(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name)
    assert main([verb, "--json"]) == 0
