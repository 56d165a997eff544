"""What the state machines do, read from their definitions: what comes before a flip, what a failure leads to, what steps know."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from toolkit.cdk.definition import Definitions

SECONDS = {"Publish": 900, "Verify": 300, "Flip": 300, "Watch": 300, "Notify": 60}
DEFINITIONS = Definitions("aws", SECONDS)
RELEASE = DEFINITIONS.release(large_seconds=5400, watched=True)
WATCH = DEFINITIONS.watch(watch_seconds=900)
# What the handlers answer (the docstrings of functions/lambdas/*.py).
FLIPPED = {"outcome", "channel", "version", "release", "previous", "message", "at", "until"}
LOOKED = {"outcome", "channel", "version", "release", "until", "serving", "message"}

Definition = dict[str, Any]
each_machine = pytest.mark.parametrize("definition", [RELEASE, WATCH], ids=["release", "watch"])


def tasks(definition: Definition) -> dict[str, dict[str, Any]]:
    return {name: state for name, state in definition["States"].items() if state["Type"] == "Task"}


def successors(state: dict[str, Any]) -> set[str]:
    """Where a state goes when nothing fails."""
    found = {state.get("Next"), state.get("Default"), *(choice["Next"] for choice in state.get("Choices", []))}
    return found - {None}


def failures(state: dict[str, Any]) -> set[str]:
    return {catch["Next"] for catch in state.get("Catch", [])}


def paths(definition: Definition, end: str, so_far: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every way from the start to `end`, whatever fails on it, without going round."""
    here = so_far[-1] if so_far else definition["StartAt"]
    so_far = so_far or (here,)
    if here == end:
        yield so_far
        return
    state = definition["States"][here]
    for following in sorted(successors(state) | failures(state)):
        if following not in so_far:
            yield from paths(definition, end, (*so_far, following))


def reachable(definition: Definition, start: str) -> set[str]:
    found, left = set(), [start]
    while left:
        here = left.pop()
        if here not in found:
            found.add(here)
            state = definition["States"][here]
            left += successors(state) | failures(state)
    return found


def flips_what_was_not_verified(definition: Definition) -> list[str]:
    """A line for each way to Flip that leaves out publishing, or verifying after it."""
    ways = list(paths(definition, "Flip"))
    wrong = [] if ways else ["there is no way to Flip"]
    for way in ways:
        published = [at for at, name in enumerate(way) if name in ("Publish", "Publish large")]
        if not published or "Verify" not in way[published[-1] :]:
            wrong.append(" → ".join(way))
    return wrong


def test_every_way_to_the_flip_publishes_and_then_verifies() -> None:
    assert flips_what_was_not_verified(RELEASE) == []
    assert {("Publish large" in way) for way in paths(RELEASE, "Flip")} == {True, False}


def _flip_first(states: Definition) -> None:
    states["Begin"]["Next"] = "Flip"


def _skip_verify(states: Definition) -> None:
    states["Publish large"]["Next"] = "Flip"


def _go_on_after_a_failure(states: Definition) -> None:
    states["Publish"]["Catch"][0]["Next"] = "Flip"


def _verify_first(states: Definition) -> None:
    states["Begin"]["Next"] = "Verify"
    states["Verify"]["Next"] = "Publish"
    states["Too large"]["Default"] = "Flip"


@pytest.mark.parametrize("change", [_flip_first, _skip_verify, _go_on_after_a_failure, _verify_first])
def test_another_order_is_seen(change: Callable[[Definition], None]) -> None:
    changed = copy.deepcopy(RELEASE)
    change(changed["States"])
    assert flips_what_was_not_verified(changed)


def test_what_is_too_large_is_published_elsewhere() -> None:
    states = RELEASE["States"]
    (rule,) = states["Too large"]["Choices"]
    assert rule == {"Variable": "$.published.large", "BooleanEquals": True, "Next": "Publish large"}
    assert states["Publish"]["ResultSelector"] == {"large.$": "$.Payload.large", "event.$": "$.Payload.event"}
    assert states["Publish"]["ResultPath"] == "$.published", "what is known of the run stays beside it"
    large = states["Publish large"]
    assert large["Resource"] == "arn:aws:states:::codebuild:startBuild.sync", "it is waited for"
    (event,) = large["Parameters"]["EnvironmentVariablesOverride"]
    assert event == {"Name": "EVENT", "Type": "PLAINTEXT", "Value.$": "$.published.event"}


@each_machine
def test_every_task_has_a_time_says_what_to_try_again_and_where_to_go(definition: Definition) -> None:
    for name, task in tasks(definition).items():
        assert task["TimeoutSeconds"] > 0, name
        assert [catch["ErrorEquals"] for catch in task["Catch"]] == [["States.ALL"]], name
        (retry,) = task["Retry"]
        assert retry["JitterStrategy"] == "FULL" and retry["MaxAttempts"] >= 1, name
        assert not {"States.ALL", "States.TaskFailed", "UserError", "VerifyFailed"} & set(retry["ErrorEquals"]), name


@each_machine
def test_a_function_is_given_longer_than_it_may_take_and_tried_again_when_others_were_in_the_way(definition: Definition) -> None:
    called = {name: task for name, task in tasks(definition).items() if task["Resource"].endswith("lambda:invoke")}
    assert called
    for name, task in called.items():
        assert task["TimeoutSeconds"] > SECONDS[task["Parameters"]["FunctionName"].strip("${}")], name
        assert {"Unavailable", "Conflict", "Lambda.TooManyRequestsException"} <= set(task["Retry"][0]["ErrorEquals"]), name


def test_a_step_that_was_killed_after_it_may_have_flipped_is_run_again() -> None:
    killed = {"Lambda.Unknown", "Sandbox.Timedout", "States.Timeout"}
    again = {
        name
        for definition in (RELEASE, WATCH)
        for name, task in tasks(definition).items()
        if killed <= set(task["Retry"][0]["ErrorEquals"])
    }
    assert again == {"Flip", "Look"}, "both are harmless to repeat; to publish again would take as long again"


def test_the_machines_end_by_themselves() -> None:
    longest = sum(task["TimeoutSeconds"] for task in tasks(RELEASE).values())
    assert RELEASE["TimeoutSeconds"] > longest
    assert WATCH["TimeoutSeconds"] > 900 + sum(task["TimeoutSeconds"] for task in tasks(WATCH).values())


@each_machine
def test_a_failure_says_so_and_ends_as_one(definition: Definition) -> None:
    states = definition["States"]
    for name, task in tasks(definition).items():
        wanted = {"Notify": "Done", "Notify failure": "Failed", "Start watch": "Not watched"}.get(name, "Notify failure")
        assert failures(task) == {wanted}, name
    assert reachable(definition, "Notify failure") == {"Notify failure", "Failed"}
    assert states["Notify failure"]["Parameters"]["Payload"]["event"] == ("watch failed" if definition is WATCH else "failed")
    assert states["Notify failure"]["Parameters"]["Payload"]["error.$"] == "$.failure"
    assert states["Failed"] == {"Type": "Fail", "ErrorPath": "$.failure.Error", "CausePath": "States.JsonToString($.failure)"}
    told = [task for task in tasks(definition).values() if "Notify failure" in failures(task)]
    assert told and all(task["Catch"][0]["ResultPath"] == "$.failure" for task in told)


def test_what_cannot_be_announced_is_a_release_all_the_same() -> None:
    assert RELEASE["States"]["Done"] == {"Type": "Succeed"}
    assert RELEASE["States"]["Notify"]["Catch"][0] == {"ErrorEquals": ["States.ALL"], "ResultPath": "$.unsaid", "Next": "Done"}


def test_only_live_is_watched_and_nobody_waits_for_it() -> None:
    states = RELEASE["States"]
    (rule,) = states["To be watched"]["Choices"]
    assert rule["Next"] == "Start watch" and states["To be watched"]["Default"] == "Notify"
    assert {(it["Variable"], it["StringEquals"]) for it in rule["And"]} == {("$.outcome", "released"), ("$.channel", "live")}
    assert states["Start watch"]["Resource"] == "arn:aws:states:::states:startExecution"
    assert states["Start watch"]["Parameters"]["Name.$"] == "$$.Execution.Name", "a retry starts no second one"
    assert states["Start watch"]["ResultPath"] is None


def test_without_a_watch_the_flip_is_followed_by_the_message() -> None:
    alone = DEFINITIONS.release(large_seconds=5400, watched=False)
    assert alone["States"]["Flip"]["Next"] == "Notify"
    assert set(RELEASE["States"]) - set(alone["States"]) == {"To be watched", "Start watch", "Not watched"}
    assert "WatchMachine" not in json.dumps(alone)


def test_a_watch_looks_until_something_is_decided() -> None:
    states = WATCH["States"]
    assert states["Wait"] == {"Type": "Wait", "Seconds": 30, "Next": "Look"}
    found = {rule["StringEquals"]: rule["Next"] for rule in states["What now"]["Choices"]}
    assert found == {"watching": "Wait", "quiet": "Done", "overtaken": "Done"}
    assert states["What now"]["Default"] == "Notify", "it flipped back, or would have"


@pytest.mark.parametrize("minutes", [1, 15, 1440])
def test_a_watch_stays_within_the_events_of_an_execution(minutes: int) -> None:
    """25,000; a look takes nine (docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html)."""
    wait = DEFINITIONS.watch(watch_seconds=minutes * 60)["States"]["Wait"]["Seconds"]
    assert wait >= 30 and 9 * minutes * 60 / wait < 20_000


@pytest.mark.parametrize(
    ("definition", "answered", "steps"),
    [
        (RELEASE, FLIPPED, ("To be watched", "Start watch", "Notify")),
        (RELEASE, FLIPPED | {"unwatched"}, ("Not watched",)),
        (WATCH, LOOKED, ("What now", "Notify")),
    ],
    ids=["release", "unwatched", "watch"],
)
def test_a_step_is_told_what_the_one_before_it_answers(definition: Definition, answered: set[str], steps: tuple[str, ...]) -> None:
    for name in steps:
        wanted = set(re.findall(r'"\$\.(\w+)', json.dumps({**definition["States"][name], "Catch": []})))
        assert wanted and wanted <= answered, name


def test_a_release_that_nobody_watches_is_announced_as_one() -> None:
    states = RELEASE["States"]
    assert failures(states["Start watch"]) == {"Not watched"} and states["Not watched"]["Next"] == "Notify"
    told = set(re.findall(r'"\$\.(\w+)', json.dumps(states["Notify"]["Parameters"]["Payload"])))
    assert {name.removesuffix(".$") for name in states["Not watched"]["Parameters"]} == told


def test_a_watch_is_started_with_what_it_asks_for() -> None:
    given = {name.removesuffix(".$") for name in RELEASE["States"]["Start watch"]["Parameters"]["Input"]}
    wanted = set(re.findall(r"\$\.(\w+)", json.dumps(WATCH["States"]["Look"]["Parameters"])))
    assert wanted == given == {"channel", "release", "version", "until"}


def test_steps_are_told_names_and_nothing_else() -> None:
    given = {"run.$": "$$.Execution.Name", "channel.$": "$.channel", "source.$": "$.source", "who.$": "$.who"}
    assert RELEASE["States"]["Begin"]["Parameters"] == given
    for name in ("Verify", "Flip"):
        assert RELEASE["States"][name]["Parameters"]["Payload"] == {"run.$": "$.run"}, name
