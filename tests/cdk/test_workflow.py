"""`ReleaseWorkflow` as a whole: what stands beside the machine, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cdk.templates import Template, text
from toolkit.errors import UserError

FUNCTION_ARN = "${%s.Arn}"


def machine(template: Template, name: str) -> dict[str, Any]:
    properties: dict[str, Any] = text(template.properties("AWS::StepFunctions::StateMachine", name))
    return properties


def named(template: Template, kind: str, within: str) -> str:
    (found,) = [name for name in template.ids(kind) if name.startswith(within)]
    return found


def test_every_name_in_a_definition_is_filled_in(templates: dict[str, Template]) -> None:
    for name in ("plain", "full", "bare"):
        for logical_id in ("ReleaseMachine", "ReleaseWatchMachine"):
            made = machine(templates[name], logical_id)
            used = {part.split("}")[0] for part in made["DefinitionString"].split("${")[1:]} - {"AWS::Partition"}
            assert used <= set(made["DefinitionSubstitutions"]), (name, logical_id)


def test_steps_are_the_functions_of_their_names(plain: Template) -> None:
    release = machine(plain, "ReleaseMachine")["DefinitionSubstitutions"]
    for step in ("Publish", "Verify", "Flip"):
        assert release[step] == FUNCTION_ARN % named(plain, "AWS::Lambda::Function", f"Release{step}Function")
    notify = FUNCTION_ARN % named(plain, "AWS::Lambda::Function", "ReleaseNotificationsNotifyFunction")
    assert release["Notify"] == notify
    assert release["PublishLarge"] == f"${{{named(plain, 'AWS::CodeBuild::Project', 'ReleaseLarge')}}}"
    assert release["WatchMachine"] == "${ReleaseWatchMachine1C1EDD36}"
    watch = machine(plain, "ReleaseWatchMachine")["DefinitionSubstitutions"]
    assert watch == {"Watch": FUNCTION_ARN % named(plain, "AWS::Lambda::Function", "ReleaseWatchFunction"), "Notify": notify}


def test_machines_keep_all_that_happens(plain: Template) -> None:
    for logical_id in ("ReleaseMachine", "ReleaseWatchMachine"):
        made = machine(plain, logical_id)
        assert made["StateMachineType"] == "STANDARD"
        assert made["TracingConfiguration"] == {"Enabled": True}
        assert made["LoggingConfiguration"]["Level"] == "ALL"
        (destination,) = made["LoggingConfiguration"]["Destinations"]
        group = destination["CloudWatchLogsLogGroup"]["LogGroupArn"].strip("${}").removesuffix(".Arn")
        name = text(plain.body["Resources"][group]["Properties"])["LogGroupName"]
        assert name.startswith("/aws/vendedlogs/states/")


def test_minutes_of_zero_leave_out_the_watch(templates: dict[str, Template]) -> None:
    assert "Start watch" in json.loads(machine(templates["plain"], "ReleaseMachine")["DefinitionString"])["States"]
    assert "Start watch" not in json.loads(machine(templates["bare"], "ReleaseMachine")["DefinitionString"])["States"]


def test_upkeep_runs_every_day_and_says_when_it_failed(plain: Template) -> None:
    rule = text(plain.properties("AWS::Events::Rule"))
    upkeep = named(plain, "AWS::Lambda::Function", "ReleaseUpkeep")
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 day)", "ENABLED")
    assert [it["Arn"] for it in rule["Targets"]] == [FUNCTION_ARN % upkeep]
    permission = text(plain.properties("AWS::Lambda::Permission"))
    assert permission["SourceArn"] == FUNCTION_ARN % named(plain, "AWS::Events::Rule", "ReleaseUpkeep")
    assert (permission["FunctionName"], permission["Principal"]) == (FUNCTION_ARN % upkeep, "events.amazonaws.com")
    config = text(plain.properties("AWS::Lambda::EventInvokeConfig"))
    topic = f"${{{named(plain, 'AWS::SNS::Topic', 'Release')}}}"
    assert config["DestinationConfig"] == {"OnFailure": {"Destination": topic}} and config["MaximumRetryAttempts"] == 2


def test_the_topic_is_encrypted_and_takes_tls_only(plain: Template) -> None:
    topic = text(plain.properties("AWS::SNS::Topic"))
    assert topic["KmsMasterKeyId"].endswith(":alias/aws/sns")
    (statement,) = text(plain.properties("AWS::SNS::TopicPolicy"))["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_two_workflows_in_one_stack_keep_to_their_own_site(templates: dict[str, Template]) -> None:
    pair = templates["pair"]
    for one, other in (("One", "Two"), ("Two", "One")):
        own = {name: it for name, it in pair.body["Resources"].items() if name.startswith(one)}
        assert f"'{other}" not in str(own) and f"{other.lower()}/" not in str(own)
        assert len([it for it in own.values() if it["Type"] == "AWS::StepFunctions::StateMachine"]) == 2


@pytest.fixture
def site(cdk: None) -> Any:
    from aws_cdk import App, Stack

    from toolkit.cdk import StaticSite

    return StaticSite(Stack(App(), "stack"), "Site")


@pytest.mark.parametrize(
    ("properties", "what"),
    [
        ({"site": "My Shop"}, "'My Shop' is not a site name"),
        ({"canonical": "example.com"}, "canonical is example.com, hosts has none"),
        ({"canonical": "example.com", "hosts": ["www.example.com"]}, "canonical is example.com, hosts has www.example.com"),
        ({"keep": -1}, "keep is -1"),
        ({"watch_minutes": -5, "preview_days": -1}, "preview_days is -1, watch_minutes is -5"),
        ({"watch_minutes": 1441}, "watch_minutes is 1441"),
        ({"grace_hours": -0.5}, "grace_hours is -0.5"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(site: Any, properties: dict[str, Any], what: str) -> None:
    from toolkit.cdk import ReleaseWorkflow

    with pytest.raises(UserError) as caught:
        ReleaseWorkflow(site.node.scope, "Release", hosting=site, **{"site": "shop", **properties})
    assert what in caught.value.what and caught.value.fix


def test_without_a_bundle_it_says_what_to_run(site: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    from toolkit.cdk import ReleaseWorkflow

    monkeypatch.setenv("TOOLKIT_BUNDLE", str(tmp_path / "nothing"))
    with pytest.raises(UserError) as caught:
        ReleaseWorkflow(site.node.scope, "Release", hosting=site, site="shop")
    assert "bundle" in caught.value.fix


def test_artifacts_may_come_from_other_buckets(site: Any) -> None:
    from aws_cdk import Stack, aws_kms, aws_s3
    from aws_cdk.assertions import Template as Synthesised

    from toolkit.cdk import ReleaseWorkflow

    stack = Stack.of(site)
    key = aws_kms.Key(stack, "Key")
    own = aws_s3.Bucket(stack, "Own", encryption_key=key)
    foreign = aws_s3.Bucket.from_bucket_name(stack, "Foreign", "somebody-s")
    ReleaseWorkflow(stack, "Release", hosting=site, site="shop", artifacts=[own, foreign])
    resources = Synthesised.from_stack(stack).to_json()["Resources"]
    template = {name: text(it.get("Properties", {})) for name, it in resources.items()}
    made = [name for name in template if resources[name]["Type"] == "AWS::IAM::Role"]
    roles = {f"${{{name}.Arn}}" for name in made if name.startswith(("ReleasePublishRole", "ReleaseLargeRole"))}
    (of_bucket,) = [it for name, it in template.items() if name.startswith("OwnPolicy")]
    readers = [it for it in of_bucket["PolicyDocument"]["Statement"] if it["Effect"] == "Allow"]
    assert {it["Principal"]["AWS"] for it in readers} == roles
    assert all(set(it["Action"]) == {"s3:GetObject", "s3:GetObjectVersion"} for it in readers)
    added = [it for name, it in template.items() if resources[name]["Type"] == "AWS::IAM::Policy"]
    assert len(added) == 2
    for policy in added:
        by_action = {str(it["Action"]): it["Resource"] for it in policy["PolicyDocument"]["Statement"]}
        assert by_action["['s3:GetObject', 's3:GetObjectVersion']"] == "arn:${AWS::Partition}:s3:::somebody-s/*"
        assert by_action["kms:Decrypt"].startswith("${Key")


def test_a_webhook_s_secret_may_have_a_key_of_its_own_or_be_known_by_its_name(site: Any) -> None:
    from aws_cdk import Stack, aws_kms, aws_secretsmanager
    from aws_cdk.assertions import Template as Synthesised

    from toolkit.cdk import ReleaseWorkflow, StaticSite

    stack = Stack.of(site)
    made = aws_secretsmanager.Secret(stack, "Made", encryption_key=aws_kms.Key(stack, "Key"))
    known = aws_secretsmanager.Secret.from_secret_name_v2(stack, "Known", "chat")
    ReleaseWorkflow(stack, "One", hosting=site, site="one", webhook_secret=made)
    ReleaseWorkflow(stack, "Two", hosting=StaticSite(stack, "Other"), site="two", webhook_secret=known)
    resources = Synthesised.from_stack(stack).to_json()["Resources"]
    template = {name: text(it.get("Properties", {})) for name, it in resources.items()}

    def readable(within: str) -> Any:
        (role,) = [it for name, it in template.items() if name.startswith(f"{within}NotificationsNotifyRole") and "Policies" in it]
        (own,) = role["Policies"]
        return next(it["Resource"] for it in own["PolicyDocument"]["Statement"] if it["Sid"] == "Webhook")

    (secret,) = [name for name, it in resources.items() if it["Type"] == "AWS::SecretsManager::Secret"]
    assert readable("One") == f"${{{secret}}}"
    assert readable("Two").endswith(":secret:chat-??????"), "the ARN ends in six characters that nobody gave"
    (added,) = [it for name, it in template.items() if resources[name]["Type"] == "AWS::IAM::Policy"]
    assert [it["Action"] for it in added["PolicyDocument"]["Statement"]] == ["kms:Decrypt"]
