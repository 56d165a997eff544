"""Who may do what: a role of its own for each function, the machines and the project, and the bucket's policy for them.

Rights in the bucket stand in its policy, where one look shows who may write what; everything else stands in the role. Trust is
for this account only: `aws:SourceAccount` (docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html). The machine's or
function's own ARN would be a circle: it needs the role first. (F35)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Aws
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from constructs import Construct

# All that the adapter in toolkit/aws/routes.py calls.
KVS_ACTIONS = ("DescribeKeyValueStore", "GetKey", "ListKeys", "UpdateKeys")


@dataclass(frozen=True)
class Access:
    """Folders below `<site>/` in the bucket: those whose objects may be read, listed, written, deleted."""

    read: tuple[str, ...]
    list: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()


# What the engine's calls come to. Locks are leases: whoever holds one looks for others, writes its own and takes it back.
PUBLISH = Access(
    read=("blobs", "locks", "releases", "uploads", "versions"),
    list=("locks", "releases"),
    write=("blobs", "locks", "runs", "versions"),
    delete=("blobs", "locks", "versions"),
)
VERIFY = Access(read=("locks", "runs", "versions"), list=("blobs", "locks"), write=("locks",), delete=("locks",))
RELEASE = Access(read=("locks", "releases", "versions"), list=("locks", "releases"), write=("locks", "releases"), delete=("locks",))
FLIP = Access(read=("runs",))
# Going back looks for what is still there.
WATCH = Access(read=(), list=("versions",))
UPKEEP = Access(
    read=("locks", "releases", "versions"),
    list=("blobs", "locks", "pins", "releases", "runs", "versions"),
    write=("locks", "releases"),
    delete=("blobs", "locks", "logs", "runs", "versions"),
)


def service_role(
    scope: Construct,
    construct_id: str,
    *,
    service: str,
    description: str,
    statements: Sequence[iam.PolicyStatement],
    managed_policies: Sequence[iam.IManagedPolicy] = (),
) -> iam.Role:
    """A role that `service` may take in this account. Its policy is part of it, so that nothing runs before it applies."""
    return iam.Role(
        scope,
        construct_id,
        assumed_by=iam.ServicePrincipal(service, conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}),
        description=description,
        inline_policies={"Own": iam.PolicyDocument(statements=list(statements))},
        managed_policies=list(managed_policies),
    )


def allow_in_bucket(bucket: s3.IBucket, site: str, name: str, roles: Sequence[iam.IRole], access: Access) -> None:
    """Let the roles do that in the bucket: at most four statements, whose ids begin with `name`."""
    principals: list[iam.IPrincipal] = [iam.ArnPrincipal(role.role_arn) for role in roles]
    objects = (
        ("Reads", "s3:GetObject", access.read),
        ("Writes", "s3:PutObject", access.write),
        ("Deletes", "s3:DeleteObject", access.delete),
    )
    for verb, action, folders in objects:
        if folders:
            resources = [bucket.arn_for_objects(f"{site}/{folder}/*") for folder in folders]
            bucket.add_to_resource_policy(
                iam.PolicyStatement(sid=f"{name}{verb}", principals=principals, actions=[action], resources=resources)
            )
    if access.list:
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                sid=f"{name}Lists",
                principals=principals,
                actions=["s3:ListBucket"],
                resources=[bucket.bucket_arn],
                # Only who may list is told that an object is missing (404), others that it is forbidden
                # (docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html). A GET or HEAD has no prefix, hence `IfExists`.
                conditions={"StringLikeIfExists": {"s3:prefix": [f"{site}/{folder}/*" for folder in access.list]}},
            )
        )


def allow_artifacts(bucket: s3.IBucket, roles: Sequence[iam.IRole], keys: Sequence[str] = ("*",)) -> None:
    """Let the roles read a bucket of artifacts: by its policy, or by theirs where the bucket is not of this app."""
    actions, resources = ["s3:GetObject", "s3:GetObjectVersion"], [bucket.arn_for_objects(key) for key in keys]
    for role in roles:
        allowed = iam.PolicyStatement(principals=[iam.ArnPrincipal(role.role_arn)], actions=actions, resources=resources)
        if not bucket.add_to_resource_policy(allowed).statement_added:
            role.add_to_principal_policy(iam.PolicyStatement(sid="Artifacts", actions=actions, resources=resources))
        if bucket.encryption_key:
            bucket.encryption_key.grant_decrypt(role)


def uses_store(store_arn: str) -> iam.PolicyStatement:
    """Read and change the routing data."""
    actions = [f"cloudfront-keyvaluestore:{action}" for action in KVS_ACTIONS]
    return iam.PolicyStatement(sid="RoutingData", actions=actions, resources=[store_arn])


def announces(topic: sns.ITopic) -> iam.PolicyStatement:
    """Publish to the topic that hears of releases."""
    return iam.PolicyStatement(sid="Topic", actions=["sns:Publish"], resources=[topic.topic_arn])


def writes_logs(group: logs.ILogGroup) -> iam.PolicyStatement:
    """Write to one log group, which is there already."""
    return iam.PolicyStatement(sid="Logs", actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[group.log_group_arn])


class Telemetry(Construct):
    """One policy, which roles share, for the rights that AWS knows for all resources only.

    Traces go to X-Ray (docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html), logs of Step Functions through deliveries that
    belong to the account (docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html). The latter is not for code in a function,
    whose requests carry the function's ARN (docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html).
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        traces = ("PutTraceSegments", "PutTelemetryRecords", "GetSamplingRules", "GetSamplingTargets")
        deliveries = ("CreateLogDelivery", "GetLogDelivery", "UpdateLogDelivery", "DeleteLogDelivery", "ListLogDeliveries")
        policies = ("PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups")
        self.policy = iam.ManagedPolicy(
            self,
            "Policy",
            description="Traces, and the delivery of logs of state machines",
            statements=[
                iam.PolicyStatement(sid="Traces", actions=[f"xray:{action}" for action in traces], resources=["*"]),
                iam.PolicyStatement(
                    sid="LogDelivery",
                    actions=[f"logs:{action}" for action in (*deliveries, *policies)],
                    resources=["*"],
                    conditions={"Null": {"lambda:SourceFunctionArn": "true"}},
                ),
            ],
        )
