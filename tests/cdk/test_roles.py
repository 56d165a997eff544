"""Who may do what: each role word for word, since a right too many is seen by nobody until it is used."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cdk.templates import Template, text

BUCKET = "${SiteStorageBucket5BDB9672.Arn}"
STORE = "${SiteRoutingStore817D757E.Arn}"
TOPIC = "${ReleaseNotificationsTopicE43D2B88}"
KVS = {f"cloudfront-keyvaluestore:{it}" for it in ("DescribeKeyValueStore", "GetKey", "ListKeys", "UpdateKeys")}
LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
# Roles by what they are for, with the statements that they have besides the right to write to their own log group.
FUNCTIONS = {
    "Publish": {"RoutingData"},
    "Verify": {"RoutingData"},
    "Flip": {"RoutingData"},
    "Watch": {"RoutingData", "Alarms"},
    "Upkeep": {"RoutingData", "Topic"},
    "NotificationsNotify": {"Topic"},
}
# Who reads, lists, writes and deletes which of the site's folders.
FOLDERS = {
    "ReadsBlobs": {"Publish", "Large"},
    "ListsBlobs": {"Verify", "Upkeep"},
    "WritesBlobs": {"Publish", "Large"},
    "DeletesBlobs": {"Publish", "Large", "Upkeep"},
    "ReadsVersions": {"Publish", "Large", "Verify", "Flip", "Watch", "Upkeep"},
    "ListsVersions": {"Upkeep", "Watch"},
    "WritesVersions": {"Publish", "Large"},
    "DeletesVersions": {"Publish", "Large", "Upkeep"},
    "ReadsReleases": {"Publish", "Large", "Flip", "Watch", "Upkeep"},
    "ListsReleases": {"Publish", "Large", "Flip", "Watch", "Upkeep"},
    "WritesReleases": {"Flip", "Watch", "Upkeep"},
    "ReadsRuns": {"Verify", "Flip"},
    "ListsRuns": {"Upkeep"},
    "WritesRuns": {"Publish", "Large"},
    "DeletesRuns": {"Upkeep"},
    "ReadsUploads": {"Publish", "Large"},
    "ListsPins": {"Upkeep"},
    "DeletesLogs": {"Upkeep"},
    **{
        f"{verb}Locks": {"Publish", "Large", "Verify", "Flip", "Watch", "Upkeep"}
        for verb in ("Reads", "Lists", "Writes", "Deletes")
    },
}
VERBS = {"s3:GetObject": "Reads", "s3:ListBucket": "Lists", "s3:PutObject": "Writes", "s3:DeleteObject": "Deletes"}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def role(template: Template, within: str) -> tuple[str, dict[str, Any]]:
    """The logical id and the properties of the only role whose id begins so."""
    (name,) = [it for it in template.ids("AWS::IAM::Role") if it.startswith(f"{within}Role")]
    return name, text(template.body["Resources"][name]["Properties"])


def statements(template: Template, within: str) -> dict[str, dict[str, Any]]:
    (policy,) = role(template, within)[1]["Policies"]
    return {it["Sid"]: it for it in policy["PolicyDocument"]["Statement"]}


def test_there_are_no_other_roles_and_no_other_policies(plain: Template) -> None:
    assert len(plain.ids("AWS::IAM::Role")) == len(FUNCTIONS) + 3, "the functions, the project and two machines"
    assert not plain.ids("AWS::IAM::Policy")
    (shared,) = plain.ids("AWS::IAM::ManagedPolicy")
    for name in plain.ids("AWS::IAM::Role"):
        assert set(text(plain.body["Resources"][name]["Properties"]).get("ManagedPolicyArns", [])) <= {f"${{{shared}}}"}, name


def test_roles_are_for_services_acting_for_this_account(plain: Template) -> None:
    services = []
    for name in plain.ids("AWS::IAM::Role"):
        (trust,) = text(plain.body["Resources"][name]["Properties"])["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "${AWS::AccountId}"}}, name
        assert trust["Action"] == "sts:AssumeRole"
        services.append(trust["Principal"]["Service"])
    assert sorted(set(services)) == ["codebuild.amazonaws.com", "lambda.amazonaws.com", "states.amazonaws.com"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_a_role_of_its_own_with_the_rights_it_needs(plain: Template, name: str) -> None:
    made = text(plain.properties("AWS::Lambda::Function", f"Release{name}Function"))
    own, _ = role(plain, f"Release{name}")
    assert made["Role"] == f"${{{own}.Arn}}"
    found = statements(plain, f"Release{name}")
    assert set(found) == {"Logs", *FUNCTIONS[name]}
    group = made["LoggingConfig"]["LogGroup"].strip("${}")
    assert group.startswith(f"Release{name}")
    assert (set(found["Logs"]["Action"]), found["Logs"]["Resource"]) == (LOGS, f"${{{group}.Arn}}")
    if "RoutingData" in found:
        assert (set(found["RoutingData"]["Action"]), found["RoutingData"]["Resource"]) == (KVS, STORE)
    if "Topic" in found:
        assert (found["Topic"]["Action"], found["Topic"]["Resource"]) == ("sns:Publish", TOPIC)


def test_the_watch_may_see_two_alarms(plain: Template) -> None:
    allowed = statements(plain, "ReleaseWatch")["Alarms"]
    prefix = "arn:${AWS::Partition}:cloudwatch:us-east-1:${AWS::AccountId}:alarm:${SiteDeliveryDistributionB790E957}"
    assert allowed["Action"] == "cloudwatch:DescribeAlarms"
    assert allowed["Resource"] == [f"{prefix}-5xx", f"{prefix}-function-errors"]


def test_messages_may_read_the_webhook_s_secret_and_no_other(templates: dict[str, Template]) -> None:
    from tests.cdk.templates import WEBHOOK

    allowed = statements(templates["full"], "ReleaseNotificationsNotify")["Webhook"]
    assert (allowed["Action"], allowed["Resource"]) == ("secretsmanager:GetSecretValue", WEBHOOK)


def test_the_project_may_read_its_own_code_and_publish(plain: Template) -> None:
    found = statements(plain, "ReleaseLarge")
    assert set(found) == {"Logs", "Code", "RoutingData"}
    project = text(plain.properties("AWS::CodeBuild::Project"))
    sources = [project["Source"]["Location"], *(it["Location"] for it in project["SecondarySources"])]
    assert found["Code"]["Resource"] == [f"arn:${{AWS::Partition}}:s3:::{location}" for location in sources]
    assert set(found["Code"]["Action"]) == {"s3:GetObject", "s3:GetObjectVersion"}
    assert found["Logs"]["Resource"].startswith("${ReleaseLargeLogs")


def test_the_machines_may_call_their_steps(plain: Template) -> None:
    def called(*names: str) -> list[str]:
        return [
            f"${{{logical_id}.Arn}}"
            for name in names
            for logical_id in plain.ids("AWS::Lambda::Function")
            if logical_id.startswith(f"Release{name}Function")
        ]

    watch, release = statements(plain, "ReleaseWatchMachine"), statements(plain, "ReleaseMachine")
    assert {sid: listed(it["Resource"]) for sid, it in watch.items()} == {"Functions": called("Watch", "NotificationsNotify")}
    assert release["Functions"]["Resource"] == called("Publish", "Verify", "Flip", "NotificationsNotify")
    assert (release["StartWatch"]["Action"], release["StartWatch"]["Resource"]) == (
        "states:StartExecution",
        "${ReleaseWatchMachine1C1EDD36}",
    )
    (project,) = plain.ids("AWS::CodeBuild::Project")
    assert release["LargePublish"]["Resource"] == f"${{{project}.Arn}}"
    assert release["EndOfBuild"]["Resource"].endswith(":rule/StepFunctionsGetEventForCodeBuildStartBuildRule")
    assert set(release) == {"Functions", "StartWatch", "LargePublish", "EndOfBuild"}


def test_the_bucket_s_policy_says_who_may_use_which_folder(plain: Template) -> None:
    found: dict[str, set[str]] = {}
    for statement in in_bucket(plain):
        assert isinstance(statement["Action"], str)
        for principal in listed(statement["Principal"]["AWS"]):
            for folder in folders(statement):
                found.setdefault(VERBS[statement["Action"]] + folder.capitalize(), set()).add(short(principal))
    assert found == FOLDERS


def in_bucket(template: Template) -> list[dict[str, Any]]:
    """The statements of the site's bucket that are for roles."""
    policy = text(template.properties("AWS::S3::BucketPolicy", "SiteStorage"))["PolicyDocument"]
    return [it for it in policy["Statement"] if it["Effect"] == "Allow" and "AWS" in it["Principal"]]


def folders(statement: dict[str, Any]) -> list[str]:
    """Which of the site's folders it is about; nothing else may be named."""
    if statement["Action"] == "s3:ListBucket":
        assert statement["Resource"] == BUCKET and set(statement["Condition"]) == {"StringLikeIfExists"}
        patterns = listed(statement["Condition"]["StringLikeIfExists"]["s3:prefix"])
    else:
        assert "Condition" not in statement
        patterns = [resource.removeprefix(f"{BUCKET}/") for resource in listed(statement["Resource"])]
    assert all(pattern.startswith("plain/") and pattern.endswith("/*") for pattern in patterns)
    return [pattern.removeprefix("plain/").removesuffix("/*") for pattern in patterns]


def short(principal: str) -> str:
    """`${ReleaseWatchRole1234ABCD.Arn}` as Watch."""
    return principal.removeprefix("${Release").split("Role")[0]


def test_the_policy_of_the_bucket_fits(templates: dict[str, Template]) -> None:
    """S3 takes 20 KB; a resolved ARN is longer than its reference."""
    import json

    for name, template in templates.items():
        for logical_id in template.ids("AWS::S3::BucketPolicy"):
            document = text(template.body["Resources"][logical_id]["Properties"])["PolicyDocument"]
            assert len(json.dumps(document).replace("${", "x" * 60)) < 20_000, name


def test_one_policy_holds_what_has_no_narrower_resource(plain: Template) -> None:
    policy = text(plain.properties("AWS::IAM::ManagedPolicy"))["PolicyDocument"]["Statement"]
    assert {it["Sid"]: it["Resource"] for it in policy} == {"Traces": "*", "LogDelivery": "*"}
    assert policy[1]["Condition"] == {"Null": {"lambda:SourceFunctionArn": "true"}}, "not for code in a function"


def test_a_boundary_bounds_every_role(templates: dict[str, Template]) -> None:
    full = templates["full"]
    bounds = {text(full.body["Resources"][name]["Properties"])["PermissionsBoundary"] for name in full.ids("AWS::IAM::Role")}
    assert bounds == {"arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/ours"}
    plain = templates["plain"]
    assert not [
        name for name in plain.ids("AWS::IAM::Role") if "PermissionsBoundary" in plain.body["Resources"][name]["Properties"]
    ]
