"""What starts a pipeline of a repository: pushes of branches or tags, and what happens to pull requests.

docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-filter.html: a filter names tags, or branches, or branches and paths;
what is excluded goes before what is included. With triggers the source action itself detects no changes.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_codepipeline as codepipeline

from toolkit.cdk.sources import GitHubSource

Trigger = codepipeline.CfnPipeline.PipelineTriggerDeclarationProperty
PushFilter = codepipeline.CfnPipeline.GitPushFilterProperty
PullFilter = codepipeline.CfnPipeline.GitPullRequestFilterProperty
_L1 = codepipeline.CfnPipeline
_EVERY_BRANCH = ("**",)


def live(source: GitHubSource, action: str) -> list[Trigger]:
    """Pushes to the branch that touch `paths`, or pushes of the tags."""
    if source.tags:
        tags = _L1.GitTagFilterCriteriaProperty(includes=list(source.tags))
        return [_trigger(action, push=[_L1.GitPushFilterProperty(tags=tags)])]
    return [_trigger(action, push=[_push(source, includes=[source.branch])])]


def preview(source: GitHubSource, action: str) -> list[Trigger]:
    """Pushes to any of `branches` but the one that goes live by itself."""
    return [_trigger(action, push=[_push(source, includes=source.branches, excludes=[] if source.tags else [source.branch])])]


def pull(source: GitHubSource, action: str) -> list[Trigger]:
    """Pull requests, into whatever branch, that touch `paths`."""
    opened = _L1.GitPullRequestFilterProperty(
        events=["OPEN", "UPDATED"],
        branches=_L1.GitBranchFilterCriteriaProperty(includes=list(_EVERY_BRANCH)),
        file_paths=_paths(source),
    )
    return [_trigger(action, pull_request=[opened])]


def closed(source: GitHubSource, action: str) -> list[Trigger]:
    """Pull requests that ended, merged or not. Whatever they touched: there may be a preview of an earlier push."""
    ended = _L1.GitPullRequestFilterProperty(
        events=["CLOSED"], branches=_L1.GitBranchFilterCriteriaProperty(includes=list(_EVERY_BRANCH))
    )
    return [_trigger(action, pull_request=[ended])]


def _push(source: GitHubSource, *, includes: Sequence[str], excludes: Sequence[str] = ()) -> PushFilter:
    branches = _L1.GitBranchFilterCriteriaProperty(includes=list(includes), excludes=list(excludes) or None)
    return _L1.GitPushFilterProperty(branches=branches, file_paths=_paths(source))


def _paths(source: GitHubSource) -> codepipeline.CfnPipeline.GitFilePathFilterCriteriaProperty | None:
    return _L1.GitFilePathFilterCriteriaProperty(includes=list(source.paths)) if source.paths else None


def _trigger(
    action: str,
    *,
    push: Sequence[PushFilter] | None = None,
    pull_request: Sequence[PullFilter] | None = None,
) -> Trigger:
    git = _L1.GitConfigurationProperty(source_action_name=action, push=push, pull_request=pull_request)
    return _L1.PipelineTriggerDeclarationProperty(provider_type="CodeStarSourceConnection", git_configuration=git)
