"""The buckets of a site's pipelines, and the rule that starts one of them when a zip arrives."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from toolkit.cdk.roles import service_role
from toolkit.cdk.storage import private_bucket

UPLOAD_DAYS = 90
ARTIFACT_DAYS = 30
READS = ("GetObject", "GetObjectTagging", "GetObjectVersion", "GetObjectVersionTagging")
# What the rule takes out of an event, by the names that its template uses
# (docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html).
_PATHS = {"key": "$.detail.object.key", "version": "$.detail.object.version-id", "time": "$.time"}


def artifact_bucket(scope: Construct, construct_id: str) -> s3.Bucket:
    """What pipelines hand from one action to the next, and caches of builds. All of it can be made again."""
    return private_bucket(scope, construct_id, removal_policy=RemovalPolicy.DESTROY, rule="forget", days=ARTIFACT_DAYS)


def upload_bucket(scope: Construct, construct_id: str, *, removal_policy: RemovalPolicy) -> s3.Bucket:
    """Where zips are put. Versioned: a pipeline reads the very version that it was started for."""
    bucket = private_bucket(scope, construct_id, removal_policy=removal_policy, rule="forget", days=UPLOAD_DAYS, versioned=True)
    # By hand: the L2 property would set it by a function with rights to change any bucket's notifications.
    inner = cast(s3.CfnBucket, bucket.node.default_child)
    inner.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
        event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
    )
    return bucket


def allow_reads(scope: Construct, bucket: s3.IBucket, prefix: str, roles: Sequence[iam.IRole]) -> iam.ManagedPolicy | None:
    """Let the roles read zips: by the bucket's policy, or by one that they share, which is returned, where the bucket is not of
    this app. CodePipeline asks for their tags as well, and fails where a zip has some and it may not see them
    (docs.aws.amazon.com/codepipeline/latest/userguide/how-to-custom-role.html)."""
    actions, resources = [f"s3:{name}" for name in READS], [bucket.arn_for_objects(f"{prefix}*")]
    principals: list[iam.IPrincipal] = [iam.ArnPrincipal(role.role_arn) for role in roles]
    # Without an id: a bucket of one's own may have the zips of several sites.
    wanted = iam.PolicyStatement(principals=principals, actions=actions, resources=resources)
    policy = None
    if not bucket.add_to_resource_policy(wanted).statement_added:
        statement = iam.PolicyStatement(sid="Uploads", actions=actions, resources=resources)
        policy = iam.ManagedPolicy(scope, "Reads", description="Reads zips that were uploaded", statements=[statement])
        for role in roles:
            role.add_managed_policy(policy)
    for role in roles:
        if bucket.encryption_key:
            bucket.encryption_key.grant_decrypt(role)
    return policy


class UploadRule(Construct):
    """Starts the pipeline for each zip that is put below the prefix, with its key and version in place of the source action's own.

    One `wildcard`: a list of prefix and suffix would mean either of them. What EventBridge cannot deliver at once it tries again
    for a day; the order of releases is that of the events, not of the starts.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, bucket: s3.IBucket, prefix: str, pipeline_arn: str, action: str, site: str
    ) -> None:
        super().__init__(scope, construct_id)
        start = iam.PolicyStatement(sid="Start", actions=["codepipeline:StartPipelineExecution"], resources=[pipeline_arn])
        self.role = service_role(
            self, "Role", service="events.amazonaws.com", description=f"starts the pipeline of zips of {site}", statements=[start]
        )
        target = events.CfnRule.TargetProperty(
            id="Pipeline",
            arn=pipeline_arn,
            role_arn=self.role.role_arn,
            input_transformer=events.CfnRule.InputTransformerProperty(input_paths_map=_PATHS, input_template=_template(action)),
        )
        self.rule = events.CfnRule(
            self,
            "Rule",
            description=f"zips of {site}",
            event_pattern={
                "source": ["aws.s3"],
                "detail-type": ["Object Created"],
                "detail": {"bucket": {"name": [bucket.bucket_name]}, "object": {"key": [{"wildcard": f"{prefix}*.zip"}]}},
            },
            targets=[target],
        )


def _template(action: str) -> str:
    """The input of StartPipelineExecution. The placeholders stand without quotation marks: EventBridge writes those, and escapes
    what a key may hold (docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html). (F53)"""
    revisions = [
        {"actionName": action, "revisionType": "S3_OBJECT_KEY", "revisionValue": "<key>"},
        {"actionName": action, "revisionType": "S3_OBJECT_VERSION_ID", "revisionValue": "<version>"},
    ]
    quoted = json.dumps({"sourceRevisions": revisions, "variables": [{"name": "EventTime", "value": "<time>"}]})
    return quoted.replace('"<', "<").replace('>"', ">")
