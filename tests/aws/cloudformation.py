"""CloudFormation behind boto3's own client: stacks in memory that are made, changed, fail and go resource by resource.

Everything up to the wire is real, as with `tests.contracts.kvs`. moto's stacks are there in the moment that they are asked for,
never fail and keep nothing; here each look at a stack takes its operation one resource further, as people see it.
"""

from __future__ import annotations

import copy
import datetime
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from botocore.awsrequest import AWSResponse, HeadersDict

from tests.contracts.kvs import Raw

ACCOUNT = "123456789012"
REPLACING = {"Name", "BucketName", "FunctionName"}
_NOW = datetime.datetime(2026, 11, 22, 10, tzinfo=datetime.UTC)


class AwsError(Exception):
    """Code and text of an answer other than 200."""


@dataclass
class Stack:
    """`work` is what the operation under way has still to do: (logical id, type, status, reason); None ends it with a status."""

    name: str
    id: str
    status: str = "REVIEW_IN_PROGRESS"
    template: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    resources: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # logical id -> type, physical id, status
    events: list[dict[str, Any]] = field(default_factory=list)
    work: list[tuple[str, str, str, str]] = field(default_factory=list)


class FakeCloudFormation:
    """One region. `fetch` reads a template by its URL, `outputs` are what the stacks of a name will say.

    `events`: operation -> called when it is asked for. `failures`: logical id -> why it cannot be made. `undeletable` says of a
    type and a name why that cannot be deleted. `physical`: logical id -> name in the account.
    """

    def __init__(self, region: str, fetch: Callable[[str], str] = lambda url: "{}") -> None:
        self.region, self._fetch = region, fetch
        self.stacks: dict[str, Stack] = {}
        self.gone: list[Stack] = []
        self.outputs: dict[str, dict[str, str]] = {}
        self.failures: dict[str, str] = {}
        self.undeletable: Callable[[str, str], str] = lambda kind, name: ""
        self.physical: dict[str, str] = {}
        self.calls: list[str] = []
        self.denied: dict[str, str | tuple[str, str]] = {}
        self.events: dict[str, Callable[[], object]] = {}
        self.requests: list[dict[str, str]] = []
        self._change_sets: dict[str, tuple[Stack, str, dict[str, Any], dict[str, str], dict[str, str]]] = {}

    def put(self, name: str, outputs: dict[str, str], status: str = "CREATE_COMPLETE", **tags: str) -> Stack:
        """A stack that is there."""
        stack = Stack(name, self._id(name), status, outputs=outputs, tags=tags)
        self.stacks[name] = stack
        return stack

    def answer(self, operation: str, request: Any, model: Any) -> AWSResponse:
        self.calls.append(operation)
        given = {key: values[0] for key, values in parse_qs(_text(request.body)).items()}
        self.requests.append(given)
        self.events.get(operation, lambda: None)()
        try:
            if operation in self.denied:
                given_up = self.denied[operation]
                raise AwsError(*(given_up if isinstance(given_up, tuple) else (given_up, "as the test wants it")))
            found = getattr(self, f"_{operation}")(given)
        except AwsError as failed:
            return reply(request.url, 403 if failed.args[0] in ("AccessDenied", "ExpiredToken") else 400, error(*failed.args))
        output = model.operation_model(operation).output_shape
        wrapper = output.serialization["resultWrapper"] if output else "Nothing"
        body = _xml(found, output) if output else ""
        return reply(request.url, 200, f"<r><{wrapper}>{body}</{wrapper}></r>")

    def _id(self, name: str) -> str:
        return f"arn:aws:cloudformation:{self.region}:{ACCOUNT}:stack/{name}/{len(self.stacks) + len(self.gone)}"

    def _stack(self, name: str) -> Stack:
        known = [stack for stack in [*self.stacks.values(), *self.gone] if name == stack.id or name == stack.name]
        if not known or (known[0] in self.gone and name == known[0].name):
            raise AwsError("ValidationError", f"Stack with id {name} does not exist")
        return known[0]

    def _DescribeStacks(self, given: dict[str, str]) -> dict[str, Any]:
        stack = self._stack(given["StackName"])
        self._advance(stack)
        outputs = [{"OutputKey": key, "OutputValue": value} for key, value in stack.outputs.items()]
        tags = [{"Key": key.replace("_", ":"), "Value": value} for key, value in stack.tags.items()]
        about = {"StackId": stack.id, "StackName": stack.name, "CreationTime": _NOW, "StackStatus": stack.status}
        return {"Stacks": [{**about, "Outputs": outputs, "Tags": tags}]}

    def _DescribeStackEvents(self, given: dict[str, str]) -> dict[str, Any]:
        events = list(reversed(self._stack(given["StackName"]).events))
        start = int(given.get("NextToken", 0))
        more = {"NextToken": str(start + 10)} if len(events) > start + 10 else {}
        return {"StackEvents": events[start : start + 10], **more}

    def _ListStackResources(self, given: dict[str, str]) -> dict[str, Any]:
        stack = self._stack(given["StackName"])
        found = [
            {
                "LogicalResourceId": name,
                "ResourceType": kind,
                "PhysicalResourceId": physical,
                "ResourceStatus": status,
                "LastUpdatedTimestamp": _NOW,
            }
            for name, (kind, physical, status) in stack.resources.items()
        ]
        return {"StackResourceSummaries": found}

    def _ListStacks(self, given: dict[str, str]) -> dict[str, Any]:
        about = [{"StackId": it.id, "StackName": it.name, "CreationTime": _NOW, "StackStatus": it.status} for it in self.gone]
        return {"StackSummaries": about}

    def _CreateChangeSet(self, given: dict[str, str]) -> dict[str, Any]:
        name, template = given["StackName"], json.loads(self._fetch(given["TemplateURL"]))
        there = self.stacks.get(name)
        if (given["ChangeSetType"] == "CREATE") != (there is None or there.status == "REVIEW_IN_PROGRESS"):
            raise AwsError("ValidationError", f"Stack:{name} exists already or not")
        parameters = _pairs(given, "Parameters.member", "ParameterKey", "ParameterValue")
        wanted = {key for key, about in template.get("Parameters", {}).items() if "Default" not in about}
        if wanted - set(parameters):
            raise AwsError("ValidationError", f"Parameters: [{', '.join(wanted - set(parameters))}] must have values")
        stack = there or Stack(name, self._id(name))
        self.stacks[name] = stack
        id = f"arn:aws:cloudformation:{self.region}:{ACCOUNT}:changeSet/{given['ChangeSetName']}/1"
        tags = _pairs(given, "Tags.member", "Key", "Value")
        self._change_sets[id] = (stack, given["ChangeSetType"], template, parameters, tags)
        return {"Id": id, "StackId": stack.id}

    def _DescribeChangeSet(self, given: dict[str, str]) -> dict[str, Any]:
        stack, _, template, parameters, _ = self._change_sets[given["ChangeSetName"]]
        changes = list(_changes(stack.template.get("Resources", {}), template["Resources"]))
        if not changes and parameters == stack.parameters:
            reason = "The submitted information didn't contain changes. Submit different information to create a change set."
            return {"Status": "FAILED", "StatusReason": reason}
        return {"Status": "CREATE_COMPLETE", "Changes": [{"Type": "Resource", "ResourceChange": it} for it in changes]}

    def _DeleteChangeSet(self, given: dict[str, str]) -> dict[str, Any]:
        del self._change_sets[given["ChangeSetName"]]
        return {}

    def _ExecuteChangeSet(self, given: dict[str, str]) -> dict[str, Any]:
        stack, kind, template, parameters, tags = self._change_sets.pop(given["ChangeSetName"])
        changes = list(_changes(stack.template.get("Resources", {}), template["Resources"]))
        stack.work = [("", "", f"{kind}_IN_PROGRESS", "User Initiated")]
        if kind == "CREATE":  # a first deployment keeps its tags when it fails
            stack.tags = tags
        verbs = {"Add": "CREATE", "Modify": "UPDATE", "Remove": "DELETE"}
        for change in changes:
            name, type_ = change["LogicalResourceId"], change["ResourceType"]
            stack.work.append((name, type_, f"{verbs[change['Action']]}_IN_PROGRESS", ""))
            if name in self.failures:
                rolled = {"CREATE": "ROLLBACK", "UPDATE": "UPDATE_ROLLBACK"}[kind]
                stack.work.append((name, type_, f"{verbs[change['Action']]}_FAILED", self.failures[name]))
                stack.work.append(("Other", "AWS::IAM::Role", "CREATE_FAILED", "Resource creation cancelled"))
                stack.work += [("", "", f"{rolled}_IN_PROGRESS", ""), ("", "", f"{rolled}_COMPLETE", "")]
                stack.status = stack.work.pop(0)[2]
                return {}
            stack.work.append((name, type_, f"{verbs[change['Action']]}_COMPLETE", ""))
        stack.work.append(("", "", f"{kind}_COMPLETE", ""))
        stack.status = stack.work.pop(0)[2]
        stack.template, stack.parameters, stack.tags = copy.deepcopy(template), parameters, tags
        stack.outputs = dict(self.outputs.get(stack.name, {}))
        return {}

    def _DeleteStack(self, given: dict[str, str]) -> dict[str, Any]:
        stack = self.stacks.get(given["StackName"].split("/")[-2] if "/" in given["StackName"] else given["StackName"])
        if stack is None:
            return {}
        stack.status, stack.work = "DELETE_IN_PROGRESS", []
        for name, (kind, _, status) in reversed(stack.resources.items()):
            if status == "DELETE_COMPLETE":
                continue
            policy = stack.template.get("Resources", {}).get(name, {}).get("DeletionPolicy", "Delete")
            stack.work.append((name, kind, "DELETE_SKIPPED" if policy == "Retain" else "DELETE_COMPLETE", ""))
        stack.work.append(("", "", "DELETE_COMPLETE", ""))
        return {}

    def _advance(self, stack: Stack) -> None:
        """One resource further."""
        if not stack.work:
            return
        name, kind, status, reason = stack.work.pop(0)
        if name and status == "DELETE_COMPLETE" and (refused := self.undeletable(kind, self.physical.get(name, name.lower()))):
            status, reason = "DELETE_FAILED", refused
            stack.work = [("", "", "DELETE_FAILED", f"The following resource(s) failed to delete: [{name}]")]
        if not name:
            stack.status = status
            if status == "DELETE_COMPLETE":
                self.gone.append(self.stacks.pop(stack.name))
        else:
            physical = self.physical.get(name, name.lower())
            stack.resources[name] = (kind, physical, status)
        event = {"LogicalResourceId": name or stack.name, "ResourceType": kind or "AWS::CloudFormation::Stack"}
        about = {
            "ResourceStatus": status,
            "ResourceStatusReason": reason,
            "PhysicalResourceId": self.physical.get(name, name.lower()),
        }
        number = len(stack.events)
        where = {"StackId": stack.id, "EventId": f"{stack.name}-{number}", "StackName": stack.name}
        stack.events.append({**where, **event, **about, "Timestamp": _NOW + datetime.timedelta(seconds=number)})


def _changes(before: dict[str, Any], after: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name, it in after.items():
        about = {"LogicalResourceId": name, "ResourceType": it["Type"]}
        if name not in before:
            yield {"Action": "Add", **about}
        elif it != before[name]:
            was, now = before[name].get("Properties", {}), it.get("Properties", {})
            changed = [key for key in {**was, **now} if was.get(key) != now.get(key)]
            details = [{"Target": {"Attribute": "Properties", "Name": key}} for key in changed]
            replaced = "True" if REPLACING & set(changed) else "False"
            yield {"Action": "Modify", **about, "Replacement": replaced, "Details": details}
    for name, it in before.items():
        if name not in after:
            yield {"Action": "Remove", "LogicalResourceId": name, "ResourceType": it["Type"]}


def _pairs(given: dict[str, str], prefix: str, key: str, value: str) -> dict[str, str]:
    numbers = [name.split(".")[2] for name in given if name.startswith(prefix) and name.endswith(f".{key}")]
    return {given[f"{prefix}.{n}.{key}"]: given.get(f"{prefix}.{n}.{value}", "(before)") for n in numbers}


def _xml(value: Any, shape: Any) -> str:
    """A value as the query protocol writes it."""
    if shape.type_name == "structure":
        members = [(name, value[name], member) for name, member in shape.members.items() if name in value]
        return "".join(f"<{name}>{_xml(it, member)}</{name}>" for name, it, member in members)
    if shape.type_name == "list":
        return "".join(f"<member>{_xml(it, shape.member)}</member>" for it in value)
    return escape(value.isoformat() if isinstance(value, datetime.datetime) else str(value))


def error(code: str, message: str) -> str:
    return f"<r><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error></r>"


def reply(url: str, status: int, body: str) -> AWSResponse:
    return AWSResponse(url, status, HeadersDict({"content-type": "text/xml"}), Raw(body.encode()))


def _text(body: Any) -> str:
    return body.decode() if isinstance(body, bytes) else str(body or "")
