"""Each matter that the doctor looks at: once as it should be, and in every way that it can be wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError

from tests.aws.answers import Answer, Answers, refused
from toolkit.aws.advice import AwsAdvisor
from toolkit.aws.doctor import Examination, Patient, examine
from toolkit.aws.doctor_account import QUOTAS
from toolkit.aws.doctor_tools import Tools
from toolkit.engine.advice import OK, PROBLEM, UNKNOWN, WARNING, Finding, SiteFacts
from toolkit.errors import Unavailable, UserError

NOW = 1_795_000_000.0
ZONE = "Z0123456789"
ARN = "arn:aws:acm:us-east-1:123456789012:certificate/0f1e2d3c"
OURS = "d111111abcdef8.cloudfront.net"
FACTS = SiteFacts(
    site="shop",
    hosts=("shop.example.com", "*.example.com"),
    region="eu-west-1",
    hosted_zone_id=ZONE,
    hosted_zone_name="example.com",
)
RECORDS = {
    ("example.com", "NS"): ("ns-1.awsdns-01.org", "ns-2.awsdns-02.com"),
    ("com", "NS"): ("a.gtld-servers.net",),
    ("shop.example.com", "CNAME"): (OURS,),
}
OUTPUTS = {"Bucket": "b", "KeyValueStoreArn": "arn", "DistributionId": "EOURS", "DomainName": OURS}
CERTIFICATE = {
    "CertificateArn": ARN,
    "DomainName": "shop.example.com",
    "SubjectAlternativeNames": ["shop.example.com", "*.example.com"],
    "Status": "ISSUED",
    "NotAfter": datetime.fromtimestamp(NOW + 200 * 86400, UTC),
}


def listed(quantity: int = 1, items: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"IsTruncated": False, "Marker": "", "MaxItems": 100, "Quantity": quantity, "Items": list(items)}


def stack(params: Mapping[str, Any]) -> dict[str, Any]:
    name = params["body"]["StackName"]
    outputs = [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()] if "-site-" in name else []
    return {"Stacks": [{"StackName": name, "StackStatus": "UPDATE_COMPLETE", "Outputs": outputs}]}


def no_stack(params: Mapping[str, Any]) -> Exception:
    return refused("ValidationError", f"Stack with id {params['body']['StackName']} does not exist")


def in_state(status: str) -> Answer:
    return lambda params: {"Stacks": [{**stack(params)["Stacks"][0], "StackStatus": status, "StackStatusReason": "because"}]}


HEALTHY: dict[str, Answer] = {
    "sts.GetCallerIdentity": {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/ada", "UserId": "U"},
    "account.GetRegionOptStatus": {"RegionName": "eu-west-1", "RegionOptStatus": "ENABLED_BY_DEFAULT"},
    "ssm.GetParameter": {"Parameter": {"Value": "21"}},
    "cloudformation.DescribeStacks": stack,
    "cloudformation.DescribeStackResources": {
        "StackResources": [{"ResourceType": "AWS::CertificateManager::Certificate", "PhysicalResourceId": ARN}]
    },
    "route-53.GetHostedZone": {
        "HostedZone": {"Name": "example.com.", "Config": {"PrivateZone": False}},
        "DelegationSet": {"NameServers": ["ns-1.awsdns-01.org", "NS-2.awsdns-02.com."]},
    },
    "acm.DescribeCertificate": {"Certificate": CERTIFICATE},
    "cloudfront.ListDistributions": {
        "DistributionList": listed(1, ({"Id": "EOURS", "DomainName": OURS, "Aliases": {"Items": ["shop.example.com"]}},))
    },
    "cloudfront.ListConflictingAliases": {"ConflictingAliasesList": {"Items": []}},
    "cloudfront.ListFunctions": {"FunctionList": listed(3)},
    "cloudfront.ListKeyValueStores": {"KeyValueStoreList": listed()},
    "cloudfront.ListCachePolicies": {"CachePolicyList": listed()},
    "cloudfront.ListOriginRequestPolicies": {"OriginRequestPolicyList": listed()},
    "cloudfront.ListOriginAccessControls": {"OriginAccessControlList": listed()},
    "service-quotas.ListServiceQuotas": {
        "Quotas": [{"QuotaName": "Cache policies per AWS account", "Value": 40.0}, {"QuotaName": "Other", "Value": 1.0}]
    },
}


class Surgery:
    """A healthy account, DNS and machine; a test makes one thing wrong and looks at the findings on it."""

    def __init__(self) -> None:
        self.aws = Answers(HEALTHY, now=time.time())
        self.records: dict[tuple[str, str], tuple[str, ...] | Exception] = dict(RECORDS)
        self.facts = FACTS
        self.versions = {"aws-cdk-lib": "2.275.0", "awscrt": "0.38.0"}
        self.node = "v22.11.0"
        self.bundle: Exception | bool = True

    def lookup(self, name: str, kind: str) -> tuple[str, ...]:
        found = self.records.get((name, kind), ())
        if isinstance(found, Exception):
            raise found
        return found

    def findings(self) -> list[Finding]:
        tools = Tools(self._bundle, lambda: self.node, lambda name: self.versions.get(name, ""))
        return list(AwsAdvisor(self.facts, tools, connect=self.aws.connect, lookup=self.lookup).doctor())

    def on(self, topic: str) -> list[Finding]:
        return [one for one in self.findings() if one.topic == topic]

    def _bundle(self) -> bool:
        if isinstance(self.bundle, Exception):
            raise self.bundle
        return self.bundle


def no_credentials_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CREDENTIAL_EXPIRATION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


@pytest.fixture
def surgery(monkeypatch: pytest.MonkeyPatch) -> Surgery:
    no_credentials_of_ours(monkeypatch)
    return Surgery()


def test_where_all_is_well_every_finding_says_so(surgery: Surgery) -> None:
    found = surgery.findings()
    assert [one for one in found if one.state != OK] == []
    assert {one.topic for one in found} == {
        "Node.js", "CDK", "awscrt", "bundle", "region", "credentials", "CAA",
        "region opt-in", "bootstrap", "stacks", "zone", "hosts", "certificate", "quotas",
    }  # fmt: skip


def test_nothing_is_changed(surgery: Surgery) -> None:
    surgery.findings()
    assert all(name.split(".")[1].startswith(("Get", "List", "Describe")) for name in surgery.aws.calls)


def test_what_is_global_is_asked_in_us_east_1(surgery: Surgery) -> None:
    surgery.findings()
    where = {tuple(call.split("@")) for call in surgery.aws.calls}
    assert ("acm.DescribeCertificate", "us-east-1") in where and ("ssm.GetParameter", "eu-west-1") in where
    assert {region for name, region in where if name.startswith("service-quotas")} == {"us-east-1"}


def test_before_the_first_up_the_stack_is_not_missed(surgery: Surgery) -> None:
    surgery.aws.said["cloudformation.DescribeStacks"] = no_stack
    surgery.records.pop(("shop.example.com", "CNAME"))
    surgery.aws.said["cloudfront.ListDistributions"] = {"DistributionList": listed(0)}
    assert [one for one in surgery.findings() if one.state != OK] == []
    assert "not there yet" in surgery.on("stacks")[0].what


def test_outside_a_project_the_account_alone_is_looked_at(surgery: Surgery) -> None:
    surgery.facts = SiteFacts(region="eu-west-1")
    assert [one for one in surgery.findings() if one.state != OK] == []
    assert not {"cloudformation.DescribeStacks", "acm.DescribeCertificate"} & {call.split("@")[0] for call in surgery.aws.calls}


WRONG: list[tuple[str, str, str, str, str, Answer]] = [
    # topic, state, in what it says, in its fix, operation, answer
    ("credentials", PROBLEM, "expired", "sso login", "sts.GetCallerIdentity", refused("ExpiredToken", "", 403)),
    ("credentials", PROBLEM, "does not accept", "clock", "sts.GetCallerIdentity", refused("InvalidClientTokenId", "", 403)),
    ("credentials", PROBLEM, "does not answer", "Internet", "sts.GetCallerIdentity", ConnectTimeoutError(endpoint_url="sts")),
    ("root user", WARNING, "root", "role", "sts.GetCallerIdentity", {"Account": "1", "Arn": "arn:aws:iam::1:root", "UserId": "1"}),
    ("region opt-in", PROBLEM, "DISABLED", "enable-region", "account.GetRegionOptStatus", {"RegionOptStatus": "DISABLED"}),
    ("region opt-in", UNKNOWN, "may not", "account:Get", "account.GetRegionOptStatus", refused("AccessDenied", "", 403)),
    ("bootstrap", PROBLEM, "eu-west-1", "bootstrap aws://123456789012/eu-west-1", "ssm.GetParameter", refused("ParameterNotFound")),
    ("bootstrap", PROBLEM, "version 5", "bootstrap", "ssm.GetParameter", {"Parameter": {"Value": "5"}}),
    ("stacks", WARNING, "IN_PROGRESS", "wait", "cloudformation.DescribeStacks", in_state("UPDATE_IN_PROGRESS")),
    ("stacks", PROBLEM, "ROLLBACK_COMPLETE", "delete the stack", "cloudformation.DescribeStacks", in_state("ROLLBACK_COMPLETE")),
    ("stacks", PROBLEM, "because", "events", "cloudformation.DescribeStacks", in_state("UPDATE_ROLLBACK_FAILED")),
    (
        "zone", PROBLEM, "example.org", "hosted_zone_id", "route-53.GetHostedZone",
        {"HostedZone": {"Name": "example.org."}, "DelegationSet": {"NameServers": []}},
    ),
    (
        "zone", PROBLEM, "private", "public", "route-53.GetHostedZone",
        {"HostedZone": {"Name": "example.com.", "Config": {"PrivateZone": True}}, "DelegationSet": {"NameServers": []}},
    ),
    (
        "zone", PROBLEM, "DNS asks ns-1.awsdns-01.org, ns-2.awsdns-02.com", "registrar", "route-53.GetHostedZone",
        {"HostedZone": {"Name": "example.com."}, "DelegationSet": {"NameServers": ["ns-9.awsdns-09.net"]}},
    ),
    (
        "hosts", PROBLEM, "shop.example.com belongs to the distribution EOTHER", "associate-alias --target-distribution-id EOURS",
        "cloudfront.ListDistributions",
        {"DistributionList": listed(1, ({"Id": "EOTHER", "DomainName": "d2", "Aliases": {"Items": ["shop.example.com"]}},))},
    ),
    (
        "hosts", PROBLEM, "****210987", "associate-alias", "cloudfront.ListConflictingAliases",
        {"ConflictingAliasesList": {"Items": [{"Alias": "*.example.com", "DistributionId": "***THER", "AccountId": "****210987"}]}},
    ),
    ("certificate", PROBLEM, "*.example.com", "all hosts", "acm.DescribeCertificate",
     {"Certificate": {**CERTIFICATE, "SubjectAlternativeNames": ["shop.example.com"]}}),
    ("certificate", WARNING, "ends in 3 days", "validation records", "acm.DescribeCertificate",
     lambda _: {"Certificate": {**CERTIFICATE, "NotAfter": datetime.fromtimestamp(time.time() + 3.5 * 86400, UTC)}}),
    ("certificate", PROBLEM, "ends in -2 days", "ACM renews", "acm.DescribeCertificate",
     lambda _: {"Certificate": {**CERTIFICATE, "NotAfter": datetime.fromtimestamp(time.time() - 2 * 86400, UTC)}}),
    ("certificate", PROBLEM, "FAILED (CAA_ERROR)", "up", "acm.DescribeCertificate",
     {"Certificate": {**CERTIFICATE, "Status": "FAILED", "FailureReason": "CAA_ERROR"}}),
    ("quotas", WARNING, "90 of 100 functions", "Service Quotas", "cloudfront.ListFunctions", {"FunctionList": listed(90)}),
    ("quotas", WARNING, "35 of 40 cache", "Service Quotas", "cloudfront.ListCachePolicies", {"CachePolicyList": listed(35)}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("topic", "state", "what", "fix", "operation", "answer"), WRONG, ids=[f"{topic}: {what}" for topic, _, what, *_ in WRONG]
)
def test_what_is_wrong_is_found(
    surgery: Surgery, topic: str, state: str, what: str, fix: str, operation: str, answer: Answer
) -> None:
    surgery.aws.said[operation] = answer
    found = [one for one in surgery.on(topic) if one.state == state]
    assert found and what in found[0].what and fix in found[0].fix, surgery.on(topic)


def test_without_credentials_nothing_else_is_asked(surgery: Surgery) -> None:
    surgery.aws.keys = None
    assert surgery.on("credentials")[0].state == PROBLEM
    assert "bootstrap" in surgery.on("account")[0].what
    assert surgery.aws.calls == []


def test_a_clock_that_is_wrong_is_found_also_where_it_makes_AWS_refuse(surgery: Surgery) -> None:
    surgery.aws.now = time.time() - 1000
    assert surgery.on("clock")[0].state == PROBLEM and "ahead" in surgery.on("clock")[0].what
    surgery.aws.said["sts.GetCallerIdentity"] = refused("SignatureDoesNotMatch", "Signature expired", 403)
    surgery.aws.now = time.time() + 1000
    assert "behind" in surgery.on("clock")[0].what and surgery.on("credentials")[0].state == PROBLEM
    surgery.aws.now = time.time() + 100
    assert surgery.on("clock")[0].state == WARNING


def test_credentials_that_end_soon_are_said(surgery: Surgery, monkeypatch: pytest.MonkeyPatch) -> None:
    surgery.aws.keys = None
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", datetime.fromtimestamp(time.time() + 300, UTC).isoformat())
    assert surgery.on("expiry")[0].state == WARNING and "5 minutes" in surgery.on("expiry")[0].what
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", datetime.fromtimestamp(time.time() + 3000, UTC).isoformat())
    assert surgery.on("expiry") == []


def test_both_regions_are_bootstrapped(surgery: Surgery) -> None:
    assert [one.what for one in surgery.on("bootstrap")] == ["eu-west-1 has version 21", "us-east-1 has version 21"]
    surgery.facts = replace(FACTS, stack="mine")
    assert len(surgery.on("bootstrap")) == 1, "a stack of one's own has its alarms wherever its owner wants them"


def test_a_region_that_is_none(surgery: Surgery) -> None:
    surgery.facts = replace(FACTS, region="eu-wset-1")
    found = surgery.on("region")[0]
    assert (found.state, "eu-west-1" in found.fix) == (PROBLEM, True)
    assert surgery.on("credentials")[0].state == OK, "who asks is known all the same"
    assert surgery.on("account")[0].state == UNKNOWN
    surgery.facts, surgery.aws.region = replace(FACTS, region=""), ""
    assert surgery.on("region")[0].fix.startswith("say it in site.toml")


@pytest.mark.parametrize(
    ("records", "is_fine"),
    [
        ({("example.com", "CAA"): ('0 issue "letsencrypt.org"',)}, False),
        ({("example.com", "CAA"): ('0 issue ";"',)}, False),
        ({("example.com", "CAA"): ('0 issue "letsencrypt.org"', '0 issue "amazonaws.com"')}, True),
        ({("example.com", "CAA"): ('0 issue "amazon.com; policy=ev"', '0 issuewild "letsencrypt.org"')}, False),
        ({("example.com", "CAA"): ('0 iodef "mailto:ca@example.com"',)}, True),
        (
            {("shop.example.com", "CAA"): ('0 issue "amazon.com"',), ("example.com", "CAA"): ('0 issuewild "amazontrust.com"',)},
            True,
        ),
        ({("com", "CAA"): ('0 issue "letsencrypt.org"',)}, False),
    ],
)
def test_caa_records(surgery: Surgery, records: dict[tuple[str, str], tuple[str, ...]], is_fine: bool) -> None:
    surgery.records.update(records)
    found = surgery.on("CAA")
    assert [one.state for one in found if one.state != OK] == [] if is_fine else found[0].state == PROBLEM
    assert is_fine or "CAA 0 issue" in found[0].fix


def test_a_certificate_that_waits_names_the_records_that_are_missing(surgery: Surgery) -> None:
    record = {"Name": "_a.shop.example.com.", "Type": "CNAME", "Value": "_b.acm-validations.aws."}
    waiting = {**CERTIFICATE, "Status": "PENDING_VALIDATION", "DomainValidationOptions": [{"ResourceRecord": record}]}
    surgery.aws.said["acm.DescribeCertificate"] = {"Certificate": waiting}
    found = surgery.on("certificate")[0]
    assert (found.state, "_a.shop.example.com. CNAME _b.acm-validations.aws." in found.fix) == (PROBLEM, True)
    surgery.records["_a.shop.example.com", "CNAME"] = ("_b.acm-validations.aws",)
    assert surgery.on("certificate")[0].state == WARNING


def test_a_host_that_DNS_leads_to_somebody_else(surgery: Surgery) -> None:
    surgery.records["shop.example.com", "CNAME"] = ("d999.cloudfront.net",)
    assert "d999.cloudfront.net" in surgery.on("hosts")[0].what and surgery.on("hosts")[0].state == PROBLEM


def test_hosts_without_a_zone(surgery: Surgery) -> None:
    surgery.facts = replace(FACTS, hosted_zone_id="", hosted_zone_name="")
    assert "by hand at ns-1.awsdns-01.org" in surgery.on("DNS")[0].what
    del surgery.records["example.com", "NS"]
    assert surgery.on("DNS")[0].state == PROBLEM, "that the top-level domain answers is not enough"


def test_DNS_that_does_not_answer_is_no_verdict(surgery: Surgery) -> None:
    surgery.records["example.com", "CAA"] = Unavailable("DNS did not say the CAA records of example.com")
    assert [one.state for one in surgery.on("CAA")] == [UNKNOWN]


@pytest.mark.parametrize("what", QUOTAS)
def test_a_new_site_that_does_not_fit(surgery: Surgery, what: str) -> None:
    surgery.aws.said["cloudformation.DescribeStacks"] = no_stack
    surgery.aws.said["service-quotas.ListServiceQuotas"] = refused("AccessDeniedException", "", 403)
    operation = "".join(part.title() for part in QUOTAS[what][2].split("_"))
    reply = HEALTHY[f"cloudfront.{operation}"]
    assert isinstance(reply, dict)
    surgery.aws.said[f"cloudfront.{operation}"] = {name: {**value, "Quantity": QUOTAS[what][1]} for name, value in reply.items()}
    found = surgery.on("quotas")[0]
    assert (found.state, what in found.what) == (PROBLEM, True)


def test_a_site_that_is_there_already_fits(surgery: Surgery) -> None:
    surgery.aws.said["cloudfront.ListFunctions"] = {"FunctionList": listed(100)}
    assert [one.state for one in surgery.on("quotas")] == [WARNING, OK]


@pytest.mark.parametrize(
    ("topic", "state", "change"),
    [
        ("Node.js", PROBLEM, {"node": ""}),
        ("Node.js", PROBLEM, {"node": "v18.20.1"}),
        ("Node.js", WARNING, {"node": "v20.20.2"}),
        ("CDK", PROBLEM, {"versions": {"awscrt": "1"}}),
        ("CDK", PROBLEM, {"versions": {"aws-cdk-lib": "2.99.1"}}),
        ("awscrt", PROBLEM, {"versions": {"aws-cdk-lib": "2.275.0"}}),
        ("bundle", PROBLEM, {"bundle": UserError("the bundle is not there", "mend it")}),
    ],
)
def test_tools_of_this_machine(surgery: Surgery, topic: str, state: str, change: dict[str, Any]) -> None:
    for name, value in change.items():
        setattr(surgery, name, value)
    assert [one.state for one in surgery.on(topic)] == [state]
    assert surgery.on(topic)[0].fix


def test_a_bundle_that_up_will_make_is_no_fault(surgery: Surgery) -> None:
    surgery.bundle = False
    (found,) = surgery.on("bundle")
    assert found.state == OK and "toolkit up" in found.what


def test_who_does_not_answer_keeps_nobody_waiting() -> None:
    stop = threading.Event()

    def hangs(patient: Patient) -> list[Finding]:
        stop.wait(20)
        return []

    def fails(patient: Patient) -> list[Finding]:
        raise ZeroDivisionError("ours")

    def answers(patient: Patient) -> list[Finding]:
        return [Finding("", OK, "here")]

    patient = Patient(SiteFacts(), Answers({}).connect, lambda name, kind: ())
    began = time.monotonic()
    rounds = [Examination("slow", hangs), Examination("broken", fails), Examination("good", answers)]
    found = examine(patient, rounds, [], seconds=0.2)
    stop.set()
    assert time.monotonic() - began < 2
    assert [(one.topic, one.state) for one in found] == [("slow", UNKNOWN), ("broken", UNKNOWN), ("good", OK)]
    assert all(one.fix for one in found if one.state != OK)
