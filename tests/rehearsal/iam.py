"""Who may do what: the part of IAM's evaluation that our templates use, and an error for whatever lies beyond.

Within one account (docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html): a Deny that holds ends it;
else an Allow in the caller's own policies or in the resource's is enough. Permission boundaries are not evaluated: the CLI's own
boundary is tested apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from tests.rehearsal.template import ACCOUNT, Deployed

_KNOWN = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}


class BeyondThis(Exception):
    """A policy uses what is not evaluated here."""


@dataclass(frozen=True)
class Caller:
    """A role (`arn`) or a service of AWS (`service`)."""

    arn: str = ""
    service: str = ""

    @property
    def name(self) -> str:
        return self.service or self.arn.rpartition("/")[2]


@dataclass(frozen=True)
class Call:
    """What somebody wants to do: an action on a resource, and the condition keys that such a request has (lower case)."""

    action: str
    resource: str
    keys: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}"


class Policies:
    """All policies of some templates: those of roles by the role's ARN, those of resources by the resource's."""

    def __init__(self, stacks: Iterable[Deployed]) -> None:
        self.of_roles: dict[str, list[dict[str, Any]]] = {}
        self.of_resources: dict[str, list[dict[str, Any]]] = {}
        self._trust: dict[str, list[dict[str, Any]]] = {}
        for stack in stacks:
            self._read(stack)

    def _read(self, stack: Deployed) -> None:
        names = {stack.name(role): stack.attribute(role, "Arn") for role in stack.within("AWS::IAM::Role")}
        shared = {stack.attribute(name, "Arn"): it["PolicyDocument"] for name, it in stack.of("AWS::IAM::ManagedPolicy").items()}
        for role, properties in stack.of("AWS::IAM::Role").items():
            own = self.of_roles.setdefault(stack.attribute(role, "Arn"), [])
            self._trust[stack.attribute(role, "Arn")] = _list(properties.get("AssumeRolePolicyDocument", {}).get("Statement", []))
            for arn in properties.get("ManagedPolicyArns", ()):
                if arn not in shared:
                    raise BeyondThis(f"{role} has the policy {arn}, which is not in the template")
                own += _statements(shared[arn])
            for policy in properties.get("Policies", ()):
                own += _statements(policy["PolicyDocument"])
        for kind in ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"):
            for properties in stack.of(kind).values():
                for role in properties.get("Roles", ()):
                    self.of_roles[names[role]] += _statements(properties["PolicyDocument"])
        for properties in stack.of("AWS::S3::BucketPolicy").values():
            self._of(f"arn:aws:s3:::{properties['Bucket']}", properties)
        for properties in stack.of("AWS::SNS::TopicPolicy").values():
            for topic in properties["Topics"]:
                self._of(topic, properties)

    def _of(self, resource: str, properties: Mapping[str, Any]) -> None:
        self.of_resources.setdefault(resource, []).extend(_statements(properties["PolicyDocument"]))

    def trusts(self, role: str, service: str) -> bool:
        """Whether a service may take a role for this account, which it names as it does so (F35)."""
        keys = {"aws:sourceaccount": ACCOUNT}
        return any(
            one["Effect"] == "Allow"
            and one["Action"] == "sts:AssumeRole"
            and _is_meant(one, Caller(service=service))
            and _conditions_hold(one, Call("sts:AssumeRole", role, keys))
            for one in self._trust.get(role, [])
        )

    def allow(self, caller: Caller, call: Call) -> bool:
        own = self.of_roles.get(caller.arn, [])
        there = self.of_resources.get(call.resource.split("/")[0], [])
        holding = [one for one in own if _holds(one, call)]
        holding += [one for one in there if _is_meant(one, caller) and _holds(one, call)]
        effects = {one["Effect"] for one in holding}
        return effects == {"Allow"}


def _statements(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = _list(document["Statement"])
    for one in found:
        if set(one) - _KNOWN:
            raise BeyondThis(f"{sorted(set(one) - _KNOWN)} in a statement")
    return found


def _is_meant(statement: Mapping[str, Any], caller: Caller) -> bool:
    principal = statement["Principal"]
    if principal in ("*", {"AWS": "*"}):
        return True
    if set(principal) - {"AWS", "Service"}:
        raise BeyondThis(f"the principal {principal}")
    return bool(caller.arn and caller.arn in _list(principal.get("AWS", []))) or bool(
        caller.service and caller.service in _list(principal.get("Service", []))
    )


def _holds(statement: Mapping[str, Any], call: Call) -> bool:
    return (
        any(_like(pattern.lower(), call.action.lower()) for pattern in _list(statement["Action"]))
        and any(_arn_like(pattern, call.resource) for pattern in _list(statement["Resource"]))
        and _conditions_hold(statement, call)
    )


def _conditions_hold(statement: Mapping[str, Any], call: Call) -> bool:
    return all(
        _condition(operator, values, call.keys.get(key.lower()))
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    )


def _condition(operator: str, wanted: Any, there: str | None) -> bool:
    if operator.endswith("IfExists"):
        return there is None or _condition(operator.removesuffix("IfExists"), wanted, there)
    values = [str(value) for value in _list(wanted)]
    match operator:
        case "StringEquals":
            return there in values
        case "StringLike":
            return there is not None and any(_like(value, there) for value in values)
        case "ArnLike" | "ArnEquals":
            return there is not None and any(_arn_like(value, there) for value in values)
        case "StringNotEquals":
            return there not in values
        case "Bool":
            return there is not None and there.lower() in [value.lower() for value in values]
        case "NumericLessThan":
            return there is not None and any(float(there) < float(value) for value in values)
        case "Null":
            return any((there is None) == (value.lower() == "true") for value in values)
    raise BeyondThis(f"the condition operator {operator}")


def _arn_like(pattern: str, arn: str) -> bool:
    """A wildcard does not reach from one of an ARN's six parts into the next."""
    if pattern == "*":
        return True
    wanted, there = pattern.split(":", 5), arn.split(":", 5)
    return len(wanted) == len(there) and all(map(_like, wanted, there))


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in text), re.DOTALL)


def _like(pattern: str, text: str) -> bool:
    return _pattern(pattern).fullmatch(text) is not None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
