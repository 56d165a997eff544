"""`BuildProject`: the CodeBuild project that builds a site, and all that its role may do.

What runs in it is anybody's: the project's code, its dependencies and their install scripts. So the role reads the source of its
own pipeline, writes that pipeline's artifact, keeps that pipeline's cache, and writes its log. Nothing that it may do reaches the
site's bucket, the routing data or a release; what is built becomes a release only by the functions behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from toolkit.builds.cloud import CloudSpec
from toolkit.cdk.errors import PropertyError
from toolkit.cdk.functions import log_group
from toolkit.cdk.roles import service_role, writes_logs

QUEUED_MINUTES = 30
# docs.aws.amazon.com/codebuild/latest/userguide/limits.html ("Maximum build timeout" of a pipeline's action is 8 hours)
LEAST_MINUTES, MOST_MINUTES = 5, 480
_COMPUTE = {
    "small": codebuild.ComputeType.SMALL,
    "medium": codebuild.ComputeType.MEDIUM,
    "large": codebuild.ComputeType.LARGE,
}
ARCHITECTURES = ("arm", "x86")
_VARIABLE = re.compile(r"(?!CODEBUILD_)[A-Za-z_][A-Za-z0-9_]*")
# Names of secrets and parameters, neither of which holds a wildcard, and ARNs of both
# (docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html,
# docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html).
_SECRET_NAME, _PARAMETER_NAME = r"[A-Za-z0-9/_+=.@-]+", r"/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*"
_ARN, _PART_OF_SECRET = r"arn:[a-z-]+:{}:[a-z0-9-]+:\d{{12}}:", r"(:[^:]*){0,3}"
_SECRET_ARN = re.compile(f"{_ARN.format('secretsmanager')}secret:{_SECRET_NAME}{_PART_OF_SECRET}")
_SECRET = re.compile(f"{_SECRET_ARN.pattern}|(?!arn:){_SECRET_NAME}{_PART_OF_SECRET}")
_PARAMETER = re.compile(_PARAMETER_NAME)
_PARAMETER_OR_ARN = re.compile(f"{_ARN.format('ssm')}parameter/{_PARAMETER_NAME}|{_PARAMETER_NAME}")


@dataclass(frozen=True, kw_only=True)
class SiteBuild:
    """How a site is built: by what build spec (`toolkit.builds.cloud.cloud_spec`), seeing what, on what machine, for how long.

    `secrets` maps a variable's name to the name of a parameter in Parameter Store, or to the ARN of a secret in Secrets Manager
    (also with `:key:stage:version` behind it). `zip_spec` is the build spec of a project that is uploaded as a zip, if it is
    another: a zip begins with the project, which may be deep in its repository. PropertyError for values that do not fit.
    """

    spec: CloudSpec
    zip_spec: CloudSpec | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    compute: str = "small"
    architecture: str = "arm"
    timeout_minutes: int = 30

    def __post_init__(self) -> None:
        _one_of("compute", self.compute, tuple(_COMPUTE))
        _one_of("architecture", self.architecture, ARCHITECTURES)
        if not LEAST_MINUTES <= self.timeout_minutes <= MOST_MINUTES:
            raise PropertyError(
                f"timeout_minutes is {self.timeout_minutes}", f"write a number from {LEAST_MINUTES} to {MOST_MINUTES}"
            )
        for name in (*self.environment, *self.secrets):
            if not _VARIABLE.fullmatch(name):
                fix = "use letters, digits and underscores; names do not begin with a digit or CODEBUILD_"
                raise PropertyError(f"a build cannot have a variable {name!r}", fix)
        if both := sorted(set(self.environment) & set(self.secrets)):
            raise PropertyError(f"{both[0]} is in environment and in secrets", "name it in one of them")
        for name, reference in self.secrets.items():
            if not (_SECRET_ARN.fullmatch(reference) or _PARAMETER.fullmatch(reference)):
                fix = "name a parameter of Parameter Store, such as /site/token, or give the ARN of a secret of Secrets Manager"
                raise PropertyError(f"the secret {name} is {reference!r}", fix)
        self._check_specs()

    def _check_specs(self) -> None:
        for spec in (self.spec, self.zip_spec or self.spec):
            wanted = [(_PARAMETER_OR_ARN, name) for name in spec.parameters] + [(_SECRET, name) for name in spec.secrets]
            for pattern, name in wanted:
                if not pattern.fullmatch(name):
                    fix = "name one parameter or secret, without wildcards"
                    raise PropertyError(f"the build spec asks for the secret {name!r}", fix)
            if spec.idle != self.spec.idle:
                raise PropertyError(
                    "there is something to build in a zip or in the repository, and nothing in the other", "give one site"
                )

    def for_zips(self) -> SiteBuild:
        """The same for what is uploaded."""
        return replace(self, spec=self.zip_spec or self.spec, zip_spec=None)


class BuildProject(Construct):
    """Builds what the pipeline `pipeline_key` brings: its artifact `source_artifact` becomes its artifact `site_artifact`.

    artifacts: the bucket of all pipelines' artifacts, where the cache is as well. with_secrets: whether whoever wrote the source
    may know the secrets. environment: further variables; those of `build` win.

    Attributes: `project`, `role`, `log_group`. (F48, F49)
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        build: SiteBuild,
        pipeline_key: str,
        artifacts: s3.IBucket,
        source_artifact: str,
        site_artifact: str,
        with_secrets: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        spec = build.spec if with_secrets else build.spec.without_secrets()
        secrets = dict(build.secrets) if with_secrets else {}
        parameters = [one for one in secrets.values() if not one.startswith("arn:")]
        others = [one for one in secrets.values() if one.startswith("arn:")]
        cache = f"cache/{pipeline_key}"
        self.log_group = log_group(self, "Logs")
        statements = [writes_logs(self.log_group), *_looks_at(artifacts, cache)]
        self.role = service_role(
            self,
            "Role",
            service="codebuild.amazonaws.com",
            description=f"builds what the pipeline {pipeline_key} brings",
            statements=[*statements, *_may_know(self, [*spec.parameters, *parameters], [*spec.secrets, *others])],
        )
        _allow_objects(artifacts, self.role, f"{pipeline_key.capitalize()}Build", source_artifact, site_artifact, cache)
        self.project = codebuild.PipelineProject(
            self,
            "Project",
            description=f"builds what the pipeline {pipeline_key} brings",
            environment=_machine(build),
            environment_variables={**_plain({**(environment or {}), **build.environment}), **_by_reference(secrets)},
            cache=codebuild.Cache.bucket(artifacts, prefix=cache),
            timeout=Duration.minutes(build.timeout_minutes),
            queued_timeout=Duration.minutes(QUEUED_MINUTES),
            # S3's own key, as for the bucket: said, since the default is not known to be that.
            encryption_key=kms.Alias.from_alias_name(self, "Key", "alias/aws/s3"),
            # The CDK would add rights of its own, some with wildcards.
            role=self.role.without_policy_updates(),
            grant_report_group_permissions=False,
            logging=codebuild.LoggingOptions(cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=self.log_group)),
        )
        resource = self.project.node.default_child
        assert isinstance(resource, codebuild.CfnProject)
        # A file in the source, or the text itself, which the CDK would read and write again.
        resource.add_property_override("Source.BuildSpec", spec.file or spec.text)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise PropertyError(f"{name} is {value!r}", f"allowed: {', '.join(allowed)}")


def _machine(build: SiteBuild) -> codebuild.BuildEnvironment:
    # docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-available.html
    arm, x86 = codebuild.LinuxArmBuildImage.AMAZON_LINUX_2023_STANDARD_3_0, codebuild.LinuxBuildImage.AMAZON_LINUX_2023_5
    image = arm if build.architecture == "arm" else x86
    return codebuild.BuildEnvironment(build_image=image, compute_type=_COMPUTE[build.compute], privileged=False)


def _plain(values: Mapping[str, str]) -> dict[str, codebuild.BuildEnvironmentVariable]:
    return {name: codebuild.BuildEnvironmentVariable(value=value) for name, value in values.items()}


def _by_reference(secrets: Mapping[str, str]) -> dict[str, codebuild.BuildEnvironmentVariable]:
    kinds = codebuild.BuildEnvironmentVariableType
    return {
        name: codebuild.BuildEnvironmentVariable(
            type=kinds.SECRETS_MANAGER if reference.startswith("arn:") else kinds.PARAMETER_STORE, value=reference
        )
        for name, reference in secrets.items()
    }


def _looks_at(bucket: s3.IBucket, cache: str) -> list[iam.PolicyStatement]:
    """What CodeBuild asks of the bucket itself (docs.aws.amazon.com/codebuild/latest/userguide/setting-up-service-role.html).

    Only keys of the cache can be listed: those of artifacts end in something random, which nobody is to find out.
    """
    asks, keys = ["s3:GetBucketAcl", "s3:GetBucketLocation"], {"StringLike": {"s3:prefix": [f"{cache}/*"]}}
    return [
        iam.PolicyStatement(sid="Bucket", actions=asks, resources=[bucket.bucket_arn]),
        iam.PolicyStatement(sid="CacheKeys", actions=["s3:ListBucket"], resources=[bucket.bucket_arn], conditions=keys),
    ]


def _allow_objects(bucket: s3.IBucket, role: iam.Role, name: str, source: str, site: str, cache: str) -> None:
    """Objects by the bucket's policy, as all of this toolkit's, or by the role's where the bucket is not of this app.

    Keys of artifacts are `<pipeline>/<artifact>/<random>` with both names cut, so a pipeline's artifacts go by names of its own.
    """
    wanted = (
        ("Source", ["s3:GetObject", "s3:GetObjectVersion"], f"*/{source}/*"),
        ("Site", ["s3:PutObject"], f"*/{site}/*"),
        ("Cache", ["s3:GetObject", "s3:PutObject"], f"{cache}/*"),
    )
    for what, actions, keys in wanted:
        sid, resources = f"{name}{what}", [bucket.arn_for_objects(keys)]
        allowed = iam.PolicyStatement(sid=sid, principals=[iam.ArnPrincipal(role.role_arn)], actions=actions, resources=resources)
        if not bucket.add_to_resource_policy(allowed).statement_added:
            role.add_to_principal_policy(iam.PolicyStatement(sid=sid, actions=actions, resources=resources))


def _may_know(scope: Construct, parameters: Iterable[str], secrets: Iterable[str]) -> list[iam.PolicyStatement]:
    """Read exactly these. AWS's own keys for both need no further right; one of somebody's own does, and is not kept here."""
    stack = Stack.of(scope)

    def parameter(name: str) -> str:
        if name.startswith("arn:"):
            return name
        return stack.format_arn(service="ssm", resource="parameter", resource_name=name.removeprefix("/"))

    def secret(reference: str) -> str:
        if reference.startswith("arn:"):
            return ":".join(reference.split(":")[:7])
        # Secrets Manager adds a hyphen and six characters to a name.
        name, form = reference.split(":")[0], ArnFormat.COLON_RESOURCE_NAME
        return stack.format_arn(service="secretsmanager", resource="secret", resource_name=f"{name}-??????", arn_format=form)

    wanted = (
        ("Parameters", "ssm:GetParameters", sorted({parameter(name) for name in parameters})),
        ("Secrets", "secretsmanager:GetSecretValue", sorted({secret(name) for name in secrets})),
    )
    return [iam.PolicyStatement(sid=sid, actions=[action], resources=found) for sid, action, found in wanted if found]
