"""The policies of `toolkit permissions`: enough for what our own code and CloudFormation ask, and no more."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.aws import assemblies
from tests.aws import test_doctor_pipeline as pipelines
from tests.aws.account import BUCKET, REGION, FakeAccount
from tests.aws.calls import ACCOUNT, Call, Recorder, allowed
from tests.aws.conftest import Cli
from tests.aws.test_doctor import Surgery, no_credentials_of_ours
from tests.commands.conftest import write_site
from toolkit.aws import permissions
from toolkit.engine.advice import POLICY_CHARACTERS, PipelineFacts, Policy, SiteFacts, Statement
from toolkit.errors import UserError
from toolkit.targets import Ways

FACTS = SiteFacts(site="blog", region=REGION)
WITH_HOSTS = SiteFacts(site="blog", region=REGION, hosts=("www.example.com",), hosted_zone_id="Z1", hosted_zone_name="example.com")


class Heard(FakeAccount):
    """An account that writes down what the command line asks of it."""

    def __init__(self) -> None:
        super().__init__()
        self.recorder = Recorder()

    @property
    def ways(self) -> Ways:
        return Ways(
            connect=lambda region, profile: self.recorder.listen(self.connect(region, profile)),
            lookup=self.lookup,
            synthesise=self.synthesise,
            sleep=lambda seconds: None,
        )


@pytest.fixture
def account(account: FakeAccount) -> Heard:
    """In the place of the one that the command line has."""
    return Heard()


def of(step: str, facts: SiteFacts = FACTS, boundary: str = "") -> list[Policy]:
    return permissions.policies(step, facts, ACCOUNT, boundary)


def named(policies: list[Policy], *names: str) -> list[Policy]:
    return [policy for policy in policies if policy.name in names]


def check(account: Heard, policies: list[Policy], unused: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    """Everything that was asked is allowed, and all that is allowed was asked but for `unused`."""
    own = account.recorder.own()
    refused = sorted({(call.action, call.resource) for call in own if not allowed(call, policies)})
    assert not refused, f"the policies lack {refused}"
    granted = {action for policy in policies for statement in policy.statements for action in statement.actions}
    assert granted - {call.action for call in own} == unused


def test_up_with_the_bootstraps_roles(cli: Cli, account: Heard, project: Path) -> None:
    account.bootstrap()
    account.files = {"index.py": b"pass\n"}
    assert cli("up").code == 0 and cli("diff").code == 0
    check(account, named(of("up"), "toolkit-up"))


def test_up_under_ones_own_credentials(cli: Cli, account: Heard, project: Path) -> None:
    account.bootstrap()
    account.no_roles = True
    account.files = {"index.py": b"pass\n"}
    assert cli("up").code == 0 and cli("diff").code == 0
    account.templates = assemblies.templates()
    account.templates["toolkit-site-blog"]["Resources"]["Distribution"]["Properties"]["Comment"] = "other"
    assert cli("up", "--yes").code == 0
    # CloudFormation itself reads the templates and their parameter; the others are for a first deployment that failed.
    unused = {
        "ssm:GetParameters",
        "cloudformation:DeleteStack",
        "cloudformation:ListStackResources",
    }
    check(account, named(of("up"), "toolkit-up", "toolkit-up-own"), unused)


def _granted(policies: list[Policy]) -> set[str]:
    return {action for policy in policies for statement in policy.statements for action in statement.actions}


def test_a_failed_first_deployment_is_cleared_away(cli: Cli, account: Heard) -> None:
    account.bootstrap()
    account.no_roles = True
    account.cloudformation().failures["Distribution"] = "no"
    assert cli("up").code == 1
    account.cloudformation().failures.clear()
    assert cli("up").code == 0
    own = account.recorder.own()
    assert any(call.action == "cloudformation:DeleteStack" for call in own)
    assert all(allowed(call, of("up")) for call in own)


def test_the_certificates_records(cli: Cli, account: Heard, project: Path) -> None:
    (project / "site.toml").write_text('name = "blog"\ntarget = "aws"\nhosts = ["www.example.com"]\n')
    account.bootstrap()
    account.templates = assemblies.templates(hosts=True)
    acm = account.connect("us-east-1", "").client("acm")
    arn = acm.request_certificate(DomainName="www.example.com", ValidationMethod="DNS")["CertificateArn"]
    account.cloudformation("us-east-1").physical["Certificate"] = arn
    account.cloudformation("us-east-1").outputs["toolkit-certificate-blog"] = {"CertificateArn": arn}
    assert cli("up").code == 0
    check(account, named(of("up", WITH_HOSTS), "toolkit-up"))


def test_deploy_and_all_that_follows(cli: Cli, account: Heard, project: Path) -> None:
    machine = account.machine()
    account.set_up(WatchArn=machine)
    for word in ("one", "two", "three"):
        write_site(project / "dist", word)
        assert cli("deploy", "dist").code == 0
    for words in (
        ("rollback",), ("status",), ("releases",), ("deploy", "dist", "--channel", "pr-1"), ("preview", "rm", "pr-1"),
        ("maintenance", "on"), ("maintenance", "off"), ("explain", "/"), ("prune", "--keep", "1", "--grace-hours", "0"),
    ):  # fmt: skip
        assert cli(*words).code == 0, words
    # moto names the machine as the test does; CloudFormation as the policy has it.
    calls = [Call(it.action, it.resource.replace(":watch", ":ReleaseWatchMachine1-x"), it.is_own) for it in account.recorder.calls]
    account.recorder.calls = calls
    check(account, of("deploy"))


def test_destroy(cli: Cli, account: Heard, project: Path) -> None:
    account.bootstrap()
    account.templates["toolkit-site-blog"]["Resources"]["Log"] = {"Type": "AWS::Logs::LogGroup", "DeletionPolicy": "Retain"}
    account.cloudformation().physical.update({"Bucket": BUCKET, "Store": "store", "Log": "toolkit-site-blog-log"})
    session = account.connect(REGION, "")
    session.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    session.client("cloudfront").create_key_value_store(Name="store")
    session.client("logs").create_log_group(logGroupName="toolkit-site-blog-log")
    assert cli("up").code == 0 and cli("deploy", "dist").code == 0
    account.recorder.calls.clear()
    done = cli("destroy", "--yes")
    assert done.code == 0, done.err
    # The one for buckets that somebody switched versioning on for, the other to read the lease of a deploy that is under way.
    check(account, of("destroy"), {"s3:DeleteObjectVersion", "s3:GetObject"})


# What the names of operations are in policies.
SERVICES = {"route-53": "route53", "secrets-manager": "secretsmanager", "eventbridge": "events", "service-quotas": "servicequotas"}
NAMES = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
}


def test_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that it asks is allowed, and all that is allowed is asked, for a site that has all that there can be."""
    no_credentials_of_ours(monkeypatch)
    surgery = Surgery()
    surgery.facts = replace(surgery.facts, pipelines=replace(pipelines.PIPELINES, pull_requests=True, deploy_role=True))
    surgery.aws.said |= {**pipelines.GOOD, "iam.ListOpenIDConnectProviders": {"OpenIDConnectProviderList": []}}
    surgery.aws.said["codepipeline.ListPipelineExecutions"] = pipelines.runs(live="Failed")
    surgery.findings()
    asked = set()
    for call in surgery.aws.calls:
        service, operation = call.split("@")[0].split(".")
        action = f"{SERVICES.get(service, service)}:{operation}"
        asked.add(NAMES.get(action, action))
    granted = _granted(of("doctor", surgery.facts))
    assert asked - {"sts:GetCallerIdentity"} == granted


# --- what holds of all policies
ALL_PIPELINES = replace(pipelines.PIPELINES, pull_requests=True, deploy_role=True)
WITH_PIPELINES = replace(WITH_HOSTS, pipelines=ALL_PIPELINES)
FACTS_OF_SITES = (
    SiteFacts(),
    FACTS,
    WITH_HOSTS,
    WITH_PIPELINES,
    SiteFacts(site="a" * 30, hosts=("www.example.com",), region="ap-southeast-2", pipelines=replace(ALL_PIPELINES, bucket="")),
)
EVERY = [
    (step, facts, boundary)
    for step in permissions.STEPS
    for facts in FACTS_OF_SITES
    for boundary in ("", "company-boundary")
    if step != "deliver" or not facts.site or facts.pipelines.keys
]
# AWS knows no resource for these (Service Authorization Reference).
ANYWHERE = {
    "acm:RequestCertificate",
    "account:GetRegionOptStatus",
    "cloudformation:ListStacks",
    "cloudfront:CreateOriginAccessControl",
    "codepipeline:PutJobFailureResult",
    "codepipeline:PutJobSuccessResult",
    "events:ListRuleNamesByTarget",
    "iam:ListOpenIDConnectProviders",
    "lambda:ListFunctions",
    "route53:ListHostedZones",
    "servicequotas:ListServiceQuotas",
    "ssm:DescribeParameters",
}
LISTS = ("cloudfront:List", "logs:Describe", "logs:Get", "xray:", "logs:")


@pytest.mark.parametrize(("step", "facts", "boundary"), EVERY, ids=lambda value: str(value)[:30])
def test_every_policy_is_small_named_and_narrow(step: str, facts: SiteFacts, boundary: str) -> None:
    for policy in of(step, facts, boundary):
        assert policy.size <= POLICY_CHARACTERS, f"{policy.name} has {policy.size}"
        sids = [statement.sid for statement in policy.statements]
        assert len(set(sids)) == len(sids) and all(sid.isalnum() for sid in sids)
        for statement in policy.statements:
            assert statement.reason and statement.actions and statement.resources
            assert not [action for action in statement.actions if "*" in action or action.startswith("iam:*")]
            if "*" in statement.resources:
                wide = [action for action in statement.actions if action not in ANYWHERE and not action.startswith(LISTS)]
                assert not wide, f"{policy.name} {statement.sid}: {wide}"


def test_a_site_s_policies_name_no_other_site() -> None:
    other = "arn:aws:cloudformation:eu-west-1:123456789012:stack/toolkit-site-shop/1"
    assert not allowed(Call("cloudformation:DeleteStack", other, True), of("destroy"))
    assert not allowed(Call("s3:PutObject", "arn:aws:s3:::toolkit-site-blog-x/shop/blobs/1", True), of("deploy"))
    assert allowed(Call("s3:PutObject", "arn:aws:s3:::toolkit-site-blog-x/blog/blobs/1", True), of("deploy"))


def test_other_partitions_have_their_own_names() -> None:
    arn = "arn:aws-us-gov:codeconnections:us-gov-west-1:123456789012:connection/1"
    ours = PipelineFacts(repository="a/b", connection_arn=arn, uploads=True, deploy_role=True)
    facts = SiteFacts(site="blog", region="us-gov-west-1", hosts=("www.example.com",), hosted_zone_id="Z1", pipelines=ours)
    named = [arn for step in permissions.STEPS for one in of(step, facts) for it in one.statements for arn in it.resources]
    assert {arn.split(":")[1] for arn in named if arn != "*"} == {"aws-us-gov"}


def test_roles_only_with_their_boundary() -> None:
    """IAM looks at the boundary for few actions; the others would be refused by a condition that they do not bring."""
    policies = of("up", boundary="ours")
    making: list[Statement] = [one for policy in policies for one in policy.statements if "iam:CreateRole" in one.actions]
    condition = {"StringEquals": {"iam:PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/ours"}}
    assert [one.conditions for one in making] == [condition]
    assert not [one for policy in policies for one in policy.statements if "iam:GetRole" in one.actions and one.conditions]
    assert [policy.name for policy in policies][-1] == "ours"


def test_nobody_needs_rights_of_pipelines_that_a_site_does_not_have() -> None:
    assert "toolkit-pipelines" not in [policy.name for policy in of("up")]
    codes = {action for step in ("up", "deploy", "doctor") for action in _granted(of(step)) if action.startswith("code")}
    assert {action.split(":")[0] for action in codes} == {"codebuild"}, "that of a site that is too large for a function"
    with pytest.raises(UserError, match="has no pipeline"):
        of("deliver")
    only_ci = replace(FACTS, pipelines=PipelineFacts(repository="a/b", deploy_role=True))
    assert _granted(named(of("up", only_ci), "toolkit-pipelines")) == {
        *(f"iam:{verb}OpenIDConnectProvider" for verb in ("Create", "Delete", "Get", "Tag", "Untag")),
        "iam:ListOpenIDConnectProviderTags",
    }


def test_a_pipeline_of_another_site_is_not_started() -> None:
    ours, other = (f"arn:aws:codepipeline:{REGION}:{ACCOUNT}:toolkit-site-{site}-live-0a1b2c3d" for site in ("blog", "shop"))
    policies = of("deliver", WITH_PIPELINES)
    assert allowed(Call("codepipeline:StartPipelineExecution", ours, True), policies)
    assert not allowed(Call("codepipeline:StartPipelineExecution", other, True), policies)
    assert allowed(Call("s3:PutObject", "arn:aws:s3:::our-zips/uploads/site.zip", True), policies)
    assert not allowed(Call("s3:PutObject", "arn:aws:s3:::our-zips/other/site.zip", True), policies)


# --- the command
def test_the_command_prints_what_iam_takes(cli: Cli) -> None:
    shown = cli("permissions", "deploy", "--account", ACCOUNT)
    assert shown.code == 0 and "FindTheSite" in shown.out and "a release to live is watched" in shown.out
    alone = cli("permissions", "up", "--policy", "toolkit-up")
    assert json.loads(alone.out)["Version"] == "2012-10-17"
    policies = cli("permissions", "up", "--boundary", "ours", "--json").data["policies"]
    assert [it["name"] for it in policies] == ["toolkit-up", "toolkit-hosting", "toolkit-releases", "toolkit-up-own", "ours"]
    assert set(policies[0]["reasons"]) == {one["Sid"] for one in policies[0]["document"]["Statement"]}
    wrong = cli("permissions", "up", "--policy", "toolkit-down")
    assert wrong.code == 2 and "toolkit-releases" in wrong.err
    assert cli("permissions", "--target", "local").code == 1
