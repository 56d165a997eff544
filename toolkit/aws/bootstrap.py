"""What `cdk bootstrap` left in an account: its version, its roles, and the bucket that files are sent to."""

from __future__ import annotations

import time
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from toolkit.aws.assembly import Place
from toolkit.aws.errors import code
from toolkit.aws.session import FIRST, STEADY, asking, asking_first
from toolkit.errors import UserError

# The CDK's own name for a bootstrap that nobody named ("Bootstrapping", CDK developer guide).
PARAMETER = "/cdk-bootstrap/hnb659fds/version"
_SECONDS = 3600
_SPARE_SECONDS = 300


def place_of(session: Any) -> Place:
    """The account behind a session's credentials. UserError when there is none."""
    with asking_first(session, "AWS", "sts:GetCallerIdentity"):
        found = session.client("sts", config=FIRST).get_caller_identity()
    return Place(found["Account"], session.region_name, found["Arn"].split(":")[1])


def check(session: Any, place: Place, region: str, *, least: int = 0, parameter: str = PARAMETER) -> None:
    """UserError when the CDK's bootstrap is missing in a region, or older than version `least`."""
    fix = f"run `npx aws-cdk@2 bootstrap aws://{place.account}/{region}`, once for this account and region"
    where = f"account {place.account}, region {region}"
    with asking_first(session, where, "ssm:GetParameter"):
        try:
            value = session.client("ssm", region_name=region, config=FIRST).get_parameter(Name=parameter)["Parameter"]["Value"]
        except ClientError as error:
            if code(error) != "ParameterNotFound":
                raise
            raise UserError(f"{where}, is not bootstrapped for the CDK", fix) from error
    if int(value) < least:
        raise UserError(f"{where}: the CDK's bootstrap has version {value}, {least} is needed", fix)


class Roles:
    """Clients under the bootstrap's roles where these may be assumed, else under one's own credentials.

    Roles last for an hour, and a certificate can be waited for longer: a client is asked for again before each use.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._credentials: dict[str, tuple[float, dict[str, str]]] = {}
        self._clients: dict[tuple[str, str, str], tuple[float, Any]] = {}

    def client(self, service: str, region: str, role: str = "", config: Config = STEADY) -> Any:
        until, keys = self._keys(role) if role else (float("inf"), {})
        made = self._clients.get((service, region, role))
        if made is None or made[0] != until:
            with asking("AWS", f"{service}:*"):
                made = (until, self._session.client(service, region_name=region, config=config, **keys))
            self._clients[service, region, role] = made
        return made[1]

    def assumed(self, role: str) -> bool:
        """Whether what is done under `role` is done by it."""
        return bool(role) and bool(self._keys(role)[1])

    def _keys(self, role: str) -> tuple[float, dict[str, str]]:
        known = self._credentials.get(role)
        if known is None or known[0] < time.time() + _SPARE_SECONDS:
            known = self._credentials[role] = self._assume(role)
        return known

    def _assume(self, role: str) -> tuple[float, dict[str, str]]:
        with asking(role, "sts:AssumeRole"):
            try:
                client = self._session.client("sts", config=FIRST)
                given = client.assume_role(RoleArn=role, RoleSessionName="toolkit", DurationSeconds=_SECONDS)["Credentials"]
            except ClientError as error:
                if code(error) != "AccessDenied":
                    raise
                return float("inf"), {}
        names = {
            "aws_access_key_id": "AccessKeyId",
            "aws_secret_access_key": "SecretAccessKey",
            "aws_session_token": "SessionToken",
        }
        return given["Expiration"].timestamp(), {name: given[key] for name, key in names.items()}
