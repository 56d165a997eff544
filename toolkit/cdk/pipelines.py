"""The stages of a site's pipelines. Each stage has one action, which has its stage's name.

Pushes of the live branch, of others and pull requests have a pipeline each, with artifacts, a build and a cache of their own: by
construction a branch's build can neither go live nor leave anything in the cache that live is built from. Names of artifacts have
at most ten characters, since CodePipeline cuts them there in the keys of objects, and rights are given by those keys. (F52)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Token
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3

from toolkit.cdk.errors import PropertyError
from toolkit.cdk.sources import GitHubSource
from toolkit.engine import pipelines as names
from toolkit.engine.pipelines import BUILD, INSPECT, SOURCE

_L1 = codepipeline.CfnPipeline
Stages = list[codepipeline.CfnPipeline.StageDeclarationProperty]
EVENT_TIME = "EventTime"
# docs.aws.amazon.com/codepipeline/latest/APIReference/API_ActionConfiguration.html
LONGEST_VALUE = 1000
# `#{…}` is a variable of the execution. Never one that an author chooses the text of: it would be written into JSON as it is.
_EXECUTION = "#{codepipeline.PipelineExecutionId}"
_TIME = f"#{{variables.{EVENT_TIME}}}"
_FOLDER = f"#{{{INSPECT}.Folder}}"
_KIND = f"#{{{INSPECT}.Kind}}"
_BRANCH = f"#{{{SOURCE}.BranchName}}"


@dataclass(frozen=True)
class Flow:
    """A kind of pipeline: what it is called, its artifacts, and who decides on the channel (`to` of the functions' parameters)."""

    key: str
    to: str
    source: str
    project: str = ""
    site: str = ""
    description: str = ""

    @property
    def artifacts(self) -> tuple[str, ...]:
        return tuple(name for name in (self.source, self.project, self.site) if name)


LIVE = Flow(names.LIVE, "live", "LiveSource", site="LiveSite", description="releases what is pushed")
PREVIEW = Flow(names.PREVIEW, "preview", "PrevSource", site="PrevSite", description="previews branches")
PULL = Flow(
    names.PULL, "pull", "PullSource", site="PullSite", description="previews pull requests, which are built without secrets"
)
CLOSED = Flow(names.CLOSED, "closed", "DoneSource", description="removes the previews of closed pull requests")
UPLOAD = Flow(names.UPLOAD, "key", "ZipSource", "ZipProject", "ZipSite", description="releases and previews zips")


@dataclass(frozen=True)
class Check:
    """A stage is entered only when the variable compares so; otherwise it is skipped and the next one is looked at. (F51)

    operator: EQ or NE (docs.aws.amazon.com/codepipeline/latest/userguide/rule-reference-VariableCheck.html).
    """

    name: str
    variable: str
    operator: str
    value: str


@dataclass(frozen=True)
class Caller:
    """Makes the actions that call functions in one pipeline: `name` is the pipeline's own."""

    flow: Flow
    name: str

    def call(
        self,
        action: str,
        function: lambda_.IFunction,
        *,
        takes: str = "",
        makes: str = "",
        only: Check | None = None,
        more: Mapping[str, str] | None = None,
    ) -> codepipeline.CfnPipeline.StageDeclarationProperty:
        """A stage that calls a function. `more` are its parameters beside those that each function gets."""
        said = {"pipeline": self.name, "execution": _EXECUTION, "action": action, "to": self.flow.to, **(more or {})}
        return _stage(
            action,
            category="Invoke",
            provider="Lambda",
            configuration={"FunctionName": function.function_name, "UserParameters": json.dumps(said)},
            takes=[takes] if takes else [],
            makes=[makes] if makes else [],
            namespace=action if action == INSPECT else "",
            only=only,
        )


def only_other_branches(source: GitHubSource) -> Check | None:
    """A pipeline runs once when it is made, on the branch that its source names, and that one goes live by a pipeline of its own
    (docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-about-starting.html)."""
    return None if source.tags else Check("OtherBranch", _BRANCH, "NE", source.branch)


def is_site() -> Check:
    return Check("IsSite", _KIND, "EQ", names.SITE)


def is_project() -> Check:
    return Check("IsProject", _KIND, "EQ", names.PROJECT)


def from_github(flow: Flow, source: GitHubSource) -> codepipeline.CfnPipeline.StageDeclarationProperty:
    """Fetches the commit that a trigger tells of, as a zip without history.
    (docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodestarConnectionSource.html)"""
    configuration = {
        "ConnectionArn": source.connection_arn,
        "FullRepositoryId": source.repository,
        "BranchName": source.branch,
        "OutputArtifactFormat": "CODE_ZIP",
        # Triggers do, and only for what they let through.
        "DetectChanges": "false",
    }
    return _stage(
        SOURCE,
        category="Source",
        provider="CodeStarSourceConnection",
        configuration=configuration,
        makes=[flow.source],
        namespace=SOURCE,
    )


def from_bucket(flow: Flow, bucket: s3.IBucket, prefix: str) -> codepipeline.CfnPipeline.StageDeclarationProperty:
    """Fetches the object that the rule starts the pipeline with; the one named here is never there.
    (docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-S3.html)"""
    configuration = {
        "S3Bucket": bucket.bucket_name,
        "S3ObjectKey": f"{prefix}{names.NO_ZIP}",
        "PollForSourceChanges": "false",
        "AllowOverrideForS3ObjectKey": "true",
    }
    return _stage(SOURCE, category="Source", provider="S3", configuration=configuration, makes=[flow.source], namespace=SOURCE)


def build(project: str, *, takes: str, makes: str, only: Check | None) -> codepipeline.CfnPipeline.StageDeclarationProperty:
    """Runs the build's project by its name."""
    return _stage(
        BUILD,
        category="Build",
        provider="CodeBuild",
        configuration={"ProjectName": project},
        takes=[takes],
        makes=[makes],
        only=only,
    )


def time_and_prefix(prefix: str) -> dict[str, str]:
    """What the functions are told of an upload besides."""
    return {"prefix": prefix, "time": _TIME}


def not_when_made(source: GitHubSource) -> dict[str, str]:
    """Where only tags go live, what lies in the branch when the pipeline is made must not."""
    return {"first": "skip"} if source.tags else {}


def found_folder() -> dict[str, str]:
    """The folder that `inspect_zip` found the site in."""
    return {"folder": _FOLDER}


def _stage(
    name: str,
    *,
    category: str,
    provider: str,
    configuration: Mapping[str, str],
    takes: Sequence[str] = (),
    makes: Sequence[str] = (),
    namespace: str = "",
    only: Check | None = None,
) -> codepipeline.CfnPipeline.StageDeclarationProperty:
    for key, value in configuration.items():
        if not Token.is_unresolved(value) and len(value) > LONGEST_VALUE:
            raise PropertyError(
                f"{key} of the action {name} has {len(value)} characters, CodePipeline takes {LONGEST_VALUE}",
                "shorten the folder of the site, or the prefix of uploads",
            )
    action = _L1.ActionDeclarationProperty(
        name=name,
        action_type_id=_L1.ActionTypeIdProperty(category=category, owner="AWS", provider=provider, version="1"),
        configuration=dict(configuration),
        input_artifacts=[_L1.InputArtifactProperty(name=it) for it in takes] or None,
        output_artifacts=[_L1.OutputArtifactProperty(name=it) for it in makes] or None,
        namespace=namespace or None,
    )
    return _L1.StageDeclarationProperty(name=name, actions=[action], before_entry=_entry(only) if only else None)


def _entry(check: Check) -> codepipeline.CfnPipeline.BeforeEntryConditionsProperty:
    rule = _L1.RuleDeclarationProperty(
        name=check.name,
        rule_type_id=_L1.RuleTypeIdProperty(category="Rule", owner="AWS", provider="VariableCheck", version="1"),
        configuration={"Variable": check.variable, "Value": check.value, "Operator": check.operator},
    )
    return _L1.BeforeEntryConditionsProperty(conditions=[_L1.ConditionProperty(result="SKIP", rules=[rule])])
