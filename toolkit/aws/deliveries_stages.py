"""What a pipeline's execution has come to, stage by stage: its actions, and inside the last one the steps of the release.

Shapes: `ListActionExecutions` of CodePipeline and `GetExecutionHistory` of Step Functions (their API references). The
variables of actions and the name of a release's execution are those of `functions/lambdas/deliver.py`. (F59)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from toolkit.engine import channels
from toolkit.engine.deliveries import DONE, ENDED, FAILED, RUNNING, SKIPPED, STOPPED, Delivery, Stage
from toolkit.engine.errors import UserError
from toolkit.engine.pipelines import CLOSED, LIVE, PREVIEW, PULL, RELEASES, SOURCE, UPLOAD

Action = Mapping[str, Any]
_ACTION = {"InProgress": RUNNING, "Succeeded": DONE, "Failed": FAILED, "Abandoned": STOPPED}
_EXECUTION = {
    "InProgress": RUNNING,
    "Stopping": RUNNING,
    "Succeeded": DONE,
    "Failed": FAILED,
    "Stopped": STOPPED,
    "Cancelled": STOPPED,
    "Superseded": STOPPED,
}
# The workflow's states (toolkit/cdk/definition.py) in the words of a person.
_STEPS = {"Publish": "publish", "Publish large": "publish", "Verify": "verify", "Flip": "flip"}
_TASK_FAILED = ("TaskFailed", "TaskTimedOut", "TaskStartFailed", "TaskSubmitFailed")
_SOURCES = {LIVE: "push", PREVIEW: "push", PULL: "pull request", CLOSED: "pull request closed", UPLOAD: "upload"}
# Words of builds and branches reach a terminal: nothing in them may move its cursor.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def latest(actions: Iterable[Action]) -> dict[str, Action]:
    """The last run of each action by its name, in the order in which they began: a stage that was retried has several."""
    found: dict[str, Action] = {}
    for action in sorted(actions, key=lambda one: seconds_of(one.get("startTime"))):
        found.pop(action["actionName"], None)
        found[action["actionName"]] = action
    return found


def delivery(
    pipeline: str, execution: Mapping[str, Any], actions: Mapping[str, Action], steps: Sequence[Stage], prefix: str, link: str
) -> Delivery:
    """One execution of the pipeline that has the key `pipeline`. `steps` are those of its release, empty when there is none yet."""
    variables = {name: variables_of(action) for name, action in actions.items()}
    source = variables.get(SOURCE, {})
    told: Mapping[str, str] = next((variables[name] for name in RELEASES if variables.get(name)), {})
    # What was not released says so with words in the place of version and channel.
    released = told if told.get("Outcome") != SKIPPED else {}
    revision: Mapping[str, str] = next(iter(execution.get("sourceRevisions", ())), {})
    is_zip = pipeline == UPLOAD
    stages = tuple(_stages(actions, steps))
    return Delivery(
        id=f"{pipeline}/{execution['pipelineExecutionId']}",
        source=_SOURCES[pipeline],
        state=_EXECUTION.get(str(execution.get("status", "")), RUNNING),
        # `GetPipelineExecution` does not tell when it began.
        started=seconds_of(execution.get("startTime")) or min((stage.started for stage in stages), default=0.0),
        channel=released.get("Channel") or _channel(pipeline, source, prefix),
        version=released.get("Version", ""),
        commit="" if is_zip else source.get("CommitId") or revision.get("revisionId", ""),
        branch=words(source.get("BranchName", "")),
        message=words(source.get("ObjectKey", "").rpartition("/")[2] if is_zip else source.get("CommitMessage", "")).split("\n")[0],
        outcome=told.get("Outcome", ""),
        link=link,
        stages=stages,
    )


def so_far(found: Delivery, now: float) -> Delivery:
    """With the time that what runs has taken until `now`, of which AWS says only when it began."""
    timed = (replace(it, seconds=max(0.0, now - it.started)) if it.state == RUNNING else it for it in found.stages)
    return replace(found, stages=tuple(timed))


def _stages(actions: Mapping[str, Action], steps: Sequence[Stage]) -> Iterable[Stage]:
    for name, action in actions.items():
        stage = of_action(name, action)
        if name not in RELEASES or not steps:
            yield stage
            continue
        yield from steps
        # Of what failed outside of these steps only the action knows.
        if stage.state in (FAILED, STOPPED) and stage.state not in {step.state for step in steps}:
            yield stage


def of_action(name: str, action: Action) -> Stage:
    """An action as a stage."""
    state = _ACTION.get(str(action.get("status", "")), RUNNING)
    result = action.get("output", {}).get("executionResult", {})
    error = result.get("errorDetails", {})
    says = error.get("message") or (result.get("externalExecutionSummary", "") if state == FAILED else "")
    began, until = seconds_of(action.get("startTime")), seconds_of(action.get("lastUpdateTime"))
    return Stage(
        name="release" if name in RELEASES else name.lower(),
        state=state,
        started=began,
        seconds=max(0.0, until - began) if state in ENDED else 0.0,
        says=words(says) if state in (FAILED, STOPPED) else "",
        link=result.get("externalExecutionUrl", ""),
    )


def steps_of(events: Iterable[Mapping[str, Any]], says: str = "") -> list[Stage]:
    """Publish, verify and flip as far as a release's execution came. `says` is why it failed, of the step that did."""
    began: dict[str, float] = {}
    ended: dict[str, float] = {}
    bad: set[str] = set()
    now, last, over = "", 0.0, ""
    for event in events:
        kind, last = event["type"], seconds_of(event["timestamp"])
        if kind == "TaskStateEntered":
            now = _STEPS.get(event["stateEnteredEventDetails"]["name"], "")
            began.setdefault(now, last)
            # Publishing has two states; the second goes on where the first ended.
            ended.pop(now, None)
        elif kind == "TaskStateExited":
            ended[now], now = last, ""
        elif kind in _TASK_FAILED:
            bad.add(now)
        elif kind in ("TaskScheduled", "TaskSucceeded"):
            bad.discard(now)  # it was tried again
        elif kind in ("ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted"):
            over = STOPPED if kind == "ExecutionAborted" else FAILED
    found = []
    for name, start in ((name, start) for name, start in began.items() if name):
        state = FAILED if name in bad and (name in ended or over) else DONE if name in ended else over or RUNNING
        found.append(Stage(name, state, start, ended.get(name, last) - start, says if state == FAILED else ""))
    return found


def variables_of(action: Action) -> Mapping[str, str]:
    found: Mapping[str, str] = action.get("output", {}).get("outputVariables", {})
    return found


def build_of(action: Action) -> str:
    """CodeBuild's id of the build that a build action started, "" when none has begun."""
    return str(action.get("output", {}).get("executionResult", {}).get("externalExecutionId", ""))


def seconds_of(moment: object) -> float:
    return moment.timestamp() if isinstance(moment, datetime) else 0.0


def words(text: str) -> str:
    """Text of others, as it may be shown."""
    return _CONTROL.sub("", text)


def _channel(pipeline: str, source: Mapping[str, str], prefix: str) -> str:
    """The channel that the source leads to, "" while that is not known or for none."""
    branch, key = source.get("BranchName", ""), source.get("ObjectKey", "")
    try:
        if pipeline == LIVE:
            return channels.LIVE
        if pipeline == UPLOAD:
            return channels.of_upload(key, prefix) if key else ""
        if not branch or pipeline == CLOSED:
            return ""
        return channels.of_pull(branch) if pipeline == PULL else channels.of_preview(branch)
    except UserError:
        return ""  # a name that Inspect refuses
