"""What a pipeline is told of its sources: wrong values are refused before anything is deployed, in words that say what fits."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cdk.pipelined import CONNECTION

GITHUB = {"repository": "we/sites", "connection_arn": CONNECTION}


@pytest.mark.parametrize(
    ("given", "what", "fix"),
    [
        ({"repository": "sites"}, "'sites'", "owner/name"),
        ({"repository": "https://github.com/we/sites"}, "https://github.com/we/sites", "owner/name"),
        ({"repository": "we/sites\n"}, "repository is", "owner/name"),
        ({"connection_arn": "pending"}, "'pending'", "ARN of a connection"),
        ({"connection_arn": CONNECTION.replace("codeconnections", "codebuild")}, "codebuild", "ARN of a connection"),
        ({"branch": ""}, "branch is ''", "name one branch"),
        ({"branch": "release/*"}, "'release/*'", "branches"),
        ({"paths": "site/**"}, "the text 'site/**'", "a list"),
        ({"paths": [f"site/{n}/**" for n in range(9)]}, "9 patterns", "join"),
        ({"tags": ["v" * 256]}, "256 characters", "1 to 255"),
        ({"tags": [""]}, "0 characters", "1 to 255"),
        ({"branches": []}, "branches is empty", "previews=False"),
    ],
)
def test_a_repository_that_cannot_be_is_refused(cdk: None, given: dict[str, Any], what: str, fix: str) -> None:
    from toolkit.cdk import GitHubSource
    from toolkit.cdk.errors import PropertyError

    with pytest.raises(PropertyError) as caught:
        GitHubSource(**{**GITHUB, **given})  # type: ignore[arg-type]
    assert what in caught.value.what and fix in caught.value.fix


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"connection_arn": CONNECTION.replace("codeconnections", "codestar-connections")},
        {"repository": "a-b.c_d/e.f-g_h", "branch": "feature/größer", "branches": ["x"] * 8},
        {"branches": [], "previews": False},
    ],
)
def test_a_repository_that_can_be_is_taken(cdk: None, given: dict[str, Any]) -> None:
    from toolkit.cdk import GitHubSource

    assert GitHubSource(**{**GITHUB, **given}).branch  # type: ignore[arg-type]


def test_a_connection_may_be_known_at_deployment_only(cdk: None) -> None:
    from aws_cdk import App, CfnParameter, Stack

    from toolkit.cdk import GitHubSource

    parameter = CfnParameter(Stack(App(), "later"), "Connection").value_as_string
    assert GitHubSource(repository="we/sites", connection_arn=parameter).connection_arn == parameter


@pytest.mark.parametrize("prefix", ["", "/", "uploads", "/uploads/", "up*/", "a//b/", "a\\b/", "<key>/", 'a"b/', "../x y/"])
def test_a_prefix_that_is_no_folder_is_refused(cdk: None, prefix: str) -> None:
    from toolkit.cdk import ZipSource
    from toolkit.cdk.errors import PropertyError

    with pytest.raises(PropertyError) as caught:
        ZipSource(prefix=prefix)
    assert repr(prefix) in caught.value.what and "uploads/" in caught.value.fix


@pytest.mark.parametrize("prefix", ["uploads/", "sites/blog/zips/", "a.b_c-d/"])
def test_a_prefix_that_is_a_folder_is_taken(cdk: None, prefix: str) -> None:
    from toolkit.cdk import ZipSource

    assert ZipSource(prefix=prefix).bucket is None


def test_nothing_is_a_source_by_its_place(cdk: None) -> None:
    from toolkit.cdk import GitHubSource, ZipSource

    for kind in (GitHubSource, ZipSource):
        with pytest.raises(TypeError):
            kind("we/sites")  # type: ignore[call-arg,misc,arg-type]
