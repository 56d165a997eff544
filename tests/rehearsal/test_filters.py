"""Triggers' filters, by the examples of CodePipeline's user guide."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rehearsal.filters import CLOSED, OPENED, UPDATED, Change, glob, starts
from tests.rehearsal.iam import BeyondThis


def trigger(**git: Any) -> list[dict[str, Any]]:
    return [{"ProviderType": "CodeStarSourceConnection", "GitConfiguration": {"SourceActionName": "Source", **git}}]


def started(change: Change, **git: Any) -> bool:
    return starts(trigger(**git), "Source", change)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("main", "main", True),
        ("main", "main2", False),
        ("*", "main", True),
        ("*", "feature/a", False),
        ("**", "feature/a", True),
        ("feature/**", "feature/a/b", True),
        ("feature/*", "feature/a/b", False),
        ("projectA/**", "projectA/x/y.js", True),
        ("projectA/**", "projectAB/x", False),
        ("common/**/*.js", "common/a/b.js", True),
        ("**/README.md", "docs/README.md", True),
        ("v?", "v1", True),
        ("v[0-9]*", "v12", True),
        ("v[!0-9]", "v1", False),
        ("{a,b*}/x", "bc/x", True),
        ("a.c", "abc", False),
        ("\\*", "*", True),
    ],
)
def test_globs(pattern: str, text: str, fits: bool) -> None:
    assert glob(pattern, text) is fits


@given(st.text("ab*?", max_size=8).filter(lambda it: "**" not in it), st.text("ab", max_size=8))
def test_without_slashes_a_glob_is_a_shell_s(pattern: str, text: str) -> None:
    assert glob(pattern, text) is fnmatchcase(text, pattern)


def test_what_is_excluded_goes_first() -> None:
    branches = {"Includes": ["**"], "Excludes": ["main"]}
    assert started(Change("c", branch="feature/a"), Push=[{"Branches": branches}])
    assert not started(Change("c", branch="main"), Push=[{"Branches": branches}])


def test_branches_and_paths_must_both_fit_and_one_path_is_enough() -> None:
    push = [{"Branches": {"Includes": ["main"]}, "FilePaths": {"Includes": ["site/**"]}}]
    assert started(Change("c", branch="main", paths=["api/x.py", "site/index.html"]), Push=push)
    assert not started(Change("c", branch="main", paths=["api/x.py"]), Push=push)
    assert not started(Change("c", branch="other", paths=["site/index.html"]), Push=push)
    assert not started(Change("c", branch="main"), Push=push)


def test_filters_are_alternatives() -> None:
    push = [{"Branches": {"Includes": ["main"]}}, {"Branches": {"Includes": ["next"]}}]
    assert all(started(Change("c", branch=one), Push=push) for one in ("main", "next"))
    assert not started(Change("c", branch="x"), Push=push)


def test_tags_are_no_branches() -> None:
    assert started(Change("c", tag="v1"), Push=[{"Tags": {"Includes": ["v*"]}}])
    assert not started(Change("c", tag="x1"), Push=[{"Tags": {"Includes": ["v*"]}}])
    assert not started(Change("c", branch="v1"), Push=[{"Tags": {"Includes": ["v*"]}}])
    assert not started(Change("c", tag="main"), Push=[{"Branches": {"Includes": ["**"]}}])
    with pytest.raises(BeyondThis):
        started(Change("c", tag="v1"), Push=[{"Tags": {"Includes": ["v*"]}, "Branches": {"Includes": ["main"]}}])


def test_pull_requests_go_by_event_and_by_the_branch_that_they_are_for() -> None:
    pull = [{"Events": ["OPEN", "UPDATED"], "Branches": {"Includes": ["main"]}}]
    assert started(Change("c", branch="x", event=OPENED, into="main"), PullRequest=pull)
    assert started(Change("c", branch="x", event=UPDATED, into="main"), PullRequest=pull)
    assert not started(Change("c", branch="x", event=CLOSED, into="main"), PullRequest=pull)
    assert not started(Change("c", branch="main", event=OPENED, into="next"), PullRequest=pull)
    assert not started(Change("c", branch="main"), PullRequest=pull)
    assert not started(Change("c", branch="x", event=OPENED, into="main"), Push=[{"Branches": {"Includes": ["**"]}}])


def test_a_trigger_of_another_action_or_of_another_kind() -> None:
    assert not starts(trigger(Push=[{"Branches": {"Includes": ["**"]}}]), "Other", Change("c", branch="main"))
    with pytest.raises(BeyondThis):
        starts([{"ProviderType": "Other", "GitConfiguration": {}}], "Source", Change("c"))
