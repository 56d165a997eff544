"""Who asked for what: access logs of the site's bucket and, unless switched off, of the distribution, in a bucket that forgets."""

from __future__ import annotations

from typing import cast

from aws_cdk import Aws, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from toolkit.cdk.errors import PropertyError
from toolkit.cdk.storage import private_bucket

EDGE_PREFIX = "edge/"
BUCKET_PREFIX = "bucket/"
DEFAULT_DAYS = 90


class AccessLogs(Construct):
    """The bucket of the logs, each kept for `days` days (1 or more; PropertyError otherwise).

    CloudFront's standard logging writes through an ACL, which a new bucket refuses unless its ownership says otherwise
    (docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logging-legacy-s3.html). Its newer way of logging is set
    up in us-east-1 only, and a site's stack may be in any region. Without the visitors' requests (`visitors` false) no ACL counts.
    """

    def __init__(self, scope: Construct, construct_id: str, *, days: int, visitors: bool, removal_policy: RemovalPolicy) -> None:
        super().__init__(scope, construct_id)
        if days < 1:
            raise PropertyError(f"access logs cannot be kept for {days} days", "say 1 or more")
        ownership = s3.ObjectOwnership.BUCKET_OWNER_PREFERRED if visitors else s3.ObjectOwnership.BUCKET_OWNER_ENFORCED
        self.bucket = private_bucket(self, "Bucket", removal_policy=removal_policy, rule="forget", days=days, ownership=ownership)

    def take_from(self, source: s3.Bucket) -> None:
        """Log the requests to `source` here."""
        log_requests(source, self.bucket, "BucketLogs")


def log_requests(source: s3.Bucket, into: s3.Bucket, sid: str) -> None:
    """Log the requests to `source` in the bucket `into`, whose policy gets a statement of that id.

    By hand, since the L2 property grants by an ACL or by a policy depending on a feature flag of the app around us.
    """
    inner = cast(s3.CfnBucket, source.node.default_child)
    inner.logging_configuration = s3.CfnBucket.LoggingConfigurationProperty(
        destination_bucket_name=into.bucket_name, log_file_prefix=BUCKET_PREFIX
    )
    into.add_to_resource_policy(
        iam.PolicyStatement(
            sid=sid,
            principals=[iam.ServicePrincipal("logging.s3.amazonaws.com")],
            actions=["s3:PutObject"],
            resources=[into.arn_for_objects(f"{BUCKET_PREFIX}*")],
            conditions={
                "ArnLike": {"aws:SourceArn": source.bucket_arn},
                "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
            },
        )
    )
