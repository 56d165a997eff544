"""CodePipeline as its own actions meet it: what has run in an execution, and the word that a job is over.

What is asked for here is CodePipeline's own account of an execution: no build writes into it, and a branch's name is a value like
any other, whatever it holds. (F47)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from toolkit.aws.errors import code
from toolkit.aws.session import STEADY, asking
from toolkit.engine.pipelines import SOURCE
from toolkit.errors import UserError

# "PutJobSuccessResult" and "PutJobFailureResult" in CodePipeline's API reference: characters.
SUMMARY_LENGTH, MESSAGE_LENGTH, _TOKEN_LENGTH = 2048, 5000, 2048
# The job was told of before: the same event came twice, or the pipeline was stopped meanwhile.
_OVER = ("InvalidJobStateException", "JobNotFoundException")


@dataclass(frozen=True)
class Action:
    """One run of one action: `started` in seconds since the epoch, `status` InProgress, Abandoned, Succeeded or Failed."""

    id: str
    stage: str
    name: str
    status: str
    started: float
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceFacts:
    """What a source action brought; what a kind of source does not know is "". `started` in seconds since the epoch.

    Of GitHub: repository, branch, commit, message. Of S3: bucket, key, version.
    """

    started: float
    repository: str = ""
    branch: str = ""
    commit: str = ""
    message: str = ""
    bucket: str = ""
    key: str = ""
    version: str = ""


def actions(session: Any, pipeline: str, execution: str) -> list[Action]:
    """What has run in one execution of a pipeline so far, oldest first; a stage that is tried again is there once for each try.

    UserError, Unavailable.
    """
    with asking(f"the pipeline {pipeline}", "codepipeline:ListActionExecutions"):
        pages = session.client("codepipeline", config=STEADY).get_paginator("list_action_executions")
        found = pages.paginate(pipelineName=pipeline, filter={"pipelineExecutionId": execution})
        listed = [_action(one) for page in found for one in page["actionExecutionDetails"]]
    return sorted(listed, key=lambda action: action.started)


def is_first_run(session: Any, pipeline: str, execution: str) -> bool:
    """Whether an execution is the one that a pipeline begins by itself when it is made
    (docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-about-starting.html). UserError, Unavailable."""
    with asking(f"the pipeline {pipeline}", "codepipeline:GetPipelineExecution"):
        client = session.client("codepipeline", config=STEADY)
        found = client.get_pipeline_execution(pipelineName=pipeline, pipelineExecutionId=execution)["pipelineExecution"]
    return bool(found.get("trigger", {}).get("triggerType") == "CreatePipeline")


def source(found: Sequence[Action]) -> SourceFacts | None:
    """What the execution is about: the last source action that brought something. None while there is none."""
    sources = [action for action in found if action.stage == SOURCE and action.status == "Succeeded"]
    if not sources:
        return None
    names = {
        "repository": "FullRepositoryName",
        "branch": "BranchName",
        "commit": "CommitId",
        "message": "CommitMessage",
        "bucket": "BucketName",
        "key": "ObjectKey",
        "version": "VersionId",
    }
    told = sources[-1].variables
    return SourceFacts(sources[-1].started, **{name: told.get(theirs, "") for name, theirs in names.items()})


def running(found: Sequence[Action], name: str) -> str:
    """The id of the action of that name that runs now, of several tries the last; "" when none does."""
    return next((action.id for action in reversed(found) if action.name == name and action.status == "InProgress"), "")


def is_over(found: Sequence[Action], name: str) -> bool:
    """Whether the action of that name has run, and does not now."""
    return not running(found, name) and any(action.name == name for action in found)


def succeed(session: Any, job: str, variables: Mapping[str, str], summary: str, execution: str = "") -> bool:
    """Say that a job is done, and what later actions may know of it. False when it was over already."""
    given = {"jobId": job, "executionDetails": _details(summary, execution)}
    return _tell(session, "put_job_success_result", {**given, "outputVariables": dict(variables)} if variables else given)


def go_on(session: Any, job: str, token: str, summary: str, execution: str = "") -> bool:
    """Say that a job is under way: CodePipeline comes back with the token. False when it was over already."""
    assert 0 < len(token) <= _TOKEN_LENGTH
    given = {"jobId": job, "continuationToken": token, "executionDetails": _details(summary, execution)}
    return _tell(session, "put_job_success_result", given)


def fail(session: Any, job: str, message: str, execution: str = "") -> bool:
    """Say that a job failed, and why. False when it was over already."""
    said = message if len(message) <= MESSAGE_LENGTH else f"{message[: MESSAGE_LENGTH - 2]} …"
    details = {"type": "JobFailed", "message": said or "failed", **_external(execution)}
    return _tell(session, "put_job_failure_result", {"jobId": job, "failureDetails": details})


def _tell(session: Any, operation: str, given: Mapping[str, Any]) -> bool:
    with asking(f"the job {given['jobId']}", "codepipeline:PutJobSuccessResult, codepipeline:PutJobFailureResult"):
        try:
            getattr(session.client("codepipeline", config=STEADY), operation)(**given)
        except ClientError as error:
            if code(error) in _OVER:
                return False
            raise
    return True


def _details(summary: str, execution: str) -> dict[str, str]:
    said = summary if len(summary) <= SUMMARY_LENGTH else f"{summary[: SUMMARY_LENGTH - 2]} …"
    return {"summary": said or "done", **_external(execution)}


def _external(execution: str) -> dict[str, str]:
    """What CodePipeline's console and `ListActionExecutions` show as what ran elsewhere."""
    return {"externalExecutionId": execution} if execution else {}


def _action(found: Mapping[str, Any]) -> Action:
    try:
        return Action(
            id=found.get("actionExecutionId", ""),
            stage=found["stageName"],
            name=found["actionName"],
            status=found["status"],
            started=found["startTime"].timestamp(),
            variables=found.get("output", {}).get("outputVariables", {}),
        )
    except KeyError as error:
        raise UserError(f"CodePipeline says no {error.args[0]} of an action", "update the toolkit") from error
