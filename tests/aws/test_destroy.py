"""`destroy` in an account: what is asked and refused first, and that nothing is left, or named."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.aws.account import BUCKET, DOMAIN, REGION, FakeAccount
from tests.aws.conftest import Cli, said
from tests.aws.support import no_sleep
from toolkit.aws.objects import S3Objects
from toolkit.engine import leases

SITE, ALARMS = "toolkit-site-blog", "toolkit-alarms-blog"
LOGS = "toolkit-site-blog-logs"


@pytest.fixture(autouse=True)
def site(account: FakeAccount, cli: Cli) -> None:
    """A site that is set up, with a release and some logs."""
    account.bootstrap()
    account.templates[SITE]["Resources"]["Logs"] = {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"}
    account.cloudformation().physical.update({"Bucket": BUCKET, "Logs": LOGS, "Store": "store"})
    client = account.connect(REGION, "").client("s3")
    for name in (BUCKET, LOGS, "of-somebody-else"):
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        client.put_object(Bucket=name, Key="edge/log", Body=b"x")
    account.connect(REGION, "").client("cloudfront").create_key_value_store(Name="store")
    assert cli("up").code == 0
    assert cli("deploy", "dist").code == 0


def buckets(account: FakeAccount) -> list[str]:
    found = account.connect(REGION, "").client("s3").list_buckets()["Buckets"]
    return sorted(it["Name"] for it in found if not it["Name"].startswith("cdk-"))


def stores(account: FakeAccount) -> bool:
    try:
        account.connect(REGION, "").client("cloudfront").describe_key_value_store(Name="store")
    except ClientError:
        return False
    return True


def development(account: FakeAccount) -> None:
    """Stacks that take their buckets with them, as AWS does: not while something is in them."""
    for it in account.cloudformation().stacks[SITE].template["Resources"].values():
        it.pop("DeletionPolicy", None)
    client = account.connect(REGION, "").client("s3")

    def delete(kind: str, name: str) -> str:
        if kind != "AWS::S3::Bucket":
            return ""
        try:
            client.delete_bucket(Bucket=name)
        except ClientError:
            return "The bucket you tried to delete is not empty"
        return ""

    account.cloudformation().undeletable = delete


def test_nothing_is_left_and_nothing_else_is_touched(cli: Cli, account: FakeAccount) -> None:
    outcome = cli("destroy", "--yes", "--json")
    assert outcome.code == 0, outcome.out + outcome.err
    assert outcome.data["stacks"] == [ALARMS, SITE] and outcome.data["left"] == []
    assert outcome.data["hosts"] == [DOMAIN] and outcome.data["objects"] > 3
    assert {it["name"] for it in outcome.data["holdings"]} == {BUCKET, LOGS, "store"}
    assert account.cloudformation().stacks == {} and account.cloudformation("us-east-1").stacks == {}
    assert buckets(account) == ["of-somebody-else"] and not stores(account)
    assert account.store.pairs == {}
    again = cli("destroy", "--yes")
    assert again.code == 1 and "there is nothing of the site blog in account 123456789012, eu-west-1" in again.err


def test_it_asks_for_the_site_s_name(cli: Cli, account: FakeAccount) -> None:
    outcome = cli("destroy")
    assert outcome.code == 1 and "Nobody is there to ask" in outcome.err
    assert LOGS in outcome.err and SITE in outcome.err, "it says first what would go"
    assert SITE in account.cloudformation().stacks and account.store.pairs


def test_buckets_that_go_with_their_stack_are_emptied_first(cli: Cli, account: FakeAccount) -> None:
    development(account)
    assert cli("destroy", "--yes", "--json").data["left"] == []
    assert buckets(account) == ["of-somebody-else"]


def test_logs_that_come_in_meanwhile_are_taken_away_too(cli: Cli, account: FakeAccount) -> None:
    development(account)
    client = account.connect(REGION, "").client("s3")
    late = iter([True])

    def write() -> None:
        if next(late, False):
            client.put_object(Bucket=LOGS, Key="edge/late", Body=b"x")

    account.cloudformation().events["DeleteStack"] = write
    outcome = cli("destroy", "--yes")
    assert outcome.code == 0, outcome.err
    assert account.cloudformation().calls.count("DeleteStack") == 2
    assert buckets(account) == ["of-somebody-else"]


# --- pipelines
UPLOADS, ARTIFACTS = "toolkit-site-blog-uploads", "toolkit-site-blog-artifacts"


@pytest.fixture
def pipelines(account: FakeAccount, cli: Cli) -> None:
    """Zips in a bucket that keeps versions and outlives the stack, and what pipelines hand on in one that goes with it."""
    resources = account.templates[SITE]["Resources"]
    resources["Uploads"] = {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"}
    resources["Artifacts"] = {"Type": "AWS::S3::Bucket"}
    account.cloudformation().physical.update({"Uploads": UPLOADS, "Artifacts": ARTIFACTS})
    account.cloudformation().outputs[SITE] |= {"UploadBucket": UPLOADS, "UploadPrefix": "uploads/"}
    client = account.connect(REGION, "").client("s3")
    for name in (UPLOADS, ARTIFACTS):
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    client.put_bucket_versioning(Bucket=UPLOADS, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        client.put_object(Bucket=UPLOADS, Key="uploads/site.zip", Body=body)
    client.delete_object(Bucket=UPLOADS, Key="uploads/site.zip")
    client.put_object(Bucket=ARTIFACTS, Key="toolkit-site-blog-li/LiveSource/a1b2c3d", Body=b"x")
    assert cli("up").code == 0


def not_while_something_is_in_it(account: FakeAccount) -> None:
    client = account.connect(REGION, "").client("s3")

    def delete(kind: str, name: str) -> str:
        if name != ARTIFACTS:
            return ""
        try:
            client.delete_bucket(Bucket=name)
        except ClientError:
            return "The bucket you tried to delete is not empty"
        return ""

    account.cloudformation().undeletable = delete


@pytest.mark.usefixtures("pipelines")
def test_zips_with_all_their_versions_and_artifacts_go_too(cli: Cli, account: FakeAccount) -> None:
    not_while_something_is_in_it(account)
    outcome = cli("destroy", "--yes", "--json")
    assert outcome.code == 0, outcome.err
    assert {UPLOADS, ARTIFACTS} <= {it["name"] for it in outcome.data["holdings"]}
    assert outcome.data["left"] == [] and outcome.data["kept"] == []
    assert buckets(account) == ["of-somebody-else"]


@pytest.mark.usefixtures("pipelines")
def test_what_a_build_hands_on_meanwhile_is_taken_away_too(cli: Cli, account: FakeAccount) -> None:
    not_while_something_is_in_it(account)
    client = account.connect(REGION, "").client("s3")
    late = iter([True])

    def write() -> None:
        if next(late, False):
            client.put_object(Bucket=ARTIFACTS, Key="toolkit-site-blog-li/LiveSite/d4e5f6a", Body=b"x")

    account.cloudformation().events["DeleteStack"] = write
    outcome = cli("destroy", "--yes")
    assert outcome.code == 0, outcome.err
    assert buckets(account) == ["of-somebody-else"]


def test_an_upload_bucket_of_one_s_own_is_left_alone_and_said(cli: Cli, account: FakeAccount) -> None:
    account.cloudformation().stacks[SITE].outputs |= {"UploadBucket": "of-somebody-else", "UploadPrefix": "zips/"}
    outcome = cli("destroy", "--yes")
    assert outcome.code == 0, outcome.err
    assert "kept  s3://of-somebody-else/zips/: the bucket of uploads is your own" in outcome.out
    assert "nothing of it is left there but that" in outcome.out
    client = account.connect(REGION, "").client("s3")
    assert client.get_object(Bucket="of-somebody-else", Key="edge/log")["Body"].read() == b"x"


@pytest.mark.parametrize(
    "dns",
    [
        {("www.example.com", "CNAME"): (DOMAIN,), ("www.example.com", "A"): ("192.0.2.1",)},
        {("www.example.com", "A"): ("192.0.2.1", "192.0.2.2"), (DOMAIN, "A"): ("192.0.2.2",)},
    ],
    ids=["CNAME", "ALIAS"],
)
def test_while_dns_leads_here_it_refuses(
    cli: Cli, account: FakeAccount, project: Path, dns: dict[tuple[str, str], tuple[str, ...]]
) -> None:
    (project / "site.toml").write_text('name = "blog"\ntarget = "aws"\nhosts = ["www.example.com", "gone.example.com"]\n')
    account.dns = dns
    error = said(cli("destroy", "--yes", "--json"))
    assert error["what"] == "the DNS of www.example.com still leads to this site"
    assert "--force" in str(error["fix"]) and account.store.pairs
    assert cli("destroy", "--yes", "--force").code == 0


def test_when_dns_does_not_answer_it_refuses_too(cli: Cli, account: FakeAccount, project: Path) -> None:
    (project / "site.toml").write_text('name = "blog"\ntarget = "aws"\nhosts = ["www.example.com"]\n')
    account.dns = {("www.example.com", "A"): ("?",)}
    assert "DNS does not say whether www.example.com still leads" in str(said(cli("destroy", "--yes", "--json"))["what"])


def test_other_addresses_and_the_stack_s_own_records_are_no_reason(cli: Cli, account: FakeAccount, project: Path) -> None:
    (project / "site.toml").write_text('name = "blog"\ntarget = "aws"\nhosts = ["www.example.com", "own.example.com"]\n')
    account.dns = {("www.example.com", "A"): ("192.0.2.1",), ("own.example.com", "CNAME"): (DOMAIN,), (DOMAIN, "A"): ("192.0.2.9",)}
    records = account.cloudformation().stacks[SITE].resources
    records["Record"] = ("AWS::Route53::RecordSet", "own.example.com", "CREATE_COMPLETE")
    assert cli("destroy", "--yes").code == 0


def test_a_deploy_under_way_is_not_cut_off(cli: Cli, account: FakeAccount) -> None:
    objects = S3Objects(account.connect(REGION, ""), BUCKET)
    with leases.deploying(objects, "blog", sleep=no_sleep):
        outcome = cli("destroy", "--yes")
    assert outcome.code == 1 and "a deploy of blog" in outcome.err
    assert SITE in account.cloudformation().stacks


def test_what_an_earlier_attempt_left_is_found(cli: Cli, account: FakeAccount) -> None:
    session = account.connect(REGION, "")
    for region, stack in ((("us-east-1"), ALARMS), (REGION, SITE)):
        session.client("cloudformation", region_name=region).delete_stack(StackName=stack)
        fake = account.cloudformation(region)
        while stack in fake.stacks:
            session.client("cloudformation", region_name=region).describe_stacks(StackName=stack)
    assert LOGS in buckets(account)
    outcome = cli("destroy", "--yes", "--json")
    assert outcome.code == 0 and outcome.data["stacks"] == [] and outcome.data["left"] == []
    assert buckets(account) == ["of-somebody-else"] and not stores(account)


def test_a_stack_that_is_not_this_site_s_is_refused(cli: Cli, account: FakeAccount) -> None:
    account.cloudformation().stacks[SITE].tags = {}
    error = said(cli("destroy", "--yes", "--json"))
    assert "was not made by this command: its tag toolkit:site is missing" in str(error["what"])
    assert account.store.pairs


def test_a_site_of_the_same_name_in_another_region_keeps_its_alarms(cli: Cli, account: FakeAccount, project: Path) -> None:
    (project / "site.toml").write_text('name = "blog"\ntarget = "aws"\n[aws]\nregion = "us-west-2"\n')
    error = said(cli("destroy", "--yes", "--json"))
    assert error["what"] == "the stack toolkit-alarms-blog in us-east-1 belongs to the site blog in eu-west-1, not in us-west-2"
    assert '[aws] region = "eu-west-1"' in str(error["fix"])
    assert ALARMS in account.cloudformation("us-east-1").stacks


def test_a_stack_that_was_never_begun_is_taken_away(cli: Cli, account: FakeAccount) -> None:
    """What an `up` leaves that was ended between a change set and its execution: an empty stack, which has no tags yet."""
    stack = account.cloudformation("us-east-1").stacks[ALARMS]
    stack.status, stack.tags, stack.resources = "REVIEW_IN_PROGRESS", {}, {}
    assert cli("destroy", "--yes", "--json").data["left"] == []


def test_what_somebody_else_s_stack_of_that_name_left_is_not_touched(cli: Cli, account: FakeAccount) -> None:
    gone = account.cloudformation().put(SITE + "-old", {}, "DELETE_COMPLETE", team="sales")
    gone.name, gone.resources = SITE, {"Data": ("AWS::S3::Bucket", "of-somebody-else", "DELETE_SKIPPED")}
    del account.cloudformation().stacks[SITE + "-old"]
    account.cloudformation().gone.append(gone)
    assert cli("destroy", "--yes", "--json").code == 0
    assert buckets(account) == ["of-somebody-else"]


def test_what_cannot_be_deleted_is_named(cli: Cli, account: FakeAccount) -> None:
    account.cloudformation().undeletable = lambda kind, name: "it is in use" if kind.endswith("Distribution") else ""
    error = said(cli("destroy", "--yes", "--json"))
    assert "Distribution (AWS::CloudFront::Distribution) failed: it is in use" in str(error["what"])
