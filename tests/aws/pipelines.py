"""Pipelines, builds and their logs behind boto3's own client, as a test has them: what AWS would say is written down.

Every answer is checked against botocore's description of the operation, so that a wrong shape is an error here. Pages are short.
What happens while somebody waits is told by `then`: one thing at each wait.
"""

from __future__ import annotations

import datetime
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.exceptions import ClientError, ConnectionClosedError
from botocore.validate import ParamValidator

SERVICES = {"codepipeline": "codepipeline", "codebuild": "codebuild", "cloudwatch-logs": "logs", "sfn": "stepfunctions"}
# In 2096: what runs since then has taken no time so far, on whichever day this is run.
BEGAN = 4_000_000_000.0
PAGE = 2
GROUP = "/toolkit/blog/builds"


@dataclass
class _Http:
    status_code: int


@dataclass
class Action:
    """One run of one action: seconds after `BEGAN` when it began and ended."""

    name: str
    status: str
    began: float = 0.0
    ended: float = 0.0
    variables: Mapping[str, str] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""


@dataclass
class Execution:
    pipeline: str
    id: str
    began: float
    status: str = "InProgress"
    revision: str = ""
    trigger: str = "WebhookV2"
    actions: list[Action] = field(default_factory=list)

    def act(self, name: str, status: str = "Succeeded", began: float = 0.0, ended: float = 0.0, **more: Any) -> Action:
        """Add a run of an action; `more` are its variables, result and id."""
        action = Action(name, status, began, ended, **more)
        self.actions.append(action)
        return action


@dataclass
class Build:
    id: str
    lines: list[str] = field(default_factory=list)
    status: str = "IN_PROGRESS"
    has_stream: bool = True
    phases: Sequence[Mapping[str, Any]] = ()


class FakePipelines:
    """`asked` are the operations that came, with their parameters."""

    def __init__(self) -> None:
        self.executions: list[Execution] = []
        self.builds: dict[str, Build] = {}
        self.histories: dict[str, list[tuple[float, str, str]]] = {}
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.waits = 0
        self._events: deque[Callable[[], object]] = deque()
        self._faults: dict[str, deque[Exception]] = {}

    def attach(self, session: boto3.Session) -> boto3.Session:
        for name in SERVICES:
            session.events.register_first(f"before-parameter-build.{name}.*", self._hear)
            session.events.register_first(f"before-call.{name}.*", self._answer)
        return session

    def execution(self, pipeline: str, id: str, began: float = 0.0, status: str = "InProgress", revision: str = "") -> Execution:
        made = Execution(pipeline, id, began, status, revision)
        self.executions.append(made)
        return made

    def then(self, *events: Callable[[], object]) -> None:
        """What happens at the next waits."""
        self._events.extend(events)

    def sleep(self, seconds: float) -> None:
        self.waits += 1
        assert self.waits < 200, "nothing ends this waiting"
        if self._events:
            self._events.popleft()()

    def fail(self, operation: str, *codes: str) -> None:
        """Let the next calls of an operation fail: by an error's name, or "lost" for a reply that never came."""
        made = [ConnectionClosedError(endpoint_url="x") if code == "lost" else _error(code) for code in codes]
        self._faults.setdefault(operation, deque()).extend(made)

    def history(self, machine: str, name: str, *tasks: Sequence[tuple[float, str, str]]) -> None:
        """The events of a state machine's execution, by what `task` makes."""
        self.histories[f"{machine.replace(':stateMachine:', ':execution:')}:{name}"] = [event for one in tasks for event in one]

    def _hear(self, params: Mapping[str, Any], context: dict[str, Any], **_: object) -> None:
        context["said"] = dict(params)

    def _answer(self, model: Any, context: Mapping[str, Any], **_: object) -> tuple[_Http, Mapping[str, Any]] | None:
        said: Mapping[str, Any] = context["said"]
        answer = getattr(self, f"_{model.name}", None)
        if answer is None:
            return None  # another stand-in's
        self.asked.append((model.name, said))
        if faults := self._faults.get(model.name):
            return _refusal(faults.popleft())
        try:
            body = answer(said)
        except ClientError as error:
            return _refusal(error)
        report = ParamValidator().validate(body, model.output_shape)
        assert not report.has_errors(), report.generate_report()
        return _Http(200), {**body, "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}}}

    def _ListPipelineExecutions(self, said: Mapping[str, Any]) -> Mapping[str, Any]:
        found = [one for one in self.executions if one.pipeline == said["pipelineName"]]
        found.sort(key=lambda one: one.began, reverse=True)
        return _page("pipelineExecutionSummaries", [_summary(one) for one in found], said)

    def _ListActionExecutions(self, said: Mapping[str, Any]) -> Mapping[str, Any]:
        (one,) = self._found(said["pipelineName"], said["filter"]["pipelineExecutionId"])
        return _page("actionExecutionDetails", [_detail(one, action) for action in reversed(one.actions)], said)

    def _GetPipelineExecution(self, said: Mapping[str, Any]) -> Mapping[str, Any]:
        found = self._found(said["pipelineName"], said["pipelineExecutionId"])
        if not found:
            raise _error("PipelineExecutionNotFoundException")
        about = {"pipelineName": found[0].pipeline, "pipelineExecutionId": found[0].id, "status": found[0].status}
        return {"pipelineExecution": about}

    def _StartPipelineExecution(self, said: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"pipelineExecutionId": self.execution(said["name"], f"started-{len(self.executions)}").id}

    def _BatchGetBuilds(self, said: Mapping[str, Any]) -> Mapping[str, Any]:
        found = [self.builds[id] for id in said["ids"] if id in self.builds]
        return {"builds": [_build(one) for one in found]}

    def _GetLogEvents(self, said: Mapping[str, Any]) -> Mapping[str, Any]:
        """Tokens are positions; at the end the same one comes back (API reference, GetLogEvents)."""
        (build,) = [one for one in self.builds.values() if one.id.partition(":")[2] == said["logStreamName"]]
        assert said["logGroupName"] == GROUP and said["startFromHead"] is True
        if not build.has_stream:
            raise _error("ResourceNotFoundException")
        start = int(said.get("nextToken", "f/0").removeprefix("f/"))
        lines = build.lines[start : start + PAGE]
        token = f"f/{start + len(lines)}"
        events = [{"timestamp": 1, "message": f"{line}\n", "ingestionTime": 1} for line in lines]
        return {"events": events, "nextForwardToken": token, "nextBackwardToken": "b/0"}

    def _GetExecutionHistory(self, said: Mapping[str, Any]) -> Mapping[str, Any]:
        if said["executionArn"] not in self.histories:
            raise _error("ExecutionDoesNotExist")
        events = [_event(number, *one) for number, one in enumerate(self.histories[said["executionArn"]])]
        return _page("events", events, said)

    def _found(self, pipeline: str, id: str) -> list[Execution]:
        return [one for one in self.executions if (one.pipeline, one.id) == (pipeline, id)]


def _error(code: str) -> ClientError:
    status = 403 if code.startswith("AccessDenied") else 400
    return ClientError({"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "")


def _refusal(error: Exception) -> tuple[_Http, Mapping[str, Any]]:
    if not isinstance(error, ClientError):
        raise error
    return _Http(400), error.response


def _page(name: str, items: Sequence[Any], said: Mapping[str, Any]) -> Mapping[str, Any]:
    start = int(said.get("nextToken", "0"))
    end = start + min(PAGE, int(said.get("maxResults", PAGE)))
    return {name: items[start:end], **({"nextToken": str(end)} if end < len(items) else {})}


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(BEGAN + seconds, datetime.UTC)


def _summary(one: Execution) -> Mapping[str, Any]:
    revisions = [{"actionName": "Source", "revisionId": one.revision}] if one.revision else []
    return {
        "pipelineExecutionId": one.id,
        "status": one.status,
        "startTime": _moment(one.began),
        "lastUpdateTime": _moment(one.began),
        "sourceRevisions": revisions,
        "trigger": {"triggerType": one.trigger, "triggerDetail": "x"},
        "executionMode": "PARALLEL",
    }


def _detail(one: Execution, action: Action) -> Mapping[str, Any]:
    return {
        "pipelineExecutionId": one.id,
        "actionExecutionId": action.id or f"{action.name}-{one.id}",
        "pipelineVersion": 1,
        "stageName": action.name,
        "actionName": action.name,
        "startTime": _moment(action.began),
        "lastUpdateTime": _moment(action.ended),
        "status": action.status,
        "output": {"executionResult": action.result, "outputVariables": action.variables},
    }


def _build(one: Build) -> Mapping[str, Any]:
    where = {"groupName": GROUP, "streamName": one.id.partition(":")[2]}
    return {
        "id": one.id,
        "buildStatus": one.status,
        "buildComplete": one.status != "IN_PROGRESS",
        "phases": one.phases,
        "logs": where,
    }


def _event(number: int, at: float, kind: str, name: str) -> Mapping[str, Any]:
    details = {"TaskStateEntered": "stateEnteredEventDetails", "TaskStateExited": "stateExitedEventDetails"}
    more = {details[kind]: {"name": name}} if kind in details else {}
    return {"timestamp": _moment(at), "type": kind, "id": number + 1, "previousEventId": number, **more}


def task(name: str, began: float, ended: float, *, failed: bool = False, tries: int = 1) -> list[tuple[float, str, str]]:
    """The history of one task: scheduled, perhaps failed and tried again, then over."""
    found = [(began, "TaskStateEntered", name)]
    for attempt in range(tries):
        over = "TaskFailed" if failed or attempt < tries - 1 else "TaskSucceeded"
        found += [(began, "TaskScheduled", ""), (began, "TaskStarted", ""), (ended, over, "")]
    return [*found, (ended, "TaskStateExited", name)]
