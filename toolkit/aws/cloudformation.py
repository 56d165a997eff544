"""One stack: what a change set would do to it, doing it, deleting it, and how far CloudFormation has come.

Nothing here waits without saying so: every operation is an iterator of steps, and leaving one alone leaves CloudFormation at work.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from toolkit.aws.errors import code
from toolkit.aws.outputs import is_missing
from toolkit.aws.session import asking
from toolkit.engine.stacks import Change, StackPlan, Step
from toolkit.errors import UserError

STACK = "AWS::CloudFormation::Stack"
# What visitors see or what was stored is lost with these.
STATEFUL = ("AWS::CloudFront::Distribution", "AWS::CloudFront::KeyValueStore", "AWS::S3::Bucket", "AWS::SNS::Topic")
# Shown each event of an operation; what it answers is for people.
About = Callable[[Mapping[str, Any] | None], str]
_SECONDS = 3.0
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]
_NOTHING = re.compile("didn't contain changes|No updates are to be performed", re.I)
_ACTIONS = {"Add": "add", "Modify": "modify", "Remove": "remove"}
_REPLACED = {"True": "yes", "Conditional": "maybe"}
# What AWS says -> what to do about it. First match.
_HINTS = (
    ("CNAMEAlreadyExists|associated with a different resource", "take the host away from the other distribution: toolkit doctor"),
    ("AccessDenied|not authorized|UnauthorizedOperation", "allow it: `toolkit permissions up` prints the policy"),
    ("LimitExceeded|quota|TooMany", "remove what is no longer used, or ask AWS for a higher quota: toolkit doctor"),
    ("_IN_PROGRESS state|OBSOLETE", "somebody else is changing it: run the command again, it waits for them"),
    ("already exists", "something of that name outlived an earlier stack: `toolkit destroy` takes it away"),
)
_AGAIN = "mend it and run the command again: CloudFormation has put the stack back to what it was"
_REFUSED = "mend it and run the command again: nothing was changed"


class StackOperations:
    """A stack in one region. `client` is asked for a CloudFormation client before each use."""

    def __init__(self, client: Callable[[], Any], name: str, region: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self.name, self.region = name, region
        self._client, self._sleep = client, sleep
        self._where = f"the stack {name} in {region}"

    def describe(self, id: str = "") -> dict[str, Any] | None:
        """What CloudFormation says of the stack, None when it is not there; by its id also after it was deleted."""
        try:
            found: dict[str, Any] = self._ask("describe_stacks", StackName=id or self.name)["Stacks"][0]
            return found
        except _Missing:
            return None

    def status(self) -> str:
        """Such as CREATE_COMPLETE; "" when there is no such stack."""
        found = self.describe()
        return str(found["StackStatus"]) if found else ""

    def outputs(self) -> dict[str, str]:
        found = self.describe() or {}
        return {item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", ())}

    def tags(self) -> dict[str, str]:
        found = self.describe() or {}
        return {item["Key"]: item["Value"] for item in found.get("Tags", ())}

    def plan(self, template_url: str, parameters: Mapping[str, str], tags: Mapping[str, str], role: str = "") -> StackPlan:
        """Make a change set. `role` is what CloudFormation does it with, "" for whoever asks."""
        there = self.status()
        is_new = there in ("", "REVIEW_IN_PROGRESS")
        made = self._ask(
            "create_change_set",
            StackName=self.name,
            ChangeSetName=f"toolkit-{time.time_ns()}",
            ChangeSetType="CREATE" if is_new else "UPDATE",
            TemplateURL=template_url,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
            Capabilities=_CAPABILITIES,
            **({"RoleARN": role} if role else {}),
        )
        changes = self._changes(made["Id"])
        if changes is None:
            self._ask("delete_change_set", StackName=self.name, ChangeSetName=made["Id"])
            return StackPlan(self.name, self.region, is_new, ())
        return StackPlan(self.name, self.region, is_new, changes, made["Id"])

    def drop(self, plan: StackPlan) -> None:
        """Delete a plan's change set."""
        if plan.id:
            self._ask("delete_change_set", StackName=self.name, ChangeSetName=plan.id)

    def _changes(self, id: str) -> tuple[Change, ...] | None:
        """The changes of a change set, None when it has none."""
        while True:
            found = self._ask("describe_change_set", StackName=self.name, ChangeSetName=id)
            if found["Status"] == "FAILED":
                if _NOTHING.search(found.get("StatusReason", "")):
                    return None
                reason = found.get("StatusReason", "no change set")
                raise UserError(f"{self._where}: {reason}", hint(reason, _REFUSED))
            if found["Status"] == "CREATE_COMPLETE":
                break
            self._sleep(_SECONDS)
        changes = [it["ResourceChange"] for it in found.get("Changes", ())]
        while found.get("NextToken"):
            found = self._ask("describe_change_set", StackName=self.name, ChangeSetName=id, NextToken=found["NextToken"])
            changes += [it["ResourceChange"] for it in found.get("Changes", ())]
        return tuple(_change(it) for it in changes)

    def apply(self, plan: StackPlan, about: About = lambda event: "") -> Iterator[Step]:
        """Execute a plan. UserError with the resource and the reason when it fails."""
        seen = "" if plan.is_new else self._last_event()
        self._ask("execute_change_set", StackName=self.name, ChangeSetName=plan.id)
        yield from self.follow(len(plan.changes), seen, about)

    def delete(self, role: str = "") -> Iterator[Step]:
        """Delete the stack. UserError when something of it stays."""
        seen, total = self._last_event(), len(self.resources())
        self._ask("delete_stack", StackName=self.name, **({"RoleARN": role} if role else {}))
        yield from self.follow(total, seen)

    def follow(self, total: int = 0, seen: str = "", about: About = lambda event: "") -> Iterator[Step]:
        """Watch the operation that is under way until it ends; `seen` is the last event of the one before.

        `about` is shown each event, and None after each look at the stack; what it answers is a step's note.
        """
        stack = self.describe()
        if stack is None:
            return
        done: set[str] = set()
        failed = ""
        while True:
            # Asked before its events are, so that none of the last ones is missed.
            stack = self.describe(stack["StackId"]) or {**stack, "StackStatus": "DELETE_COMPLETE"}
            for event in self._events(stack["StackId"], seen):
                seen = event["EventId"]
                if event["ResourceType"] == STACK:
                    continue
                failed = failed or _failure(event)
                if re.search("_COMPLETE$|_SKIPPED$", event["ResourceStatus"]):
                    done.add(event["LogicalResourceId"])
                doing = f"{self.name}: {event['ResourceType']} {event['LogicalResourceId']}"
                yield Step(min(len(done), total), total, doing, about(event))
            if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                break
            yield Step(min(len(done), total), total, note=about(None))
            self._sleep(_SECONDS)
        if "ROLLBACK" in stack["StackStatus"] or stack["StackStatus"].endswith("FAILED"):
            reason = failed or stack.get("StackStatusReason") or stack["StackStatus"]
            raise UserError(f"{self._where}: {reason}", hint(reason))

    def resources(self, id: str = "") -> list[dict[str, Any]]:
        """The stack's resources, also those that are gone or were left behind."""
        found: list[dict[str, Any]] = []
        more: dict[str, str] = {}
        while True:
            page = self._ask("list_stack_resources", StackName=id or self.name, **more)
            found += page["StackResourceSummaries"]
            if not page.get("NextToken"):
                return found
            more = {"NextToken": page["NextToken"]}

    def deleted(self) -> list[str]:
        """The ids of stacks of this name that were deleted in the last 90 days."""
        found: list[str] = []
        more: dict[str, str] = {}
        while True:
            page = self._ask("list_stacks", StackStatusFilter=["DELETE_COMPLETE"], **more)
            found += [it["StackId"] for it in page["StackSummaries"] if it["StackName"] == self.name]
            if not page.get("NextToken"):
                return found
            more = {"NextToken": page["NextToken"]}

    def _last_event(self) -> str:
        page = self._ask("describe_stack_events", StackName=self.name)
        return str(page["StackEvents"][0]["EventId"]) if page["StackEvents"] else ""

    def _events(self, id: str, seen: str) -> list[dict[str, Any]]:
        """Events after `seen`, oldest first; CloudFormation lists the newest first."""
        found: list[dict[str, Any]] = []
        more: dict[str, str] = {}
        while True:
            page = self._ask("describe_stack_events", StackName=id, **more)
            for event in page["StackEvents"]:
                if event["EventId"] == seen:
                    return found[::-1]
                found.append(event)
            if not page.get("NextToken"):
                return found[::-1]
            more = {"NextToken": page["NextToken"]}

    def _ask(self, operation: str, **given: Any) -> dict[str, Any]:
        action = "".join(word.capitalize() for word in operation.split("_"))
        with asking(self._where, f"cloudformation:{action}"):
            try:
                found: dict[str, Any] = getattr(self._client(), operation)(**given)
                return found
            except ClientError as error:
                if is_missing(error):
                    raise _Missing(self.name) from error
                if code(error) in ("ValidationError", "InvalidChangeSetStatus"):
                    raise UserError(f"{self._where}: {error}", hint(str(error), _REFUSED)) from error
                raise


class _Missing(Exception):
    """There is no such stack."""


def hint(reason: str, otherwise: str = _AGAIN) -> str:
    """What to do about what AWS says."""
    return next((fix for pattern, fix in _HINTS if re.search(pattern, reason)), otherwise)


def _change(found: Mapping[str, Any]) -> Change:
    properties = {
        it["Target"].get("Name") or it["Target"].get("Attribute", "") for it in found.get("Details", ()) if "Target" in it
    }
    return Change(
        action=_ACTIONS.get(found["Action"], found["Action"].lower()),
        kind=found["ResourceType"],
        name=found["LogicalResourceId"],
        replaced=_REPLACED.get(found.get("Replacement", ""), ""),
        because=tuple(sorted(properties)),
        stateful=found["ResourceType"] in STATEFUL,
    )


def _failure(event: Mapping[str, Any]) -> str:
    reason = str(event.get("ResourceStatusReason", ""))
    if not event["ResourceStatus"].endswith("_FAILED") or "cancelled" in reason:
        return ""
    return f"{event['LogicalResourceId']} ({event['ResourceType']}) failed: {reason}"
