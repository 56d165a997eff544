"""What starts which pipeline: each kind of event starts the one that it is for, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cdk.pipelined import LONG, pipelines, stacks
from tests.rehearsal.filters import CLOSED, OPENED, UPDATED, Change, starts
from tests.rehearsal.template import Deployed


@pytest.fixture(scope="module")
def made(cdk: None) -> dict[str, Deployed]:
    return stacks()


def started(stack: Deployed, change: Change, within: str = "Pipeline") -> list[str]:
    """The pipelines that a change starts."""
    return [key for key, it in pipelines(stack, within).items() if starts(it.get("Triggers", ()), "Source", change)]


def push(branch: str, *paths: str) -> Change:
    return Change("c", branch=branch, paths=paths or ("site/index.html",))


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (push("main"), ["live"]),
        (push("feature/a"), ["preview"]),
        (push("mainly"), ["preview"]),
        (push("main", "api/server.py"), []),
        (push("feature/a", "api/server.py"), []),
        (push("feature/a", "api/server.py", "site/a/b.md"), ["preview"]),
        (Change("c", tag="v1", paths=("site/index.html",)), []),
        (Change("c", branch="feature/a", event=OPENED, into="main", paths=("site/a",)), ["pull"]),
        (Change("c", branch="feature/a", event=UPDATED, into="some/other", paths=("site/a",)), ["pull"]),
        (Change("c", branch="feature/a", event=UPDATED, into="main", paths=("api/a",)), []),
        (Change("c", branch="feature/a", event=CLOSED, into="main", paths=("api/a",)), ["closed"]),
    ],
)
def test_an_event_starts_what_it_is_for(made: dict[str, Deployed], change: Change, wanted: list[str]) -> None:
    assert started(made["github"], change) == wanted


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (Change("c", tag="v1.2", paths=("elsewhere",)), ["live"]),
        (Change("c", tag="nightly"), []),
        (push("trunk", "a/x"), ["preview"]),
        (push("trunk", "a/b/x"), []),
        (push("f/a/b", "a/x"), ["preview"]),
        (push("main", "a/x"), []),
    ],
)
def test_with_tags_only_tags_go_live(made: dict[str, Deployed], change: Change, wanted: list[str]) -> None:
    assert started(made["tags"], change) == wanted


def test_without_previews_nothing_but_the_branch_starts(made: dict[str, Deployed]) -> None:
    assert started(made["idle"], push("main")) == ["live"]
    assert started(made["idle"], push("feature/a")) == []
    assert set(pipelines(made["idle"])) == {"live", "upload"}


def test_two_sites_of_a_repository_each_hear_of_their_folder(made: dict[str, Deployed]) -> None:
    stack = made[LONG]
    for change, wanted in ((push("main", "shop/x"), ("live", None)), (push("main", "docs/x"), (None, "live"))):
        assert tuple(next(iter(started(stack, change, f"{name}Pipeline")), None) for name in ("Shop", "Docs")) == wanted
    both = push("main", "docs/x", "shop/x")
    assert [started(stack, both, f"{name}Pipeline") for name in ("Shop", "Docs")] == [["live"], ["live"]]


def test_triggers_are_of_the_form_that_codepipeline_takes(made: dict[str, Deployed]) -> None:
    """What is excluded, what is a combination, and that the source itself detects nothing
    (docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-triggers.html)."""
    found = pipelines(made["github"])
    assert _git(found["preview"]) == {
        "SourceActionName": "Source",
        "Push": [{"Branches": {"Includes": ["**"], "Excludes": ["main"]}, "FilePaths": {"Includes": ["site/**"]}}],
    }
    assert _git(found["pull"])["PullRequest"] == [
        {"Events": ["OPEN", "UPDATED"], "Branches": {"Includes": ["**"]}, "FilePaths": {"Includes": ["site/**"]}}
    ]
    assert _git(pipelines(made["tags"])["live"]) == {"SourceActionName": "Source", "Push": [{"Tags": {"Includes": ["v*"]}}]}
    for stack in made.values():
        for name, it in stack.of("AWS::CodePipeline::Pipeline").items():
            configuration = it["Stages"][0]["Actions"][0]["Configuration"]
            assert configuration.get("DetectChanges", configuration.get("PollForSourceChanges")) == "false", name


def _git(pipeline: dict[str, Any]) -> dict[str, Any]:
    (trigger,) = pipeline["Triggers"]
    assert trigger["ProviderType"] == "CodeStarSourceConnection"
    git: dict[str, Any] = trigger["GitConfiguration"]
    return git
