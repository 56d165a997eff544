"""Stacks with pipelines as somebody's own app has them, synthesised once for all modules that look at them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.rehearsal.template import ACCOUNT, REGION, Deployed
from toolkit.builds.cloud import CloudSpec

if TYPE_CHECKING:
    from aws_cdk import App
    from constructs import Construct

CONNECTION = f"arn:aws:codeconnections:{REGION}:{ACCOUNT}:connection/0a1b2c3d-0000-4000-8000-000000000000"
BUILT = CloudSpec(idle=False, text="version: 0.2\n")
IDLE = CloudSpec(idle=True, text="", folder="web/public")
# As long as CloudFormation lets a stack's name be.
LONG = "a-monorepo-of-" + "many-" * 22 + "site"


@dataclass(frozen=True)
class Action:
    """The only action of a stage, and the stage's own properties."""

    stage: str
    given: dict[str, Any]
    whole: dict[str, Any]

    @property
    def provider(self) -> str:
        return str(self.given["ActionTypeId"]["Provider"])

    @property
    def configuration(self) -> dict[str, str]:
        return dict(self.given["Configuration"])

    @property
    def takes(self) -> list[str]:
        return [it["Name"] for it in self.given.get("InputArtifacts", ())]

    @property
    def makes(self) -> list[str]:
        return [it["Name"] for it in self.given.get("OutputArtifacts", ())]

    @property
    def parameters(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.configuration["UserParameters"])
        return found


def pipelines(stack: Deployed, within: str = "Pipeline") -> dict[str, dict[str, Any]]:
    """The properties of the pipelines of one SitePipeline, by key."""
    found = stack.of("AWS::CodePipeline::Pipeline")
    mine = {name.removeprefix(within): it for name, it in found.items() if name.startswith(within)}
    return {name[: name.index("Pipeline")].lower(): it for name, it in mine.items()}


def actions(pipeline: dict[str, Any]) -> Iterator[Action]:
    for stage in pipeline["Stages"]:
        (action,) = stage["Actions"]
        yield Action(stage["Name"], action, stage)


@cache
def stacks() -> dict[str, Deployed]:
    """By name: github, tags, idle, zip, own, and LONG (two sites of one repository). Needs the fixture `cdk`."""
    from aws_cdk import App

    folder = Path(tempfile.mkdtemp(prefix="pipelined-"))
    app = App(outdir=str(folder), analytics_reporting=False)
    build(app)
    app.synth()
    return {path.name.removesuffix(".template.json"): Deployed.read(path) for path in folder.glob("*.template.json")}


def build(app: App) -> None:
    from aws_cdk import Stack
    from aws_cdk import aws_s3 as s3

    from toolkit.cdk import GitHubSource, ZipSource

    def github(**given: Any) -> GitHubSource:
        return GitHubSource(repository="we/sites", connection_arn=CONNECTION, **given)

    add(Stack(app, "github"), "github", github=github(paths=["site/**"], pull_requests=True))
    add(Stack(app, "tags"), "tags", github=github(branch="trunk", tags=["v*"], paths=["a/*"], branches=["f/**", "trunk"]))
    add(Stack(app, "idle"), "idle", spec=IDLE, github=github(previews=False), uploads=ZipSource())
    add(Stack(app, "zip"), "zip", stage="development", uploads=ZipSource(prefix="in/zips/"))
    own = Stack(app, "own")
    add(own, "own", spec=IDLE, uploads=ZipSource(bucket=s3.Bucket.from_bucket_name(own, "Ours", "our-zips")))
    many = Stack(app, LONG)
    add(many, "shop", "Shop", github=github(paths=["shop/**"]), uploads=ZipSource())
    add(many, "docs", "Docs", github=github(paths=["docs/**"], previews=False, pull_requests=True), uploads=ZipSource())


def add(
    scope: Construct, site: str, prefix: str = "", spec: CloudSpec = BUILT, stage: str = "production", **sources: Any
) -> tuple[Any, Any]:
    """A site with its workflow and pipelines; returns workflow and pipelines."""
    from toolkit.cdk import ReleaseWorkflow, SiteBuild, SitePipeline, StaticSite

    hosting = StaticSite(scope, f"{prefix}Site", stage=stage)  # type: ignore[arg-type]
    workflow = ReleaseWorkflow(scope, f"{prefix}Release", hosting=hosting, site=site)
    build = SiteBuild(spec=spec, secrets={"TOKEN": "/token"})
    return workflow, SitePipeline(scope, f"{prefix}Pipeline", workflow=workflow, build=build, **sources)
