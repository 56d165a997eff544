"""Where versions lie: one private bucket, of which the edge may read the blobs and nothing else."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

# `<site>/blobs/<key>`: manifests, ledgers and build logs of the same bucket are never served.
BLOBS = "*/blobs/*"
_ABANDONED_DAYS = 7


class SiteStorage(Construct):
    """The bucket of one or more sites: private, encrypted, TLS 1.2 or newer only.

    It is not versioned: blobs and manifests are written once and never changed, and what replaces a version is another version.
    """

    def __init__(self, scope: Construct, construct_id: str, *, removal_policy: RemovalPolicy) -> None:
        super().__init__(scope, construct_id)
        self.bucket = private_bucket(self, "Bucket", removal_policy=removal_policy, rule="abandoned-uploads")

    def allow_reads_by(self, distribution: cloudfront.IDistribution) -> None:
        """Let this distribution, and no other of any account, read blobs.

        Without ListBucket a blob that is missing is a 403 and not a list of what is there. The ARN names the account too, so
        aws:SourceAccount would add nothing; the policy is the one that AWS documents for origin access control
        (docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-s3.html).
        """
        self.bucket.add_to_resource_policy(
            iam.PolicyStatement(
                sid="EdgeReadsBlobs",
                principals=[iam.ServicePrincipal("cloudfront.amazonaws.com")],
                actions=["s3:GetObject"],
                resources=[self.bucket.arn_for_objects(BLOBS)],
                conditions={"StringEquals": {"aws:SourceArn": distribution.distribution_arn}},
            )
        )


def private_bucket(
    scope: Construct,
    construct_id: str,
    *,
    removal_policy: RemovalPolicy,
    rule: str,
    days: int | None = None,
    versioned: bool = False,
    ownership: s3.ObjectOwnership = s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
) -> s3.Bucket:
    """Every bucket of ours: nothing is public, all is encrypted, TLS 1.2 or newer only, and uploads that nobody ends are forgotten.

    rule: the id of its lifecycle rule, which forgets objects, too, after `days` days (and as long after they were replaced).
    """
    ends = Duration.days(days) if days else None
    forgets = s3.LifecycleRule(
        id=rule,
        expiration=ends,
        noncurrent_version_expiration=ends if versioned else None,
        abort_incomplete_multipart_upload_after=Duration.days(_ABANDONED_DAYS),
    )
    return s3.Bucket(
        scope,
        construct_id,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        object_ownership=ownership,
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        minimum_tls_version=1.2,
        versioned=versioned,
        removal_policy=removal_policy,
        lifecycle_rules=[forgets],
    )
