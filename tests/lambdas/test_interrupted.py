"""Each step may die after any write, or lose a reply, and be run again: the result is that of one run that nobody disturbed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from lambdas import flip, publish, verify, watch
from lambdas.common import Step
from moto import mock_aws

from tests.engine.interference import Crash
from tests.lambdas.alarms import ring
from tests.lambdas.support import SITE, Aws, Killed, pages
from toolkit.engine import leases, release


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")


def worlds() -> Iterator[tuple[int, Aws]]:
    for at in itertools.count():
        with mock_aws():
            yield at, Aws()


def seen(aws: Aws) -> dict[str, Any]:
    """All that matters of the state: what visitors see, the records, the ledger and what is stored."""
    records = {(one.channel, one.number, one.reason, one.token) for one in release.channels(aws.routes, SITE)}
    ledger = [(one.number, one.token) for one in release.history(aws.objects, SITE, "live")]
    pages = [aws.page(path) for path in ("/", "/about", "/nowhere")]
    hosts = sorted(key for key in aws.store.pairs if key.startswith("h:"))
    return {"records": records, "ledger": ledger, "pages": pages, "hosts": hosts, "objects": len(aws.keys(""))}


def interrupted(step: Step, prepare: Callable[[Aws], dict[str, Any]], least: int) -> None:
    """Kill `step` after each of its writes in turn, run it again, and compare with a run of its own; at least so many writes."""
    undisturbed: dict[str, Any] = {}
    for at, aws in worlds():
        event = prepare(aws)
        killed = Killed(at - 1) if at else None
        try:
            first = aws.run(step, event, killed.hooks() if killed else None)
        except Crash:
            aws.run(step, event)
        else:
            # The first world is the one that nobody disturbed; the last one's kill came too late.
            if at:
                assert at > least, f"{step.__module__} made {at - 1} writes only"
                return
            undisturbed = {**seen(aws), "again": {**aws.run(step, event), "at": 0, "until": 0} == {**first, "at": 0, "until": 0}}
            assert undisturbed["again"] and seen(aws) == {name: undisturbed[name] for name in seen(aws)}, "twice is once"
            continue
        assert seen(aws) == {name: undisturbed[name] for name in undisturbed if name != "again"}, f"killed after write {at}"


def prepared(*steps: Step) -> Callable[[Aws], dict[str, Any]]:
    def prepare(aws: Aws) -> dict[str, Any]:
        aws.deploy("old")
        event = {"run": "run-new", "channel": "live", "source": aws.upload(pages("new")), "who": "tester"}
        for step in steps:
            aws.run(step, event)
        return event

    return prepare


def watched(aws: Aws) -> dict[str, Any]:
    aws.deploy("old")
    done = aws.deploy("new")
    ring(aws, "5xx")
    return {name: done[name] for name in ("channel", "release", "version", "until")}


def test_publish_killed_after_any_write() -> None:
    interrupted(publish.step, prepared(), 8)


def test_verify_killed_after_any_write() -> None:
    """The host that it asked at may stay until upkeep takes it away: no visitor knows it."""
    for at, aws in worlds():
        event = prepared(publish.step)(aws)
        try:
            aws.run(verify.step, event, Killed(at).hooks())
        except Crash:
            assert aws.run(verify.step, event)["run"] == "run-new"
            left = [key for key in aws.store.pairs if key.startswith("h:check-")]
            assert len(left) <= 1 and aws.page() == (200, "<title>old</title>")
            continue
        assert at >= 4
        assert not [key for key in aws.store.pairs if key.startswith("h:check-")]
        return


def test_flip_killed_after_any_write() -> None:
    interrupted(flip.step, prepared(publish.step), 3)


def test_watch_killed_after_any_write() -> None:
    interrupted(watch.step, watched, 3)


@pytest.mark.parametrize("fault", ["lost", "unsent", "done, then InternalServerException", "ThrottlingException"])
def test_a_lost_reply_of_the_flip_is_found_out(fault: str) -> None:
    with mock_aws():
        aws = Aws()
        event = prepared(publish.step)(aws)
        aws.store.fail("UpdateKeys", fault)
        done = aws.run(flip.step, event)
        assert (done["outcome"], done["release"]) == ("released", 2)
        assert aws.page() == (200, "<title>new</title>")


def test_what_a_kill_leaves_locked_ends_by_itself() -> None:
    """A lease of the dead holds prune back for its time, and no deploy at all."""
    with mock_aws():
        aws = Aws()
        event = prepared()(aws)
        with pytest.raises(Crash):
            aws.run(publish.step, event, Killed(1).hooks())
        assert len(list(aws.objects.list(f"{SITE}/locks/deploy/"))) == 1
        aws.deploy("next")
        aws.sleep(leases.DEPLOY_SECONDS)
        aws.deploy("last")
        assert not leases._Lease(aws.objects, SITE, "prune", 1, aws.clock).others("deploy")
