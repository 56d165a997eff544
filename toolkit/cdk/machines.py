"""A Step Functions state machine with its own role and log group."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Names
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from toolkit.cdk.functions import HandlerFunction, log_group
from toolkit.cdk.roles import Telemetry, service_role


class Machine(Construct):
    """Runs a definition whose `${…}` stand for `functions` by name and for `values`; it may call those functions and `statements`.

    Always of the standard kind: an express execution ends after five minutes, and is not told apart from its retry by its name
    (docs.aws.amazon.com/step-functions/latest/dg/choosing-workflow-type.html).
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        description: str,
        definition: Mapping[str, Any],
        functions: Mapping[str, HandlerFunction],
        telemetry: Telemetry,
        values: Mapping[str, str] | None = None,
        statements: Sequence[iam.PolicyStatement] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        arns = {name: made.function.function_arn for name, made in functions.items()}
        invoke = iam.PolicyStatement(sid="Functions", actions=["lambda:InvokeFunction"], resources=list(arns.values()))
        self.role = service_role(
            self,
            "Role",
            service="states.amazonaws.com",
            description=description,
            statements=[invoke, *statements],
            managed_policies=[telemetry.policy],
        )
        # Groups with this prefix are not counted into the account's log policy, which is of limited size
        # (docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html).
        unique = Names.unique_resource_name(self, max_length=80, separator="-")
        group = log_group(self, "Logs", f"/aws/vendedlogs/states/{unique}")
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            definition_body=sfn.DefinitionBody.from_string(json.dumps(definition)),
            definition_substitutions={**arns, **(values or {})},
            comment=description,
            role=self.role.without_policy_updates(),
            state_machine_type=sfn.StateMachineType.STANDARD,
            tracing_enabled=True,
            logs=sfn.LogOptions(destination=group, level=sfn.LogLevel.ALL, include_execution_data=True),
        )
