"""`up` and `diff` in an account: order, parameters, files, what is asked first, and what a failure says."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.aws import assemblies
from tests.aws.account import DOMAIN, OUTPUTS, REGION, FakeAccount, assets_bucket
from tests.aws.conftest import Cli, said
from tests.cdk import bundles
from tests.conftest import require_tool

SITE, ALARMS, CERTIFICATE = "toolkit-site-blog", "toolkit-alarms-blog", "toolkit-certificate-blog"


@pytest.fixture(autouse=True)
def bootstrapped(account: FakeAccount) -> None:
    account.bootstrap()


def replaced(account: FakeAccount) -> None:
    """A new template, in which the route store has another name."""
    account.templates[SITE]["Resources"]["Store"]["Properties"]["Name"] = "other"


def test_the_stacks_follow_each_other(cli: Cli, account: FakeAccount) -> None:
    outcome = cli("up", "--json")
    assert outcome.code == 0, outcome.out + outcome.err
    assert outcome.data["url"] == f"https://{DOMAIN}/" and outcome.data["region"] == REGION
    assert [(it["stack"], it["region"], it["new"], it["changed"]) for it in outcome.data["stacks"]] == [
        (SITE, "eu-west-1", True, 3),
        (ALARMS, "us-east-1", True, 1),
    ]
    alarms = account.cloudformation("us-east-1").stacks[ALARMS]
    assert alarms.status == "CREATE_COMPLETE" and alarms.parameters == {"DistributionId": "E123EXAMPLE"}
    assert account.cloudformation().stacks[SITE].tags == alarms.tags == {"toolkit:site": "blog", "toolkit:region": "eu-west-1"}


def test_a_certificate_comes_first_and_its_arn_goes_on(cli: Cli, account: FakeAccount, project: Path) -> None:
    (project / "site.toml").write_text('name = "blog"\ntarget = "aws"\nhosts = ["www.example.com"]\n')
    account.templates = assemblies.templates(hosts=True)
    arn = "arn:aws:acm:us-east-1:123456789012:certificate/1"
    account.cloudformation("us-east-1").outputs[CERTIFICATE] = {"CertificateArn": arn}
    account.cloudformation().outputs[SITE] |= {"Records": "www.example.com CNAME one; example.com ALIAS two"}
    outcome = cli("up", "--json")
    assert [it["stack"] for it in outcome.data["stacks"]] == [CERTIFICATE, SITE, ALARMS]
    assert account.cloudformation().stacks[SITE].parameters == {"CertificateArn": arn}
    assert outcome.data["url"] == "https://www.example.com/"
    assert outcome.data["records"] == ["www.example.com CNAME one", "example.com ALIAS two"]
    assert "DNS records to make, where the DNS of these names is:\n  www.example.com CNAME one\n" in cli("up").out


def test_the_certificate_s_records_are_told_while_it_waits(cli: Cli, account: FakeAccount, project: Path) -> None:
    account.templates = assemblies.templates(hosts=True)
    acm = account.connect("us-east-1", "").client("acm")
    arn = acm.request_certificate(DomainName="www.example.com", ValidationMethod="DNS")["CertificateArn"]
    account.cloudformation("us-east-1").physical["Certificate"] = arn
    account.cloudformation("us-east-1").outputs[CERTIFICATE] = {"CertificateArn": arn}
    outcome = cli("up")
    assert outcome.code == 0
    assert outcome.err.count("the certificate waits for these DNS records:") == 1
    record = acm.describe_certificate(CertificateArn=arn)["Certificate"]["DomainValidationOptions"][0]["ResourceRecord"]
    assert f"{record['Name']}  CNAME  {record['Value']}" in outcome.err


def test_files_are_sent_once_and_as_the_same_bytes(cli: Cli, account: FakeAccount) -> None:
    account.files = {"index.py": b"pass\n", "data": b"x"}
    assert cli("up", "--json").data["sent"]["files"] == 3
    client = account.connect(REGION, "").client("s3")
    first = client.get_object(Bucket=assets_bucket(), Key="code.zip")["Body"].read()
    assert zipfile.ZipFile(io.BytesIO(first)).namelist() == ["data", "index.py"]
    assert cli("up", "--json").data["sent"] == {"files": 0, "bytes": 0}
    client.delete_object(Bucket=assets_bucket(), Key="code.zip")
    assert cli("up", "--json").data["sent"]["files"] == 1
    assert client.get_object(Bucket=assets_bucket(), Key="code.zip")["Body"].read() == first


def test_people_see_resources_done_and_what_comes_next(cli: Cli, account: FakeAccount) -> None:
    outcome = cli("up")
    assert f"{SITE}: 3 of 3 resources done" in outcome.err and f"{ALARMS}: 1 of 1 resources done" in outcome.err
    assert "blog is set up in account 123456789012, region eu-west-1" in outcome.out
    assert f"https://{DOMAIN}/" in outcome.out and "toolkit deploy dist/" in outcome.out


def test_a_second_time_changes_nothing(cli: Cli, account: FakeAccount) -> None:
    assert cli("up").code == 0
    before = account.cloudformation().calls.count("ExecuteChangeSet")
    outcome = cli("up", "--json")
    assert [it["changed"] for it in outcome.data["stacks"]] == [0, 0]
    assert account.cloudformation().calls.count("ExecuteChangeSet") == before
    assert account.cloudformation().calls.count("DeleteChangeSet") == 1, "an empty change set is taken away"


def test_what_holds_data_is_replaced_only_when_somebody_says_so(cli: Cli, account: FakeAccount) -> None:
    assert cli("up").code == 0
    replaced(account)
    outcome = cli("up")
    assert outcome.code == 1
    assert "replace  AWS::CloudFront::KeyValueStore  Store  Name" in outcome.out
    assert "toolkit-site-blog: 1 of these hold data that goes with them. Go on? Nobody is there to ask" in outcome.err
    assert account.cloudformation().stacks[SITE].template["Resources"]["Store"]["Properties"] == {"Name": "store"}
    assert account.cloudformation().calls.count("DeleteChangeSet") == 1
    assert cli("up", "--yes").code == 0
    assert account.cloudformation().stacks[SITE].template["Resources"]["Store"]["Properties"] == {"Name": "other"}


def test_a_lost_bucket_is_asked_about_and_an_alarm_is_not(cli: Cli, account: FakeAccount) -> None:
    assert cli("up").code == 0
    account.templates[ALARMS]["Resources"]["Other"] = account.templates[ALARMS]["Resources"].pop("Alarm")
    assert cli("up").code == 0
    del account.templates[SITE]["Resources"]["Bucket"]
    outcome = cli("up")
    assert outcome.code == 1 and "remove  AWS::S3::Bucket  Bucket" in outcome.out


def test_a_failure_names_the_resource_the_reason_and_what_to_do(cli: Cli, account: FakeAccount) -> None:
    account.cloudformation().failures["Distribution"] = "One or more of the CNAMEs you provided (CNAMEAlreadyExists)"
    error = said(cli("up", "--json"))
    assert error["what"] == (
        "the stack toolkit-site-blog in eu-west-1: Distribution (AWS::CloudFront::Distribution) failed: "
        "One or more of the CNAMEs you provided (CNAMEAlreadyExists)"
    )
    assert "take the host away from the other distribution" in str(error["fix"])
    assert ALARMS not in account.cloudformation("us-east-1").stacks, "what comes after it is not tried"
    account.cloudformation().failures.clear()
    outcome = cli("up")
    assert outcome.code == 0, outcome.err
    assert account.cloudformation().stacks[SITE].status == "CREATE_COMPLETE"
    assert len(account.cloudformation().gone) == 1, "the one that failed was cleared away"


def test_an_update_that_fails_leaves_the_stack_as_it_was(cli: Cli, account: FakeAccount) -> None:
    assert cli("up").code == 0
    account.templates[SITE]["Resources"]["Distribution"]["Properties"]["Comment"] = "other"
    account.cloudformation().failures["Distribution"] = "User is not authorized to perform cloudfront:UpdateDistribution"
    error = said(cli("up", "--json"))
    assert "toolkit permissions up" in str(error["fix"])
    assert account.cloudformation().stacks[SITE].status == "UPDATE_ROLLBACK_COMPLETE"
    account.cloudformation().failures.clear()
    account.cloudformation().stacks[SITE].template["Resources"]["Distribution"]["Properties"]["Comment"] = "blog"
    assert cli("up").code == 0


def test_an_operation_under_way_is_waited_for(cli: Cli, account: FakeAccount) -> None:
    assert cli("up").code == 0
    stack = account.cloudformation().stacks[SITE]
    stack.status = "UPDATE_IN_PROGRESS"
    # Each look takes it one further.
    stack.work = [("Bucket", "AWS::S3::Bucket", "UPDATE_COMPLETE", "")] * 5 + [("", "", "UPDATE_COMPLETE", "")]
    assert "an operation is under way on the stack toolkit-site-blog" in cli("diff").err
    outcome = cli("up")
    assert outcome.code == 0 and stack.status == "UPDATE_COMPLETE"
    assert f"{SITE}: waiting for the operation that is under way (UPDATE_IN_PROGRESS)" in outcome.err


@pytest.mark.parametrize(
    ("operation", "code", "text"),
    [
        ("CreateChangeSet", "ValidationError", "Stack:arn is in UPDATE_IN_PROGRESS state and can not be updated."),
        ("ExecuteChangeSet", "InvalidChangeSetStatus", "ChangeSet cannot be executed in its current status [OBSOLETE]"),
    ],
)
def test_who_comes_second_hears_of_the_first(cli: Cli, account: FakeAccount, operation: str, code: str, text: str) -> None:
    account.cloudformation().denied[operation] = (code, text)
    error = said(cli("up", "--json"))
    assert text in str(error["what"]) and error["fix"] == "somebody else is changing it: run the command again, it waits for them"


def test_what_is_refused_was_not_put_back(cli: Cli, account: FakeAccount) -> None:
    account.cloudformation().denied["CreateChangeSet"] = ("ValidationError", "Template format error: unsupported structure.")
    assert said(cli("up", "--json"))["fix"] == "mend it and run the command again: nothing was changed"


def test_a_stack_that_could_not_go_back_is_for_a_person(cli: Cli, account: FakeAccount) -> None:
    assert cli("up").code == 0
    account.cloudformation().stacks[SITE].status = "UPDATE_ROLLBACK_FAILED"
    error = said(cli("up", "--json"))
    assert "UPDATE_ROLLBACK_FAILED" in str(error["what"]) and "Continue update rollback" in str(error["fix"])


def test_ctrl_c_says_what_goes_on(cli: Cli, account: FakeAccount) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    account.cloudformation().events["DescribeStackEvents"] = interrupt
    outcome = cli("up")
    assert outcome.code == 130
    assert "CloudFormation goes on with toolkit-site-blog in eu-west-1" in outcome.err


def test_the_bootstrap_s_roles_are_used_where_they_may_be(cli: Cli, account: FakeAccount) -> None:
    assert cli("up").code == 0
    made = [it for it in account.cloudformation().requests if it.get("Action") == "CreateChangeSet"]
    assert made[0]["RoleARN"] == "arn:aws:iam::123456789012:role/cdk-hnb659fds-exec-role-123456789012-eu-west-1"


def test_else_one_s_own_credentials_are(cli: Cli, account: FakeAccount) -> None:
    account.no_roles = True
    assert cli("up").code == 0
    made = [it for it in account.cloudformation().requests if it.get("Action") == "CreateChangeSet"]
    assert "RoleARN" not in made[0]


@pytest.mark.parametrize("region", [REGION, "us-east-1"])
def test_without_the_bootstrap_nothing_is_begun(cli: Cli, account: FakeAccount, region: str) -> None:
    account.connect(region, "").client("ssm").delete_parameter(Name="/cdk-bootstrap/hnb659fds/version")
    error = said(cli("up", "--json"))
    assert error["what"] == f"account 123456789012, region {region}, is not bootstrapped for the CDK"
    assert f"npx aws-cdk@2 bootstrap aws://123456789012/{region}" in str(error["fix"])
    assert "CreateChangeSet" not in account.cloudformation().calls


def test_an_old_bootstrap_is_named(cli: Cli, account: FakeAccount) -> None:
    account.connect(REGION, "").client("ssm").put_parameter(
        Name="/cdk-bootstrap/hnb659fds/version", Value="5", Type="String", Overwrite=True
    )
    assert "bootstrap has version 5, 6 is needed" in str(said(cli("up", "--json"))["what"])


def test_what_is_for_this_machine_is_refused(cli: Cli) -> None:
    for flags in (("--port", "8080"), ("--no-serve",), ("--branch", "x"), ("--address", "::1")):
        outcome = cli("up", *flags)
        assert outcome.code == 2 and f"{flags[0]} is for a server" in outcome.err
    assert cli("diff", "--target", "local").code == 2


def test_a_stack_that_is_another_s_is_left_as_it_is(cli: Cli, project: Path, account: FakeAccount) -> None:
    account.cloudformation().put(SITE, {}, toolkit_site="other")
    for verb in ("up", "diff"):
        assert "was not made by this command: its tag toolkit:site is other" in str(said(cli(verb, "--json"))["what"])
    del account.cloudformation().stacks[SITE]
    assert cli("up").code == 0
    (project / "site.toml").write_text('name = "blog"\ntarget = "aws"\n[aws]\nregion = "us-west-2"\n')
    account.bootstrap(home="us-west-2")
    assert "belongs to the site blog in eu-west-1, not in us-west-2" in str(said(cli("up", "--json"))["what"])
    assert account.cloudformation("us-west-2").stacks == {}


def test_a_stack_of_somebody_s_own_is_left_alone(cli: Cli, project: Path, account: FakeAccount) -> None:
    (project / "site.toml").write_text('name = "blog"\ntarget = "aws"\n[aws]\nstack = "ours"\n')
    for verb in ("up", "diff", "destroy"):
        outcome = cli(verb)
        assert outcome.code == 1 and "is part of the stack ours, which is your own" in outcome.err


def test_diff_of_a_new_site_leaves_no_empty_stack(cli: Cli, account: FakeAccount) -> None:
    outcome = cli("diff")
    assert outcome.code == 0 and "4 resources would change" in outcome.out
    assert "toolkit-site-blog in eu-west-1 (new)" in outcome.out
    assert account.cloudformation().stacks == {} and "CreateChangeSet" not in account.cloudformation().calls
    assert cli("diff", "--fail").code == 1


def test_diff_shows_what_up_would_do_and_does_nothing(cli: Cli, account: FakeAccount) -> None:
    assert cli("up").code == 0
    assert cli("diff", "--fail").out.strip() == "nothing would change"
    replaced(account)
    outcome = cli("diff", "--json")
    (change,) = outcome.data["stacks"][0]["changes"]
    assert (change["action"], change["name"], change["replaced"], change["because"]) == ("modify", "Store", "yes", ["Name"])
    assert "1 of them hold data" in cli("diff").err
    assert account.cloudformation().stacks[SITE].status == "CREATE_COMPLETE"
    assert account.cloudformation().calls.count("ExecuteChangeSet") == 1
    assert cli("diff", "--fail").code == 1


def test_a_synth_writes_what_the_other_tests_write_by_hand(
    cli: Cli, account: FakeAccount, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_tool("node", "the CDK runs in it")
    monkeypatch.setenv("TOOLKIT_BUNDLE", str(bundles.stand_in(tmp_path / "bundle")))
    outputs = {"RequestFunction": "request", "ResponseFunction": "response", **OUTPUTS}
    account.cloudformation().outputs[SITE] = outputs
    outcome = cli("up", "--json", ways=replace(account.ways, synthesise=None))
    assert outcome.code == 0, outcome.out + outcome.err
    assert [it["stack"] for it in outcome.data["stacks"]] == [SITE, ALARMS]
    resources = account.cloudformation().stacks[SITE].template["Resources"].values()
    assert {"AWS::S3::Bucket", "AWS::CloudFront::KeyValueStore"} <= {it["Type"] for it in resources}
    alarms = account.cloudformation("us-east-1").stacks[ALARMS]
    assert set(alarms.parameters) == {"DistributionId", "RequestFunction", "ResponseFunction"}


def test_what_the_stacks_cannot_be_is_said_as_ever(
    cli: Cli, account: FakeAccount, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_tool("node", "the CDK runs in it")
    monkeypatch.setenv("TOOLKIT_BUNDLE", str(bundles.stand_in(tmp_path / "bundle")))
    (project / "site.toml").write_text('name = "blog"\ntarget = "aws"\n[aws]\nhosted_zone_id = "Z1"\n')
    error = said(cli("up", "--json", ways=replace(account.ways, synthesise=None)))
    assert error["what"] == "a hosted zone needs hosted_zone_id and hosted_zone_name"
