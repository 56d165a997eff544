"""Once a day: previews that have had their time go, then versions that nobody needs."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_sns as sns
from constructs import Construct

from toolkit.cdk.functions import UPKEEP, FunctionMaker, ReleaseFacts
from toolkit.cdk.roles import announces, uses_store


class Upkeep(Construct):
    """A rule and the function that it calls. A day that is left out does no harm: the next one does the work of both.

    What fails three times is told to the topic, as Lambda words it.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, facts: ReleaseFacts, maker: FunctionMaker, topic: sns.ITopic
    ) -> None:
        super().__init__(scope, construct_id)
        self.function = maker.make(
            self,
            "upkeep",
            description="removes old previews and versions",
            measure=UPKEEP,
            environment=facts.upkeep(),
            statements=[uses_store(facts.hosting.store.key_value_store_arn), announces(topic)],
        )
        self.function.function.configure_async_invoke(on_failure=destinations.SnsDestination(topic), retry_attempts=2)
        events.Rule(
            self,
            "Daily",
            description=f"upkeep of {facts.site}",
            schedule=events.Schedule.rate(Duration.days(1)),
            targets=[targets.LambdaFunction(self.function.function, retry_attempts=2, max_event_age=Duration.hours(2))],
        )
