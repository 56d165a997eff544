"""What the doctor says of a site's pipelines: connection, upload bucket, secrets, room for builds, and how the last runs ended."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.aws.answers import Answer, refused
from tests.aws.test_doctor import HEALTHY, OUTPUTS, Surgery, no_credentials_of_ours, no_stack
from toolkit.engine.advice import OK, PROBLEM, UNKNOWN, WARNING, PipelineFacts, SiteFacts

ACCOUNT = "123456789012"
CONNECTION = f"arn:aws:codeconnections:eu-west-1:{ACCOUNT}:connection/0f1e2d3c-aaaa-bbbb-cccc-0123456789ab"
LINK = f"https://eu-west-1.console.aws.amazon.com/codesuite/settings/{ACCOUNT}/eu-west-1/connections/0f1e2d3c-aaaa-bbbb-cccc-0123456789ab"
SECRET = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT}:secret:build-AbCdEf"
PIPELINES = PipelineFacts(
    repository="ada/shop",
    connection_arn=CONNECTION,
    uploads=True,
    bucket="our-zips",
    secrets={"NPM_TOKEN": "/toolkit/shop/NPM_TOKEN", "CMS_KEY": f"{SECRET}:key::"},
)
FACTS = SiteFacts(site="shop", region="eu-west-1", pipelines=PIPELINES)
NAMES = {
    "LivePipeline": "shop-live",
    "PreviewPipeline": "shop-preview",
    "ClosedPipeline": "shop-closed",
    "UploadPipeline": "shop-upload",
}
ALL = {**OUTPUTS, **NAMES}
TOPICS = ("connection", "uploads", "secrets", "builds", "pipelines")


def with_outputs(found: Mapping[str, str]) -> Answer:
    outputs = [{"OutputKey": key, "OutputValue": value} for key, value in found.items()]
    return lambda params: {"Stacks": [{"StackName": "s", "StackStatus": "UPDATE_COMPLETE", "Outputs": outputs}]}


def a_connection(state: str) -> dict[str, Any]:
    return {"Connection": {"ConnectionName": "github", "ConnectionStatus": state, "ProviderType": "GitHub"}}


def runs(**ended: str) -> Answer:
    """Of each pipeline the last execution, by the end of its name."""

    def answer(params: Mapping[str, Any]) -> dict[str, Any]:
        name = json.loads(params["body"])["pipelineName"].rpartition("-")[2]
        found = [{"pipelineExecutionId": "e1", "status": ended[name]}] if name in ended else []
        return {"pipelineExecutionSummaries": found}

    return answer


def action(stage: str, status: str, message: str = "") -> dict[str, Any]:
    result = {"errorDetails": {"code": "JobFailed", "message": message}}
    return {"stageName": stage, "actionName": stage, "status": status, "output": {"executionResult": result}}


def encrypted(**default: str) -> dict[str, Any]:
    return {"ServerSideEncryptionConfiguration": {"Rules": [{"ApplyServerSideEncryptionByDefault": default}]}}


GOOD: dict[str, Answer] = {
    **HEALTHY,
    "cloudformation.DescribeStacks": with_outputs(ALL),
    "codeconnections.GetConnection": a_connection("AVAILABLE"),
    "s3.HeadBucket": {"BucketRegion": "eu-west-1"},
    "s3.GetBucketVersioning": {"Status": "Enabled"},
    "s3.GetBucketNotificationConfiguration": {"EventBridgeConfiguration": {}},
    "s3.GetBucketEncryption": encrypted(SSEAlgorithm="AES256"),
    "eventbridge.ListRuleNamesByTarget": {"RuleNames": ["shop-rule"]},
    "eventbridge.DescribeRule": {"Name": "shop-rule", "State": "ENABLED"},
    "ssm.DescribeParameters": {"Parameters": [{"Name": "/toolkit/shop/NPM_TOKEN", "Type": "SecureString"}]},
    "secrets-manager.DescribeSecret": {"ARN": SECRET, "Name": "build"},
    "service-quotas.ListServiceQuotas": {
        "Quotas": [
            {"QuotaName": "Concurrently running builds for ARM/Small environment", "QuotaCode": "L-1", "Value": 60.0},
            {"QuotaName": "Concurrently running builds for Linux/Small environment", "QuotaCode": "L-2", "Value": 0.0},
        ]
    },
    "codepipeline.ListPipelineExecutions": runs(live="Succeeded", preview="InProgress"),
    "codepipeline.ListActionExecutions": {"actionExecutionDetails": [action("Source", "Succeeded")]},
}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Surgery:
    """A site without hosts whose pipelines are as they must be."""
    no_credentials_of_ours(monkeypatch)
    made = Surgery()
    made.facts, made.aws.said = FACTS, dict(GOOD)
    return made


def on(site: Surgery, topic: str) -> list[tuple[str, str, str]]:
    return [(one.state, one.what, one.fix) for one in site.on(topic)]


def test_where_all_is_well_every_matter_is_looked_at(site: Surgery) -> None:
    found = site.findings()
    assert [one for one in found if one.state != OK] == []
    assert {one.topic for one in found} >= set(TOPICS)
    said = {one.topic: one.what for one in found}
    assert "live: Succeeded" in said["pipelines"] and "upload: nothing has run yet" in said["pipelines"]
    assert said["builds"].startswith("60 ARM/Small builds at once")
    assert all(name.split(".")[1].startswith(("Get", "List", "Describe", "Head")) for name in site.aws.calls)


def test_a_site_without_pipelines_is_asked_nothing_of_them(site: Surgery) -> None:
    site.facts = replace(FACTS, pipelines=PipelineFacts(repository="ada/shop"))
    found = site.findings()
    assert not {one.topic for one in found} & set(TOPICS)
    asked = {call.split(".")[0] for call in site.aws.calls}
    assert not asked & {"codeconnections", "codepipeline", "secrets-manager", "s3"}


WRONG: list[tuple[str, str, str, str, str, Answer]] = [
    # topic, state, in what it says, in its fix, operation, answer
    ("connection", PROBLEM, "pending", LINK, "codeconnections.GetConnection", a_connection("PENDING")),
    ("connection", PROBLEM, "ada/shop", "Update pending connection", "codeconnections.GetConnection", a_connection("PENDING")),
    ("connection", PROBLEM, "ERROR", LINK, "codeconnections.GetConnection", a_connection("ERROR")),
    ("connection", PROBLEM, "there is no connection arn:", "create-connection --provider-type GitHub",
     "codeconnections.GetConnection", refused("ResourceNotFoundException")),
    ("connection", UNKNOWN, "may not", "codeconnections:GetConnection", "codeconnections.GetConnection",
     refused("AccessDeniedException", "", 403)),
    ("uploads", PROBLEM, "there is no bucket our-zips", "create-bucket --bucket our-zips --region eu-west-1 --create",
     "s3.HeadBucket", refused("404", "", 404)),
    ("uploads", UNKNOWN, "somebody else's", "s3:ListBucket", "s3.HeadBucket", refused("403", "", 403)),
    ("uploads", PROBLEM, "us-east-2", "leave `bucket` out", "s3.HeadBucket", {"BucketRegion": "us-east-2"}),
    ("uploads", PROBLEM, "no versions", "put-bucket-versioning --bucket our-zips", "s3.GetBucketVersioning", {}),
    ("uploads", PROBLEM, "no versions", "Status=Enabled", "s3.GetBucketVersioning", {"Status": "Suspended"}),
    ("uploads", PROBLEM, "EventBridge", '{"EventBridgeConfiguration": {}}', "s3.GetBucketNotificationConfiguration", {}),
    ("uploads", PROBLEM, "encrypts with the key arn:of-ours", "delete-bucket-encryption --bucket our-zips",
     "s3.GetBucketEncryption", encrypted(SSEAlgorithm="aws:kms", KMSMasterKeyID="arn:of-ours")),
    ("uploads", PROBLEM, "shop-rule is switched off", "aws events enable-rule --name shop-rule",
     "eventbridge.DescribeRule", {"Name": "shop-rule", "State": "DISABLED"}),
    ("uploads", PROBLEM, "no rule starts", "get-template --stack-name toolkit-site-shop",
     "eventbridge.ListRuleNamesByTarget", {"RuleNames": []}),
    ("secrets", PROBLEM, "no parameter /toolkit/shop/NPM_TOKEN",
     "aws ssm put-parameter --name /toolkit/shop/NPM_TOKEN --type SecureString", "ssm.DescribeParameters", {"Parameters": []}),
    ("secrets", WARNING, "NPM_TOKEN is a String", "--overwrite", "ssm.DescribeParameters",
     {"Parameters": [{"Name": "/toolkit/shop/NPM_TOKEN", "Type": "String"}]}),
    ("secrets", PROBLEM, f"CMS_KEY is not there: no {SECRET}", "[aws.build] secrets", "secrets-manager.DescribeSecret",
     refused("ResourceNotFoundException")),
    ("secrets", PROBLEM, "being deleted", "restore-secret", "secrets-manager.DescribeSecret",
     {"DeletedDate": "2026-11-21T00:00:00Z"}),
    ("builds", PROBLEM, "no ARM/Small builds in eu-west-1", "quotas/L-1", "service-quotas.ListServiceQuotas",
     {"Quotas": [{"QuotaName": "Concurrently running builds for ARM/Small environment", "QuotaCode": "L-1", "Value": 0.0}]}),
    ("pipelines", WARNING, "not there yet: the pipelines live, preview, closed, upload", "toolkit up",
     "cloudformation.DescribeStacks", with_outputs(OUTPUTS)),
    ("pipelines", WARNING, "pipeline live failed", "toolkit logs", "codepipeline.ListPipelineExecutions", runs(live="Failed")),
    ("pipelines", WARNING, "pipeline upload was stopped", "toolkit trigger",
     "codepipeline.ListPipelineExecutions", runs(upload="Stopped")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("topic", "state", "what", "fix", "operation", "answer"), WRONG, ids=[f"{topic}: {what}" for topic, _, what, *_ in WRONG]
)
def test_what_is_wrong_is_found(site: Surgery, topic: str, state: str, what: str, fix: str, operation: str, answer: Answer) -> None:
    site.aws.said[operation] = answer
    found = [one for one in on(site, topic) if one[0] == state]
    assert found and what in found[0][1] and fix in found[0][2], on(site, topic)
    assert all(one.fix for one in site.findings() if one.state != OK)


def test_a_failed_run_says_its_stage_and_the_reason(site: Surgery) -> None:
    site.aws.said["codepipeline.ListPipelineExecutions"] = runs(live="Failed", preview="Succeeded")
    details = [action("Build", "Failed", "Build terminated\nwith state: FAILED"), action("Source", "Succeeded")]
    site.aws.said["codepipeline.ListActionExecutions"] = {"actionExecutionDetails": details}
    states = on(site, "pipelines")
    assert states[0][1] == "the last run of the pipeline live failed in Build: Build terminated with state: FAILED"
    assert (states[1][0], "preview: Succeeded" in states[1][1]) == (OK, True), "the others are said all the same"


def test_the_first_run_of_a_pipeline_is_no_delivery(site: Surgery) -> None:
    first = {"pipelineExecutionId": "e1", "status": "Failed", "trigger": {"triggerType": "CreatePipeline"}}
    site.aws.said["codepipeline.ListPipelineExecutions"] = {"pipelineExecutionSummaries": [first]}
    (found,) = on(site, "pipelines")
    assert found[0] == OK and "upload: nothing has run yet" in found[1]


def test_the_older_name_of_connections_is_asked_under_that_name(site: Surgery) -> None:
    old = CONNECTION.replace("codeconnections", "codestar-connections")
    site.facts = replace(FACTS, pipelines=replace(PIPELINES, connection_arn=old))
    site.aws.said["codestar-connections.GetConnection"] = a_connection("PENDING")
    assert LINK in on(site, "connection")[0][2]


def test_a_connection_of_another_place_is_pointed_out(site: Surgery) -> None:
    elsewhere = CONNECTION.replace("eu-west-1", "us-east-1").replace(ACCOUNT, "999999999999")
    site.facts = replace(FACTS, pipelines=replace(PIPELINES, connection_arn=elsewhere))
    region, account, state = on(site, "connection")
    assert (region[0], "us-east-1" in region[1], "--region eu-west-1" in region[2]) == (WARNING, True, True)
    assert (account[0], "999999999999" in account[1], "AWS RAM" in account[2]) == (WARNING, True, True)
    assert state[0] == OK and "codeconnections.GetConnection@us-east-1" in site.aws.calls


def test_the_command_for_events_keeps_what_the_bucket_tells_others(site: Surgery) -> None:
    queue = {"Id": "q", "QueueArn": "arn:aws:sqs:eu-west-1:1:q", "Events": ["s3:ObjectCreated:*"]}
    site.aws.said["s3.GetBucketNotificationConfiguration"] = {"QueueConfigurations": [queue]}
    words = shlex.split(on(site, "uploads")[0][2])
    assert json.loads(words[words.index("--notification-configuration") + 1]) == {
        "QueueConfigurations": [queue],
        "EventBridgeConfiguration": {},
    }


def test_the_bucket_that_up_made_is_looked_at_once_it_is_there(site: Surgery) -> None:
    site.facts = replace(FACTS, pipelines=replace(PIPELINES, bucket=""))
    assert "makes the bucket" in on(site, "uploads")[0][1] and not [call for call in site.aws.calls if call.startswith("s3.")]
    site.aws.said["cloudformation.DescribeStacks"] = with_outputs({**ALL, "UploadBucket": "made"})
    assert on(site, "uploads")[0][1] == "made keeps versions and tells EventBridge of new objects"
    site.aws.said["s3.HeadBucket"] = refused("404", "", 404)
    assert on(site, "uploads")[0][1:] == ("there is no bucket made", "run `toolkit up --target aws`")


def test_the_rule_is_asked_for_by_what_it_starts(site: Surgery) -> None:
    asked: list[str] = []

    def answer(params: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(json.loads(params["body"])["TargetArn"])
        return {"RuleNames": ["shop-rule"]}

    site.aws.said["eventbridge.ListRuleNamesByTarget"] = answer
    assert on(site, "uploads")[1][1] == "shop-rule starts shop-upload"
    assert asked == [f"arn:aws:codepipeline:eu-west-1:{ACCOUNT}:shop-upload"]


def test_before_the_first_up_no_pipeline_is_missed(site: Surgery) -> None:
    site.aws.said["cloudformation.DescribeStacks"] = no_stack
    assert on(site, "pipelines") == []
    assert on(site, "connection")[0][0] == OK, "what has to be there before is looked at"


def test_secrets_are_described_and_never_read(site: Surgery) -> None:
    asked: list[Mapping[str, Any]] = []

    def answer(params: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(json.loads(params["body"]))
        return {"Parameters": []}

    site.aws.said["ssm.DescribeParameters"] = answer
    many = {f"S{number}": f"/x/{number}" for number in range(60)}
    site.facts = replace(FACTS, pipelines=replace(PIPELINES, secrets=many))
    assert len(on(site, "secrets")) == 60
    assert [len(one["ParameterFilters"][0]["Values"]) for one in asked] == [50, 10]
    assert not [call for call in site.aws.calls if "GetParameters" in call or "GetSecretValue" in call]


def test_where_nothing_is_built_room_for_builds_is_no_matter(site: Surgery) -> None:
    site.facts = replace(FACTS, pipelines=replace(PIPELINES, builds=False))
    assert on(site, "builds") == []
    site.facts = replace(FACTS, pipelines=replace(PIPELINES, architecture="x86"))
    assert on(site, "builds")[0][0] == PROBLEM, "each kind of machine has a number of its own"


PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"


@pytest.mark.parametrize(
    ("there", "named", "made", "state", "word"),
    [
        ([], "", [], OK, "makes the identity provider"),
        ([PROVIDER], "", ["AWS::IAM::OIDCProvider"], OK, "the site's stack has"),
        ([PROVIDER], "", [], PROBLEM, "no second one"),
        ([PROVIDER.replace("token.actions.githubusercontent", "gitlab")], "", [], OK, "makes the identity provider"),
        ([PROVIDER], PROVIDER, [], OK, PROVIDER),
        ([], PROVIDER, [], PROBLEM, "there is no identity provider"),
    ],
)
def test_the_identity_provider_of_a_repository_s_own_ci(
    site: Surgery, there: list[str], named: str, made: list[str], state: str, word: str
) -> None:
    site.facts = replace(FACTS, pipelines=PipelineFacts(repository="ada/shop", deploy_role=True, oidc_provider_arn=named))
    site.aws.said["iam.ListOpenIDConnectProviders"] = {"OpenIDConnectProviderList": [{"Arn": arn} for arn in there]}
    site.aws.said["cloudformation.DescribeStackResources"] = {"StackResources": [{"ResourceType": kind} for kind in made]}
    found = on(site, "GitHub")
    assert [one[0] for one in found] == [state] and word in found[0][1], found
    assert state == OK or "oidc_provider_arn" in found[0][2]
