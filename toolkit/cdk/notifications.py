"""Who hears of releases: a topic to subscribe to, and a webhook if there is one."""

from __future__ import annotations

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from constructs import Construct

from toolkit.cdk.functions import NOTIFY, FunctionMaker, ReleaseFacts
from toolkit.cdk.roles import announces


class Notifications(Construct):
    """`topic` gets a message for each release, each failure and each flip back; `notify` sends it there and to the webhook.

    webhook_secret: a secret whose text is the webhook's URL, as Slack gives it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        facts: ReleaseFacts,
        maker: FunctionMaker,
        webhook_secret: secretsmanager.ISecret | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(
            self,
            "Topic",
            display_name=f"Releases of {facts.site}",
            enforce_ssl=True,
            # AWS's own key: who may publish to the topic may use it for that. (F38)
            master_key=kms.Alias.from_alias_name(self, "Key", "alias/aws/sns"),
        )
        statements = [announces(self.topic)]
        environment = {"SITE": facts.site, **facts.names(), "TOPIC_ARN": self.topic.topic_arn}
        if webhook_secret:
            # The ARN ends in six characters of AWS's; without them it is a pattern.
            arn = webhook_secret.secret_full_arn or f"{webhook_secret.secret_arn}-??????"
            statements.append(iam.PolicyStatement(sid="Webhook", actions=["secretsmanager:GetSecretValue"], resources=[arn]))
            environment["WEBHOOK_SECRET_ARN"] = webhook_secret.secret_arn
        self.notify = maker.make(
            self, "notify", description="says what was released", measure=NOTIFY, environment=environment, statements=statements
        )
        if webhook_secret and webhook_secret.encryption_key:
            webhook_secret.encryption_key.grant_decrypt(self.notify.role)
