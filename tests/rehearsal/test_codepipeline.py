"""What is made of a pipeline's definition: its structure, its variables, its conditions, and its API's own shapes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse, HeadersDict

from tests.rehearsal.actions import Jobs
from tests.rehearsal.aws import PlayedAws
from tests.rehearsal.codepipeline import PipelineStage, Unresolved, filled, may_enter, pipelines, problems
from tests.rehearsal.executions import FAILED, SKIPPED, SUCCEEDED, ActionFailed, CodePipeline, Turn
from tests.rehearsal.iam import BeyondThis, Policies
from tests.rehearsal.pipeline_api import PipelineApi
from tests.rehearsal.template import Deployed
from tests.rehearsal.wire import Sent
from tests.rehearsal.worker import Raw

CHECK = {"Category": "Rule", "Owner": "AWS", "Provider": "VariableCheck", "Version": "1"}
ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "RoleName": "runner",
        "AssumeRolePolicyDocument": {
            "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "codepipeline.amazonaws.com"}}]
        },
    },
}


def action(name: str, *, takes: str = "", makes: str = "", category: str = "Build", **configuration: str) -> dict[str, Any]:
    return {
        "Name": name,
        "ActionTypeId": {"Category": category, "Owner": "AWS", "Provider": f"Played{category}", "Version": "1"},
        "Configuration": configuration,
        "InputArtifacts": [{"Name": takes}] if takes else [],
        "OutputArtifacts": [{"Name": makes}] if makes else [],
        "Namespace": name,
    }


def rule(variable: str, value: str, operator: str = "EQ") -> dict[str, Any]:
    return {"Name": "R", "RuleTypeId": CHECK, "Configuration": {"Variable": variable, "Value": value, "Operator": operator}}


def stage(one: dict[str, Any], *rules: dict[str, Any]) -> dict[str, Any]:
    more = {"BeforeEntry": {"Conditions": [{"Result": "SKIP", "Rules": list(rules)}]}} if rules else {}
    return {"Name": one["Name"], "Actions": [one], **more}


SOURCE = stage(action("Source", makes="Code", category="Source"))


def stack(*stages: dict[str, Any], **more: Any) -> Deployed:
    properties = {
        "Name": "line",
        "PipelineType": "V2",
        "ExecutionMode": "PARALLEL",
        "RoleArn": "arn:aws:iam::123456789012:role/runner",
        "ArtifactStore": {"Type": "S3", "Location": "artifacts"},
        "Stages": [SOURCE, *stages],
        **more,
    }
    return Deployed({"Resources": {"P": {"Type": "AWS::CodePipeline::Pipeline", "Properties": properties}, "R": ROLE}}, "s", Path())


class Script:
    """Plays actions: fails those of `failing`, and gives each the variables that are written for it."""

    def __init__(self, failing: tuple[str, ...] = (), **variables: Mapping[str, str]) -> None:
        self.failing, self.variables, self.seen = failing, variables, list[tuple[str, dict[str, str]]]()

    def __call__(self, turn: Turn) -> None:
        name = turn.run.action.name
        self.seen.append((name, dict(turn.run.configuration)))
        turn.run.variables = dict(self.variables.get(name, {}))
        if name in self.failing:
            raise ActionFailed("it was to fail")


def played(deployed: Deployed, script: Script) -> CodePipeline:
    aws = PlayedAws(Policies([deployed]), None, "eu-west-1")  # type: ignore[arg-type]
    return CodePipeline(deployed, aws, {"PlayedSource": script, "PlayedBuild": script})


def test_stages_run_in_order_and_a_failure_ends_it() -> None:
    script = Script(failing=("Two",))
    done = played(stack(stage(action("One")), stage(action("Two")), stage(action("Three"))), script).start("line").wait(10)
    assert [name for name, _ in script.seen] == ["Source", "One", "Two"]
    assert (done.status, done.stages) == (FAILED, {"Source": SUCCEEDED, "One": SUCCEEDED, "Two": FAILED})
    assert done.run("Two").says == "it was to fail"


def test_variables_reach_later_actions_and_what_they_hold_is_not_read_again() -> None:
    script = Script(Source={"BranchName": "#{codepipeline.PipelineExecutionId}"})
    found = played(stack(stage(action("One", said="#{Source.BranchName}, #{codepipeline.PipelineExecutionId}"))), script)
    done = found.start("line").wait(10)
    assert script.seen[1][1]["said"] == f"#{{codepipeline.PipelineExecutionId}}, {done.id}"


def test_a_condition_skips_its_stage_alone() -> None:
    one, two = stage(action("One"), rule("#{Source.Kind}", "site")), stage(action("Two"), rule("#{Source.Kind}", "site", "NE"))
    script = Script(Source={"Kind": "project"})
    done = played(stack(one, two), script).start("line").wait(10)
    assert (done.status, done.stages) == (SUCCEEDED, {"Source": SUCCEEDED, "One": SKIPPED, "Two": SUCCEEDED})


def test_a_variable_that_nobody_set_fails_action_and_condition() -> None:
    assert played(stack(stage(action("One", said="#{Other.Kind}"))), Script()).start("line").wait(10).status == FAILED
    done = played(stack(stage(action("One"), rule("#{Other.Kind}", "site"))), Script()).start("line").wait(10)
    assert (done.status, done.stages["One"]) == (FAILED, FAILED)
    with pytest.raises(Unresolved):
        filled("#{a.b}", {})
    with pytest.raises(BeyondThis):
        may_enter(PipelineStage("One", (), (("SKIP", (rule("#{a.b}", "x", "MATCHES"),)),)), {"a.b": "x"})


def test_a_role_that_does_not_trust_codepipeline_runs_nothing() -> None:
    deployed = stack(stage(action("One")))
    deployed.body["Resources"]["R"] = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "runner"}}
    done = played(deployed, Script()).start("line").wait(10)
    assert "may not take the role" in done.run("Source").says


@pytest.mark.parametrize(
    ("stages", "says"),
    [
        ([], "1 stages"),
        ([stage(action("One", takes="Site")), stage(action("Two", makes="Site"))], "no action before"),
        ([stage(action("One", makes="Code"))], "made twice"),
        ([stage(action("One", category="Source"))], "first stage"),
        ([stage({**action("One"), "Namespace": "Source"})], "used twice"),
        ([stage(action("a b"))], "no name"),
    ],
)
def test_what_aws_would_refuse(stages: list[dict[str, Any]], says: str) -> None:
    (found,) = pipelines(stack(*stages)).values()
    assert any(says in one for one in problems(found)), problems(found)
    assert played(stack(*stages), Script()).start("line").wait(10).status == FAILED


def test_a_sound_pipeline_has_no_problems() -> None:
    (found,) = pipelines(stack(stage(action("One", takes="Code", makes="Site")), stage(action("Two", takes="Site")))).values()
    assert problems(found) == []


def test_another_mode_or_an_unknown_part_is_no_pipeline_of_ours() -> None:
    with pytest.raises(AssertionError):
        pipelines(stack(ExecutionMode="QUEUED"))
    with pytest.raises(BeyondThis):
        pipelines(stack({**stage(action("One")), "OnSuccess": {}}))


def client(api: PipelineApi) -> Any:
    """A client of boto3's whose requests the API answers."""
    session = boto3.Session(aws_access_key_id="AKID", aws_secret_access_key="secret", region_name="eu-west-1")

    def send(request: Any, event_name: str, **_: object) -> AWSResponse:
        body = request.body.encode() if isinstance(request.body, str) else request.body
        headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
        found = api(Sent(event_name, request.method, request.url, headers, body))
        return AWSResponse(request.url, found.status, HeadersDict(found.headers), Raw(found.body))

    session.events.register_first("before-send.*", send)
    return session.client("codepipeline")


def test_boto3_reads_what_the_api_says_page_by_page() -> None:
    found = played(stack(stage(action("One", said="x")), stage(action("Two"))), Script(Source={"CommitId": "1a2b"}))
    done, jobs = found.start("line").wait(10), Jobs()
    pages = client(PipelineApi(found, jobs)).get_paginator("list_action_executions")
    asked = pages.paginate(pipelineName="line", filter={"pipelineExecutionId": done.id})
    listed = [one for page in asked for one in page["actionExecutionDetails"]]
    assert [one["actionName"] for one in listed] == ["Two", "One", "Source"]
    assert abs(listed[-1]["startTime"].timestamp() - done.runs[0].started) < 0.01
    assert listed[-1]["output"]["outputVariables"] == {"CommitId": "1a2b"}
    assert json.dumps(listed[1]["input"]["configuration"]) == '{"said": "x"}'


def test_a_job_is_reported_once() -> None:
    jobs = Jobs()
    number, job = jobs.new()
    api = client(PipelineApi(played(stack(stage(action("One"))), Script()), jobs))
    api.put_job_success_result(jobId=number, continuationToken="later", executionDetails={"summary": "on its way"})
    assert (job.state, job.token, job.says) == ("Continued", "later", "on its way")
    with pytest.raises(api.exceptions.InvalidJobStateException):
        api.put_job_failure_result(jobId=number, failureDetails={"type": "JobFailed", "message": "no"})
    with pytest.raises(api.exceptions.JobNotFoundException):
        api.put_job_success_result(jobId="00000000-0000-4000-8000-000000000000")
