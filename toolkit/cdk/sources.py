"""Where a site's code comes from: a repository on GitHub, or zips in a bucket. What a `SitePipeline` is given."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Token
from aws_cdk import aws_s3 as s3

from toolkit.cdk.errors import PropertyError

# docs.aws.amazon.com/codepipeline/latest/userguide/pipelines-filter.html: as many patterns in each list of a filter.
MOST_PATTERNS = 8
# docs.aws.amazon.com/codepipeline/latest/APIReference/API_GitBranchFilterCriteria.html
LONGEST_PATTERN = 255
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_CONNECTION = re.compile(r"arn:aws[a-z-]*:(codeconnections|codestar-connections):[a-z0-9-]+:\d{12}:connection/[0-9a-f-]{36}")
# In a filter these would match other branches too.
_GLOB = re.compile(r"[*?\[\]{}!\\]")
# A key that an event pattern compares as it is: `*` and `\` mean something there
# (docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html).
_PREFIX = re.compile(r"([A-Za-z0-9!_.'()-]+/)+")


@dataclass(frozen=True, kw_only=True)
class GitHubSource:
    """A repository that a connection of CodeConnections reaches.

    branch: what is pushed there goes live. tags: patterns of tags that go live instead; the branch gets a preview then.
    paths: patterns of files; a push that touches none of them starts nothing (tags always do), which is how one repository holds
        several sites.
    previews, branches: whether other branches get a preview each, and patterns of those that do.
    pull_requests: whether pull requests are built as well, without secrets and with a cache of their own.

    PropertyError for values that do not fit. Patterns are globs: `*` stays inside a folder, `**` does not.
    """

    repository: str
    connection_arn: str
    branch: str = "main"
    paths: Sequence[str] = ()
    tags: Sequence[str] = ()
    branches: Sequence[str] = ("**",)
    previews: bool = True
    pull_requests: bool = False

    def __post_init__(self) -> None:
        if not _REPOSITORY.fullmatch(self.repository):
            raise PropertyError(f"repository is {self.repository!r}", "write it as owner/name")
        if not Token.is_unresolved(self.connection_arn) and not _CONNECTION.fullmatch(self.connection_arn):
            raise PropertyError(
                f"connection_arn is {self.connection_arn!r}", "give the ARN of a connection: arn:aws:codeconnections:…:connection/…"
            )
        if not self.branch or _GLOB.search(self.branch):
            raise PropertyError(f"branch is {self.branch!r}", "name one branch; patterns go into branches")
        _check_patterns(paths=self.paths, tags=self.tags, branches=self.branches)
        if self.previews and not self.branches:
            raise PropertyError("branches is empty", 'give patterns, such as "**", or previews=False')


@dataclass(frozen=True, kw_only=True)
class ZipSource:
    """Zips that are put into a bucket: `<prefix><file>.zip` goes live, `<prefix>preview/<name>/<file>.zip` is previewed.

    bucket: one of your own, versioned and with its events sent to EventBridge; without it one is made.
    PropertyError for a prefix that is no folder.
    """

    bucket: s3.IBucket | None = None
    prefix: str = "uploads/"

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise PropertyError(f"prefix is {self.prefix!r}", 'end it with "/" and use letters, digits and . _ - only: "uploads/"')


def _check_patterns(**lists: Sequence[str]) -> None:
    for name, patterns in lists.items():
        if isinstance(patterns, str):
            raise PropertyError(f"{name} is the text {patterns!r}", "give a list of patterns")
        if len(patterns) > MOST_PATTERNS:
            raise PropertyError(f"{name} has {len(patterns)} patterns, CodePipeline takes {MOST_PATTERNS}", "join some of them")
        wrong = [pattern for pattern in patterns if not 0 < len(pattern) <= LONGEST_PATTERN]
        if wrong:
            raise PropertyError(
                f"{name} has a pattern of {len(wrong[0])} characters", f"give each of them 1 to {LONGEST_PATTERN} characters"
            )
