"""The one place where a boto3 session is made, and how long this package waits for AWS."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from toolkit.aws.errors import answered, unanswered
from toolkit.errors import Unavailable, UserError

# (region, profile) -> session; a test brings sessions of its own.
Connect = Callable[[str, str], Any]

# What is wrong, and how to mend it.
NO_REGION = ("no AWS region is set", 'say it in site.toml: [aws] region = "eu-west-1", or set AWS_REGION')
NO_CREDENTIALS = ("there are no AWS credentials", "run `aws configure` or `aws sso login`, or set AWS_PROFILE")
# For the first questions of a command: whoever mistyped a region, or has no network, hears of it within five seconds.
FIRST = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 1})
# For the rest: the account answers, so a pause is worth waiting for.
STEADY = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=64)


def session(region: str = "", profile: str = "") -> Any:
    """A boto3 session; empty texts leave region and profile to the environment and to AWS's own files. UserError.

    AWS_REGION is what AWS's tools and other SDKs read; boto3 knows AWS_DEFAULT_REGION only.
    """
    import boto3

    region = region or os.environ.get("AWS_REGION", "")
    try:
        return boto3.Session(region_name=region or None, profile_name=profile or None)
    except BotoCoreError as error:
        raise unanswered(error, "AWS") from error


def known_regions(session: Any) -> set[str]:
    """Those that this botocore has heard of, in every partition."""
    partitions = session.get_available_partitions()
    return {name for partition in partitions for name in session.get_available_regions("cloudformation", partition)}


def check(session: Any) -> None:
    """UserError when the session has no region or no credentials; AWS is not asked."""
    if not session.region_name:
        raise UserError(*NO_REGION)
    try:
        found = session.get_credentials()
    except BotoCoreError as error:
        raise unanswered(error, "AWS") from error
    if found is None:
        raise UserError(*NO_CREDENTIALS)


@contextmanager
def asking(where: str, action: str) -> Iterator[None]:
    """boto3's errors as UserError or Unavailable: `where` names what was asked, `action` is what a policy would allow."""
    try:
        yield
    except ClientError as error:
        raise answered(error, where, action) or UserError(f"{where}: {_text(error)}", "see what AWS says of it") from error
    except BotoCoreError as error:
        raise unanswered(error, where) from error


@contextmanager
def asking_first(session: Any, where: str, action: str) -> Iterator[None]:
    """The same for the first question of a command: no answer means a wrong region or no network, rather than a passing fault."""
    try:
        with asking(where, action):
            yield
    except Unavailable as error:
        if not isinstance(error.__cause__, BotoCoreError):
            raise
        raise _unreachable(session, where, error.__cause__) from error


def _unreachable(session: Any, where: str, error: BotoCoreError) -> UserError:
    known = known_regions(session)
    if session.region_name in known:
        return UserError(f"{where}: AWS does not answer: {error}", "see that this machine reaches AWS (proxy, VPN), then try again")
    near = difflib.get_close_matches(session.region_name, known, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    return UserError(f"AWS has no region {session.region_name}", f"{meant}say it in site.toml's [aws], or in AWS_REGION")


def _text(error: ClientError) -> str:
    said = error.response.get("Error", {})
    return f"{said.get('Code', '')}: {said.get('Message', '')}".strip(": ")
