"""A synthesised template as if it were deployed: intrinsic functions give the values that AWS would give, made up but stable."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ACCOUNT = "123456789012"  # moto's
REGION = "eu-west-1"
PARTITION = "aws"
KVS_ID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
_SUB = re.compile(r"\$\{([^!}][^}]*)\}")


class UnknownIntrinsic(Exception):
    """The template says something that the rehearsal cannot resolve: it must not guess."""


@dataclass
class Deployed:
    """A template's resources with their intrinsic functions resolved.

    `parameters` override the defaults of the template's. Names that CloudFormation would make up are made of the logical ids.
    """

    body: dict[str, Any]
    stack: str
    folder: Path
    region: str = REGION
    parameters: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, **given: Any) -> Deployed:
        return cls(json.loads(path.read_text(encoding="utf-8")), path.name.removesuffix(".template.json"), path.parent, **given)

    def changed(self, folder: Path | None = None) -> Deployed:
        """A copy whose `body` may be changed."""
        return Deployed(copy.deepcopy(self.body), self.stack, folder or self.folder, self.region, dict(self.parameters))

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """The resolved properties of all resources of a type, by logical id."""
        return {name: self.properties(name) for name, it in self.body["Resources"].items() if it["Type"] == kind}

    def properties(self, logical_id: str) -> dict[str, Any]:
        properties: dict[str, Any] = self.resolve(self.body["Resources"][logical_id].get("Properties", {}))
        return properties

    def only(self, kind: str) -> tuple[str, dict[str, Any]]:
        """Logical id and properties of the only resource of a type."""
        ((name, properties),) = self.of(kind).items()
        return name, properties

    def outputs(self) -> dict[str, str]:
        return {name: str(self.resolve(it["Value"])) for name, it in self.body.get("Outputs", {}).items()}

    def asset(self, digest: str) -> Path:
        """The file or folder of an asset, by the object key (or its beginning) that the template gives it."""
        listed = json.loads((self.folder / f"{self.stack}.assets.json").read_text(encoding="utf-8"))["files"]
        found = listed[digest.split(".")[0]]["source"]["path"]
        return self.folder / str(found)

    def resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            items = [self.resolve(item) for item in value]
            return [item for item in items if item is not _NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, given),) = value.items()
            if name == "Ref" or name.startswith("Fn::") or (name == "Condition" and isinstance(given, str)):
                return self._intrinsic(name, given)
        made = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in made.items() if item is not _NOTHING}

    def _intrinsic(self, name: str, given: Any) -> Any:
        match name, given:
            case "Ref", str():
                return self.ref(given)
            case "Fn::GetAtt", [logical_id, attribute]:
                return self.attribute(logical_id, attribute)
            case "Fn::Join", [separator, parts]:
                return str(separator).join(str(part) for part in self.resolve(parts))
            case "Fn::Sub", str():
                return self._sub(given, {})
            case "Fn::Sub", [text, names]:
                return self._sub(text, self.resolve(names))
            case "Fn::Select", [index, items]:
                return self.resolve(items)[int(index)]
            case "Fn::Split", [separator, text]:
                return str(self.resolve(text)).split(separator)
        raise UnknownIntrinsic(f"{self.stack}: {name} {given!r}")

    def _sub(self, text: str, names: Mapping[str, str]) -> str:
        def value(found: re.Match[str]) -> str:
            name = found[1]
            if name in names:
                return str(names[name])
            return str(self.attribute(*name.split(".", 1)) if "." in name else self.ref(name))

        return _SUB.sub(value, text).replace("${!", "${")

    def ref(self, name: str) -> Any:
        pseudo = {
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": PARTITION,
            "AWS::Region": self.region,
            "AWS::StackName": self.stack,
            "AWS::StackId": self._arn("cloudformation", f"stack/{self.stack}/00000000"),
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::NoValue": _NOTHING,
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.body.get("Parameters", {}):
            if name not in self.parameters and "Default" not in self.body["Parameters"][name]:
                raise UnknownIntrinsic(f"{self.stack}: the parameter {name} has no value")
            return self.parameters.get(name, self.body["Parameters"][name].get("Default"))
        if self._kind(name) in _REF_IS_ARN:
            return self.attribute(name, "Arn")
        return self.name(name)

    def name(self, logical_id: str) -> str:
        """The physical name: the one that the template gives, or one made of the logical id."""
        resource = self.body["Resources"][logical_id]
        key = _NAMED.get(resource["Type"])
        given = resource.get("Properties", {}).get(key) if key else None
        if given is not None:
            return str(self.resolve(given))
        digest = hashlib.sha256(f"{self.stack}/{logical_id}".encode()).hexdigest()
        if resource["Type"] == "AWS::S3::Bucket":
            return f"{self.stack}-{logical_id.lower()}"[:50] + f"-{digest[:12]}"
        if resource["Type"] == "AWS::CloudFront::Distribution":
            return f"E{digest[:13].upper()}"
        return f"{logical_id}-{digest[:8]}"

    def attribute(self, logical_id: str, attribute: str) -> Any:
        kind, name = self._kind(logical_id), self.name(logical_id)
        match kind, attribute:
            case "AWS::CloudFront::Distribution", "DomainName":
                return f"d{name[1:].lower()}.cloudfront.net"
            case "AWS::CloudFront::KeyValueStore", "Id":
                return KVS_ID
            case "AWS::CloudFront::KeyValueStore", "Arn":
                return f"arn:{PARTITION}:cloudfront::{ACCOUNT}:key-value-store/{KVS_ID}"
            case "AWS::CloudFront::Function", "FunctionARN":
                return f"arn:{PARTITION}:cloudfront::{ACCOUNT}:function/{name}"
            case "AWS::S3::Bucket", "RegionalDomainName" | "DomainName":
                return f"{name}.s3.{self.region}.amazonaws.com"
            case _, "Arn" if kind in _ARNS:
                service, form = _ARNS[kind]
                return self._arn(service, form.format(name))
            case _, "TopicArn" if kind == "AWS::SNS::Topic":
                return self.attribute(logical_id, "Arn")
            case _, "TopicName" | "Name" | "QueueName":
                return name
            case _, "Id" | "OriginAccessControlId":
                return name
        raise UnknownIntrinsic(f"{self.stack}: {kind} {logical_id} has no {attribute} here")

    def _arn(self, service: str, rest: str) -> str:
        where = {"s3": ":", "iam": f":{ACCOUNT}"}.get(service, f"{self.region}:{ACCOUNT}")
        return f"arn:{PARTITION}:{service}:{where}:{rest}"

    def _kind(self, logical_id: str) -> str:
        if logical_id not in self.body["Resources"]:
            raise UnknownIntrinsic(f"{self.stack} has nothing of the name {logical_id}")
        return str(self.body["Resources"][logical_id]["Type"])

    def within(self, kinds: str) -> Iterator[str]:
        """The logical ids of the resources of a type."""
        yield from (name for name, it in self.body["Resources"].items() if it["Type"] == kinds)


_NOTHING = object()
_REF_IS_ARN = (
    "AWS::IAM::ManagedPolicy",
    "AWS::Lambda::LayerVersion",
    "AWS::SNS::Topic",
    "AWS::SecretsManager::Secret",
    "AWS::StepFunctions::StateMachine",
)
# The property that names a resource, where there is one.
_NAMED = {
    "AWS::CloudFront::Function": "Name",
    "AWS::CloudFront::KeyValueStore": "Name",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::CodeBuild::Project": "Name",
    "AWS::CodePipeline::Pipeline": "Name",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}
_ARNS = {
    "AWS::CloudWatch::Alarm": ("cloudwatch", "alarm:{}"),
    "AWS::CodeBuild::Project": ("codebuild", "project/{}"),
    "AWS::Events::Rule": ("events", "rule/{}"),
    "AWS::IAM::ManagedPolicy": ("iam", "policy/{}"),
    "AWS::IAM::OIDCProvider": ("iam", "oidc-provider/{}"),
    "AWS::IAM::Role": ("iam", "role/{}"),
    "AWS::Lambda::Function": ("lambda", "function:{}"),
    "AWS::Lambda::LayerVersion": ("lambda", "layer:{}:1"),
    "AWS::Logs::LogGroup": ("logs", "log-group:{}:*"),
    "AWS::S3::Bucket": ("s3", "{}"),
    "AWS::SNS::Topic": ("sns", "{}"),
    "AWS::SQS::Queue": ("sqs", "{}"),
    "AWS::Scheduler::Schedule": ("scheduler", "schedule/default/{}"),
    "AWS::SecretsManager::Secret": ("secretsmanager", "secret:{}"),
    "AWS::StepFunctions::StateMachine": ("states", "stateMachine:{}"),
}
