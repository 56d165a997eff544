"""Access logs: on unless switched off, in a bucket of their own, for a while."""

from __future__ import annotations

import pytest

from tests.cdk.templates import Template, text

LOGS = "SiteLogsBucketEB9B49C8"


def test_the_distribution_and_the_bucket_log_to_a_bucket_of_their_own(plain: Template) -> None:
    config = text(plain.properties("AWS::CloudFront::Distribution"))["DistributionConfig"]
    assert config["Logging"] == {"Bucket": f"${{{LOGS}.RegionalDomainName}}", "Prefix": "edge/"}
    bucket = text(plain.properties("AWS::S3::Bucket", "SiteStorage"))
    assert bucket["LoggingConfiguration"] == {"DestinationBucketName": f"${{{LOGS}}}", "LogFilePrefix": "bucket/"}


def test_only_this_bucket_s_logs_may_be_written(plain: Template) -> None:
    allowed = text(plain.properties("AWS::S3::BucketPolicy", "SiteLogs"))["PolicyDocument"]["Statement"]
    assert [it for it in allowed if it["Effect"] == "Allow"] == [
        {
            "Sid": "BucketLogs",
            "Effect": "Allow",
            "Principal": {"Service": "logging.s3.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"${{{LOGS}.Arn}}/bucket/*",
            "Condition": {
                "ArnLike": {"aws:SourceArn": "${SiteStorageBucket5BDB9672.Arn}"},
                "StringEquals": {"aws:SourceAccount": "${AWS::AccountId}"},
            },
        }
    ]


def test_cloudfront_can_write_through_its_acl_and_nobody_can_make_logs_public(plain: Template) -> None:
    bucket = plain.properties("AWS::S3::Bucket", "SiteLogs")
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    assert all(bucket["PublicAccessBlockConfiguration"].values()) and len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert "AccessControl" not in bucket


@pytest.mark.parametrize(("name", "within", "days"), [("plain", "SiteLogs", 90), ("pair", "OneLogs", 7), ("pair", "TwoLogs", 90)])
def test_logs_are_forgotten(templates: dict[str, Template], name: str, within: str, days: int) -> None:
    (rule,) = templates[name].properties("AWS::S3::Bucket", within)["LifecycleConfiguration"]["Rules"]
    assert (rule["ExpirationInDays"], rule["Status"]) == (days, "Enabled")


def test_without_the_visitors_log_who_wrote_to_the_bucket_is_still_logged(templates: dict[str, Template]) -> None:
    bare = templates["bare"]
    assert "Logging" not in bare.properties("AWS::CloudFront::Distribution")["DistributionConfig"]
    assert text(bare.properties("AWS::S3::Bucket", "SiteStorage"))["LoggingConfiguration"]["LogFilePrefix"] == "bucket/"
    ownership = bare.properties("AWS::S3::Bucket", "SiteLogs")["OwnershipControls"]
    assert ownership == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}, "nothing writes through an ACL"
