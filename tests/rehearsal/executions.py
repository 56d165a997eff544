"""Executions of the template's pipelines, each in a thread of its own as PARALLEL has them: stage by stage, action by action.

An action of each provider is played by `actions.py` and `builds.py`; what an execution came to stays here to be asked for, by
scenarios and (through ListActionExecutions) by the functions. Failed: the stage ends, and with it the execution.
"""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tests.rehearsal.aws import PlayedAws
from tests.rehearsal.codepipeline import Action, Pipeline, PipelineStage, Unresolved, filled, may_enter, pipelines, problems
from tests.rehearsal.template import Deployed

SERVICE = "codepipeline.amazonaws.com"
SUCCEEDED, FAILED, SKIPPED, RUNNING = "Succeeded", "Failed", "Skipped", "InProgress"
# What CodePipeline keeps of a name in the key of an artifact.
_PIPELINE_LENGTH, _ARTIFACT_LENGTH = 20, 10
Place = tuple[str, str]


class ActionFailed(Exception):
    """An action failed, and says why as CodePipeline would show it."""


@dataclass
class ActionRun:
    """One attempt of an action. `artifacts` are what it made: name → (bucket, key)."""

    stage: str
    action: Action
    configuration: Mapping[str, str]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = RUNNING
    started: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    artifacts: dict[str, Place] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    says: str = ""
    summary: str = ""


class Execution:
    """One execution: `variables` and `overrides` ({action: {revision type: value}}) are what it was started with.

    `trigger` is what started it, by the names of the API's TriggerType.
    """

    def __init__(
        self, pipeline: Pipeline, variables: Mapping[str, str], overrides: Mapping[str, Mapping[str, str]], trigger: str
    ) -> None:
        self.id, self.pipeline, self.overrides, self.trigger = str(uuid.uuid4()), pipeline, overrides, trigger
        self.variables = {"codepipeline.PipelineExecutionId": self.id}
        self.variables |= {f"variables.{name}": value for name, value in {**pipeline.variables, **variables}.items()}
        self.artifacts: dict[str, Place] = {}
        self.stages: dict[str, str] = {}
        self.runs: list[ActionRun] = []
        self.status, self.says = RUNNING, ""
        self._ended = threading.Event()

    def end(self, status: str) -> None:
        self.status = status
        self._ended.set()

    def wait(self, seconds: float = 180.0) -> Execution:
        """Until it ended. One that hangs is a failure."""
        if not self._ended.wait(seconds):
            raise AssertionError(f"{self.pipeline.name} did not end within {seconds:.0f} s: {self.story()}")
        return self

    def run(self, action: str) -> ActionRun:
        """The last attempt of an action."""
        return [one for one in self.runs if one.action.name == action][-1]

    def brought(self) -> Mapping[str, str]:
        """The variables of its source, once that is there."""
        deadline = time.monotonic() + 30
        while (not self.runs or self.runs[0].status == RUNNING) and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.runs[0].variables

    def story(self) -> str:
        told = [f"{one.action.name}: {one.status}{' – ' + one.says if one.says else ''}" for one in self.runs]
        return f"{self.status} ({'; '.join([*told, *filter(None, [self.says])]) or 'nothing ran'})"


@dataclass(frozen=True)
class Turn:
    """What an action is played with: its execution, its run, and a session in the name of the action's role."""

    execution: Execution
    run: ActionRun
    session: Any
    stop: threading.Event

    def read(self, name: str) -> bytes:
        """An input artifact, with the right of the role."""
        bucket, key = self.execution.artifacts[name]
        return bytes(self.session.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())

    def place(self, name: str) -> Place:
        """Where an output artifact goes."""
        pipeline = self.execution.pipeline
        key = f"{pipeline.name[:_PIPELINE_LENGTH]}/{name[:_ARTIFACT_LENGTH]}/{secrets.token_urlsafe(5)}"
        self.run.artifacts[name] = (pipeline.bucket, key)
        return pipeline.bucket, key

    def write(self, name: str, body: bytes, **more: str) -> None:
        bucket, key = self.place(name)
        self.session.client("s3").put_object(Bucket=bucket, Key=key, Body=body, **more)


Provider = Callable[[Turn], None]


class CodePipeline:
    """All pipelines of a stack. `providers` play actions; what went wrong with the rehearsal itself is in `aws.broken`."""

    def __init__(self, stack: Deployed, aws: PlayedAws, providers: Mapping[str, Provider]) -> None:
        self.pipelines = pipelines(stack)
        self.executions: list[Execution] = []
        self._aws, self._providers = aws, providers
        self._lock, self._stop = threading.Lock(), threading.Event()

    def start(
        self,
        name: str,
        *,
        variables: Mapping[str, str] | None = None,
        revisions: Iterable[Mapping[str, str]] = (),
        trigger: str = "StartPipelineExecution",
    ) -> Execution:
        """StartPipelineExecution, or what a trigger does: `revisions` are source overrides."""
        pipeline, overrides = self.pipelines[name], dict[str, dict[str, str]]()
        for one in revisions:
            if one["actionName"] not in {action.name for action in pipeline.stages[0].actions}:
                raise AssertionError(f"{name} has no source action {one['actionName']}")
            overrides.setdefault(one["actionName"], {})[one["revisionType"]] = one["revisionValue"]
        unknown = set(variables or {}) - set(pipeline.variables)
        assert not unknown, f"{name} has no variable {unknown}"
        execution = Execution(pipeline, variables or {}, overrides, trigger)
        with self._lock:
            self.executions.append(execution)
        threading.Thread(target=self._play, args=(execution,), daemon=True).start()
        return execution

    def made(self) -> dict[str, Execution]:
        """Start every pipeline as AWS does when it has made one: from the branch or the key that its source action names."""
        return {name: self.start(name, trigger="CreatePipeline") for name in self.pipelines}

    def of(self, name: str) -> list[Execution]:
        return [one for one in list(self.executions) if one.pipeline.name == name]

    def close(self) -> None:
        self._stop.set()

    def _play(self, execution: Execution) -> None:
        try:
            execution.says = "; ".join(f"AWS would refuse it: {one}" for one in problems(execution.pipeline))
            execution.end(FAILED if execution.says or not self._stages(execution) else SUCCEEDED)
        except Exception as error:
            execution.says = f"{type(error).__name__}: {error}"
            self._aws.broken.append(f"{execution.pipeline.name}: {execution.says}")
            execution.end(FAILED)

    def _stages(self, execution: Execution) -> bool:
        for stage in execution.pipeline.stages:
            try:
                instead = may_enter(stage, execution.variables)
            except Unresolved as error:
                instead, execution.says = "FAIL", f"before {stage.name}: {error}"
            if instead:
                execution.stages[stage.name] = SKIPPED if instead == "SKIP" else FAILED
                if instead == "SKIP":
                    continue
                return False
            execution.stages[stage.name] = RUNNING
            fine = self._stage(execution, stage)
            execution.stages[stage.name] = SUCCEEDED if fine else FAILED
            if not fine:
                return False
        return True

    def _stage(self, execution: Execution, stage: PipelineStage) -> bool:
        for order in sorted({one.order for one in stage.actions}):
            group = [one for one in stage.actions if one.order == order]
            with ThreadPoolExecutor(len(group)) as pool:
                if not all(pool.map(lambda action: self._action(execution, stage.name, action), group)):
                    return False
        return True

    def _action(self, execution: Execution, stage: str, action: Action) -> bool:
        run = ActionRun(stage, action, action.configuration)
        execution.runs.append(run)
        try:
            run.configuration = {key: filled(value, execution.variables) for key, value in action.configuration.items()}
            session = self._aws.session_of(action.role, SERVICE)
            self._providers[action.provider](Turn(execution, run, session, self._stop))
            run.status = SUCCEEDED
        except (ActionFailed, Unresolved) as error:
            run.status, run.says = FAILED, str(error)
        except Exception as error:  # AccessDenied among others: the action's own text in AWS
            run.status, run.says = FAILED, f"{type(error).__name__}: {error}"
        run.updated = time.time()
        execution.artifacts |= run.artifacts
        if action.namespace:
            execution.variables |= {f"{action.namespace}.{name}": value for name, value in run.variables.items()}
        return run.status == SUCCEEDED
