"""`StaticSite` as a whole: what stays when a stack goes, names that must never change, two sites side by side."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cdk.templates import Template, text

# Those of the CDK's switches that change what our kinds of resources become; somebody's own app may have them on or off.
FLAGS = (
    "@aws-cdk/aws-cloudfront:defaultFunctionRuntimeV2_0",
    "@aws-cdk/aws-cloudfront:defaultSecurityPolicyTLSv1.2_2021",
    "@aws-cdk/aws-cloudfront:defaultViewerProtocolPolicyRedirectToHttps",
    "@aws-cdk/aws-events:eventsTargetQueueSameAccount",
    "@aws-cdk/aws-iam:importedRoleStackSafeDefaultPolicyName",
    "@aws-cdk/aws-kms:aliasNameRef",
    "@aws-cdk/aws-kms:applyImportedAliasPermissionsToPrincipal",
    "@aws-cdk/aws-lambda:createNewPoliciesWithAddToRolePolicy",
    "@aws-cdk/aws-lambda:recognizeLayerVersion",
    "@aws-cdk/aws-lambda:recognizeVersionProps",
    "@aws-cdk/aws-lambda:useCdkManagedLogGroup",
    "@aws-cdk/aws-route53-patters:useCertificate",
    "@aws-cdk/aws-s3:createDefaultLoggingPolicy",
    "@aws-cdk/aws-s3:publicAccessBlockedByDefault",
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy",
    "@aws-cdk/core:enablePartitionLiterals",
)
STATEFUL = ("AWS::S3::Bucket", "AWS::CloudFront::KeyValueStore", "AWS::CloudFront::Distribution")


def test_logical_ids_that_others_hold_on_to_never_change(templates: dict[str, Template]) -> None:
    """People subscribe to the topic, executions and their history belong to a machine, and a certificate waits for DNS."""
    plain, certificate = templates["plain"], templates["certificate"]
    kinds = ("AWS::SNS::Topic", "AWS::StepFunctions::StateMachine")
    assert {name for kind in kinds for name in plain.ids(kind)} == {
        "ReleaseMachineC083F0A8",
        "ReleaseNotificationsTopicE43D2B88",
        "ReleaseWatchMachine1C1EDD36",
    }
    assert certificate.ids("AWS::CertificateManager::Certificate") == ["SiteCertificate74188813"]
    names = {it["Properties"]["AlarmName"] for it in text(templates["alarms-plain"].body["Resources"]).values()}
    assert names == {"${DistributionId}-5xx", "${DistributionId}-function-errors"}, "the watch knows them by name"


def test_logical_ids_of_what_holds_data_never_change(plain: Template) -> None:
    """Another id is another resource: CloudFormation would make an empty one and let go of the one with the data."""
    assert {name for kind in STATEFUL for name in plain.ids(kind)} == {
        "SiteStorageBucket5BDB9672",
        "SiteLogsBucketEB9B49C8",
        "SiteRoutingStore817D757E",
        "SiteDeliveryDistributionB790E957",
    }


@pytest.mark.parametrize(
    ("name", "policy"), [("plain", "RetainExceptOnCreate"), ("hosts", "RetainExceptOnCreate"), ("bare", "Delete")]
)
def test_data_outlives_the_stack_in_production(templates: dict[str, Template], name: str, policy: str) -> None:
    template = templates[name]
    for logical_id in [it for kind in STATEFUL[:2] for it in template.ids(kind)]:
        resource = template.body["Resources"][logical_id]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == (policy, policy.removesuffix("ExceptOnCreate"))


def test_nothing_empties_a_bucket_behind_our_back(templates: dict[str, Template]) -> None:
    kinds = {it["Type"] for template in templates.values() for it in template.body["Resources"].values()}
    assert not [kind for kind in kinds if kind.startswith("Custom::") or kind == "AWS::CloudFormation::CustomResource"]


def test_a_stack_of_one_site_says_where_everything_is(plain: Template) -> None:
    found = {name: text(it["Value"]) for name, it in plain.body["Outputs"].items()}
    names = {
        part: text(plain.properties("AWS::CloudFront::Function", f"SiteRouting{part}"))["Name"] for part in ("Request", "Response")
    }
    assert found == {
        "Bucket": "${SiteStorageBucket5BDB9672}",
        "KeyValueStoreArn": "${SiteRoutingStore817D757E.Arn}",
        "DistributionId": "${SiteDeliveryDistributionB790E957}",
        "DomainName": "${SiteDeliveryDistributionB790E957.DomainName}",
        "RequestFunction": names["Request"],
        "ResponseFunction": names["Response"],
        "ReleaseArn": "${ReleaseMachineC083F0A8}",
        "WatchArn": "${ReleaseWatchMachine1C1EDD36}",
        "TopicArn": "${ReleaseNotificationsTopicE43D2B88}",
    }


def test_two_sites_in_one_stack_share_nothing(templates: dict[str, Template]) -> None:
    pair = templates["pair"]
    for kind in (*STATEFUL, "AWS::CloudFront::Function", "AWS::CloudFront::CachePolicy", "AWS::S3::BucketPolicy"):
        # One has a wildcard host: its previews need no links.
        ids = [it for it in pair.ids(kind) if "RoutingPreview" not in it]
        assert len([it for it in ids if it.startswith("One")]) == len([it for it in ids if it.startswith("Two")]) == len(ids) / 2
    assert len(pair.body["Outputs"]) == 19
    for one, other in (("One", "Two"), ("Two", "One")):
        own = {name: it for name, it in pair.body["Resources"].items() if name.startswith(one)}
        assert f'"{other}' not in str(own).replace("'", '"')


def test_an_app_s_feature_flags_change_nothing(templates: dict[str, Template], tmp_path: Path) -> None:
    from aws_cdk import App

    from toolkit.cdk.stacks import Hosting, build

    app = App(outdir=str(tmp_path), analytics_reporting=False, context=dict.fromkeys(FLAGS, True))
    build(app, Hosting(site="plain"))
    app.synth()
    assert Template.read(tmp_path / "toolkit-site-plain.template.json").body == templates["plain"].body


def test_constructs_are_loaded_when_they_are_asked_for() -> None:
    code = "import sys, toolkit, toolkit.cdk; print(*[name for name in ('aws_cdk', 'jsii', 'constructs') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, [], "")


def test_every_construct_that_is_promised_is_there(cdk: None) -> None:
    import toolkit.cdk

    assert {getattr(toolkit.cdk, name).__name__ for name in toolkit.cdk.__all__} == set(toolkit.cdk.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    import toolkit.cdk

    with pytest.raises(AttributeError, match="StaticSites"):
        toolkit.cdk.StaticSites  # noqa: B018
