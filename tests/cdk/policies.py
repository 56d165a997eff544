"""What no policy of ours may say, and what no template may hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from tests.cdk.templates import text

# Actions for which IAM knows no narrower resource (the service authorization reference has no resource type for them):
# docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html, …/list_awsx-ray.html,
# …/list_awscodepipeline.html and …/list_awslambda.html.
WITHOUT_RESOURCE = {
    "codepipeline:PutJobFailureResult",
    "codepipeline:PutJobSuccessResult",
    "lambda:ListFunctions",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords",
    "xray:PutTraceSegments",
}
# docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html and …/AmazonS3/latest/userguide/bucket-policies.html
SIZES = {
    "bucket policy": (("AWS::S3::BucketPolicy",), 20 * 1024),
    "inline policies": (("AWS::IAM::Role",), 10_240),
    "managed policy": (("AWS::IAM::ManagedPolicy",), 6_144),
}
# About an ARN of a role or bucket: `arn:aws:iam::111122223333:role/` and a name of 64 characters.
LONGEST_NAME = 100
_NEGATED = ("NotAction", "NotResource", "NotPrincipal")
_SOURCES = {"aws:sourcearn", "aws:sourceaccount"}


def findings(template: dict[str, Any], given: Sequence[str] = ()) -> list[str]:
    """One line for each thing that is wrong. `given` are ARNs that came from outside."""
    found = [f"{where}: {what}" for where, statement in statements(template) for what in _wrong(statement)]
    found += [f"{where}: {what}" for where, resource in template["Resources"].items() for what in _wrong_resource(text(resource))]
    body = json.dumps(template)
    for arn in given:
        body = body.replace(arn, "")
    return found + [f"hard-coded partition: {arn}" for arn in re.findall(r"arn:aws[a-z-]*:[^\"]*", body)]


def statements(template: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each statement of each policy document, with the logical id of its resource."""
    for name, resource in template["Resources"].items():
        for document in _documents(resource):
            for statement in as_list(document["Statement"]):
                yield name, text(statement)


def _documents(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "Statement" in value:
            yield value
        for item in value.values():
            yield from _documents(item)
    elif isinstance(value, list):
        for item in value:
            yield from _documents(item)


def _wrong(statement: dict[str, Any]) -> Iterator[str]:
    if statement["Effect"] != "Allow":
        return
    yield from (f"{key} allows whatever it does not name" for key in _NEGATED if key in statement)
    yield from (f"wildcard in the action {action}" for action in as_list(statement.get("Action", [])) if "*" in action)
    if "*" in as_list(statement.get("Resource", [])):
        wide = [action for action in as_list(statement.get("Action", [])) if action not in WITHOUT_RESOURCE]
        yield from (f"allows {action} on every resource" for action in wide)
    principals = statement.get("Principal", {})
    named = {"AWS": principals} if isinstance(principals, str) else principals
    yield from ("allows everybody" for kind in named.values() for one in as_list(kind) if "*" in one)
    if "Service" in named and not _condition_keys(statement) & _SOURCES:
        yield f"{named['Service']} may act for whom it likes: neither aws:SourceArn nor aws:SourceAccount"
    # Its tokens are for everybody who has an account there: who exactly, and for whom, only the conditions say.
    claims = {key.rsplit(":", 1)[-1] for key in _condition_keys(statement)}
    if "Federated" in named and not {"aud", "sub"} <= claims:
        yield f"{named['Federated']} may send whom it likes: no condition on aud and sub"


def _wrong_resource(resource: dict[str, Any]) -> Iterator[str]:
    properties = resource.get("Properties", {})
    if resource["Type"] == "AWS::Lambda::Permission" and not {"SourceArn", "SourceAccount"} & set(properties):
        yield f"{properties['Principal']} may call for whom it likes: neither SourceArn nor SourceAccount"
    for name, (kinds, most) in SIZES.items():
        if resource["Type"] in kinds:
            yield from (f"{name} of up to {n:,} characters, {most:,} are allowed" for n in _sizes(resource) if n > most)


def _sizes(resource: dict[str, Any]) -> Iterator[int]:
    """Of each policy, once everything that only a deploy knows is filled in with something long."""
    for document in _documents({key: it for key, it in resource["Properties"].items() if key != "AssumeRolePolicyDocument"}):
        yield len(re.sub(r"\$\{[^}]*\}", "x" * LONGEST_NAME, json.dumps(document, separators=(",", ":"))))


def _condition_keys(statement: dict[str, Any]) -> set[str]:
    # `…IfExists` holds when the key is not there, so it is no condition on the caller.
    operators = {name: keys for name, keys in statement.get("Condition", {}).items() if not name.endswith("IfExists")}
    return {key.lower() for keys in operators.values() for key in keys}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
