"""After a release: a machine that looks at the alarms for a while and flips back by itself. It runs apart and blocks nobody."""

from __future__ import annotations

import json

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from constructs import Construct

from toolkit.cdk.alarms import alarm_names
from toolkit.cdk.definition import Definitions
from toolkit.cdk.functions import FLIP, NOTIFY, FunctionMaker, HandlerFunction, ReleaseFacts
from toolkit.cdk.machines import Machine
from toolkit.cdk.roles import Telemetry, uses_store
from toolkit.engine.stacks import EDGE_REGION


class ReleaseWatch(Construct):
    """`state_machine` takes `{"channel", "release", "version", "until"}`; `function` is what it asks every 30 seconds.

    The alarms are those of `SiteAlarms`, by their names: they stand in another region, where a stack of this one cannot refer to.
    Until they are there the watch sees none and does nothing.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        facts: ReleaseFacts,
        maker: FunctionMaker,
        notify: HandlerFunction,
        telemetry: Telemetry,
    ) -> None:
        super().__init__(scope, construct_id)
        names = alarm_names(facts.hosting.distribution.distribution_id)
        # Of named alarms this may be narrow; composite alarms would ask for all
        # (docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html).
        alarms = [f"arn:{Aws.PARTITION}:cloudwatch:{EDGE_REGION}:{Aws.ACCOUNT_ID}:alarm:{name}" for name in names]
        self.function = maker.make(
            self,
            "watch",
            description="flips back when an alarm goes off",
            measure=FLIP,
            environment={**facts.stores(), "ALARMS": json.dumps(list(names))},
            statements=[
                uses_store(facts.hosting.store.key_value_store_arn),
                iam.PolicyStatement(sid="Alarms", actions=["cloudwatch:DescribeAlarms"], resources=alarms),
            ],
        )
        seconds = {"Watch": FLIP.seconds, "Notify": NOTIFY.seconds}
        made = Machine(
            self,
            "Machine",
            description=f"watches releases of {facts.site}",
            definition=Definitions(Aws.PARTITION, seconds).watch(watch_seconds=facts.watch_minutes * 60),
            functions={"Watch": self.function, "Notify": notify},
            telemetry=telemetry,
        )
        self.state_machine = made.machine
