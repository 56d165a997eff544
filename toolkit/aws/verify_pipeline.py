"""Trials of what CodePipeline and CodeBuild say of deliveries that were made already: nothing is started for them, nothing written.

They look at the last one that ended well. Where nothing was delivered yet, nothing is known, and they say what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toolkit.aws.verify import Probe, Trial, Unproven, expect
from toolkit.aws.verify_stores import ask, elsewhere
from toolkit.engine import pipelines as names
from toolkit.engine.pipelines import BUILD, DIRECT, INSPECT, RELEASE, RELEASES, SOURCE

_LOOK_BACK = 20
# What starts a pipeline when it is made ("ExecutionTrigger", CodePipeline API reference).
FIRST_RUN = "CreatePipeline"
# Of the pipelines that release something, by how their source is called.
_PUSHED, _UPLOADED = names.PUSHED, (names.UPLOAD,)
# docs.aws.amazon.com/codepipeline/latest/userguide/reference-variables.html
_VARIABLES = {_PUSHED: ("BranchName", "CommitId"), _UPLOADED: ("BucketName", "ObjectKey", "VersionId")}
# How much of the names CodePipeline makes an artifact's key of ("Artifacts", CodePipeline user guide).
_PIPELINE_LETTERS, _ARTIFACT_LETTERS = 20, 10


@dataclass(frozen=True)
class Run:
    """An execution that ended well: the key and the name of its pipeline, what CodePipeline says of it, and of its actions."""

    key: str
    pipeline: str
    summary: Mapping[str, Any]
    actions: Sequence[Mapping[str, Any]]

    def of(self, *stages: str) -> Mapping[str, Any] | None:
        """The last action of these stages that ended well."""
        found = [one for one in self.actions if one["stageName"] in stages and one["status"] == "Succeeded"]
        return max(found, key=_begun) if found else None


def listed(probe: Probe) -> str:
    """A release is as new as its source: the time and the commit or object are what CodePipeline says of the source action."""
    run = _last(probe, _PUSHED + _UPLOADED)
    source = run.of(SOURCE) or {}
    expect("startTime" in source, f"of {run.pipeline} no source action is listed with its time")
    wanted = _VARIABLES[_UPLOADED if run.key in _UPLOADED else _PUSHED]
    said = _variables(source)
    missing = [name for name in wanted if not said.get(name)]
    expect(not missing, f"the source action does not say {', '.join(missing)}")
    return f"{', '.join(f'{name} {said[name]}' for name in wanted)}, since {source['startTime']:%Y-%m-%d %H:%M:%S}"


def called(probe: Probe) -> str:
    """What a function answers is kept with its action."""
    run = _last(probe, _PUSHED + _UPLOADED)
    action = run.of(*RELEASES)
    expect(action is not None, f"of {run.pipeline} no action that releases is listed")
    said, result = _variables(action), (action or {}).get("output", {}).get("executionResult", {})
    missing = [name for name in ("Outcome", "Version", "Channel") if not said.get(name)]
    expect(not missing, f"the function's answer is not kept: no {', '.join(missing)}")
    expect(bool(result.get("externalExecutionId")), "the release's execution is not named by its action")
    return f"{said['Channel']}: {said['Outcome']} {said['Version']}"


def side_by_side(probe: Probe) -> str:
    run = _last(probe, _PUSHED + _UPLOADED)
    mode = run.summary.get("executionMode", "not said")
    expect(mode == "PARALLEL", f"executions of {run.pipeline} run in the mode {mode}")
    return f"{run.pipeline}: {mode}"


def skipped(probe: Probe) -> str:
    """A zip that is a site passes by the build, one that is a project by the stage before it."""
    run = _last(probe, _UPLOADED)
    stages = {one["stageName"] for one in run.actions}
    kind = _variables(run.of(INSPECT)).get("Kind", "")
    expect(kind in (names.SITE, names.PROJECT), f"the kind of the zip is {kind or 'not said'}")
    if kind == names.SITE:
        expect(DIRECT in stages and not stages & {BUILD, RELEASE}, f"a zip with a site ran through {', '.join(sorted(stages))}")
    else:
        expect(DIRECT not in stages and BUILD in stages, f"a zip with a project ran through {', '.join(sorted(stages))}")
    return f"a {kind} ran through {', '.join(one['stageName'] for one in sorted(run.actions, key=_begun))}"


def keys(probe: Probe) -> str:
    """Roles name artifacts by the middle of their keys."""
    run = _last(probe, _PUSHED + _UPLOADED)
    made = [(one["name"], one["s3location"]["key"]) for action in run.actions for one in _artifacts(action)]
    if not made:
        raise Unproven(f"no artifact of {run.pipeline} is listed")
    wrong = [key for name, key in made if key.split("/")[:-1] != [run.pipeline[:_PIPELINE_LETTERS], name[:_ARTIFACT_LETTERS]]]
    expect(not wrong, f"an artifact has another key than roles are made for: {', '.join(wrong)}")
    return str(made[0][1])


def overridden(probe: Probe) -> str:
    """The rule starts the pipeline with the object that EventBridge told of."""
    run = _last(probe, _UPLOADED, trigger="CloudWatchEvent")
    said = _variables(run.of(SOURCE))
    key, version = said.get("ObjectKey", ""), said.get("VersionId", "")
    expect(bool(version) and not key.endswith(names.NO_ZIP), f"the pipeline read {f'{key} {version}'.strip() or 'nothing'}")
    return f"read {key} in its version {version}"


def built(probe: Probe) -> str:
    """A build of the project's own spec ended well, on the machine and with the cache that the template says."""
    run = _last(probe, _PUSHED + _UPLOADED, stage=BUILD)
    action = run.of(BUILD)
    build = (action or {}).get("output", {}).get("executionResult", {}).get("externalExecutionId", "")
    if not build:
        raise Unproven("CodePipeline does not name the build")
    found = ask(probe, "codebuild", "codebuild:BatchGetBuilds", "batch_get_builds", ids=[build])["builds"]
    if not found:
        raise Unproven(f"CodeBuild no longer knows {build}")
    image, status = found[0].get("environment", {}).get("image", ""), found[0].get("buildStatus", "")
    expect(status == "SUCCEEDED", f"CodePipeline goes on after a build that is {status or 'in no state'}")
    expect(image.startswith("aws/codebuild/amazonlinux"), f"the build ran in {image}")
    expect(bool(found[0].get("logs", {}).get("groupName")), "the build's log is in no group")
    return f"{image}, {len(found[0].get('phases', ()))} phases"


def _last(probe: Probe, wanted: Iterable[str], *, stage: str = "", trigger: str = "") -> Run:
    """The last execution of these pipelines that ended well, and was started so, and had that stage."""
    pipelines = {key: name for key, name in probe.hosting.pipelines.items() if key in wanted}
    if not pipelines:
        raise Unproven(f"the site has no pipeline {' or '.join(wanted)} ([aws.github] and [aws.uploads] in site.toml)")
    found = [(key, one) for key, name in pipelines.items() for one in _ended_well(probe, name)]
    for key, summary in sorted(found, key=lambda one: one[1]["startTime"], reverse=True):
        if trigger and summary.get("trigger", {}).get("triggerType") != trigger:
            continue
        run = Run(key, pipelines[key], summary, _actions(probe, pipelines[key], summary["pipelineExecutionId"]))
        if not stage or run.of(stage):
            return run
    what = f" with the stage {stage}" if stage else ""
    raise Unproven(f"nothing was delivered by {' or '.join(pipelines)}{what} yet: push or upload something, then look again")


def _ended_well(probe: Probe, name: str) -> list[dict[str, Any]]:
    action = "codepipeline:ListPipelineExecutions"
    reply = ask(probe, "codepipeline", action, "list_pipeline_executions", pipelineName=name, maxResults=_LOOK_BACK)
    ended = [one for one in reply["pipelineExecutionSummaries"] if one["status"] == "Succeeded"]
    # A pipeline runs once when it is made, and delivers nothing then (F50).
    return [one for one in ended if one.get("trigger", {}).get("triggerType") != FIRST_RUN]


def _actions(probe: Probe, name: str, execution: str) -> list[dict[str, Any]]:
    given = {"pipelineName": name, "filter": {"pipelineExecutionId": execution}}
    reply = ask(probe, "codepipeline", "codepipeline:ListActionExecutions", "list_action_executions", **given)
    return list(reply["actionExecutionDetails"])


def _begun(action: Mapping[str, Any]) -> float:
    return action["startTime"].timestamp() if "startTime" in action else 0.0


def _variables(action: Mapping[str, Any] | None) -> Mapping[str, str]:
    found: Mapping[str, str] = (action or {}).get("output", {}).get("outputVariables") or {}
    return found


def _artifacts(action: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in action.get("output", {}).get("outputArtifacts") or () if one.get("s3location", {}).get("key")]


TRIALS = (
    Trial("F46", "a function's answer is kept with its action", called),
    Trial("F47", "when a source was, and what it was", listed),
    Trial("F48", "a build in CodeBuild", built),
    elsewhere("F49", "what a build knows", "have your build print its variables (`env`), and look at `toolkit logs`"),
    Trial("F50", "executions run side by side", side_by_side),
    Trial("F51", "what a zip does not need is skipped", skipped),
    Trial("F52", "keys of artifacts", keys),
    Trial("F53", "an upload starts the pipeline with itself", overridden),
    elsewhere(
        "F54", "what triggers let through", "push what a filter lets through and what it does not, and look at `toolkit status`"
    ),
    elsewhere(
        "F56", "what pipelines ask of their bucket", "a first delivery by each source shows it: what is denied is said of its stage"
    ),
    elsewhere("F57", "the role of GitHub Actions", "run the workflow of examples/github-actions"),
    elsewhere("F58", "what doctor, permissions and cost say of pipelines", "compare with the console and the next bill"),
    elsewhere(
        "F59",
        "how a delivery comes along",
        "upload a zip; compare `toolkit status` with the console",
    ),
)
