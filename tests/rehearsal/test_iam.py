"""The evaluator that the rehearsal trusts: what it lets through, AWS must let through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.iam import BeyondThis, Call, Caller, Policies
from tests.rehearsal.template import Deployed

ROLE = {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "reader"}}
READER = Caller(arn="arn:aws:iam::123456789012:role/reader")
EDGE = Caller(service="cloudfront.amazonaws.com")
TLS = {"aws:securetransport": "true"}
GET = Call("s3:GetObject", "arn:aws:s3:::files/shop/blobs/x", TLS)


def policies(own: list[dict[str, Any]] = [], bucket: list[dict[str, Any]] = []) -> Policies:  # noqa: B006 - only read
    role = {**ROLE, "Properties": {"RoleName": "reader", "Policies": [{"PolicyDocument": {"Statement": own}}]}}
    of_bucket = {"Bucket": "files", "PolicyDocument": {"Statement": bucket}}
    resources = {"Role": role, "Policy": {"Type": "AWS::S3::BucketPolicy", "Properties": of_bucket}}
    return Policies([Deployed({"Resources": resources}, "stack", Path())])


def statement(effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::files/shop/*", **more}


def test_nothing_is_allowed_that_nobody_allows() -> None:
    assert not policies().allow(READER, GET)


def test_an_allow_of_the_role_s_own_is_enough_and_so_is_one_of_the_bucket_s() -> None:
    assert policies([statement()]).allow(READER, GET)
    assert policies(bucket=[statement(Principal={"AWS": READER.arn})]).allow(READER, GET)
    assert not policies(bucket=[statement(Principal={"AWS": "arn:aws:iam::123456789012:role/other"})]).allow(READER, GET)


def test_a_deny_ends_it() -> None:
    denied = statement("Deny", Principal="*", Condition={"Bool": {"aws:SecureTransport": "false"}})
    assert policies([statement()], [denied]).allow(READER, GET)
    assert not policies([statement()], [denied]).allow(READER, Call(GET.action, GET.resource, {"aws:securetransport": "false"}))


@pytest.mark.parametrize(
    ("changed", "allowed"),
    [
        ({"Action": "s3:Get*"}, True),
        ({"Action": "s3:PutObject"}, False),
        ({"Resource": "arn:aws:s3:::files/blog/*"}, False),
        ({"Resource": "*"}, True),
        # No wildcard reaches over the end of a part.
        ({"Resource": "arn:aws:s3:*files/shop/blobs/x"}, False),
    ],
)
def test_action_and_resource_must_both_fit(changed: dict[str, str], allowed: bool) -> None:
    assert policies([statement(**changed)]).allow(READER, GET) is allowed


@pytest.mark.parametrize(
    ("condition", "keys", "holds"),
    [
        ({"StringEquals": {"aws:SourceArn": "a"}}, {"aws:sourcearn": "a"}, True),
        ({"StringEquals": {"aws:SourceArn": "a"}}, {"aws:sourcearn": "b"}, False),
        ({"StringEquals": {"aws:SourceArn": "a"}}, {}, False),
        ({"StringNotEquals": {"aws:SourceArn": "a"}}, {}, True),
        ({"StringLike": {"s3:prefix": ["shop/*"]}}, {"s3:prefix": "shop/blobs/"}, True),
        ({"StringLike": {"s3:prefix": ["shop/*"]}}, {}, False),
        ({"StringLikeIfExists": {"s3:prefix": ["shop/*"]}}, {}, True),
        ({"StringLikeIfExists": {"s3:prefix": ["shop/*"]}}, {"s3:prefix": "blog/"}, False),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::f*"}}, {"aws:sourcearn": "arn:aws:s3:::files"}, True),
        ({"NumericLessThan": {"s3:TlsVersion": 1.2}}, {"s3:tlsversion": "1.1"}, True),
        ({"NumericLessThan": {"s3:TlsVersion": 1.2}}, {"s3:tlsversion": "1.2"}, False),
    ],
)
def test_conditions(condition: dict[str, Any], keys: dict[str, str], holds: bool) -> None:
    found = policies([statement(Condition=condition)])
    assert found.allow(READER, Call(GET.action, GET.resource, keys)) is holds


def test_a_service_is_let_in_for_the_distribution_that_is_named() -> None:
    condition = {"StringEquals": {"aws:SourceArn": "arn:aws:cloudfront::123456789012:distribution/E1"}}
    found = policies(bucket=[statement(Principal={"Service": EDGE.service}, Condition=condition)])
    own = {"aws:sourcearn": "arn:aws:cloudfront::123456789012:distribution/E1"}
    assert found.allow(EDGE, Call(GET.action, GET.resource, own))
    assert not found.allow(EDGE, Call(GET.action, GET.resource, {"aws:sourcearn": own["aws:sourcearn"][:-1] + "2"}))
    assert not found.allow(READER, Call(GET.action, GET.resource, own))


@pytest.mark.parametrize(
    "beyond",
    [
        {"NotAction": "s3:PutObject"},
        {"Condition": {"DateLessThan": {"aws:CurrentTime": "2030-01-01"}}},
    ],
)
def test_what_is_not_known_here_is_an_error_and_no_guess(beyond: dict[str, Any]) -> None:
    with pytest.raises(BeyondThis):
        policies([statement(**beyond)]).allow(READER, GET)


def test_a_policy_from_elsewhere_is_an_error() -> None:
    role = {"Type": "AWS::IAM::Role", "Properties": {"ManagedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]}}
    with pytest.raises(BeyondThis, match="AdministratorAccess"):
        Policies([Deployed({"Resources": {"Role": role}}, "stack", Path())])


@pytest.mark.parametrize(
    ("condition", "trusted"),
    [
        ({}, True),
        ({"StringEquals": {"aws:SourceAccount": "123456789012"}}, True),
        ({"StringEquals": {"aws:SourceAccount": "999999999999"}}, False),
        # What the service is not known to say is no reason to let it in.
        ({"ArnLike": {"aws:SourceArn": "arn:aws:codebuild:*:123456789012:*"}}, False),
    ],
)
def test_a_service_takes_a_role_that_trusts_it(condition: dict[str, Any], trusted: bool) -> None:
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": "codebuild.amazonaws.com"},
        "Condition": condition,
    }
    role = {**ROLE, "Properties": {"RoleName": "reader", "AssumeRolePolicyDocument": {"Statement": [trust]}}}
    found = Policies([Deployed({"Resources": {"Role": role}}, "stack", Path())])
    assert found.trusts(READER.arn, "codebuild.amazonaws.com") is trusted
    assert not found.trusts(READER.arn, "codepipeline.amazonaws.com")
    assert not found.trusts("arn:aws:iam::123456789012:role/nobody", "codebuild.amazonaws.com")
