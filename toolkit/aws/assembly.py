"""What a synth wrote (`cdk.out`), as far as a deployment needs it: stacks in their order, and the files that they refer to.

The format is the CDK's cloud assembly: manifest.json names an artifact per stack, and one per stack's list of files
(github.com/aws/aws-cdk, packages/aws-cdk-lib/cloud-assembly-schema).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_UNKNOWN = "unknown-region"


@dataclass(frozen=True)
class Place:
    """The account that a synth is deployed to; `fill` puts it where the synth left room for it."""

    account: str
    region: str
    partition: str

    def fill(self, text: str, region: str = "") -> str:
        values = {"AccountId": self.account, "Region": region or self.region, "Partition": self.partition}
        for name, value in values.items():
            text = text.replace(f"${{AWS::{name}}}", value)
        return text


@dataclass(frozen=True)
class FileAsset:
    """A file, or a folder that is sent as a zip, and where it belongs. `role` may be assumed to send it."""

    source: Path
    is_folder: bool
    bucket: str
    key: str
    region: str
    role: str


@dataclass(frozen=True)
class StackArtifact:
    """One stack. `bucket` and `key` are where its template is sent; `bootstrap` is the version that it needs."""

    id: str
    name: str
    region: str
    template: dict[str, Any]
    bucket: str
    key: str
    deploy_role: str
    execution_role: str
    tags: Mapping[str, str]
    dependencies: tuple[str, ...]
    bootstrap: int
    bootstrap_parameter: str


@dataclass(frozen=True)
class Assembly:
    """Stacks in the order of their dependencies, and all files that they need."""

    stacks: tuple[StackArtifact, ...]
    assets: tuple[FileAsset, ...]

    def stack(self, name: str) -> StackArtifact:
        return next(stack for stack in self.stacks if stack.name == name)


def read(folder: Path, place: Place) -> Assembly:
    """The assembly in `folder`, for `place`."""
    artifacts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
    stacks = [_stack(folder, id, it, place) for id, it in artifacts.items() if it["type"] == "aws:cloudformation:stack"]
    lists = [folder / it["properties"]["file"] for it in artifacts.values() if it["type"] == "cdk:asset-manifest"]
    found = {(asset.bucket, asset.key): asset for file in lists for asset in _assets(file, place)}
    return Assembly(tuple(_ordered(stacks)), tuple(found.values()))


def _stack(folder: Path, id: str, artifact: Mapping[str, Any], place: Place) -> StackArtifact:
    about, region = artifact["properties"], artifact["environment"].rsplit("/", 1)[1]
    region = place.region if region == _UNKNOWN else region
    # s3://bucket/key
    bucket, _, key = place.fill(about["stackTemplateAssetObjectUrl"], region).removeprefix("s3://").partition("/")
    return StackArtifact(
        id=id,
        name=about.get("stackName", id),
        region=region,
        template=json.loads((folder / about["templateFile"]).read_text(encoding="utf-8")),
        bucket=bucket,
        key=key,
        deploy_role=place.fill(about.get("assumeRoleArn", ""), region),
        execution_role=place.fill(about.get("cloudFormationExecutionRoleArn", ""), region),
        tags=about.get("tags", {}),
        dependencies=tuple(artifact.get("dependencies", ())),
        bootstrap=about.get("requiresBootstrapStackVersion", 0),
        bootstrap_parameter=about.get("bootstrapStackVersionSsmParameter", ""),
    )


def _assets(file: Path, place: Place) -> list[FileAsset]:
    found = []
    for asset in json.loads(file.read_text(encoding="utf-8")).get("files", {}).values():
        for it in asset["destinations"].values():
            region = place.fill(it.get("region", place.region))
            found.append(
                FileAsset(
                    source=file.parent / asset["source"]["path"],
                    is_folder=asset["source"]["packaging"] == "zip",
                    bucket=place.fill(it["bucketName"], region),
                    key=it["objectKey"],
                    region=region,
                    role=place.fill(it.get("assumeRoleArn", ""), region),
                )
            )
    return found


def _ordered(stacks: list[StackArtifact]) -> list[StackArtifact]:
    """Each after those that it depends on, else by id."""
    waiting, done = sorted(stacks, key=lambda stack: stack.id), list[StackArtifact]()
    ids = {stack.id for stack in stacks}
    while waiting:
        made = {stack.id for stack in done}
        ready = next(stack for stack in waiting if ids & set(stack.dependencies) <= made)
        waiting.remove(ready)
        done.append(ready)
    return done
