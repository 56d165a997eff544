"""Tell people: a message to an SNS topic, and the secret that says where a webhook is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toolkit.aws.session import asking

# "The subject must be ASCII text … less than 100 characters long" (SNS, Publish).
_SUBJECT = 99


def send(session: Any, topic_arn: str, subject: str, text: str, attributes: Mapping[str, str]) -> None:
    """One message; empty attributes are left out, as SNS takes none. UserError, Unavailable."""
    line = " ".join(subject.encode("ascii", "replace").decode().split())[:_SUBJECT]
    kept = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value}
    with asking(topic_arn, "sns:Publish"):
        session.client("sns").publish(TopicArn=topic_arn, Subject=line, Message=text, MessageAttributes=kept)


def secret(session: Any, arn: str) -> str:
    """The text of a secret. UserError, Unavailable."""
    with asking(arn, "secretsmanager:GetSecretValue"):
        return str(session.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"]).strip()
