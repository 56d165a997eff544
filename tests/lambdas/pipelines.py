"""CodePipeline and Step Functions behind boto3's own client, as far as a function meets them.

Requests and answers have the shapes of botocore's service models. What they do is what their API references say: a job is told of
once, an execution's name is given to one only, lists come in pages.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.validate import validate_parameters
from lambdas.common import Services

PIPELINE = "shop-live-1a2b3c"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:release"
SECRETS = {"accessKeyId": "AKIAOFTHEJOB", "secretAccessKey": "the-job-s-secret", "sessionToken": "the-job-s-token"}
_PAGE = 2


@dataclass
class _Http:
    status_code: int


class Refused(Exception):
    """An answer other than 200: `args` are its code and its status."""


@dataclass
class FakePipelines:
    """`listed` are the actions of each execution; `told` what was said of each job. `trigger` is what began
    them. `trouble` may raise before an answer."""

    listed: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    told: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    executions: dict[str, dict[str, Any]] = field(default_factory=dict)
    trigger: str = "WebhookV2"
    starts: list[str] = field(default_factory=list)
    trouble: Callable[[str], None] = lambda operation: None

    def attach(self, session: boto3.Session, *services: str) -> None:
        """Answer a session's clients of these services, or of both."""
        for service in services or ("codepipeline", "sfn"):
            session.events.register_first(f"before-parameter-build.{service}.*", _keep)
            session.events.register_first(f"before-call.{service}.*", self._answer)

    # --- what a test makes

    def execution(self, variables: Mapping[str, str], action: str = "Release", *, started: float, own: str = "") -> tuple[str, str]:
        """An execution whose source succeeded and whose action runs: its id, and the action's."""
        name, own = str(uuid.uuid4()), own or str(uuid.uuid4())
        self.listed[name] = [
            _listed(name, own, action, "InProgress", started + 60),
            _listed(name, str(uuid.uuid4()), "Build", "Succeeded", started + 5, {}),
            _listed(name, str(uuid.uuid4()), "Source", "Succeeded", started, variables),
        ]
        return name, own

    def again(self, execution: str, action: str = "Release") -> str:
        """The stage is tried again: the id of the action's next run."""
        own = str(uuid.uuid4())
        for one in self.listed[execution]:
            if one["actionName"] == action:
                one["status"] = "Failed"
        moment = max(one["startTime"] for one in self.listed[execution])
        self.listed[execution].append(_listed(execution, own, action, "InProgress", moment.timestamp() + 60))
        return own

    def end(self, name: str, **found: Any) -> None:
        """The execution of the release workflow is over: `status`, and `output` or `error` and `cause`."""
        self.executions[name].update(found)

    @property
    def last(self) -> dict[str, Any]:
        """What was said last, of whatever job."""
        return list(self.told.values())[-1][-1]

    # --- what AWS does

    def _answer(self, model: Any, context: Mapping[str, Any], **_: object) -> tuple[_Http, dict[str, Any]]:
        try:
            self.trouble(model.name)
            found: dict[str, Any] = getattr(self, f"_{model.name}")(context["asked"])
        except Refused as error:
            said, status = error.args
            return _Http(status), {"Error": {"Code": said, "Message": said}, "ResponseMetadata": {"HTTPStatusCode": status}}
        if model.output_shape is not None:
            validate_parameters(found, model.output_shape)
        return _Http(200), {**found, "ResponseMetadata": {"HTTPStatusCode": 200}}

    def _ListActionExecutions(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        found = self.listed.get(asked["filter"]["pipelineExecutionId"])
        if found is None or asked["pipelineName"] != PIPELINE:
            raise Refused("PipelineExecutionNotFoundException", 400)
        at = int(asked.get("nextToken", 0))
        more = {"nextToken": str(at + _PAGE)} if at + _PAGE < len(found) else {}
        return {"actionExecutionDetails": found[at : at + _PAGE], **more}

    def _GetPipelineExecution(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        if asked["pipelineExecutionId"] not in self.listed or asked["pipelineName"] != PIPELINE:
            raise Refused("PipelineExecutionNotFoundException", 400)
        return {"pipelineExecution": {"pipelineName": PIPELINE, "trigger": {"triggerType": self.trigger, "triggerDetail": "x"}}}

    def _PutJobSuccessResult(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        assert not (asked.get("continuationToken") and asked.get("outputVariables")), "one or the other, says its reference"
        assert len(asked["executionDetails"]["summary"]) <= 2048
        return self._end(asked)

    def _PutJobFailureResult(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        assert len(asked["failureDetails"]["message"]) <= 5000
        return self._end(asked)

    def _end(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        if asked["jobId"] in self.over:
            raise Refused("InvalidJobStateException", 400)
        self.over.add(asked["jobId"])
        self.told.setdefault(asked["jobId"], []).append(dict(asked))
        return {}

    def _StartExecution(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        name, there = asked["name"], self.executions.get(asked["name"])
        assert asked["stateMachineArn"] == MACHINE and len(asked["input"]) < 262_144
        if there and (there["status"] != "RUNNING" or there["input"] != asked["input"]):
            raise Refused("ExecutionAlreadyExists", 400)
        arn = f"{MACHINE.replace(':stateMachine:', ':execution:')}:{name}"
        self.starts.append(name)
        begun = {"executionArn": arn, "stateMachineArn": MACHINE, "startDate": _moment(0), "status": "RUNNING"}
        self.executions.setdefault(name, {**begun, "input": asked["input"]})
        return {"executionArn": arn, "startDate": _moment(0)}

    def _DescribeExecution(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        found = self.executions.get(asked["executionArn"].rpartition(":")[2])
        if found is None or found["executionArn"] != asked["executionArn"]:
            raise Refused("ExecutionDoesNotExist", 400)
        return found

    def given(self, name: str) -> dict[str, Any]:
        """What the execution was started with."""
        found: dict[str, Any] = json.loads(self.executions[name]["input"])
        return found


def job(
    parameters: Mapping[str, Any] | str,
    *,
    job_id: str = "",
    inputs: Mapping[str, tuple[str, str]] | None = None,
    outputs: Mapping[str, tuple[str, str]] | None = None,
    token: str = "",
) -> dict[str, Any]:
    """The event ("Example JSON event", docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-Lambda.html)."""
    text = parameters if isinstance(parameters, str) else json.dumps(parameters)
    data = {
        "actionConfiguration": {"configuration": {"FunctionName": "f", "UserParameters": text}},
        "inputArtifacts": [_artifact(*one) for one in (inputs or {}).items()],
        "outputArtifacts": [_artifact(*one) for one in (outputs or {}).items()],
        "artifactCredentials": SECRETS,
        **({"continuationToken": token} if token else {}),
    }
    return {"CodePipeline.job": {"id": job_id or str(uuid.uuid4()), "accountId": "123456789012", "data": data}}


def id_of(event: Mapping[str, Any]) -> str:
    return str(event["CodePipeline.job"]["id"])


def attached(services: Services) -> FakePipelines:
    """A stand-in that answers those services' session."""
    fake = FakePipelines()
    fake.attach(services.session)
    return fake


def _artifact(name: str, place: tuple[str, str]) -> dict[str, Any]:
    where = {"bucketName": place[0], "objectKey": place[1]}
    return {"name": name, "revision": "1", "location": {"type": "S3", "s3Location": where}}


def _listed(
    execution: str, own: str, name: str, status: str, started: float, variables: Mapping[str, str] | None = None
) -> dict[str, Any]:
    return {
        "pipelineExecutionId": execution,
        "actionExecutionId": own,
        "stageName": name,
        "actionName": name,
        "status": status,
        "startTime": _moment(started),
        "output": {"outputVariables": dict(variables)} if variables is not None else {},
    }


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _keep(params: Mapping[str, Any], context: dict[str, Any], **_: object) -> None:
    """Before they are written as CBOR."""
    context["asked"] = dict(params)
