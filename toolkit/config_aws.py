"""The table `[aws]` of site.toml, as values that do not change; `toolkit.config` reads and checks the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolkit.schema import Problem


@dataclass(frozen=True)
class GitHubConfig:
    """`[aws.github]`: the repository whose pushes are built and released.

    `connection_arn` is a connection of AWS CodeConnections; without one there are no pipelines, only the role for the
    repository's own CI (`deploy_role`). `paths`, `tags` and `branches` are CodePipeline's glob patterns: pushes that touch none of
    `paths` (if given) start nothing, `tags` (if given) release instead of pushes to the site's branch, `branches` get previews.
    `oidc_provider_arn` is the account's identity provider for GitHub where there is one: IAM allows one per account.
    """

    repository: str
    connection_arn: str = ""
    paths: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    branches: tuple[str, ...] = ("**",)
    pull_requests: bool = False
    deploy_role: bool = False
    oidc_provider_arn: str = ""


@dataclass(frozen=True)
class UploadsConfig:
    """`[aws.uploads]`: zips below `prefix` of a bucket are released; `bucket` is one of your own, empty for one that is made."""

    bucket: str = ""
    prefix: str = "uploads/"


@dataclass(frozen=True)
class CloudBuildConfig:
    """`[aws.build]`: what builds in CodeBuild run on. `secrets` has, by names of `[build] secrets`, the name of a parameter of
    Systems Manager or the ARN of a secret, where that is not what `secret_places` says."""

    compute: str = "small"
    architecture: str = "arm"
    timeout_minutes: int = 30
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AwsConfig:
    """`[aws]`: where in AWS the site is, and what its stacks are made of. Empty texts leave it to the environment or a default.

    `stack` names a stack of somebody's own that the site is part of, `outputs` what the names of its outputs begin with.
    The rest are properties of `StaticSite`, `ReleaseWorkflow` and `SitePipeline` (toolkit/cdk).
    """

    region: str = ""
    profile: str = ""
    stack: str = ""
    outputs: str = ""
    stage: str = "production"
    certificate_arn: str = ""
    hosted_zone_id: str = ""
    hosted_zone_name: str = ""
    price_class: str = "all"
    access_logs: bool = True
    log_days: int = 90
    web_acl_arn: str = ""
    permissions_boundary: str = ""
    webhook_secret_arn: str = ""
    alarm_topic_arn: str = ""
    watch_minutes: int = 15
    github: GitHubConfig | None = None
    uploads: UploadsConfig | None = None
    build: CloudBuildConfig = field(default_factory=CloudBuildConfig)

    @property
    def has_pipelines(self) -> bool:
        """Whether AWS builds and releases by itself: on a push or on an upload."""
        return self.uploads is not None or (self.github is not None and bool(self.github.connection_arn))


def of_table(table: Mapping[str, Any]) -> AwsConfig:
    """The settings in a `[aws]` that the schema has found good."""
    plain = {name: value for name, value in table.items() if name not in ("github", "uploads", "build")}
    github, uploads = table.get("github"), table.get("uploads")
    return AwsConfig(
        **plain,
        github=None if github is None else GitHubConfig(**_without_lists(github)),
        uploads=None if uploads is None else UploadsConfig(**uploads),
        build=CloudBuildConfig(**table.get("build", {})),
    )


def problems(aws: AwsConfig, secrets: Sequence[str]) -> Iterator[Problem]:
    """What cannot be although each field by itself is good. `secrets`: the names in `[build] secrets`."""
    github = aws.github
    if github and not (github.connection_arn or github.deploy_role):
        yield Problem(
            ("aws", "github", "connection_arn"),
            "is missing",
            "create a connection in the console of AWS (Developer Tools, Settings, Connections) and write its ARN here; "
            "if the repository's own CI deploys, write deploy_role = true instead",
        )
    if github and github.oidc_provider_arn and not github.deploy_role:
        yield Problem(
            ("aws", "github", "oidc_provider_arn"), "is for the role of the repository's own CI", "add deploy_role = true"
        )
    for name in aws.build.secrets:
        if name not in secrets:
            yield Problem(
                ("aws", "build", "secrets", name), "is no secret of the build", f'add "{name}" to secrets in [build], or remove it'
            )


def secret_places(site: str, names: Sequence[str], aws: AwsConfig) -> dict[str, str]:
    """Where in AWS the value of each secret of a build is: the name of a parameter, or the ARN of a secret."""
    return {name: aws.build.secrets.get(name, f"/toolkit/{site}/{name}") for name in names}


def _without_lists(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}
