"""What a request asks IAM for, from the very bytes that boto3 would send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest

from tests.contracts.kvs import ARN
from tests.rehearsal.iam import BeyondThis
from tests.rehearsal.wire import Sent, calls

FILES = "arn:aws:s3:::files"


def sent(service: str, ask: Callable[[Any], Any]) -> Sent:
    """The first request that `ask` makes of a client."""
    found: list[Sent] = []

    def catch(request: Any, event_name: str, **_: object) -> None:
        body = request.body.read() if hasattr(request.body, "read") else request.body
        headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
        found.append(
            Sent(event_name, request.method, request.url, headers, body.encode() if isinstance(body, str) else body or b"")
        )
        raise InterruptedError

    session = boto3.Session(aws_access_key_id="AKID", aws_secret_access_key="secret", region_name="eu-west-1")
    session.events.register_first("before-send.*", catch)
    with pytest.raises(InterruptedError):
        ask(session.client(service))
    return found[0]


def asked(service: str, ask: Callable[[Any], Any]) -> list[str]:
    return [str(call) for call in calls(sent(service, ask))]


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda s3: s3.get_object(Bucket="files", Key="a/ü b"), [f"s3:GetObject on {FILES}/a/ü b"]),
        (lambda s3: s3.get_object(Bucket="files", Key="a", VersionId="3"), [f"s3:GetObjectVersion on {FILES}/a"]),
        (lambda s3: s3.head_object(Bucket="files", Key="a"), [f"s3:GetObject on {FILES}/a"]),
        (lambda s3: s3.put_object(Bucket="files", Key="a", Body=b"x"), [f"s3:PutObject on {FILES}/a"]),
        (
            lambda s3: s3.put_object(Bucket="files", Key="a", Body=b"x", ACL="bucket-owner-full-control", Tagging="a=b"),
            [f"s3:{name} on {FILES}/a" for name in ("PutObject", "PutObjectAcl", "PutObjectTagging")],
        ),
        (lambda s3: s3.get_object_tagging(Bucket="files", Key="a", VersionId="3"), [f"s3:GetObjectVersionTagging on {FILES}/a"]),
        (lambda s3: s3.list_objects_v2(Bucket="files", Prefix="a/"), [f"s3:ListBucket on {FILES}"]),
        (
            lambda s3: s3.delete_objects(Bucket="files", Delete={"Objects": [{"Key": "a"}, {"Key": "b&c"}]}),
            [f"s3:DeleteObject on {FILES}/a", f"s3:DeleteObject on {FILES}/b&c"],
        ),
        (
            lambda s3: s3.copy_object(Bucket="files", Key="a", CopySource={"Bucket": "other", "Key": "b"}),
            [f"s3:PutObject on {FILES}/a", "s3:GetObject on arn:aws:s3:::other/b"],
        ),
    ],
)
def test_s3(ask: Callable[[Any], Any], expected: list[str]) -> None:
    assert asked("s3", ask) == expected


def test_a_listing_says_its_prefix() -> None:
    (call,) = calls(sent("s3", lambda s3: s3.list_objects_v2(Bucket="files", Prefix="a/b")))
    assert call.keys["s3:prefix"] == "a/b"


def test_others() -> None:
    topic, secret = "arn:aws:sns:eu-west-1:123456789012:t", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:s"
    assert asked("sns", lambda it: it.publish(TopicArn=topic, Message="m")) == [f"sns:Publish on {topic}"]
    found = asked("secretsmanager", lambda it: it.get_secret_value(SecretId=secret))
    assert found == [f"secretsmanager:GetSecretValue on {secret}"]
    alarm = "cloudwatch:DescribeAlarms on arn:aws:cloudwatch:eu-west-1:123456789012:alarm:"
    assert asked("cloudwatch", lambda it: it.describe_alarms(AlarmNames=["a", "b"])) == [f"{alarm}a", f"{alarm}b"]
    # Of all alarms: a right to two of them is not enough.
    assert asked("cloudwatch", lambda it: it.describe_alarms()) == [f"{alarm}*"]
    pipeline = "arn:aws:codepipeline:eu-west-1:123456789012:line"
    found = asked("codepipeline", lambda it: it.list_action_executions(pipelineName="line"))
    assert found == [f"codepipeline:ListActionExecutions on {pipeline}"]
    done = {"jobId": "00000000-0000-4000-8000-000000000000"}
    assert asked("codepipeline", lambda it: it.put_job_success_result(**done)) == ["codepipeline:PutJobSuccessResult on *"]
    known = asked("ssm", lambda it: it.get_parameters(Names=["/toolkit/shop/TOKEN", "other"]))
    parameter = "ssm:GetParameters on arn:aws:ssm:eu-west-1:123456789012:parameter/"
    assert known == [f"{parameter}toolkit/shop/TOKEN", f"{parameter}other"]
    store = asked("cloudfront-keyvaluestore", lambda it: it.get_key(KvsARN=ARN, Key="h:a/b"))
    assert store == [f"cloudfront-keyvaluestore:GetKey on {ARN}"]


def test_what_nobody_has_thought_of_does_not_pass() -> None:
    mark = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(BeyondThis):
        asked("s3", lambda s3: s3.get_bucket_acl(Bucket="files"))
    with pytest.raises(BeyondThis):
        asked("sns", lambda it: it.list_topics())
    with pytest.raises(BeyondThis):
        asked("codepipeline", lambda it: it.stop_pipeline_execution(pipelineName="line", pipelineExecutionId=mark))


def test_it_says_who_signed() -> None:
    one = sent("cloudfront-keyvaluestore", lambda it: it.get_key(KvsARN=ARN, Key="a"))
    assert (one.access_key, one.service, one.operation) == ("AKID", "cloudfront-keyvaluestore", "GetKey")
