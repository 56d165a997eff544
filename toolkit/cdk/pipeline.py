"""`SitePipeline`: what is pushed or uploaded is built and released by itself, through CodePipeline and CodeBuild."""

from __future__ import annotations

import hashlib

from aws_cdk import Aws, CfnOutput, Stack, Token
from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from toolkit.cdk import pipelines, triggers
from toolkit.cdk.builds import BuildProject, SiteBuild
from toolkit.cdk.codepipeline import FlowPipeline
from toolkit.cdk.errors import PropertyError
from toolkit.cdk.logs import log_requests
from toolkit.cdk.pipelines import CLOSED, LIVE, PREVIEW, PULL, UPLOAD, Caller, Flow
from toolkit.cdk.releasers import Releasers
from toolkit.cdk.sources import GitHubSource, ZipSource
from toolkit.cdk.uploads import UploadRule, allow_reads, artifact_bucket, upload_bucket
from toolkit.cdk.workflow import ReleaseWorkflow
from toolkit.engine import pipelines as names

# docs.aws.amazon.com/codepipeline/latest/userguide/limits.html
LONGEST_NAME = 100
_TRIGGERS = {LIVE: triggers.live, PREVIEW: triggers.preview, PULL: triggers.pull, CLOSED: triggers.closed}


class SitePipeline(Construct):
    """Pipelines of one site, each from a source to a release: see `toolkit.cdk.pipelines` for which there are and why.

    workflow: how the site is released; one SitePipeline for each. build: how it is built.
    github, uploads: where its code comes from, one or both.

    Which of two releases is newer is decided by when their sources were, not by which build ended first.

    Attributes: `pipelines` and `builds` by key (live, preview, pull, closed, upload), `artifacts` and `upload_bucket`, `outputs` by
    name; `jobs`, `reads` (None unless the upload bucket is not of this app) and `functions` for whoever looks at rights.
    PropertyError for values that do not fit.
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
            pipelines={key: self._arn(key) for key in self._names},
            tags=bool(github and github.tags),
            uploads=(self.upload_bucket, uploads.prefix) if self.upload_bucket and uploads else None,
            idle_output=build.for_zips().spec.folder if self._idle else None,
        )
        self.jobs, self.functions = self._functions.jobs, self._functions.functions
        self.reads: iam.ManagedPolicy | None = None
        made = self._of_github(github) if github else []
        if self.upload_bucket and uploads:
            made.append(self._of_uploads(self.upload_bucket, uploads.prefix))
        workflow.allow_artifacts(self.artifacts, [f"*/{name}/*" for flow in self._flows for name in self._released(flow)])
        for pipeline in made:
            buckets = (self.artifacts, workflow.facts.hosting.bucket, *([self.upload_bucket] if self.upload_bucket else []))
            pipeline.wait_for(*buckets)
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

    def _of_github(self, source: GitHubSource) -> list[FlowPipeline]:
        uses = _use_connection(source.connection_arn)
        made = []
        for flow in self._flows:
            if flow != UPLOAD:
                connection = iam.PolicyStatement(sid="Connection", actions=uses, resources=[source.connection_arn])
                starts = _TRIGGERS[flow](source, names.SOURCE)
                made.append(self._add(flow, self._github_stages(flow, source), [connection], triggers=starts))
        return made

    def _github_stages(self, flow: Flow, source: GitHubSource) -> pipelines.Stages:
        caller, fetch = Caller(flow, self._names[flow.key]), pipelines.from_github(flow, source)
        if flow == CLOSED:
            return [fetch, caller.call(names.RETIRE, self._functions.retire)]
        only = None if flow == LIVE else pipelines.only_other_branches(source)
        deliver, more = self._functions.deliver, pipelines.not_when_made(source) if flow == LIVE else {}
        if self._idle:
            more["folder"] = self._build.spec.folder
            return [fetch, caller.call(names.RELEASE, deliver, takes=flow.source, only=only, more=more)]
        project = self._project(flow, takes=flow.source, branch=source.branch if flow == LIVE else "")
        return [
            fetch,
            pipelines.build(project, takes=flow.source, makes=flow.site, only=only),
            caller.call(names.RELEASE, deliver, takes=flow.site, only=only, more=more),
        ]

    def _of_uploads(self, bucket: s3.IBucket, prefix: str) -> FlowPipeline:
        looks = ["s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketVersioning"]
        statement = iam.PolicyStatement(sid="UploadBucket", actions=looks, resources=[bucket.bucket_arn])
        time = codepipeline.CfnPipeline.VariableDeclarationProperty(
            name=pipelines.EVENT_TIME, default_value="none", description="when the zip was put there"
        )
        made = self._add(UPLOAD, self._upload_stages(bucket, prefix), [statement], variables=[time])
        self.reads = allow_reads(made, bucket, prefix, [made.role, self.functions["deliver"].role])
        rule = UploadRule(
            made,
            "Started",
            bucket=bucket,
            prefix=prefix,
            pipeline_arn=self._arn(UPLOAD.key),
            action=names.SOURCE,
            site=self._workflow.facts.site,
        )
        rule.node.add_dependency(made.pipeline)
        return made

    def _upload_stages(self, bucket: s3.IBucket, prefix: str) -> pipelines.Stages:
        flow, deliver = UPLOAD, self._functions.deliver
        caller, told = Caller(flow, self._names[flow.key]), pipelines.time_and_prefix(prefix)
        first = [
            pipelines.from_bucket(flow, bucket, prefix),
            caller.call(names.INSPECT, self._functions.inspect, takes=flow.source, makes=flow.project),
        ]
        if self._idle:
            return [*first, caller.call(names.DIRECT, deliver, takes=flow.source, more={**pipelines.found_folder(), **told})]
        only = pipelines.is_project()
        return [
            *first,
            caller.call(names.DIRECT, deliver, takes=flow.source, only=pipelines.is_site(), more=told),
            pipelines.build(self._project(flow, takes=flow.project), takes=flow.project, makes=flow.site, only=only),
            caller.call(names.RELEASE, deliver, takes=flow.site, only=only, more=told),
        ]

    def _project(self, flow: Flow, *, takes: str, branch: str = "") -> str:
        """The name of the project that builds what this pipeline brings."""
        self.builds[flow.key] = BuildProject(
            self,
            f"{flow.key.capitalize()}Build",
            build=self._build.for_zips() if flow == UPLOAD else self._build,
            pipeline_key=flow.key,
            artifacts=self.artifacts,
            source_artifact=takes,
            site_artifact=flow.site,
            with_secrets=flow != PULL,
            environment={"BRANCH": branch} if branch else {},
        )
        return self.builds[flow.key].project.project_name

    def _add(
        self,
        flow: Flow,
        stages: pipelines.Stages,
        statements: list[iam.PolicyStatement],
        *,
        triggers: list[codepipeline.CfnPipeline.PipelineTriggerDeclarationProperty] | None = None,
        variables: list[codepipeline.CfnPipeline.VariableDeclarationProperty] | None = None,
    ) -> FlowPipeline:
        made = FlowPipeline(
            self,
            flow.key.capitalize(),
            flow=flow,
            name=self._names[flow.key],
            site=self._workflow.facts.site,
            artifacts=self.artifacts,
            stages=stages,
            statements=statements,
            functions=self._functions.of(flow),
            jobs=self.jobs,
            build=self.builds.get(flow.key),
            triggers=triggers,
            variables=variables,
        )
        self.pipelines[flow.key] = made.pipeline
        return made

    def _arn(self, key: str) -> str:
        return f"arn:{Aws.PARTITION}:codepipeline:{Aws.REGION}:{Aws.ACCOUNT_ID}:{self._names[key]}"

    def _outputs(self, uploads: ZipSource | None) -> dict[str, CfnOutput]:
        """What a target needs to follow deliveries, beside the outputs of `ReleaseWorkflow`."""
        values: dict[str, tuple[str, str]] = {
            names.output(flow.key): (self.pipelines[flow.key].ref, f"the pipeline that {flow.description}") for flow in self._flows
        }
        if self.upload_bucket and uploads:
            values[names.UPLOAD_BUCKET] = (self.upload_bucket.bucket_name, "the bucket that zips are put into")
            values[names.UPLOAD_PREFIX] = (uploads.prefix, "the folder in it")
        values[names.ARTIFACT_BUCKET] = (self.artifacts.bucket_name, "the bucket of what pipelines hand on")
        outputs = Construct(self, "Outputs")
        return {name: CfnOutput(outputs, name, value=value, description=text) for name, (value, text) in values.items()}


def _flows(github: GitHubSource | None, uploads: ZipSource | None) -> list[Flow]:
    there = names.keys(
        pushes=bool(github),
        previews=bool(github and github.previews),
        pull_requests=bool(github and github.pull_requests),
        uploads=bool(uploads),
    )
    return [flow for flow in (LIVE, PREVIEW, PULL, CLOSED, UPLOAD) if flow.key in there]


def _use_connection(arn: str) -> list[str]:
    """IAM knows the service by two names, and each goes with ARNs of its own
    (docs.aws.amazon.com/service-authorization/latest/reference/list_awscodeconnections.html, …/list_awscodestarconnections.html);
    both where the ARN is not known yet."""
    services = names.CONNECTION_SERVICES if Token.is_unresolved(arn) else (arn.split(":")[2],)
    return [f"{service}:UseConnection" for service in services]


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
