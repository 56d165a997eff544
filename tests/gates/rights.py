"""Who may do what, read from a template: each role's own statements, and those of resources' policies that name it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tests.cdk.policies import as_list, statements
from tests.cdk.templates import Template, text

# Up to what is the resource's own: partition, service, region, account.
_PLACE = r":(?:\$\{AWS::Region\}|[a-z0-9-]*):(?:\$\{AWS::AccountId\}|\d*):"
_ARN = re.compile(r"^arn:(?:\$\{AWS::Partition\}|[a-z-]+):([a-z0-9-]+)" + _PLACE)
_STORAGE_HASH = re.compile("[0-9A-F]{8}$")


@dataclass(frozen=True)
class Right:
    """What one statement lets `who` (a role's logical id, or a service) do. Trust in a service to take a role is none."""

    who: str
    actions: Sequence[str]
    resources: Sequence[str]

    @property
    def is_wide(self) -> bool:
        """Whether an action or a resource holds a wildcard, `*` or `?`, wherever in it."""
        return any(wildcard in word for word in (*self.actions, *self.resources) for wildcard in "*?")

    @property
    def has_wide_action(self) -> bool:
        return any("*" in action for action in self.actions)


def allowing(template: Template) -> list[Right]:
    """Each statement that allows something, once; trust in services to take a role is not among them."""
    found = [(name, it) for name, it in statements(template.body) if it["Effect"] == "Allow" and "Resource" in it]
    return [Right(name, as_list(it["Action"]), as_list(it["Resource"])) for name, it in found]


def rights(template: Template) -> list[Right]:
    return [right for name, it in statements(template.body) if it["Effect"] == "Allow" for right in _of(template, name, it)]


def _of(template: Template, name: str, statement: dict[str, Any]) -> Iterator[Right]:
    actions, resources = as_list(statement["Action"]), as_list(statement.get("Resource", []))
    if "Principal" in statement:
        if resources:
            yield from (Right(who, actions, resources) for who in _principals(statement["Principal"]))
    else:
        kind = template.body["Resources"][name]["Type"]
        holders = [name] if kind == "AWS::IAM::Role" else _holders(template, name)
        yield from (Right(who, actions, resources) for who in holders)


def _principals(principal: dict[str, Any]) -> Iterator[str]:
    for value in (one for kind in principal.values() for one in as_list(kind)):
        yield value.removeprefix("${").removesuffix(".Arn}")


def _holders(template: Template, policy: str) -> list[str]:
    roles = {role: template.body["Resources"][role]["Properties"] for role in template.ids("AWS::IAM::Role")}
    return [role for role, it in roles.items() if f"${{{policy}}}" in text(it.get("ManagedPolicyArns", []))]


def trusted(template: Template, role: str) -> str:
    """Who may take the role: a service, or the tokens of GitHub Actions."""
    (statement,) = text(template.body["Resources"][role]["Properties"]["AssumeRolePolicyDocument"])["Statement"]
    service: str = statement["Principal"].get("Service", "GitHub Actions")
    return service


def short(logical_id: str) -> str:
    """A logical id without its hash: `ReleasePublishRole`."""
    return _STORAGE_HASH.sub("", logical_id)


def readable(resource: str) -> str:
    """A resource as a reader of a table wants it."""
    resource = re.sub(r"\$\{Site(Storage)?Bucket\w*\.Arn\}", "bucket", resource)
    resource = re.sub(r"^arn:\$\{AWS::Partition\}:s3:::cdk-.*$", "its code in the bootstrap bucket", resource)
    resource = _ARN.sub(r"\1 ", resource)
    return re.sub(r"\$\{(\w+?)(\.Arn|\.Name)?\}", lambda match: short(match[1]), resource)
