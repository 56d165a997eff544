"""What people are told: to a topic (here with a queue behind it) and to a chat."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from lambdas import notify

from tests.lambdas.support import DOMAIN, Aws
from toolkit.aws.web import Asked, Reply
from toolkit.engine.errors import Unavailable, UserError

RELEASED = {
    "event": "released",
    "channel": "live",
    "version": "20261121T101500Z-4be1c02",
    "release": 7,
    "previous": "v6",
    "message": "Fix",
}
HOOK = "https://hooks.example.com/services/T0/B0/secret"


class Told:
    """A topic whose messages a queue keeps, and a secret with a webhook's address."""

    def __init__(self, aws: Aws) -> None:
        self.aws, self._sqs = aws, aws.session.client("sqs")
        sns = aws.session.client("sns")
        self.topic = sns.create_topic(Name="releases")["TopicArn"]
        self._queue = self._sqs.create_queue(QueueName="q")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)
        self.secret = aws.session.client("secretsmanager").create_secret(Name="hook", SecretString=f"{HOOK}\n")["ARN"]
        self.posts: list[Asked] = []
        self.status = 200

    def post(self, asked: Asked) -> Reply:
        self.posts.append(asked)
        return Reply(self.status, {}, b"ok")

    def tell(self, event: dict[str, Any], **env: str) -> dict[str, Any]:
        ways = {"TOPIC_ARN": self.topic, "WEBHOOK_SECRET_ARN": self.secret, **env}
        return self.aws.run(notify.step, event, fetch=self.post, **ways)

    def messages(self) -> list[dict[str, Any]]:
        found = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(one["Body"]) for one in found]


@pytest.fixture
def told(aws: Aws) -> Told:
    return Told(aws)


def test_a_release_is_told_to_both(told: Told) -> None:
    assert told.tell(RELEASED) == {"event": "released", "sent": ["topic", "webhook"]}
    (message,) = told.messages()
    assert message["Subject"] == "live of shop serves 20261121T101500Z-4be1c02 (release 7)"
    assert message["Message"].splitlines() == [message["Subject"], "Fix", "It served v6 before.", "https://www.example.com/"]
    values = {name: one["Value"] for name, one in message["MessageAttributes"].items()}
    assert values == {"event": "released", "site": "shop", "channel": "live", "version": RELEASED["version"]}
    (post,) = told.posts
    assert post.url == HOOK and json.loads(post.body) == {"text": message["Message"]}
    assert post.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("env", "event", "link"),
    [
        ({"CANONICAL": "example.com"}, RELEASED, "https://example.com/"),
        ({"HOSTS": "[]"}, RELEASED, f"https://{DOMAIN}/"),
        ({}, {**RELEASED, "channel": "preview/pr-1"}, f"https://{DOMAIN}/_preview/pr-1--shop"),
        ({"HOSTS": '["*.example.com"]'}, {**RELEASED, "channel": "preview/pr-1"}, "https://pr-1--shop.example.com/"),
    ],
)
def test_the_link_leads_to_the_channel(told: Told, env: dict[str, str], event: dict[str, Any], link: str) -> None:
    told.tell(event, **env)
    assert told.messages()[0]["Message"].splitlines()[-1] == link


CAUSE = json.dumps({"errorMessage": "site.zip has no index.html: check the build's output folder", "errorType": "UserError"})


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            {"event": "failed", "channel": "live", "error": {"Error": "UserError", "Cause": CAUSE}},
            "A release to live of shop failed\nUserError: site.zip has no index.html: check the build's output folder\n"
            "What was serving still serves.",
        ),
        (
            {"event": "failed", "error": {"Error": "States.Timeout", "Cause": "no JSON"}},
            "A release to live of shop failed\nStates.Timeout: no JSON\nWhat was serving still serves.",
        ),
        ({"event": "failed"}, "A release to live of shop failed\nWhat was serving still serves."),
        (
            {"event": "watch failed", "release": 7, "error": {"Error": "UserError", "Cause": CAUSE}},
            f"Nobody watches release 7 of live of shop any more\nUserError: {json.loads(CAUSE)['errorMessage']}",
        ),
        (
            {"event": "flipped back", "channel": "live", "version": "v2", "serving": "v1", "message": "5xx: 9 % of requests"},
            "live of shop went back to v1: v2 set off an alarm\n5xx: 9 % of requests",
        ),
        ({"event": "superseded", "channel": "live", "version": "v2", "message": "newer"}, "live of shop: superseded (v2)\nnewer"),
        ({"event": "alarm, nothing to flip back to"}, "live of shop: alarm, nothing to flip back to"),
    ],
)
def test_every_event_is_told_in_words(told: Told, event: dict[str, Any], text: str) -> None:
    told.tell(event)
    assert told.messages()[0]["Message"] == text


def test_a_subject_is_one_short_line_of_ascii(told: Told) -> None:
    """SNS refuses others; a preview may be named as git allows."""
    told.tell({**RELEASED, "channel": f"preview/café\n{'x' * 200}"})
    (message,) = told.messages()
    assert message["Subject"].startswith("preview/caf? xxx") and len(message["Subject"]) <= 99


def test_without_ways_nothing_is_sent_and_that_is_no_error(told: Told) -> None:
    assert told.tell(RELEASED, TOPIC_ARN="", WEBHOOK_SECRET_ARN="") == {"event": "released", "sent": []}


@pytest.mark.parametrize(
    ("status", "error", "tries"), [(500, Unavailable, 3), (429, Unavailable, 3), (404, UserError, 1), (302, UserError, 1)]
)
def test_a_failing_webhook_hides_nothing_and_names_no_secret(
    told: Told, status: int, error: type[Exception], tries: int, capsys: pytest.CaptureFixture[str]
) -> None:
    told.status = status
    with pytest.raises(error, match=f"webhook: the webhook answers {status}") as caught:
        told.tell(RELEASED)
    assert len(told.messages()) == 1 and len(told.posts) == tries
    assert not re.search("T0|secret\\b", str(caught.value) + capsys.readouterr().out)


def test_a_failing_topic_does_not_keep_the_webhook_from_being_told(told: Told) -> None:
    with pytest.raises(UserError, match=r"topic: .*NotFound"):
        told.tell(RELEASED, TOPIC_ARN=told.topic + "-gone")
    assert len(told.posts) == 1


def test_a_webhook_that_is_no_https_address_is_told_without_it(told: Told) -> None:
    arn = told.aws.session.client("secretsmanager").create_secret(Name="other", SecretString="http://hooks/secret")["ARN"]
    with pytest.raises(UserError, match="the webhook's secret is no https address") as caught:
        told.tell(RELEASED, WEBHOOK_SECRET_ARN=arn)
    assert "hooks/secret" not in str(caught.value) and not told.posts
