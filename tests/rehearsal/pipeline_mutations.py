"""Mistakes made on purpose in what pipelines are made of."""

from __future__ import annotations

import json
from typing import Any

from tests.rehearsal import pushes, uploads
from tests.rehearsal.mutations import function, mutation
from tests.rehearsal.sites import LANE, PRESS
from tests.rehearsal.template import Deployed


@mutation("event pattern: a prefix or a suffix", uploads.upload_elsewhere, site=PRESS.name, because="uploads/x.txt started")
def either(stack: Deployed) -> None:
    _upload_rule(stack)["EventPattern"]["detail"]["object"]["key"] = [{"prefix": "uploads/"}, {"suffix": ".zip"}]


@mutation("source override: the key without its version", uploads.late_events, site=PRESS.name, because="read the same version")
def no_version(stack: Deployed) -> None:
    (target,) = _upload_rule(stack)["Targets"]
    given = target["InputTransformer"]
    before = given["InputTemplate"]
    revisions = before[before.index("[") : before.index("]") + 1]
    first = revisions.index("}") + 1
    given["InputTemplate"] = before.replace(revisions, f"{revisions[:first]}]")


@mutation("source override: the action lets none in", uploads.upload_site, site=PRESS.name, because="cannot be overridden")
def no_override(stack: Deployed) -> None:
    (stage, *_) = _pipeline(stack, "UploadPipeline")["Stages"]
    stage["Actions"][0]["Configuration"]["AllowOverrideForS3ObjectKey"] = "false"


@mutation(
    "stage order: a release before its build",
    pushes.first_push,
    site=PRESS.name,
    because="AWS would refuse it: Release takes LiveSite",
)
def release_first(stack: Deployed) -> None:
    stages = _pipeline(stack, "LivePipeline")["Stages"]
    stages[1], stages[2] = stages[2], stages[1]


@mutation(
    "wrong environment: deliver starts the watch instead of the release",
    pushes.first_push,
    site=PRESS.name,
    because="may not states:StartExecution",
)
def wrong_machine(stack: Deployed) -> None:
    variables = function(stack, "deliver")["Environment"]["Variables"]
    variables["RELEASE_ARN"] = stack.body["Outputs"]["WatchArn"]["Value"]


@mutation("wrong role: live is built with that of previews", pushes.first_push, site=PRESS.name, because="PipelinePreviewBuildRole")
def wrong_role(stack: Deployed) -> None:
    roles = {flow: _project(stack, flow)["ServiceRole"] for flow in ("LivePipeline", "PreviewPipeline")}
    _project(stack, "LivePipeline")["ServiceRole"] = roles["PreviewPipeline"]


@mutation("a branch goes live", pushes.branch, site=PRESS.name, because="'Channel': 'live'")
def branch_goes_live(stack: Deployed) -> None:
    configuration = _action(stack, "PreviewPipeline", "Release")["Configuration"]
    configuration["UserParameters"] = json.dumps({**json.loads(configuration["UserParameters"]), "to": "live"})


@mutation("no path filter: every push of a monorepo starts it", pushes.monorepo, site=LANE.name, because="README.md started")
def no_paths(stack: Deployed) -> None:
    for output in ("LivePipeline", "PreviewPipeline"):
        for trigger in _pipeline(stack, output)["Triggers"]:
            for push in trigger["GitConfiguration"]["Push"]:
                push.pop("FilePaths")


def _resource(stack: Deployed, kind: str, name: str) -> dict[str, Any]:
    (found,) = (one for one in stack.within(kind) if stack.name(one) == name)
    properties: dict[str, Any] = stack.body["Resources"][found]["Properties"]
    return properties


def _pipeline(stack: Deployed, output: str) -> dict[str, Any]:
    return _resource(stack, "AWS::CodePipeline::Pipeline", stack.outputs()[output])


def _action(stack: Deployed, output: str, name: str) -> dict[str, Any]:
    (found,) = (one for stage in _pipeline(stack, output)["Stages"] for one in stage["Actions"] if one["Name"] == name)
    action: dict[str, Any] = found
    return action


def _project(stack: Deployed, output: str) -> dict[str, Any]:
    """The project that a pipeline builds with."""
    name = stack.resolve(_action(stack, output, "Build")["Configuration"]["ProjectName"])
    return _resource(stack, "AWS::CodeBuild::Project", name)


def _upload_rule(stack: Deployed) -> dict[str, Any]:
    resources = stack.body["Resources"]
    found = [resources[one]["Properties"] for one in stack.within("AWS::Events::Rule")]
    (rule,) = (one for one in found if "EventPattern" in one)
    properties: dict[str, Any] = rule
    return properties
