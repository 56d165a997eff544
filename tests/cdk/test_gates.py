"""Checks of whole templates: cfn-lint, cdk-nag, checkov and our own of policies, of which each is shown to catch something."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.cdk.policies import findings
from tests.cdk.templates import GIVEN, Template
from tests.gates import asl, checkov, lint, nag, runtimes, tools
from tests.gates.nag import MOST_ACKNOWLEDGED, Synthesis

SOURCE = {"StringEquals": {"aws:SourceArn": "arn:${AWS::Partition}:cloudfront::1:distribution/2"}}
GOOD = {
    "Effect": "Allow",
    "Action": "s3:GetObject",
    "Resource": "${Bucket.Arn}/*/blobs/*",
    "Principal": {"Service": "cloudfront.amazonaws.com"},
    "Condition": SOURCE,
}


def test_cfn_lint_has_nothing_to_say(templates: dict[str, Template]) -> None:
    assert lint.run([template.path for template in templates.values()]) == []


def test_cdk_nag_lets_the_synthesis_pass(synthesis: Synthesis) -> None:
    assert sorted(set(synthesis.found) - set(synthesis.acknowledged)) == []
    assert synthesis.error == ""


def test_every_acknowledgement_is_of_a_finding_and_they_are_few(synthesis: Synthesis) -> None:
    assert sorted(set(synthesis.acknowledged) - set(synthesis.found)) == []
    assert {site: n for site, n in synthesis.acknowledged_by_site().items() if n > MOST_ACKNOWLEDGED} == {}


def test_a_finding_that_nobody_acknowledged_fails_the_synthesis(cdk: None, tmp_path: Path) -> None:
    from aws_cdk import App, Stack, Validations
    from aws_cdk import aws_s3 as s3
    from cdk_nag import AwsSolutionsChecks

    app = App(outdir=str(tmp_path), analytics_reporting=False)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    s3.Bucket(Stack(app, "stack"), "Bucket")
    assert "ValidationFailed" in nag.synth(app)


def test_checkov_finds_what_is_on_the_list_and_no_more(templates: dict[str, Template]) -> None:
    tools.require(tools.CHECKOV)
    failures = checkov.run([template.path for template in templates.values()]).failures
    assert [str(it) for it in checkov.unexpected(failures, checkov.skips())] == []
    assert checkov.unused(failures, checkov.skips()) == []


def test_a_skip_of_checkov_holds_for_its_resources_alone() -> None:
    skip = checkov.Skip("CKV_AWS_18", r"AWS::S3::Bucket\..*LogsBucket", "why")
    logs = checkov.Failure("a.template.json", "CKV_AWS_18", "AWS::S3::Bucket.SiteLogsBucketEB9B49C8", "has access logging")
    site = checkov.Failure("a.template.json", "CKV_AWS_18", "AWS::S3::Bucket.SiteStorageBucket5BDB9672", "has access logging")
    other = checkov.Failure("a.template.json", "CKV_AWS_19", logs.resource, "is encrypted")
    assert checkov.unexpected([logs, site, other], [skip]) == [site, other]
    assert checkov.unused([logs], [skip]) == [] and checkov.unused([site, other], [skip]) == [skip]


def test_every_state_machine_is_valid(templates: dict[str, Template], tmp_path: Path) -> None:
    tools.require(tools.ASL_VALIDATOR)
    machines = dict(asl.definitions(templates))
    assert {name.split(".")[0] for name in machines} >= {"plain", "bare", "pair"}
    assert asl.run(machines, tmp_path) == []


@pytest.mark.parametrize("change", [{"Next": "Nowhere"}, {"Resource": "lambda:invoke"}, {"Typo": True}])
def test_the_validator_sees(templates: dict[str, Template], tmp_path: Path, change: dict[str, Any]) -> None:
    tools.require(tools.ASL_VALIDATOR)
    name, definition = next(asl.definitions({"plain": templates["plain"]}))
    task = next(state for state, it in definition["States"].items() if it["Type"] == "Task")
    broken = {**definition, "States": {**definition["States"], task: {**definition["States"][task], **change}}}
    (said,) = asl.run({name: broken}, tmp_path)
    assert "is invalid" in said


def test_nothing_runs_on_what_aws_gives_up(templates: dict[str, Template]) -> None:
    assert runtimes.outdated(templates, date.today()) == []


def test_a_runtime_that_ends_or_is_unknown_is_seen(plain: Template) -> None:
    functions = [f"plain.{it}: python3.14" for it in plain.ids("AWS::Lambda::Function")]
    layers = [f"plain.{it}: python3.14" for it in plain.ids("AWS::Lambda::LayerVersion")]
    assert sorted(runtimes.outdated({"plain": plain}, date(2029, 6, 30))) == sorted(functions + layers)
    old = {"Type": "AWS::CodeBuild::Project", "Properties": {"Environment": {"Image": "aws/codebuild/standard:5.0"}}}
    assert runtimes.outdated({"a": Template(plain.path, {"Resources": {"Build": old}})}, date.today()) == [
        "a.Build: aws/codebuild/standard:5.0"
    ]


def test_no_policy_says_more_than_it_must(templates: dict[str, Template]) -> None:
    assert {name: findings(template.body, GIVEN) for name, template in templates.items()} == {name: [] for name in templates}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"Action": "s3:*"}, "wildcard in the action s3:*"),
        ({"Action": ["s3:GetObject", "s3:Get*"]}, "wildcard in the action s3:Get*"),
        ({"Resource": "*"}, "allows s3:GetObject on every resource"),
        ({"Resource": ["${Bucket.Arn}", "*"]}, "allows s3:GetObject on every resource"),
        ({"Principal": "*"}, "allows everybody"),
        ({"Principal": {"AWS": "*"}}, "allows everybody"),
        ({"NotResource": "${Bucket.Arn}"}, "NotResource allows whatever it does not name"),
        ({"Condition": {}}, "cloudfront.amazonaws.com may act for whom it likes"),
        ({"Condition": {"StringEqualsIfExists": SOURCE["StringEquals"]}}, "cloudfront.amazonaws.com may act for whom it likes"),
        ({"Resource": "arn:aws:s3:::bucket/*"}, "hard-coded partition: arn:aws:s3:::bucket/*"),
    ],
)
def test_the_check_of_policies_sees(change: dict[str, Any], complaint: str) -> None:
    assert findings(_with(GOOD)) == []
    found = findings(_with({**GOOD, **change}))
    assert len(found) == 1 and complaint in found[0]


def test_every_resource_is_for_actions_that_know_no_other() -> None:
    traces = {"Effect": "Allow", "Action": ["xray:PutTraceSegments", "logs:CreateLogDelivery"], "Resource": "*"}
    assert findings(_with(traces)) == []
    assert findings(_with({**traces, "Action": ["xray:PutTraceSegments", "xray:GetTraceSummaries"]})) == [
        "Policy: allows xray:GetTraceSummaries on every resource"
    ]


def test_a_service_calls_a_function_for_one_source_alone() -> None:
    rule = {"Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com", "SourceArn": "${Rule.Arn}"}
    assert findings({"Resources": {"May": {"Type": "AWS::Lambda::Permission", "Properties": rule}}}) == []
    del rule["SourceArn"]
    assert findings({"Resources": {"May": {"Type": "AWS::Lambda::Permission", "Properties": rule}}}) == [
        "May: events.amazonaws.com may call for whom it likes: neither SourceArn nor SourceAccount"
    ]


@pytest.mark.parametrize("claims", [(), ("aud",), ("sub",)])
def test_tokens_of_others_are_taken_for_one_subject_alone(claims: tuple[str, ...]) -> None:
    def trust(*names: str) -> dict[str, Any]:
        taken = {"Action": "sts:AssumeRoleWithWebIdentity", "Principal": {"Federated": "${Provider}"}}
        return {"Effect": "Allow", **taken, "Condition": {"StringEquals": {f"tokens.example.com:{name}": "x" for name in names}}}

    assert findings(_with(trust("aud", "sub"))) == []
    assert findings(_with(trust(*claims))) == ["Policy: ${Provider} may send whom it likes: no condition on aud and sub"]


def test_a_policy_that_outgrows_its_limit_is_seen() -> None:
    many = {**GOOD, "Resource": [f"${{Bucket.Arn}}/site/{n}/*" for n in range(180)]}
    (said,) = findings(_with(many))
    assert said.startswith("Policy: bucket policy of up to 2") and said.endswith("20,480 are allowed")


def test_a_policy_may_deny_to_everybody() -> None:
    assert findings(_with({"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Principal": {"AWS": "*"}})) == []


def _with(statement: dict[str, Any]) -> dict[str, Any]:
    policy = {"Type": "AWS::S3::BucketPolicy", "Properties": {"PolicyDocument": {"Statement": [statement]}}}
    return {"Resources": {"Policy": policy}}
