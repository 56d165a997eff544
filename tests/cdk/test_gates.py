"""Checks of whole templates: cfn-lint, and what policies may say. Each of our own rules is shown to catch something."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cdk.policies import findings
from tests.cdk.templates import GIVEN, Template

# I1022 and W3005 are about how the CDK writes joins and dependencies.
IGNORED = ("I1022", "W3005")
SOURCE = {"StringEquals": {"aws:SourceArn": "arn:${AWS::Partition}:cloudfront::1:distribution/2"}}
GOOD = {
    "Effect": "Allow",
    "Action": "s3:GetObject",
    "Resource": "${Bucket.Arn}/*/blobs/*",
    "Principal": {"Service": "cloudfront.amazonaws.com"},
    "Condition": SOURCE,
}


def test_cfn_lint_has_nothing_to_say(templates: dict[str, Template]) -> None:
    lint = Path(sys.executable).with_name("cfn-lint")
    options = ["--format", "json", "--include-checks", "I", "--ignore-checks", *IGNORED]
    paths = [str(template.path) for template in templates.values()]
    done = subprocess.run([lint, *options, "--template", *paths], capture_output=True, text=True, check=False)
    said = [f"{it['Filename']}: {it['Rule']['Id']} {it['Message']}" for it in json.loads(done.stdout or "[]")]
    assert (said, done.stderr, done.returncode) == ([], "", 0)


def test_no_policy_says_more_than_it_must(templates: dict[str, Template]) -> None:
    assert {name: findings(template.body, GIVEN) for name, template in templates.items()} == {name: [] for name in templates}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"Action": "s3:*"}, "wildcard in the action s3:*"),
        ({"Action": ["s3:GetObject", "s3:Get*"]}, "wildcard in the action s3:Get*"),
        ({"Resource": "*"}, "allows on every resource"),
        ({"Resource": ["${Bucket.Arn}", "*"]}, "allows on every resource"),
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


def test_a_policy_may_deny_to_everybody() -> None:
    assert findings(_with({"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Principal": {"AWS": "*"}})) == []


def _with(statement: dict[str, Any]) -> dict[str, Any]:
    policy = {"Type": "AWS::S3::BucketPolicy", "Properties": {"PolicyDocument": {"Statement": [statement]}}}
    return {"Resources": {"Policy": policy}}
