"""`SitePipeline`: what is pushed or uploaded is built and released by itself, through CodePipeline and CodeBuild."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from aws_cdk import Aws, CfnOutput, Stack, Token
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from toolkit.cdk import pipelines, triggers
from toolkit.cdk.builds import BuildProject, SiteBuild
from toolkit.cdk.errors import PropertyError
from toolkit.cdk.logs import log_requests
from toolkit.cdk.pipelines import CLOSED, LIVE, PREVIEW, PULL, UPLOAD, Caller, Flow
from toolkit.cdk.releasers import Releasers
from toolkit.cdk.roles import service_role
from toolkit.cdk.sources import GitHubSource, ZipSource
from toolkit.cdk.uploads import UploadRule, artifact_bucket, upload_bucket
from toolkit.cdk.workflow import ReleaseWorkflow

# docs.aws.amazon.com/codepipeline/latest/userguide/limits.html
LONGEST_NAME = 100


class SitePipeline(Construct):
    """Pipelines of one site, each from a source to a release: see `toolkit.cdk.pipelines` for which there are and why.

    workflow: how the site is released; one SitePipeline for each. build: how it is built.
    github, uploads: where its code comes from, one or both.

    Executions run side by side (PARALLEL), each with the commit or object that started it. Which of two releases is newer is
    decided by when their sources were, not by which build ended first. (F50)

    Attributes: `pipelines` and `builds` by key (live, preview, pull, closed, upload), `artifacts` and `upload_bucket`, `outputs` by
    name. PropertyError for values that do not fit.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        workflow: ReleaseWorkflow,
        build: SiteBuild,
        github: GitHubSource | None = None,
        uploads: ZipSource | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        if github is None and uploads is None:
            raise PropertyError("a pipeline needs a source", "give github, uploads, or both")
        workflow.take_pipeline(self)
        self._workflow, self._build, self._idle = workflow, build, build.spec.idle
        self.pipelines: dict[str, codepipeline.CfnPipeline] = {}
        self.builds: dict[str, BuildProject] = {}
        self.artifacts = artifact_bucket(self, "Artifacts")
        log_requests(self.artifacts, workflow.facts.hosting.log_bucket, "ArtifactLogs")
        self.upload_bucket = self._upload_bucket(uploads) if uploads else None
        self._flows = _flows(github, uploads)
        self._names = {flow.key: _name(self, flow.key) for flow in self._flows}
        self._functions = Releasers(
            self,
            "Functions",
            workflow=workflow,
            artifacts=self.artifacts,
            pipelines={key: self._arn(name) for key, name in self._names.items()},
            branch=github.branch if github else "",
            uploads=(self.upload_bucket, uploads.prefix) if self.upload_bucket and uploads else None,
            idle_output=build.spec.folder if self._idle else None,
        )
        if github:
            self._add_github(github)
        if self.upload_bucket and uploads:
            self._add_uploads(self.upload_bucket, uploads.prefix)
        workflow.allow_artifacts(self.artifacts, [f"*/{name}/*" for flow in self._flows for name in self._released(flow)])
        self.outputs = self._outputs(uploads)

    def _upload_bucket(self, uploads: ZipSource) -> s3.IBucket:
        if uploads.bucket is not None:
            return uploads.bucket
        hosting = self._workflow.facts.hosting
        bucket = upload_bucket(self, "Uploads", removal_policy=hosting.removal_policy)
        log_requests(bucket, hosting.log_bucket, "UploadLogs")
        return bucket

    def _released(self, flow: Flow) -> list[str]:
        """Its artifacts that are published from."""
        if flow == UPLOAD:
            return [flow.source] if self._idle else [flow.source, flow.site]
        return [] if flow == CLOSED else [flow.source if self._idle else flow.site]

    def _add_github(self, source: GitHubSource) -> None:
        for flow in self._flows:
            if flow == UPLOAD:
                continue
            caller, only = Caller(flow, self._names[flow.key]), None
            stages = [pipelines.from_github(flow, source)]
            if flow == CLOSED:
                stages.append(caller.call(pipelines.RETIRE, self._functions.retire))
            else:
                only = None if flow == LIVE else pipelines.only_other_branches(source)
                takes, more = flow.site, {}
                if self._idle:
                    takes, more = flow.source, {"folder": self._build.spec.folder}
                else:
                    project = self._project(flow, takes=flow.source, branch=source.branch if flow == LIVE else "")
                    stages.append(pipelines.build(project.project.project_name, takes=flow.source, makes=flow.site, only=only))
                stages.append(caller.call(pipelines.RELEASE, self._functions.deliver, takes=takes, only=only, more=more))
            connection = iam.PolicyStatement(sid="Connection", actions=_use_connection(), resources=[source.connection_arn])
            self._add(flow, stages, [connection], triggers=getattr(triggers, flow.key)(source, pipelines.SOURCE))

    def _add_uploads(self, bucket: s3.IBucket, prefix: str) -> None:
        flow, functions = UPLOAD, self._functions
        caller, told = Caller(flow, self._names[flow.key]), pipelines.time_and_prefix(prefix)
        stages = [
            pipelines.from_bucket(flow, bucket, prefix),
            caller.call(pipelines.INSPECT, functions.inspect, takes=flow.source, makes=flow.project),
        ]
        if self._idle:
            stages.append(
                caller.call(pipelines.DIRECT, functions.deliver, takes=flow.source, more={**pipelines.found_folder(), **told})
            )
        else:
            only = pipelines.is_project()
            project = self._project(flow, takes=flow.project).project
            stages += [
                caller.call(pipelines.DIRECT, functions.deliver, takes=flow.source, only=pipelines.is_site(), more=told),
                pipelines.build(project.project_name, takes=flow.project, makes=flow.site, only=only),
                caller.call(pipelines.RELEASE, functions.deliver, takes=flow.site, only=only, more=told),
            ]
        time = codepipeline.CfnPipeline.VariableDeclarationProperty(
            name=pipelines.EVENT_TIME, default_value="none", description="when the zip was put there"
        )
        made = self._add(flow, stages, _reads_uploads(bucket, prefix), variables=[time])
        arn = self._arn(self._names[flow.key])
        rule = UploadRule(
            made, "Started", bucket=bucket, prefix=prefix, pipeline_arn=arn, action=pipelines.SOURCE, site=self._workflow.facts.site
        )
        rule.node.add_dependency(self.pipelines[flow.key])

    def _project(self, flow: Flow, *, takes: str, branch: str = "") -> BuildProject:
        made = BuildProject(
            self,
            f"{flow.key.capitalize()}Build",
            build=self._build,
            pipeline_key=flow.key,
            artifacts=self.artifacts,
            source_artifact=takes,
            site_artifact=flow.site,
            with_secrets=flow != PULL,
            environment={"BRANCH": branch} if branch else {},
        )
        self.builds[flow.key] = made
        return made

    def _add(
        self,
        flow: Flow,
        stages: pipelines.Stages,
        reads: Sequence[iam.PolicyStatement],
        *,
        triggers: Sequence[codepipeline.CfnPipeline.PipelineTriggerDeclarationProperty] | None = None,
        variables: Sequence[codepipeline.CfnPipeline.VariableDeclarationProperty] | None = None,
    ) -> Construct:
        inside = Construct(self, flow.key.capitalize())
        description = f"{flow.description} of {self._workflow.facts.site}"
        role = service_role(
            inside,
            "Role",
            service="codepipeline.amazonaws.com",
            description=description,
            statements=[*reads, *self._hands_on(flow), *self._runs(flow)],
        )
        self.pipelines[flow.key] = codepipeline.CfnPipeline(
            inside,
            "Pipeline",
            name=self._names[flow.key],
            pipeline_type="V2",
            execution_mode="PARALLEL",
            role_arn=role.role_arn,
            artifact_store=codepipeline.CfnPipeline.ArtifactStoreProperty(type="S3", location=self.artifacts.bucket_name),
            restart_execution_on_update=False,
            stages=stages,
            triggers=triggers,
            variables=variables,
        )
        return inside

    def _hands_on(self, flow: Flow) -> list[iam.PolicyStatement]:
        """Its own artifacts, and what CodePipeline asks of their bucket
        (docs.aws.amazon.com/codepipeline/latest/userguide/how-to-custom-role.html)."""
        objects = [self.artifacts.arn_for_objects(f"*/{name}/*") for name in flow.artifacts]
        return [
            iam.PolicyStatement(
                sid="Artifacts", actions=["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"], resources=objects
            ),
            iam.PolicyStatement(
                sid="ArtifactBucket",
                actions=["s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketVersioning"],
                resources=[self.artifacts.bucket_arn],
            ),
        ]

    def _runs(self, flow: Flow) -> list[iam.PolicyStatement]:
        """What its stages call (docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodeBuild.html and
        …/action-reference-Lambda.html)."""
        called = [made.function_arn for made in self._functions.of(flow)]
        statements = [iam.PolicyStatement(sid="Functions", actions=["lambda:InvokeFunction"], resources=called)]
        if build := self.builds.get(flow.key):
            actions = ["codebuild:BatchGetBuilds", "codebuild:StartBuild"]
            statements.append(iam.PolicyStatement(sid="Build", actions=actions, resources=[build.project.project_arn]))
        return statements

    def _arn(self, name: str) -> str:
        return f"arn:{Aws.PARTITION}:codepipeline:{Aws.REGION}:{Aws.ACCOUNT_ID}:{name}"

    def _outputs(self, uploads: ZipSource | None) -> dict[str, CfnOutput]:
        """What a target needs to follow deliveries, beside the outputs of `ReleaseWorkflow`."""
        values: dict[str, tuple[str, str]] = {
            f"{flow.key.capitalize()}Pipeline": (self.pipelines[flow.key].ref, f"the pipeline that {flow.description}")
            for flow in self._flows
        }
        if self.upload_bucket and uploads:
            values["UploadBucket"] = (self.upload_bucket.bucket_name, "the bucket that zips are put into")
            values["UploadPrefix"] = (uploads.prefix, "the folder in it")
        values["ArtifactBucket"] = (self.artifacts.bucket_name, "the bucket of what pipelines hand on")
        outputs = Construct(self, "Outputs")
        return {name: CfnOutput(outputs, name, value=value, description=text) for name, (value, text) in values.items()}


def _flows(github: GitHubSource | None, uploads: ZipSource | None) -> list[Flow]:
    found: Mapping[Flow, bool] = {
        LIVE: github is not None,
        PREVIEW: github is not None and github.previews,
        PULL: github is not None and github.pull_requests,
        CLOSED: github is not None and (github.previews or github.pull_requests),
        UPLOAD: uploads is not None,
    }
    return [flow for flow, wanted in found.items() if wanted]


def _use_connection() -> list[str]:
    """Under both names of the service: a connection's ARN has the one that it was made with
    (docs.aws.amazon.com/codepipeline/latest/userguide/how-to-custom-role.html)."""
    return ["codeconnections:UseConnection", "codestar-connections:UseConnection"]


def _reads_uploads(bucket: s3.IBucket, prefix: str) -> list[iam.PolicyStatement]:
    """docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-S3.html"""
    reads = ["s3:GetObject", "s3:GetObjectVersion"]
    looks = ["s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketVersioning"]
    statements = [
        iam.PolicyStatement(sid="Uploads", actions=reads, resources=[bucket.arn_for_objects(f"{prefix}*")]),
        iam.PolicyStatement(sid="UploadBucket", actions=looks, resources=[bucket.bucket_arn]),
    ]
    if bucket.encryption_key:
        key = bucket.encryption_key.key_arn
        statements.append(iam.PolicyStatement(sid="UploadKey", actions=["kms:Decrypt"], resources=[key]))
    return statements


def _name(scope: Construct, key: str) -> str:
    """A name of the pipeline's own: its functions and its rule are told it before it is there, and a reference would be a circle.

    The stack's name is unique in an account and region, the construct's path in a stack.
    """
    stack = Stack.of(scope)
    while Token.is_unresolved(stack.stack_name) and stack.nested_stack_parent:
        stack = stack.nested_stack_parent
    digest = hashlib.sha256(f"{stack.stack_name} {scope.node.path}".encode()).hexdigest()[:8]
    end = f"-{key}-{digest}"
    return f"{stack.stack_name[: LONGEST_NAME - len(end)]}{end}"
