"""A small cloud assembly, in the CDK's format: what a synth writes for three stacks, without a synth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BOOTSTRAP = "hnb659fds"
_REGIONS = {"toolkit-certificate-blog": "us-east-1", "toolkit-alarms-blog": "us-east-1"}

CERTIFICATE = {"Certificate": {"Type": "AWS::CertificateManager::Certificate", "Properties": {"DomainName": "www.example.com"}}}
SITE = {
    "Bucket": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain", "Properties": {}},
    "Store": {"Type": "AWS::CloudFront::KeyValueStore", "DeletionPolicy": "Retain", "Properties": {"Name": "store"}},
    "Distribution": {"Type": "AWS::CloudFront::Distribution", "Properties": {"Comment": "blog"}},
}
ALARMS = {"Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Threshold": 1}}}


def templates(*, hosts: bool = False) -> dict[str, dict[str, Any]]:
    """By stack, in an order that is not theirs."""
    parameters = {"BootstrapVersion": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk-bootstrap/hnb659fds/version"}}
    found = {
        "toolkit-alarms-blog": {"Parameters": {**parameters, "DistributionId": {"Type": "String"}}, "Resources": ALARMS},
        "toolkit-site-blog": {"Parameters": parameters, "Resources": SITE},
    }
    if hosts:
        found["toolkit-site-blog"] = {"Parameters": {**parameters, "CertificateArn": {"Type": "String"}}, "Resources": SITE}
        found["toolkit-certificate-blog"] = {"Parameters": parameters, "Resources": CERTIFICATE}
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def write(folder: Path, found: Mapping[str, Mapping[str, Any]], files: Mapping[str, bytes] | None = None) -> None:
    """Stacks by name and their templates; `files` are further assets, in a folder of the site's stack."""
    artifacts: dict[str, Any] = {}
    order = [name for name in ("toolkit-certificate-blog", "toolkit-site-blog", "toolkit-alarms-blog") if name in found]
    (folder / "asset.code").mkdir()
    for name, body in (files or {}).items():
        (folder / "asset.code" / name).write_bytes(body)
    for name, template in found.items():
        region = _REGIONS.get(name, "unknown-region")
        (folder / f"{name}.template.json").write_text(json.dumps(template))
        key = f"{abs(hash(json.dumps(template))):x}.json"
        bucket = f"cdk-{BOOTSTRAP}-assets-${{AWS::AccountId}}-{'us-east-1' if name in _REGIONS else '${AWS::Region}'}"
        sources = [({"path": f"{name}.template.json", "packaging": "file"}, key)]
        if files and name == "toolkit-site-blog":
            sources.append(({"path": "asset.code", "packaging": "zip"}, "code.zip"))
        assets = {key: {"source": source, "destinations": {"here": _destination(bucket, key, region)}} for source, key in sources}
        (folder / f"{name}.assets.json").write_text(json.dumps({"files": assets}))
        artifacts[f"{name}.assets"] = {"type": "cdk:asset-manifest", "properties": {"file": f"{name}.assets.json"}}
        role = f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/cdk-{BOOTSTRAP}"
        place = f"${{AWS::AccountId}}-{'us-east-1' if name in _REGIONS else '${AWS::Region}'}"
        artifacts[name] = {
            "type": "aws:cloudformation:stack",
            "environment": f"aws://unknown-account/{region}",
            "properties": {
                "templateFile": f"{name}.template.json",
                "assumeRoleArn": f"{role}-deploy-role-{place}",
                "cloudFormationExecutionRoleArn": f"{role}-exec-role-{place}",
                "stackTemplateAssetObjectUrl": f"s3://{bucket}/{key}",
                "requiresBootstrapStackVersion": 6,
                "bootstrapStackVersionSsmParameter": f"/cdk-bootstrap/{BOOTSTRAP}/version",
                "tags": {"toolkit:site": "blog"},
            },
            "dependencies": [f"{name}.assets", *order[: order.index(name)][-1:]],
        }
    (folder / "manifest.json").write_text(json.dumps({"version": "55.0.0", "artifacts": artifacts}))


def _destination(bucket: str, key: str, region: str) -> dict[str, str]:
    role = f"arn:${{AWS::Partition}}:iam::${{AWS::AccountId}}:role/cdk-{BOOTSTRAP}-file-publishing-role"
    role += f"-${{AWS::AccountId}}-{region if region.startswith('us-') else '${AWS::Region}'}"
    where = {} if region == "unknown-region" else {"region": region}
    return {"bucketName": bucket, "objectKey": key, "assumeRoleArn": role, **where}
