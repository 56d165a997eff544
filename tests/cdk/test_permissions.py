"""What `toolkit permissions` allows CloudFormation and the roles of sites, held to the templates and to AWS's lists of actions."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cdk.policies import as_list, statements
from tests.cdk.templates import Template
from toolkit.aws.permissions import policies
from toolkit.engine.advice import Policy, SiteFacts


def granted(found: list[Policy]) -> set[str]:
    return {action for policy in found for statement in policy.statements for action in statement.actions}


# Of what AWS's handlers may ask, what our templates never bring about.
NEVER = {
    # no actions of IAM are TagResource to REST.PUT.OBJECT
    "s3": """
        PutBucketAbac GetBucketAbac PutAnalyticsConfiguration PutBucketCORS PutInventoryConfiguration PutMetricsConfiguration
        PutBucketReplication PutBucketWebsite PutAccelerateConfiguration PutReplicationConfiguration
        PutObjectAcl PutBucketObjectLockConfiguration PutObjectLockConfiguration
        PutIntelligentTieringConfiguration GetBucketMetadataTableConfiguration CreateBucketMetadataTableConfiguration
        DeleteBucketMetadataTableConfiguration UpdateBucketMetadataJournalTableConfiguration
        UpdateBucketMetadataInventoryTableConfiguration PutBucketAcl UpdateBucketMetadataAnnotationTableConfiguration
        DeleteBucketWebsite DeleteBucketAnalyticsConfiguration DeleteBucketCors DeleteBucketMetricsConfiguration
        DeleteBucketEncryption DeleteBucketLifecycle DeleteBucketReplication TagResource UntagResource ListTagsForResource
        HeadObject GetBucketLocation REST.PUT.OBJECT DeleteObject GetObjectVersion
    """,
    # transitions stay as they are, and an update starts nothing
    "codepipeline": """
        EnableStageTransition DisableStageTransition StartPipelineExecution
    """,
    # staging, tenants, VPC origins; CreateDistribution covers the one with tags
    "cloudfront": """
        CreateConnectionGroup GetConnectionGroup GetVpcOrigin CreateDistributionWithTags UpdateDistributionWithStagingConfig
    """,
    "iam": """
        AttachGroupPolicy AttachUserPolicy DetachGroupPolicy DetachUserPolicy DeleteRolePermissionsBoundary
        PutRolePermissionsBoundary UpdateOpenIDConnectProviderThumbprint RemoveClientIDFromOpenIDConnectProvider
        AddClientIDToOpenIDConnectProvider
    """,
    # concurrency, networks, signed code, capacity
    "lambda": """
        PutFunctionConcurrency DeleteFunctionConcurrency GetCodeSigningConfig PutRuntimeManagementConfig AssociateRuntimeAlias
        PutFunctionRecursionConfig PutFunctionScalingConfig PassCapacityProvider PutFunctionCodeSigningConfig
        DeleteFunctionCodeSigningConfig PublishVersion
    """,
    "logs": """
        PutDataProtectionPolicy CreateLogDelivery PutResourcePolicy PutIndexPolicy PutBearerTokenAuthentication
        DeleteDataProtectionPolicy AssociateKmsKey DisassociateKmsKey DeleteIndexPolicy DeleteResourcePolicy
        PutLogGroupDeletionProtection
    """,
    "sns": """
        Subscribe Unsubscribe PutDataProtectionPolicy
    """,
}
OTHER_SERVICES = ("acm-pca", "ec2", "elasticfilesystem", "firehose", "kms", "s3files", "s3tables")
# CodeBuild's type says nothing of its handlers; the rest is in the notes of the services.
BESIDE = {
    "codebuild:CreateProject", "codebuild:UpdateProject", "codebuild:DeleteProject", "codebuild:BatchGetProjects",
    "s3:PutBucketAcl", "ssm:GetParameters",
    # It knows a connection by the older name of its service only.
    "codeconnections:PassConnection",
}  # fmt: skip
FOR_CLOUDFORMATION = ("toolkit-hosting", "toolkit-releases", "toolkit-pipelines")


def handlers() -> dict[str, set[str]]:
    """By resource type, all actions that AWS's handlers say they need, from the registry's schemas that cfn-lint brings."""
    import cfnlint

    found: dict[str, set[str]] = {}
    for file in (Path(cfnlint.__file__).parent / "data/schemas/resources").glob("*.json"):
        body = json.loads(file.read_text(encoding="utf-8"))
        needed = {action for name, it in body.get("handlers", {}).items() if name != "list" for action in it["permissions"]}
        found.setdefault(body["typeName"], set()).update(needed)
    return found


def test_cloudformation_may_do_what_its_handlers_ask(templates: dict[str, Template]) -> None:
    types = {it["Type"] for template in templates.values() for it in template.body["Resources"].values()}
    published = handlers()
    given = granted([one for one in policies("up", SiteFacts(), "*") if one.name in FOR_CLOUDFORMATION])
    never = {f"{service}:{name}" for service, names in NEVER.items() for name in names.split()}
    wanted = {action for kind in types for action in published[kind] if not action.startswith(OTHER_SERVICES)}
    assert "AWS::CodeBuild::Project" in types and not published["AWS::CodeBuild::Project"]
    assert wanted - never - given == set(), "CloudFormation could not make what the templates hold"
    assert given - wanted - BESIDE == set(), "nobody asks for these"
    assert never <= wanted, "the list of what is left out is out of date"


def test_a_boundary_leaves_the_roles_what_they_have(templates: dict[str, Template]) -> None:
    bound = granted(policies("up", SiteFacts(), "*", "ours")[-1:])
    asked = set()
    for template in templates.values():
        for name, it in statements(template.body):
            is_role_s = template.body["Resources"][name]["Type"] in (
                "AWS::IAM::Role",
                "AWS::IAM::ManagedPolicy",
                "AWS::IAM::Policy",
            )
            principal = it.get("Principal")
            if it["Effect"] == "Allow" and ((is_role_s and not principal) or (isinstance(principal, dict) and "AWS" in principal)):
                asked |= set(as_list(it["Action"]))
    assert asked - bound == set()
    assert bound - asked == set()
