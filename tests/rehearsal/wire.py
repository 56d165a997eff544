"""Requests as botocore sends them, and what each one asks IAM for (AWS's Service Authorization Reference)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

from botocore.parsers import BaseCBORParser

from tests.rehearsal.iam import BeyondThis, Call
from tests.rehearsal.template import ACCOUNT, PARTITION


@dataclass(frozen=True)
class Sent:
    """A request on its way to AWS. `event` is botocore's, such as `before-send.s3.PutObject`."""

    event: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def service(self) -> str:
        return self.event.split(".")[1]

    @property
    def operation(self) -> str:
        return self.event.split(".")[2]

    @property
    def access_key(self) -> str:
        """Who signed it: SigV4 and SigV4A both begin their credential with the access key."""
        found = re.search(r"Credential=([^/]+)/", self.header("authorization"))
        return found[1] if found else ""

    @property
    def region(self) -> str:
        found = re.search(r"Credential=[^/]+/\d+/([a-z0-9-]+)/", self.header("authorization"))
        return found[1] if found else ""

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers.items() if key.lower() == name), "")


@dataclass(frozen=True)
class Answered:
    """What came back. `error` names a connection that broke instead: botocore raises the exception of that name."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    error: str = ""


def s3_address(sent: Sent) -> tuple[str, str]:
    """Bucket and key, in either style of address."""
    url = urlsplit(sent.url)
    path = unquote(url.path)[1:]
    host = url.hostname or ""
    bucket, _, rest = host.partition(".s3.")
    if rest:
        return bucket, path
    bucket, _, key = path.partition("/")
    return bucket, key


def calls(sent: Sent) -> Iterator[Call]:
    """What the caller must be allowed to do. BeyondThis for operations that are not known here: nothing passes unchecked."""
    if sent.service == "s3":
        yield from _s3(sent)
    elif sent.service == "cloudfront-keyvaluestore":
        arn = unquote(urlsplit(sent.url).path.split("/")[2])
        yield Call(f"cloudfront-keyvaluestore:{sent.operation}", arn, TLS)
    else:
        yield from _others(sent)


TLS = {"aws:securetransport": "true", "s3:tlsversion": "1.3"}


def _s3(sent: Sent) -> Iterator[Call]:
    bucket, key = s3_address(sent)
    query = {name: values[0] for name, values in parse_qs(urlsplit(sent.url).query, keep_blank_values=True).items()}
    whole, one = f"arn:{PARTITION}:s3:::{bucket}", f"arn:{PARTITION}:s3:::{bucket}/{key}"
    match sent.operation:
        case "ListObjectsV2":
            keys = {f"s3:{name}": query[name] for name in ("prefix", "delimiter", "max-keys") if name in query}
            yield Call("s3:ListBucket", whole, {**TLS, **keys})
        case "HeadBucket":
            yield Call("s3:ListBucket", whole, TLS)
        case "GetBucketVersioning":
            yield Call("s3:GetBucketVersioning", whole, TLS)
        case "GetObject" | "HeadObject" | "GetObjectTagging":
            what = "Tagging" if sent.operation == "GetObjectTagging" else ""
            yield Call(f"s3:GetObject{'Version' if query.get('versionId') else ''}{what}", one, TLS)
        case "PutObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload":
            beside = {"Acl": sent.header("x-amz-acl"), "Tagging": sent.header("x-amz-tagging")}
            yield from (Call(f"s3:PutObject{name}", one, TLS) for name, is_there in {"": True, **beside}.items() if is_there)
        case "CopyObject":
            yield Call("s3:PutObject", one, TLS)
            source = unquote(sent.header("x-amz-copy-source")).lstrip("/").split("?")[0]
            yield Call("s3:GetObject", f"arn:{PARTITION}:s3:::{source}", TLS)
        case "AbortMultipartUpload":
            yield Call("s3:AbortMultipartUpload", one, TLS)
        case "DeleteObject":
            yield Call("s3:DeleteObject", one, TLS)
        case "DeleteObjects":
            for item in ElementTree.fromstring(sent.body).iter():
                if item.tag.endswith("Key"):
                    yield Call("s3:DeleteObject", f"{whole}/{item.text}", TLS)
        case other:
            raise BeyondThis(f"s3:{other}")


def _others(sent: Sent) -> Iterator[Call]:
    match sent.service, sent.operation:
        case "lambda", "Invoke":
            yield Call("lambda:InvokeFunction", unquote(urlsplit(sent.url).path.split("/")[3]), TLS)
        case "sns", "Publish":
            yield Call("sns:Publish", _form(sent)["TopicArn"], TLS)
        case "secrets-manager" | "secretsmanager", "GetSecretValue":
            yield Call("secretsmanager:GetSecretValue", told(sent)["SecretId"], TLS)
        case "sfn" | "stepfunctions", "StartExecution":
            yield Call("states:StartExecution", told(sent)["stateMachineArn"], TLS)
        case "cloudwatch", "DescribeAlarms":
            for name in _alarm_names(sent):
                yield Call("cloudwatch:DescribeAlarms", f"arn:{PARTITION}:cloudwatch:{sent.region}:{ACCOUNT}:alarm:{name}", TLS)
        case "sfn" | "stepfunctions", "DescribeExecution":
            yield Call("states:DescribeExecution", told(sent)["executionArn"], TLS)
        case "ssm", "GetParameters":
            for name in told(sent)["Names"]:
                yield Call("ssm:GetParameters", f"arn:{PARTITION}:ssm:{sent.region}:{ACCOUNT}:parameter/{name.lstrip('/')}", TLS)
        case "codepipeline", _:
            yield _pipelines(sent)
        case "codebuild", "StartBuild":
            name = told(sent)["projectName"]
            yield Call("codebuild:StartBuild", f"arn:{PARTITION}:codebuild:{sent.region}:{ACCOUNT}:project/{name}", TLS)
        case other:
            raise BeyondThis(f"nobody has said what {'.'.join(other)} needs")


def _pipelines(sent: Sent) -> Call:
    match sent.operation:
        case "ListActionExecutions" | "GetPipelineExecution":
            name = told(sent)["pipelineName"]
            return Call(f"codepipeline:{sent.operation}", f"arn:{PARTITION}:codepipeline:{sent.region}:{ACCOUNT}:{name}", TLS)
        case "PutJobSuccessResult" | "PutJobFailureResult":
            return Call(f"codepipeline:{sent.operation}", "*", TLS)
    raise BeyondThis(f"codepipeline:{sent.operation}")


def _alarm_names(sent: Sent) -> list[str]:
    return list(told(sent).get("AlarmNames", ())) or ["*"]


def _form(sent: Sent) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(sent.body.decode()).items()}


def told(sent: Sent) -> dict[str, Any]:
    """A request's parameters, in JSON or in CBOR, whichever botocore prefers for the service."""
    if "cbor" in sent.header("smithy-protocol"):
        parser = BaseCBORParser()
        return dict(parser.parse_data_item(parser.get_peekable_stream_from_bytes(sent.body)))
    return dict(json.loads(sent.body))
