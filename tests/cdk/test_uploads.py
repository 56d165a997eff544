"""Zips that arrive: the rule that starts the pipeline with the very object, and the buckets."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from tests.cdk.pipelined import IDLE, LONG, add, stacks
from tests.rehearsal.eventbus import matches, object_created, transformed
from tests.rehearsal.iam import Call, Caller, Policies
from tests.rehearsal.template import REGION, Deployed

UPLOADS = "PipelineUploads54BB0EE5"
TLS = {"aws:securetransport": "true", "s3:tlsversion": "1.3"}


@pytest.fixture(scope="module")
def made(cdk: None) -> dict[str, Deployed]:
    return stacks()


def rule(stack: Deployed, within: str = "Pipeline") -> dict[str, Any]:
    (found,) = [it for name, it in stack.of("AWS::Events::Rule").items() if name.startswith(within) and "EventPattern" in it]
    return found


def target(stack: Deployed) -> dict[str, Any]:
    (found,) = rule(stack)["Targets"]
    return dict(found)


def created(bucket: str, key: str, version: str = "v1") -> dict[str, Any]:
    return object_created(bucket, key, version, 1, "etag", REGION)


@pytest.mark.parametrize(
    ("key", "starts"),
    [
        ("in/zips/site.zip", True),
        ("in/zips/preview/a/site.zip", True),
        ("in/zips/.zip", True),
        ("in/zips/x.txt", False),
        ("in/zips/x.zip.txt", False),
        ("other/x.zip", False),
        ("x.zip", False),
        ("a/in/zips/x.zip", False),
        ("in/zips.zip", False),
    ],
)
def test_only_zips_below_the_prefix_start_the_pipeline(made: dict[str, Deployed], key: str, starts: bool) -> None:
    stack = made["zip"]
    pattern = rule(stack)["EventPattern"]
    assert matches(pattern, created(stack.ref(UPLOADS), key)) is starts
    assert not matches(pattern, created("somebody-elses", key))
    deleted = {**created(stack.ref(UPLOADS), key), "detail-type": "Object Deleted"}
    assert not matches(pattern, deleted)


@given(
    key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80),
    version=st.text(st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=40),
)
def test_the_pipeline_is_started_with_that_key_and_version_whatever_they_hold(
    made: dict[str, Deployed], key: str, version: str
) -> None:
    event = created("b", key, version)
    said = json.loads(transformed(target(made["zip"])["InputTransformer"], event))
    assert said == {
        "sourceRevisions": [
            {"actionName": "Source", "revisionType": "S3_OBJECT_KEY", "revisionValue": key},
            {"actionName": "Source", "revisionType": "S3_OBJECT_VERSION_ID", "revisionValue": version},
        ],
        "variables": [{"name": "EventTime", "value": event["time"]}],
    }
    shape = (
        boto3.client("codepipeline", region_name=REGION).meta.service_model.operation_model("StartPipelineExecution").input_shape
    )
    assert not ParamValidator().validate({**said, "name": "x"}, shape).has_errors()


def test_the_rule_may_start_that_pipeline_and_do_nothing_else(made: dict[str, Deployed]) -> None:
    stack, policies = made["zip"], Policies([made["zip"]])
    its = target(stack)
    ((name, _),) = stack.of("AWS::CodePipeline::Pipeline").items()
    assert its["Arn"].endswith(f":{stack.properties(name)['Name']}")
    assert policies.trusts(its["RoleArn"], "events.amazonaws.com")
    assert policies.of_roles[its["RoleArn"]] == [
        {"Sid": "Start", "Effect": "Allow", "Action": "codepipeline:StartPipelineExecution", "Resource": its["Arn"]}
    ]


def test_the_source_takes_the_object_from_whoever_starts_it(made: dict[str, Deployed]) -> None:
    (pipeline,) = made["zip"].of("AWS::CodePipeline::Pipeline").values()
    assert pipeline["Stages"][0]["Actions"][0]["Configuration"] == {
        "S3Bucket": made["zip"].ref(UPLOADS),
        "S3ObjectKey": "in/zips/none.zip",
        "PollForSourceChanges": "false",
        "AllowOverrideForS3ObjectKey": "true",
    }
    assert pipeline["Variables"] == [{"Name": "EventTime", "DefaultValue": "none", "Description": "when the zip was put there"}]


@pytest.mark.parametrize(("stack", "policy"), [("zip", "Delete"), ("idle", "RetainExceptOnCreate")])
def test_the_bucket_of_zips_is_kept_as_the_site_s_is(made: dict[str, Deployed], stack: str, policy: str) -> None:
    """Its logical id is its identity: another one is another bucket, without what was in it."""
    bucket = made[stack].body["Resources"][UPLOADS]
    (site,) = [
        it
        for name, it in made[stack].body["Resources"].items()
        if name.startswith("SiteStorageBucket") and it["Type"].endswith("Bucket")
    ]
    assert bucket["DeletionPolicy"] == site["DeletionPolicy"] == policy


def test_the_bucket_of_zips_is_private_versioned_and_tells_of_what_arrives(made: dict[str, Deployed]) -> None:
    bucket = made["zip"].properties(UPLOADS)
    private(made["zip"], UPLOADS)
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    (forget,) = bucket["LifecycleConfiguration"]["Rules"]
    assert (forget["ExpirationInDays"], forget["NoncurrentVersionExpiration"]) == (90, {"NoncurrentDays": 90})
    assert not [it for it in made["zip"].body["Resources"].values() if it["Type"].startswith("Custom::")]


def test_artifacts_are_forgotten_after_a_month(made: dict[str, Deployed]) -> None:
    for stack in made.values():
        for name in (it for it in stack.of("AWS::S3::Bucket") if "Artifacts" in it):
            bucket = stack.properties(name)
            private(stack, name)
            assert "VersioningConfiguration" not in bucket
            (forget,) = bucket["LifecycleConfiguration"]["Rules"]
            assert forget["ExpirationInDays"] == 30 and "Prefix" not in forget
            assert stack.body["Resources"][name]["DeletionPolicy"] == "Delete"


def private(stack: Deployed, name: str) -> None:
    bucket = stack.properties(name)
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    log = {stack.ref(it) for it in stack.of("AWS::S3::Bucket") if "SiteLogsBucket" in it}
    assert bucket["LoggingConfiguration"]["LogFilePrefix"] == "bucket/"
    assert bucket["LoggingConfiguration"]["DestinationBucketName"] in log


@pytest.mark.parametrize("stack", ["zip", "own"])
def test_zips_are_read_by_the_source_and_by_the_function_that_releases(made: dict[str, Deployed], stack: str) -> None:
    """Of a bucket of one's own too, whose policy is not ours; below the prefix only, and nobody writes."""
    it = made[stack]
    bucket, prefix = ("our-zips", "uploads/") if stack == "own" else (it.ref(UPLOADS), "in/zips/")
    policies = Policies([it])

    def able(action: str, key: str) -> set[str]:
        call = Call(f"s3:{action}", f"arn:aws:s3:::{bucket}/{key}", TLS)
        found = {it.attribute(name, "Arn"): name for name in it.of("AWS::IAM::Role")}
        return {name for arn, name in found.items() if policies.allow(Caller(arn), call)}

    readers = able("GetObject", f"{prefix}a.zip")
    assert sorted(name[:20] for name in readers) == ["PipelineFunctionsDel", "PipelineUploadRoleE7"]
    assert able("GetObjectVersion", f"{prefix}a.zip") == readers
    assert (
        able("GetObject", "other/a.zip") == able("PutObject", f"{prefix}a.zip") == able("DeleteObject", f"{prefix}a.zip") == set()
    )


def test_a_bucket_of_one_s_own_is_left_as_it_is(made: dict[str, Deployed]) -> None:
    stack = made["own"]
    assert not [name for name in stack.of("AWS::S3::Bucket") if "Uploads" in name or "Ours" in name]
    assert stack.outputs()["PipelineOutputsUploadBucket8BA9F666"] == "our-zips"
    assert rule(stack)["EventPattern"]["detail"]["bucket"] == {"name": ["our-zips"]}


def test_a_bucket_with_a_key_of_one_s_own_can_be_read(cdk: None) -> None:
    from aws_cdk import App, Stack, assertions
    from aws_cdk import aws_kms as kms
    from aws_cdk import aws_s3 as s3

    from toolkit.cdk import ZipSource

    stack = Stack(App(), "keyed")
    key = kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000")
    ours = s3.Bucket.from_bucket_attributes(stack, "Ours", bucket_name="our-zips", encryption_key=key)
    add(stack, "keyed", spec=IDLE, uploads=ZipSource(bucket=ours))
    body = assertions.Template.from_stack(stack).to_json()
    found = [
        name
        for name, it in body["Resources"].items()
        if it["Type"] == "AWS::IAM::Policy" and "kms:Decrypt" in json.dumps(it) and key.key_arn in json.dumps(it)
    ]
    assert sorted(name[:22] for name in found) == ["PipelineFunctionsDeliv", "PipelineUploadRoleDefa"]


def test_sites_with_zips_do_not_hear_of_each_other(made: dict[str, Deployed]) -> None:
    stack = made[LONG]
    buckets = {name[:4]: name for name in stack.of("AWS::S3::Bucket") if "Uploads" in name}
    assert set(buckets) == {"Shop", "Docs"}
    for here in buckets:
        heard = [it for it, name in buckets.items() if matches(_pattern(stack, here), created(stack.ref(name), "uploads/a.zip"))]
        assert heard == [here]


def _pattern(stack: Deployed, site: str) -> dict[str, Any]:
    found: dict[str, Any] = rule(stack, f"{site}Pipeline")["EventPattern"]
    return found
