"""One stack's operations: how far they have come, and whose credentials they use."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from tests.aws.account import REGION, FakeAccount
from tests.aws.cloudformation import Stack
from tests.aws.support import no_sleep
from toolkit.aws.bootstrap import Roles
from toolkit.aws.cloudformation import StackOperations, hint
from toolkit.engine.stacks import Change, StackPlan
from toolkit.errors import UserError

NAME = "toolkit-site-blog"
ROLE = "arn:aws:iam::123456789012:role/deploy"


@pytest.fixture
def stack(account: FakeAccount) -> Stack:
    return account.cloudformation().put(NAME, {"DomainName": "d"})


def operations(account: FakeAccount) -> StackOperations:
    client = account.connect(REGION, "").client("cloudformation")
    return StackOperations(lambda: client, NAME, REGION, no_sleep)


def updating(stack: Stack, count: int, last: str = "UPDATE_COMPLETE") -> None:
    stack.status = "UPDATE_IN_PROGRESS"
    for number in range(count):
        name = f"Resource{number}"
        stack.work += [(name, "AWS::IAM::Role", "UPDATE_IN_PROGRESS", ""), (name, "AWS::IAM::Role", "UPDATE_COMPLETE", "")]
    stack.work.append(("", "", last, ""))


def test_steps_count_resources_up_to_the_total(account: FakeAccount, stack: Stack) -> None:
    updating(stack, 30)
    steps = list(operations(account).follow(30))
    done = [step.done for step in steps]
    assert done == sorted(done) and done[-1] == 30 and {step.total for step in steps} == {30}
    assert steps[0].doing == f"{NAME}: AWS::IAM::Role Resource0"
    assert len([step for step in steps if step.doing]) == 60, "each event once"


def test_events_of_an_earlier_operation_are_not_of_this_one(account: FakeAccount, stack: Stack) -> None:
    updating(stack, 12)
    one = operations(account)
    assert [*one.follow(12)][-1].done == 12
    updating(stack, 1)
    steps = [*one.follow(1, seen=stack.events[-1]["EventId"])]
    assert [step.doing for step in steps if step.doing] == [f"{NAME}: AWS::IAM::Role Resource0"] * 2


def test_events_that_came_together_are_all_read(account: FakeAccount, stack: Stack) -> None:
    updating(stack, 25)
    fake = account.cloudformation()

    def hurry() -> None:
        while stack.work:
            fake._advance(stack)

    fake.events["DescribeStackEvents"] = hurry
    assert [*operations(account).follow(25)][-1].done == 25


def test_the_first_failure_counts_not_what_was_cancelled_after_it(account: FakeAccount, stack: Stack) -> None:
    stack.status = "UPDATE_IN_PROGRESS"
    stack.work = [
        ("One", "AWS::IAM::Role", "UPDATE_FAILED", "Resource update cancelled"),
        ("Two", "AWS::IAM::Role", "UPDATE_FAILED", "it is too long"),
        ("Three", "AWS::IAM::Role", "UPDATE_FAILED", "another"),
        ("", "", "UPDATE_ROLLBACK_COMPLETE", ""),
    ]
    with pytest.raises(UserError) as raised:
        list(operations(account).follow(3))
    assert raised.value.what == f"the stack {NAME} in {REGION}: Two (AWS::IAM::Role) failed: it is too long"


def test_an_end_without_a_failed_resource_says_what_it_is(account: FakeAccount, stack: Stack) -> None:
    updating(stack, 0, last="UPDATE_ROLLBACK_COMPLETE")
    with pytest.raises(UserError, match="UPDATE_ROLLBACK_COMPLETE"):
        list(operations(account).follow())


def test_a_stack_that_is_not_there(account: FakeAccount) -> None:
    one = operations(account)
    assert one.status() == "" and one.outputs() == {} and list(one.follow()) == []


@pytest.mark.parametrize(
    ("reason", "fix"),
    [
        ("CNAMEAlreadyExists", "other distribution"),
        ("is not authorized to perform: iam:CreateRole", "toolkit permissions up"),
        ("TooManyDistributions", "quota"),
        ("store already exists", "toolkit destroy"),
        ("whatever", "run the command again"),
    ],
)
def test_a_reason_has_its_fix(reason: str, fix: str) -> None:
    assert fix in hint(reason)


@pytest.mark.parametrize(
    ("change", "is_loss"),
    [
        (Change("remove", "AWS::S3::Bucket", "B", stateful=True), True),
        (Change("modify", "AWS::S3::Bucket", "B", "maybe", stateful=True), True),
        (Change("modify", "AWS::S3::Bucket", "B", stateful=True), False),
        (Change("add", "AWS::S3::Bucket", "B", stateful=True), False),
        (Change("remove", "AWS::IAM::Role", "R"), False),
    ],
)
def test_what_is_a_loss(change: Change, is_loss: bool) -> None:
    assert change.is_loss is is_loss


def test_a_role_is_assumed_once_and_anew_before_it_ends(account: FakeAccount) -> None:
    session = account.connect(REGION, "")
    asked: list[str] = []

    def ends(seconds: float) -> None:
        now = datetime.datetime.now(datetime.UTC)

        def answer(parsed: dict[str, Any], **_: object) -> None:
            asked.append("AssumeRole")
            parsed["Credentials"]["Expiration"] = now + datetime.timedelta(seconds=seconds)

        session.events.unregister("after-call.sts.AssumeRole", unique_id="ends")
        session.events.register("after-call.sts.AssumeRole", answer, unique_id="ends")

    roles = Roles(session)
    ends(3600)
    first = roles.client("cloudformation", REGION, ROLE)
    assert roles.client("cloudformation", REGION, ROLE) is first and asked == ["AssumeRole"]
    assert roles.assumed(ROLE) and not roles.assumed("")
    roles = Roles(session)
    ends(100)
    first = roles.client("cloudformation", REGION, ROLE)
    ends(3600)
    assert roles.client("cloudformation", REGION, ROLE) is not first


def test_a_plan_that_is_dropped_is_gone(account: FakeAccount) -> None:
    operations(account).drop(StackPlan(NAME, REGION, False, ()))
    assert account.cloudformation().calls == [], "there is nothing to take away"
