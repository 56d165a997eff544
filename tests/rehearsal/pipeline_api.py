"""CodePipeline's API as far as functions ask it, in the shapes of botocore's own model: a wrong one is an error here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore.serialize import CBORSerializer
from botocore.validate import validate_parameters

from tests.rehearsal.actions import Jobs
from tests.rehearsal.executions import ActionRun, CodePipeline, Execution
from tests.rehearsal.wire import Answered, Sent, told

# Few, so that whoever asks has to ask for more.
_PAGE = 2


class PipelineApi:
    """Answers what functions send to CodePipeline; rights were checked before."""

    def __init__(self, pipelines: CodePipeline, jobs: Jobs) -> None:
        self._pipelines, self._jobs = pipelines, jobs

    def __call__(self, sent: Sent) -> Answered:
        given = told(sent)
        match sent.operation:
            case "ListActionExecutions":
                return answered(sent, self._actions(given))
            case "GetPipelineExecution":
                return answered(sent, {"pipelineExecution": self._execution(given)})
            case "PutJobSuccessResult" | "PutJobFailureResult":
                problem = self._jobs.report(sent.operation, given)
                return refused(sent, problem) if problem else answered(sent, {})
        return Answered(501, {}, f"nobody plays {sent.operation}".encode())

    def _execution(self, given: Mapping[str, Any]) -> dict[str, Any]:
        (found,) = (one for one in self._pipelines.of(given["pipelineName"]) if one.id == given["pipelineExecutionId"])
        trigger = {"triggerType": found.trigger, "triggerDetail": "made up"}
        return {"pipelineName": found.pipeline.name, "pipelineExecutionId": found.id, "status": found.status, "trigger": trigger}

    def _actions(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Newest first, a few a page."""
        wanted = given.get("filter", {}).get("pipelineExecutionId")
        found = [
            details(execution, run)
            for execution in reversed(self._pipelines.of(given["pipelineName"]))
            for run in reversed(execution.runs)
            if wanted in (None, execution.id)
        ]
        start = int(given.get("nextToken", "0"))
        end = start + min(_PAGE, int(given.get("maxResults", 100)))
        more = {"nextToken": str(end)} if end < len(found) else {}
        return {"actionExecutionDetails": found[start:end], **more}


def details(execution: Execution, run: ActionRun) -> dict[str, Any]:
    """ActionExecutionDetail (docs.aws.amazon.com/codepipeline/latest/APIReference/API_ActionExecutionDetail.html)."""
    action = run.action
    return {
        "pipelineExecutionId": execution.id,
        "actionExecutionId": run.id,
        "pipelineVersion": 1,
        "stageName": run.stage,
        "actionName": action.name,
        "startTime": run.started,
        "lastUpdateTime": run.updated,
        "status": run.status,
        "input": {
            "actionTypeId": {"category": action.category, "owner": "AWS", "provider": action.provider, "version": "1"},
            "configuration": dict(action.configuration),
            "resolvedConfiguration": dict(run.configuration),
            "roleArn": action.role,
            "inputArtifacts": [_artifact(name, execution.artifacts) for name in action.inputs if name in execution.artifacts],
            **({"namespace": action.namespace} if action.namespace else {}),
        },
        "output": {
            "outputArtifacts": [_artifact(name, run.artifacts) for name in run.artifacts],
            "executionResult": {"externalExecutionSummary": run.summary or run.says},
            "outputVariables": dict(run.variables),
        },
    }


def _artifact(name: str, places: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    bucket, key = places[name]
    return {"name": name, "s3location": {"bucket": bucket, "key": key}}


def answered(sent: Sent, result: Mapping[str, Any]) -> Answered:
    """In the protocol of the question: botocore chooses between two."""
    shape = _model().operation_model(sent.operation).output_shape
    if shape is not None:
        validate_parameters(dict(result), shape)
    return _encoded(sent, 200, result, shape)


def refused(sent: Sent, kind: str) -> Answered:
    """An error of the service: a map of texts."""
    said = {"__type": f"com.amazonaws.codepipeline#{kind}", "message": kind}
    return _encoded(sent, 400, said, _model().shape_for("OutputVariablesMap"))


def _encoded(sent: Sent, status: int, result: Mapping[str, Any], shape: Any) -> Answered:
    if "cbor" not in sent.header("smithy-protocol"):
        return Answered(status, {"content-type": "application/x-amz-json-1.1"}, json.dumps(result).encode())
    body = bytearray()
    if shape is not None:
        CBORSerializer()._serialize_data_item(body, dict(result), shape)
    headers = {"content-type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
    return Answered(status, headers, bytes(body) if shape is not None else b"\xa0")


@cache
def _model() -> Any:
    return botocore.session.get_session().get_service_model("codepipeline")
