"""The template's state machines in moto's executor: each call of a state goes out through boto3, and so to the played AWS.

`Seconds` of Wait states is changed, so that a rehearsal ends today, and `.sync` of a build is left out, which moto lacks: the build
is over here when the call returns.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.rehearsal.aws import PlayedAws
from tests.rehearsal.iam import Caller
from tests.rehearsal.template import Deployed

WAIT_SECONDS = 1


@dataclass(frozen=True)
class Machine:
    """A state machine of the template: `definition` as CloudFormation would hand it over, waits shortened."""

    arn: str
    name: str
    role: str
    definition: dict[str, Any]
    waits: tuple[int, ...] = field(default=())


def machines(stack: Deployed) -> list[Machine]:
    found = []
    for logical_id, given in stack.of("AWS::StepFunctions::StateMachine").items():
        definition = definition_of(given)
        waits = tuple(_made_playable(definition))
        found.append(Machine(stack.attribute(logical_id, "Arn"), stack.name(logical_id), given["RoleArn"], definition, waits))
    return found


def definition_of(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The definition as Step Functions gets it: given as text or as an object, names in `${…}` filled in."""
    text, names = properties.get("DefinitionString"), properties.get("DefinitionSubstitutions", {})
    text = json.dumps(properties["Definition"]) if text is None else text
    definition: dict[str, Any] = json.loads(re.sub(r"\$\{(\w+)\}", lambda at: str(names[at[1]]), text))
    return definition


def _made_playable(value: Any) -> Iterator[int]:
    if isinstance(value, dict):
        if str(value.get("Resource", "")).endswith("codebuild:startBuild.sync"):
            value["Resource"] = value["Resource"].removesuffix(".sync")
        if value.get("Type") == "Wait" and value.get("Seconds", 0) > WAIT_SECONDS:
            yield value["Seconds"]
            value["Seconds"] = WAIT_SECONDS
        for item in value.values():
            yield from _made_playable(item)
    elif isinstance(value, list):
        for item in value:
            yield from _made_playable(item)


class Executor:
    """Makes the machines and runs them. What a machine calls must be allowed to the role of the machine that names it."""

    def __init__(self, aws: PlayedAws, client: Any, found: list[Machine]) -> None:
        self._client, self.machines = client, found
        for machine in found:
            made = client.create_state_machine(name=machine.name, definition=json.dumps(machine.definition), roleArn=machine.role)
            assert made["stateMachineArn"] == machine.arn, f"{made['stateMachineArn']} is not {machine.arn}"
            aws.machines[json.dumps(machine.definition)] = Caller(arn=machine.role)

    def start(self, arn: str, name: str, given: Any) -> str:
        return str(self._client.start_execution(stateMachineArn=arn, name=name, input=json.dumps(given))["executionArn"])

    def status(self, execution: str) -> str:
        return str(self._client.describe_execution(executionArn=execution)["status"])

    def wait(self, execution: str, seconds: float = 120.0) -> dict[str, Any]:
        """How it ended: `status`, `output` (JSON) or `error` and `cause`. An execution that hangs is a failure."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found: dict[str, Any] = self._client.describe_execution(executionArn=execution)
            if found["status"] != "RUNNING" and ("output" in found or found["status"] != "SUCCEEDED"):
                return found
            time.sleep(0.05)
        raise AssertionError(f"{execution} did not end within {seconds:.0f} s")

    def failures(self, execution: str) -> list[str]:
        """What went wrong on the way, also what was caught."""
        events = self._client.get_execution_history(executionArn=execution, maxResults=1000)["events"]
        found = (one["taskFailedEventDetails"] for one in events if one["type"] == "TaskFailed")
        return [f"{one['error']}: {one.get('cause', '')}" for one in found]

    def of(self, arn: str) -> list[str]:
        """The executions of a machine."""
        return [one["executionArn"] for one in self._client.list_executions(stateMachineArn=arn)["executions"]]
