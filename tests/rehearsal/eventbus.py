"""EventBridge as far as uploads meet it: S3's event, a rule's own pattern, its input transformer, the rights of its target's role.

Patterns are matched by moto's implementation, held to the operators that it knows: it takes what it does not know for a match.
"""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from moto.events.models import EventPattern

from tests.rehearsal.iam import BeyondThis, Call, Caller, Policies
from tests.rehearsal.template import ACCOUNT, Deployed

_OPERATORS = {"prefix", "suffix", "wildcard", "exists", "equals-ignore-case", "anything-but", "numeric"}
_PLACEHOLDER = re.compile(r"<([\w.-]+)>")
# docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html: names, dashes and dots, no more.
_PATH = re.compile(r"\$(\.[\w-]+)*")


def object_created(bucket: str, key: str, version: str, size: int, etag: str, region: str) -> dict[str, Any]:
    """The event of a PutObject (docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html); times are in whole seconds."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": ACCOUNT,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "region": region,
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket},
            "object": {"key": key, "size": size, "etag": etag, "version-id": version, "sequencer": f"{time.time_ns():018X}"},
            "request-id": "C3D13FE58DE4C810",
            "requester": ACCOUNT,
            "source-ip-address": "192.0.2.1",
            "reason": "PutObject",
        },
    }


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """Whether a rule's pattern takes an event. BeyondThis for an operator that is not known here."""
    for operator in _operators(pattern):
        if operator not in _OPERATORS:
            raise BeyondThis(f"the operator {operator} in an event pattern")
    return bool(EventPattern.load(json.dumps(pattern)).matches_event(dict(event)))  # type: ignore[arg-type]


def _operators(pattern: Any) -> Iterator[str]:
    if isinstance(pattern, Mapping):
        for value in pattern.values():
            yield from _operators(value)
    elif isinstance(pattern, list):
        for item in pattern:
            if isinstance(item, Mapping):
                yield from item


def transformed(transformer: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    """What the target gets. Outside of quotes a placeholder becomes JSON; inside of them its text as it is, so that a quote in
    it breaks the whole. What AWS does there is not documented: here it is taken the hard way. (F54)"""
    values = {name: _value(path, event) for name, path in transformer.get("InputPathsMap", {}).items()}
    template = str(transformer["InputTemplate"])

    def filled(found: re.Match[str]) -> str:
        value = values.get(found[1], "")
        if _in_quotes(template, found.start()):
            return value if isinstance(value, str) else json.dumps(value)
        return json.dumps(value)

    return _PLACEHOLDER.sub(filled, template)


def _in_quotes(template: str, position: int) -> bool:
    return len(re.findall(r'(?<!\\)"', template[:position])) % 2 == 1


def _value(path: str, event: Any) -> Any:
    if not _PATH.fullmatch(path):
        raise BeyondThis(f"the path {path}")
    for name in path.split(".")[1:]:
        event = event.get(name, "") if isinstance(event, Mapping) else ""
    return event


@dataclass(frozen=True)
class Target:
    """What a rule calls: who it is, in whose name it is called, and what it gets."""

    arn: str
    role: str
    given: str


class Bus:
    """The default bus with the rules of a template. `deliver` is called for each target of a rule that takes an event."""

    def __init__(self, stack: Deployed, policies: Policies, deliver: Callable[[Target], None]) -> None:
        self._policies, self._deliver = policies, deliver
        found = stack.of("AWS::Events::Rule").values()
        self.rules = [rule for rule in found if rule.get("EventPattern") and rule.get("State", "ENABLED") == "ENABLED"]
        self.taken: list[dict[str, Any]] = []

    def put(self, event: Mapping[str, Any]) -> int:
        """Hand an event to the rules; how many targets got it. AssertionError when a rule may not start its target."""
        count = 0
        for rule in self.rules:
            if matches(rule["EventPattern"], event):
                self.taken.append(dict(event))
                for target in rule["Targets"]:
                    self._send(target, event)
                    count += 1
        return count

    def _send(self, target: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        arn, role = str(target["Arn"]), str(target.get("RoleArn", ""))
        call = Call("codepipeline:StartPipelineExecution", arn)
        assert ":codepipeline:" in arn, f"the rehearsal knows pipelines as targets, not {arn}"
        assert self._policies.trusts(role, "events.amazonaws.com"), f"EventBridge may not take the role {role}"
        assert self._policies.allow(Caller(arn=role), call), f"{role} may not {call}"
        given = transformed(target["InputTransformer"], event) if "InputTransformer" in target else json.dumps(event)
        self._deliver(Target(arn, role, given))
