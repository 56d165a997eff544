"""One pipeline of CodePipeline with a role of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from aws_cdk import aws_codepipeline as codepipeline
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct, IDependable

from toolkit.cdk.builds import BuildProject
from toolkit.cdk.pipelines import Flow, Stages
from toolkit.cdk.roles import service_role

Trigger = codepipeline.CfnPipeline.PipelineTriggerDeclarationProperty
Variable = codepipeline.CfnPipeline.VariableDeclarationProperty
# docs.aws.amazon.com/codepipeline/latest/userguide/how-to-custom-role.html. A connection writes what it fetched with an ACL: it
# changes nothing in a bucket whose owner has all objects, but without the right to it the write is refused
# (github.com/aws/aws-cdk/issues/13557). What comes from S3 has the tags of its source.
_HANDS_ON = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:PutObjectAcl", "s3:PutObjectTagging"]


class FlowPipeline(Construct):
    """A pipeline of type V2 whose executions run side by side, each with the commit or object that started it. (F50)

    statements: what its source asks for. functions, build: what its stages call. jobs: what pipelines and functions may do
    with all resources. Its role reads and writes the flow's own artifacts.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        flow: Flow,
        name: str,
        site: str,
        artifacts: s3.IBucket,
        stages: Stages,
        statements: Sequence[iam.PolicyStatement],
        functions: Sequence[lambda_.IFunction],
        jobs: iam.IManagedPolicy,
        build: BuildProject | None = None,
        triggers: Sequence[Trigger] | None = None,
        variables: Sequence[Variable] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = service_role(
            self,
            "Role",
            service="codepipeline.amazonaws.com",
            description=f"{flow.description} of {site}",
            statements=[*statements, _looks_at(artifacts), *_calls(functions, build)],
            managed_policies=[jobs],
        )
        hands_on = iam.PolicyStatement(
            sid=f"{flow.key.capitalize()}Pipeline",
            principals=[iam.ArnPrincipal(self.role.role_arn)],
            actions=_HANDS_ON,
            resources=[artifacts.arn_for_objects(f"*/{name}/*") for name in flow.artifacts],
        )
        artifacts.add_to_resource_policy(hands_on)
        self.pipeline = codepipeline.CfnPipeline(
            self,
            "Pipeline",
            name=name,
            pipeline_type="V2",
            execution_mode="PARALLEL",
            role_arn=self.role.role_arn,
            artifact_store=codepipeline.CfnPipeline.ArtifactStoreProperty(type="S3", location=artifacts.bucket_name),
            restart_execution_on_update=False,
            stages=stages,
            triggers=triggers,
            variables=variables,
        )

    def wait_for(self, *buckets: s3.IBucket) -> None:
        """Be made after the policies of the buckets: a pipeline runs once when it is made
        (docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-about-starting.html)."""
        for bucket in buckets:
            if bucket.policy:
                self.pipeline.node.add_dependency(cast(IDependable, bucket.policy))


def _looks_at(artifacts: s3.IBucket) -> iam.PolicyStatement:
    """What CodePipeline asks of the bucket itself (docs.aws.amazon.com/codepipeline/latest/userguide/how-to-custom-role.html)."""
    actions = ["s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketVersioning"]
    return iam.PolicyStatement(sid="ArtifactBucket", actions=actions, resources=[artifacts.bucket_arn])


def _calls(functions: Sequence[lambda_.IFunction], build: BuildProject | None) -> list[iam.PolicyStatement]:
    """…/how-to-custom-role.html and …/action-reference-CodeBuild.html"""
    arns = [function.function_arn for function in functions]
    statements = [iam.PolicyStatement(sid="Functions", actions=["lambda:InvokeFunction"], resources=arns)]
    if build:
        # The last one for whoever stops an execution: without it the build goes on, and costs, until its time is over.
        actions = ["codebuild:BatchGetBuilds", "codebuild:StartBuild", "codebuild:StopBuild"]
        statements.append(iam.PolicyStatement(sid="Build", actions=actions, resources=[build.project.project_arn]))
    return statements
