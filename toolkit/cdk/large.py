"""The trusted project that publishes what is too large for a function: the same code, with more disk and more time."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from toolkit.bundle import Bundle
from toolkit.cdk.functions import log_group
from toolkit.cdk.roles import service_role, uses_store, writes_logs

SECONDS = 3600
# The newest that its image is known to have. Not the functions', but awscrt's wheel for them is one for every Python from 3.13 on.
PYTHON = "3.13"
_QUEUED_SECONDS = 1800
# Its name is that of the libraries' second source; CodeBuild unpacks both.
_LIBRARIES = "dependencies"
_COMMANDS = (f'export PYTHONPATH="$CODEBUILD_SRC_DIR:$CODEBUILD_SRC_DIR_{_LIBRARIES}/python"', "python3 -m lambdas.publish")


class LargePublish(Construct):
    """Runs `lambdas.publish` with the event in the variable EVENT. Nothing is installed: the libraries are those of the functions.

    What it runs is ours, not the site's: its role may publish, as that of the function may. (F37)
    """

    seconds = SECONDS + _QUEUED_SECONDS

    def __init__(
        self, scope: Construct, construct_id: str, *, bundle: Bundle, environment: Mapping[str, str], store_arn: str
    ) -> None:
        super().__init__(scope, construct_id)
        code = assets.Asset(self, "Code", path=str(bundle.code))
        libraries = assets.Asset(self, "Libraries", path=str(bundle.dependencies))
        group = log_group(self, "Logs")
        read = iam.PolicyStatement(
            sid="Code",
            actions=["s3:GetObject", "s3:GetObjectVersion"],
            resources=[asset.bucket.arn_for_objects(asset.s3_object_key) for asset in (code, libraries)],
        )
        self.role = service_role(
            self,
            "Role",
            service="codebuild.amazonaws.com",
            description="publishes large versions",
            statements=[writes_logs(group), read, uses_store(store_arn)],
        )
        self.project = codebuild.Project(
            self,
            "Project",
            description="publishes versions that are too large for a function",
            source=_source(code),
            secondary_sources=[_source(libraries, _LIBRARIES)],
            build_spec=codebuild.BuildSpec.from_object(
                {
                    "version": "0.2",
                    "phases": {
                        "install": {"runtime-versions": {"python": PYTHON}},
                        "build": {"commands": list(_COMMANDS)},
                    },
                }
            ),
            environment=codebuild.BuildEnvironment(
                build_image=codebuild.LinuxArmBuildImage.AMAZON_LINUX_2023_STANDARD_3_0,
                # Its 50 GB of disk hold an artifact of 5 GB and what is in it.
                compute_type=codebuild.ComputeType.SMALL,
            ),
            environment_variables={name: codebuild.BuildEnvironmentVariable(value=value) for name, value in environment.items()},
            timeout=Duration.seconds(SECONDS),
            queued_timeout=Duration.seconds(_QUEUED_SECONDS),
            # S3's own key, as for the bucket: said, since the default is not known to be that.
            encryption_key=kms.Alias.from_alias_name(self, "Key", "alias/aws/s3"),
            role=self.role.without_policy_updates(),
            grant_report_group_permissions=False,
            logging=codebuild.LoggingOptions(cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=group)),
        )

    def may_start(self, rules_arn: str) -> list[iam.PolicyStatement]:
        """What a state machine needs to start a build and wait for it; `rules_arn` is the rule that Step Functions keeps for that
        (docs.aws.amazon.com/step-functions/latest/dg/connect-codebuild.html)."""
        builds = ["codebuild:StartBuild", "codebuild:StopBuild", "codebuild:BatchGetBuilds"]
        rules = ["events:PutTargets", "events:PutRule", "events:DescribeRule"]
        return [
            iam.PolicyStatement(sid="LargePublish", actions=builds, resources=[self.project.project_arn]),
            iam.PolicyStatement(sid="EndOfBuild", actions=rules, resources=[rules_arn]),
        ]


def _source(asset: assets.Asset, identifier: str | None = None) -> codebuild.ISource:
    return codebuild.Source.s3(bucket=asset.bucket, path=asset.s3_object_key, identifier=identifier)
