"""A closed pull request takes its previews down: those that show its last commit, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from lambdas import flip, jobs, publish, retire, verify
from lambdas.common import Services

from tests.lambdas.pipelines import PIPELINE, attached, job
from tests.lambdas.support import SITE, Aws, Hooks, pages
from toolkit.engine import access, release

COMMIT, OTHER = "abcdef0" + "1" * 33, "fedcba9" + "2" * 33


class World:
    def __init__(self, aws: Aws) -> None:
        self.aws = aws
        self.fake = attached(aws.services())

    def show(self, channel: str, commit: str = COMMIT) -> None:
        """A channel serves a commit."""
        source = {**self.aws.upload(pages(channel)), "commit": commit}
        event = {"run": f"run-{len(self.aws.keys('/runs/'))}", "channel": channel, "source": source, "who": "tester"}
        for step in (publish.step, verify.step, flip.step):
            self.aws.run(step, event)

    def close(self, branch: str = "x", commit: str = COMMIT, services: Services | None = None) -> dict[str, Any]:
        variables = {"FullRepositoryName": "acme/shop", "BranchName": branch, "CommitId": commit}
        execution, _ = self.fake.execution(variables, "Retire", started=self.aws.clock())
        event = job({"pipeline": PIPELINE, "execution": execution, "action": "Retire", "to": "closed"})
        jobs.run(retire.work, event, services or self.aws.services())
        return self.fake.last

    def shown(self) -> list[str]:
        return sorted(record.channel for record in release.channels(self.aws.routes, SITE))


@pytest.fixture
def world(aws: Aws) -> World:
    return World(aws)


def test_both_previews_of_its_branch_go_and_others_stay(world: World) -> None:
    for channel in ("live", "preview/x", "preview/pr/x", "preview/y"):
        world.show(channel)
    said = world.close()
    assert said["outputVariables"] == {"Removed": "preview/x preview/pr/x"}
    assert world.shown() == ["live", "preview/y"]
    assert world.aws.page(cookie=f"__Host-preview=x--{SITE}")[1] == "<title>live</title>", "visitors get the site"
    gone = release.last(world.aws.routes, SITE, "preview/x")
    assert gone and (gone.reason, gone.who, gone.note) == ("remove", "pull request", "the pull request of x was closed")


def test_a_preview_that_shows_another_commit_stays(world: World) -> None:
    """It was pushed since, or the pull request's last push is still being built: the days of a preview end it."""
    world.show("preview/x", OTHER)
    world.show("preview/pr/x")
    assert world.close()["outputVariables"] == {"Removed": "preview/pr/x"}
    assert world.shown() == ["preview/x"]


@pytest.mark.parametrize("branch", ["main", "live"])
def test_live_never_goes(world: World, branch: str) -> None:
    """Also when the branch that live is released from was merged somewhere."""
    world.show("live")
    said = world.close(branch)
    assert said["outputVariables"] == {"Removed": "none"} and world.shown() == ["live"]
    assert said["executionDetails"]["summary"] == "no preview shows that commit"


def test_the_same_event_twice_and_one_about_nothing_are_harmless(world: World) -> None:
    world.show("preview/x")
    world.close()
    number = release.last(world.aws.routes, SITE, "preview/x")
    assert world.close()["outputVariables"] == {"Removed": "none"}
    assert release.last(world.aws.routes, SITE, "preview/x") == number


def test_what_is_pushed_meanwhile_stays(world: World) -> None:
    world.show("preview/x")
    pushed: list[str] = []

    def before(call: str, what: object) -> None:
        if call == "update" and not pushed:
            pushed.append("")
            world.show("preview/x", OTHER)

    assert world.close(services=world.aws.services(Hooks(before=before)))["outputVariables"] == {"Removed": "none"}
    there = release.current(world.aws.routes, SITE, "preview/x")
    assert pushed and there and there.commit == OTHER


def test_an_older_build_that_ends_later_does_not_bring_it_back_and_a_newer_push_does(world: World) -> None:
    old = {**world.aws.upload(pages("old"), "old.zip"), "commit": OTHER}
    world.show("preview/x")
    world.close()
    late = {"run": "late", "channel": "preview/x", "source": old, "who": "tester"}
    for step in (publish.step, verify.step):
        world.aws.run(step, late)
    assert world.aws.run(flip.step, late)["outcome"] == "superseded" and world.shown() == []
    world.show("preview/x", OTHER)
    assert world.shown() == ["preview/x"]


def test_who_may_look_at_the_preview_stays_decided(world: World) -> None:
    """The branch may be pushed again: what a password hid is not shown to everybody then."""
    world.show("preview/x")
    access.protect(world.aws.objects, world.aws.routes, SITE, "preview/x", "user", "a long secret", sleep=world.aws.sleep)
    world.close()
    world.show("preview/x", OTHER)
    assert world.aws.page(cookie=f"__Host-preview=x--{SITE}")[0] == 401


@pytest.mark.parametrize(("branch", "commit"), [("", COMMIT), ("x", ""), ("", "")])
def test_a_source_that_says_too_little_fails_and_removes_nothing(world: World, branch: str, commit: str) -> None:
    world.show("preview/x", "")
    said = world.close(branch, commit)
    assert "does not say which pull request was closed" in said["failureDetails"]["message"] and world.shown() == ["preview/x"]
