"""The trials of pipelines: on deliveries as CodePipeline would list them all hold, and for each there are faults that it finds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

from tests.aws.answers import Answers, refused
from toolkit.aws import verify, verify_pipeline
from toolkit.aws.permissions import policies
from toolkit.aws.verify import Hosting, Probe
from toolkit.engine.advice import OK, PROBLEM, UNKNOWN, PipelineFacts, SiteFacts
from toolkit.local.objects import FolderObjects
from toolkit.local.routes import FileRoutes

TRIALS = {trial.run.__name__: trial for trial in verify_pipeline.TRIALS}
TRIED = ("called", "listed", "built", "side_by_side", "skipped", "keys", "overridden")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LIVE, UPLOAD = "toolkit-site-blog-live-0a1b2c3d", "toolkit-site-blog-upload-0a1b2c3d"
Action = dict[str, Any]


def action(pipeline: str, stage: str, second: int, *, artifact: str = "", external: str = "", **variables: str) -> Action:
    """As `ListActionExecutions` has it."""
    key = f"{pipeline[:20]}/{artifact[:10]}/a1B2c3D"
    made = [{"name": artifact, "s3location": {"bucket": "artifacts", "key": key}}] if artifact else []
    output = {
        "outputArtifacts": made,
        "executionResult": {"externalExecutionId": external} if external else {},
        "outputVariables": variables,
    }
    return {
        "stageName": stage,
        "actionName": stage,
        "actionExecutionId": f"{stage}-1",
        "status": "Succeeded",
        "startTime": NOON + timedelta(seconds=second),
        "output": output,
    }


def run(id: str, minute: int, status: str = "Succeeded", trigger: str = "WebhookV2") -> dict[str, Any]:
    return {
        "pipelineExecutionId": id,
        "status": status,
        "startTime": NOON + timedelta(minutes=minute),
        "executionMode": "PARALLEL",
        "trigger": {"triggerType": trigger},
    }


SAID = {"Outcome": "released", "Version": "20261121T120000Z-1a2b3c4", "Channel": "live"}


class Account:
    """Deliveries that ended: by pipeline its executions, and by execution its actions."""

    def __init__(self) -> None:
        self.runs = {
            LIVE: [run("push", 5), run("broken", 9, "Failed"), run("first", 99, trigger="CreatePipeline")],
            UPLOAD: [run("zip", 1, trigger="CloudWatchEvent"), run("by-hand", 2, trigger="StartPipelineExecution")],
        }
        self.actions = {
            "push": [
                action(LIVE, "Source", 0, artifact="LiveSource", BranchName="main", CommitId="1a2b3c4"),
                action(LIVE, "Build", 9, artifact="LiveSite", external="Pipeline:1"),
                action(LIVE, "Release", 99, external="arn:execution", **SAID),
            ],
            "zip": [
                action(UPLOAD, "Source", 0, artifact="ZipSource", BucketName="b", ObjectKey="uploads/site.zip", VersionId="v1"),
                action(UPLOAD, "Inspect", 5, artifact="ZipProject", Kind="site", Folder=""),
                action(UPLOAD, "Direct", 9, external="arn:execution", **SAID),
            ],
        }
        self.actions["by-hand"] = deepcopy(self.actions["zip"])
        self.build = {
            "buildStatus": "SUCCEEDED",
            "environment": {
                "image": "aws/codebuild/amazonlinux-aarch64-standard:3.0",
                "type": "ARM_CONTAINER",
                "computeType": "BUILD_GENERAL1_SMALL",
            },
            "logs": {"groupName": "toolkit-site-blog-log", "streamName": "s"},
            "phases": [{"phaseType": "BUILD"}],
        }
        self.answers = Answers(
            {
                "codepipeline.ListPipelineExecutions": self._runs,
                "codepipeline.ListActionExecutions": self._actions,
                "codebuild.BatchGetBuilds": lambda params: {"builds": [self.build] if self.build else []},
            }
        )

    def _runs(self, params: Mapping[str, Any]) -> dict[str, Any]:
        said = json.loads(params["body"])
        return {"pipelineExecutionSummaries": self.runs[said["pipelineName"]][: said["maxResults"]]}

    def _actions(self, params: Mapping[str, Any]) -> dict[str, Any]:
        execution = json.loads(params["body"])["filter"]["pipelineExecutionId"]
        return {"actionExecutionDetails": list(reversed(self.actions[execution]))}


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def probe(account: Account, tmp_path: Path) -> Probe:
    """Of which these trials need no more than the account behind it."""
    stores = (FolderObjects(tmp_path / "objects"), FileRoutes(tmp_path / "routes"))
    hosting = Hosting("blog", "d1.cloudfront.net", "bucket", "eu-west-1", *stores, fetch=lambda asked: pytest.fail("no HTTP here"))
    pipelines = {"live": LIVE, "upload": UPLOAD}
    return Probe(replace(hosting, pipelines=pipelines, session=account.answers.connect("eu-west-1", "")), "verify-x", ())  # type: ignore[arg-type]


def tried(probe: Probe, name: str) -> tuple[str, str]:
    check = verify.outcome(TRIALS[name], probe)
    return check.state, check.found


@pytest.mark.parametrize("name", TRIED)
def test_each_trial_holds_on_deliveries_that_ended_well(probe: Probe, account: Account, name: str) -> None:
    assert tried(probe, name)[0] == OK, tried(probe, name)
    assert all(call.split(".")[1].startswith(("List", "BatchGet")) for call in account.answers.calls), "nothing is started"


def test_the_last_delivery_that_ended_well_is_looked_at(probe: Probe) -> None:
    assert tried(probe, "listed")[1].startswith("BranchName main, CommitId 1a2b3c4, since 2026-11-21 12:00")
    assert tried(probe, "skipped")[1] == "a site ran through Source, Inspect, Direct"
    assert tried(probe, "keys")[1] == "toolkit-site-blog-li/LiveSite/a1B2c3D"
    assert tried(probe, "overridden")[1] == "read uploads/site.zip in its version v1"


def source(account: Account) -> dict[str, Any]:
    found: dict[str, Any] = account.actions["push"][0]
    return found


def without_answer(account: Account) -> None:
    del account.actions["push"][2]["output"]["outputVariables"]["Version"]


def without_execution(account: Account) -> None:
    account.actions["push"][2]["output"]["executionResult"] = {}


def without_release(account: Account) -> None:
    del account.actions["push"][2]


def without_time(account: Account) -> None:
    del source(account)["startTime"]


def without_commit(account: Account) -> None:
    source(account)["output"]["outputVariables"] = {"BranchName": "main"}


def in_a_queue(account: Account) -> None:
    account.runs[LIVE][0]["executionMode"] = "QUEUED"


def built_all_the_same(account: Account) -> None:
    account.actions["by-hand"].append(action(UPLOAD, "Build", 20))


def a_project_taken_for_a_site(account: Account) -> None:
    account.actions["by-hand"][1]["output"]["outputVariables"]["Kind"] = "project"


def without_kind(account: Account) -> None:
    account.actions["by-hand"][1]["output"]["outputVariables"] = {}


def another_key(account: Account) -> None:
    account.actions["push"][1]["output"]["outputArtifacts"][0]["s3location"]["key"] = f"{LIVE}/LiveSite/a1B2c3D"


def the_object_of_the_template(account: Account) -> None:
    account.actions["zip"][0]["output"]["outputVariables"] |= {"ObjectKey": "uploads/none.zip"}


def no_version(account: Account) -> None:
    del account.actions["zip"][0]["output"]["outputVariables"]["VersionId"]


def another_image(account: Account) -> None:
    account.build["environment"]["image"] = "aws/codebuild/standard:7.0"  # type: ignore[index]


def a_build_that_failed(account: Account) -> None:
    account.build["buildStatus"] = "FAILED"


FAULTS: dict[str, list[Callable[[Account], None]]] = {
    "called": [without_answer, without_execution, without_release],
    "listed": [without_time, without_commit],
    "built": [another_image, a_build_that_failed],
    "side_by_side": [in_a_queue],
    "skipped": [built_all_the_same, a_project_taken_for_a_site, without_kind],
    "keys": [another_key],
    "overridden": [the_object_of_the_template, no_version],
}


@pytest.mark.parametrize(("name", "fault"), [(name, fault) for name, them in FAULTS.items() for fault in them])
def test_each_trial_finds_its_faults(probe: Probe, account: Account, name: str, fault: Callable[[Account], None]) -> None:
    fault(account)
    state, found = tried(probe, name)
    assert state == PROBLEM and found, f"{name} took {found!r} for right"


def test_every_trial_has_a_fault_that_it_must_find() -> None:
    assert set(FAULTS) == set(TRIED)
    assert {trial.run.__name__ for trial in verify_pipeline.TRIALS} - set(TRIED) == {"run"}, "the others say where to look"


@pytest.mark.parametrize("name", TRIED)
def test_where_nothing_was_delivered_nothing_is_known(probe: Probe, account: Account, name: str) -> None:
    account.runs = {LIVE: [run("broken", 9, "Failed"), run("first", 99, trigger="CreatePipeline")], UPLOAD: []}
    state, found = tried(probe, name)
    assert state == UNKNOWN and "push or upload something" in found
    state, found = tried(replace(probe, hosting=replace(probe.hosting, pipelines={})), name)
    assert state == UNKNOWN and "has no pipeline" in found


def test_what_may_not_be_asked_is_said(probe: Probe, account: Account) -> None:
    account.answers.said["codepipeline.ListPipelineExecutions"] = refused("AccessDeniedException", "", 403)
    state, found = tried(probe, "listed")
    assert state == UNKNOWN and "may not" in found


def test_a_project_runs_through_the_build(probe: Probe, account: Account) -> None:
    account.actions["by-hand"] = [
        *account.actions["zip"][:1],
        action(UPLOAD, "Inspect", 5, Kind="project", Folder=""),
        action(UPLOAD, "Build", 9, artifact="ZipSite", external="Pipeline:2"),
        action(UPLOAD, "Release", 99, external="arn:execution", **SAID),
    ]
    assert tried(probe, "skipped") == (OK, "a project ran through Source, Inspect, Build, Release")


def test_its_policy_has_what_they_ask_and_no_more(probe: Probe, account: Account) -> None:
    for name in TRIED:
        tried(probe, name)
    asked = {call.split("@")[0].replace(".", ":") for call in account.answers.calls}
    with_pipelines = SiteFacts(site="blog", pipelines=PipelineFacts(uploads=True))
    granted, before = (
        {action for policy in policies("verify", facts, "*") for one in policy.statements for action in one.actions}
        for facts in (with_pipelines, SiteFacts(site="blog"))
    )
    assert granted - before == asked


@pytest.mark.parametrize("operation", ["ListPipelineExecutions", "ListActionExecutions", "BatchGetBuilds"])
def test_the_account_here_speaks_as_aws_does(account: Account, operation: str) -> None:
    """Its answers fit the shapes that botocore has of the services."""
    service = "codebuild" if operation == "BatchGetBuilds" else "codepipeline"
    shape = boto3.client(service, region_name="eu-west-1").meta.service_model.operation_model(operation).output_shape
    answers = {
        "ListPipelineExecutions": {"pipelineExecutionSummaries": [*account.runs[LIVE], *account.runs[UPLOAD]]},
        "ListActionExecutions": {"actionExecutionDetails": [*account.actions["push"], *account.actions["zip"]]},
        "BatchGetBuilds": {"builds": [account.build]},
    }
    report = ParamValidator().validate(answers[operation], shape)
    assert not report.has_errors(), report.generate_report()
