"""The policy for `cdk bootstrap`: what its stack CDKToolkit is made of."""

from __future__ import annotations

from toolkit.aws import permissions_stacks
from toolkit.aws.permissions_scope import QUALIFIER, Scope
from toolkit.engine.advice import Policy, Statement

# What making and watching a change set asks of CloudFormation.
CHANGE_SETS = (
    "CreateChangeSet",
    "DescribeChangeSet",
    "ExecuteChangeSet",
    "DeleteChangeSet",
    "DescribeStacks",
    "DescribeStackEvents",
)
_REPOSITORY = (
    "CreateRepository",
    "DeleteRepository",
    "DescribeRepositories",
    "GetLifecyclePolicy",
    "GetRepositoryPolicy",
    "ListTagsForResource",
    "PutLifecyclePolicy",
    "SetRepositoryPolicy",
)


def policies(scope: Scope) -> list[Policy]:
    """For `cdk bootstrap`, once per account and region."""
    roles = f"role/cdk-{QUALIFIER}-*"
    stack = [scope.arn("cloudformation", "stack/CDKToolkit/*", region) for region in scope.regions]
    statements = (
        Statement(
            "MakeTheBootstrapStack",
            [f"cloudformation:{name}" for name in (*CHANGE_SETS, "GetTemplate", "GetTemplateSummary")],
            stack,
            "`cdk bootstrap` makes the stack CDKToolkit with a change set and watches it",
        ),
        Statement(
            "StagingBucket",
            (*permissions_stacks.BUCKET, "s3:PutBucketVersioning"),
            scope.staging(),
            "the bucket for templates and the functions' code, versioned and encrypted",
        ),
        Statement(
            "ImageRepository",
            tuple(f"ecr:{name}" for name in _REPOSITORY),
            [scope.arn("ecr", f"repository/cdk-{QUALIFIER}-container-assets-*", region) for region in scope.regions],
            "the bootstrap makes a repository for container images; this toolkit uses none",
        ),
        Statement("BootstrapRoles", permissions_stacks.ROLE, [scope.arn("iam", roles, "")], "the roles that later steps take"),
        Statement(
            "Version",
            ("ssm:GetParameters", "ssm:PutParameter", "ssm:DeleteParameter", "ssm:GetParameter"),
            scope.bootstrap_version(),
            "the version of the bootstrap, which every deployment looks at",
        ),
    )
    return [Policy("toolkit-bootstrap", "whoever runs `cdk bootstrap`, once per account and region", statements)]
