"""Intrinsic functions give what CloudFormation would give, or an error: never a guess."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.rehearsal.template import Deployed, UnknownIntrinsic

BODY: dict[str, Any] = {
    "Parameters": {"Given": {"Type": "String"}, "Usual": {"Type": "String", "Default": "x"}},
    "Resources": {
        "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {}},
        "Named": {"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": {"Fn::Sub": "f-${AWS::Region}"}}},
        "Topic": {"Type": "AWS::SNS::Topic"},
        "Edge": {"Type": "AWS::CloudFront::Distribution"},
    },
}
STACK = Deployed(BODY, "stack", Path(), parameters={"Given": "here"})


@pytest.mark.parametrize(
    ("value", "made"),
    [
        ({"Ref": "AWS::Region"}, "eu-west-1"),
        ({"Ref": "Given"}, "here"),
        ({"Ref": "Usual"}, "x"),
        ({"Fn::GetAtt": ["Named", "Arn"]}, "arn:aws:lambda:eu-west-1:123456789012:function:f-eu-west-1"),
        ({"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":s3"]]}, "arn:aws:s3"),
        ({"Fn::Sub": "${Named.Arn}/${!Literal}"}, "arn:aws:lambda:eu-west-1:123456789012:function:f-eu-west-1/${Literal}"),
        ({"Fn::Sub": ["${a}-${Usual}", {"a": {"Ref": "Given"}}]}, "here-x"),
        ({"Fn::Select": [1, {"Fn::Split": ["-", "a-b"]}]}, "b"),
        ({"a": {"Ref": "AWS::NoValue"}, "b": [{"Ref": "AWS::NoValue"}, 1]}, {"b": [1]}),
    ],
)
def test_intrinsic_functions(value: Any, made: Any) -> None:
    assert STACK.resolve(value) == made


def test_references_are_what_the_type_says() -> None:
    assert STACK.ref("Topic") == STACK.attribute("Topic", "Arn")
    assert STACK.ref("Bucket") == STACK.name("Bucket") and STACK.name("Bucket").islower()
    assert STACK.attribute("Bucket", "Arn") == f"arn:aws:s3:::{STACK.name('Bucket')}"
    assert STACK.attribute("Edge", "DomainName").endswith(".cloudfront.net")


@pytest.mark.parametrize(
    "value", [{"Ref": "Nobody"}, {"Fn::ImportValue": "x"}, {"Fn::GetAtt": ["Bucket", "WebsiteURL"]}, {"Fn::If": ["c", 1, 2]}]
)
def test_what_is_not_known_is_an_error(value: Any) -> None:
    with pytest.raises(UnknownIntrinsic):
        STACK.resolve(value)


def test_a_parameter_without_value_is_an_error() -> None:
    with pytest.raises(UnknownIntrinsic, match="Given"):
        Deployed(BODY, "stack", Path()).ref("Given")


def test_a_changed_copy_leaves_the_template_as_it_is() -> None:
    copied = STACK.changed()
    del copied.body["Resources"]["Topic"]
    assert "Topic" in STACK.body["Resources"]
