"""What a verb asked AWS for, as the IAM actions and resources that it needs, and whether a policy allows them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3

from toolkit.engine.advice import Policy

ACCOUNT = "123456789012"
OWN = "AKIDEXAMPLE"
# Operations of S3 whose action has another name, and whether it is about objects. Of the rest a bucket is the resource.
S3 = {
    "HeadObject": ("GetObject", True),
    "GetObject": ("GetObject", True),
    "PutObject": ("PutObject", True),
    "CreateMultipartUpload": ("PutObject", True),
    "UploadPart": ("PutObject", True),
    "CompleteMultipartUpload": ("PutObject", True),
    "ListObjectsV2": ("ListBucket", False),
    "HeadBucket": ("ListBucket", False),
    "ListObjectVersions": ("ListBucketVersions", False),
    "GetPublicAccessBlock": ("GetBucketPublicAccessBlock", False),
}
# Asked of nobody's permission ("GetCallerIdentity", STS API reference).
FREE = {"sts:GetCallerIdentity"}
PREFIXES = {"sfn": "states", "cloudwatch-logs": "logs", "service-quotas": "servicequotas"}


@dataclass(frozen=True)
class Call:
    """`is_own`: under the caller's own credentials, and not those of a role that was assumed."""

    action: str
    resource: str
    is_own: bool


class Recorder:
    """Every call of the sessions that it listens to."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def listen(self, session: boto3.Session) -> boto3.Session:
        session.events.register_first("before-sign.*.*", self._heard)
        return session

    def _heard(self, request: Any, event_name: str, region_name: str, request_signer: Any, **_: object) -> None:
        _, service, operation = event_name.split(".")
        is_own = request_signer._credentials.access_key == OWN
        name = PREFIXES.get(service, service)
        for action, resource in _needed(name, operation, request, region_name):
            if action not in FREE:
                self.calls.append(Call(action, resource, is_own))

    def own(self) -> set[Call]:
        return {call for call in self.calls if call.is_own}


def _needed(service: str, operation: str, request: Any, region: str) -> Iterator[tuple[str, str]]:
    url = urlsplit(request.url)
    if service == "s3":
        yield from _of_s3(operation, url.netloc, unquote(url.path).lstrip("/"), _text(request.data))
    elif service == "cloudformation":
        said = _form(request)
        name = said.get("StackName", "")
        name = name.split("/")[1] if name.startswith("arn:") else name
        yield f"cloudformation:{operation}", f"arn:aws:cloudformation:{region}:{ACCOUNT}:stack/{name}/1" if name else "*"
    elif service == "cloudfront-keyvaluestore":
        yield f"{service}:{operation}", next(unquote(part) for part in url.path.split("/") if "arn" in unquote(part))
    elif service == "cloudfront":
        kind = "key-value-store" if "KeyValueStore" in operation else "distribution"
        yield f"{service}:{operation}", f"arn:aws:cloudfront::{ACCOUNT}:{kind}/1"
    elif service == "sts":
        yield (
            f"sts:{operation}",
            parse_qs(_text(request.data)).get("RoleArn", [""])[0] or str(dict(request.data or {}).get("RoleArn")),
        )
    else:
        said = json.loads(_text(request.data) or "{}")
        yield f"{service}:{operation}", _of_others(service, said, region)


def _of_others(service: str, said: dict[str, Any], region: str) -> str:
    if service == "ssm":
        return f"arn:aws:ssm:{region}:{ACCOUNT}:parameter{said['Name']}"
    if service == "logs":
        group = said.get("logGroupName")
        return f"arn:aws:logs:{region}:{ACCOUNT}:log-group:{group}" if group else "*"
    return str(said.get("stateMachineArn") or said.get("CertificateArn") or "*")


def _of_s3(operation: str, netloc: str, path: str, body: str) -> Iterator[tuple[str, str]]:
    bucket, key = (path.partition("/")[0], path.partition("/")[2]) if netloc.startswith("s3.") else (netloc.split(".s3")[0], path)
    if operation == "DeleteObjects":
        keys = [part.partition("</Key>")[0] for part in body.split("<Key>")[1:]]
        action = "s3:DeleteObjectVersion" if "<VersionId>" in body and "<VersionId>null" not in body else "s3:DeleteObject"
        yield from ((action, f"arn:aws:s3:::{bucket}/{key}") for key in keys)
        return
    action, is_object = S3.get(operation, (operation, False))
    yield f"s3:{action}", f"arn:aws:s3:::{bucket}/{key}" if is_object else f"arn:aws:s3:::{bucket}"


def _form(request: Any) -> dict[str, str]:
    """The parameters of a request in the query protocol."""
    data = request.data
    return {name: values[0] for name, values in parse_qs(_text(data)).items()} or {name: str(it) for name, it in dict(data).items()}


def _text(data: object) -> str:
    return data.decode() if isinstance(data, bytes) else data if isinstance(data, str) else ""


def allowed(call: Call, policies: Iterable[Policy]) -> bool:
    """Whether one statement of these has the action and the resource. Conditions are taken to hold."""
    statements = [statement for policy in policies for statement in policy.statements]
    return any(
        call.action in one.actions and any(fnmatchcase(call.resource, pattern) for pattern in one.resources) for one in statements
    )
