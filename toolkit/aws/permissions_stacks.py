"""What CloudFormation must be allowed for the toolkit's stacks: by kind of resource, what its handlers ask for.

AWS publishes the actions of each resource type's handlers (`handlers` in the CloudFormation registry's schemas); a test holds these
lists to the types of our templates and to those schemas, and says why it leaves some out.
"""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.aws.permissions_scope import Scope
from toolkit.engine.advice import Statement
from toolkit.engine.stacks import EDGE_REGION


def _of(service: str, names: str) -> tuple[str, ...]:
    return tuple(f"{service}:{name}" for name in names.split())


BUCKET = _of(
    "s3",
    "CreateBucket DeleteBucket ListBucket PutBucketTagging PutEncryptionConfiguration PutLifecycleConfiguration "
    "PutBucketPublicAccessBlock PutBucketOwnershipControls PutBucketLogging PutBucketPolicy GetBucketPolicy DeleteBucketPolicy "
    "GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAcl GetBucketCORS GetBucketLogging GetBucketNotification "
    "GetBucketObjectLockConfiguration GetBucketOwnershipControls GetBucketPublicAccessBlock GetBucketTagging GetBucketVersioning "
    "GetBucketWebsite GetEncryptionConfiguration GetIntelligentTieringConfiguration GetInventoryConfiguration "
    "GetLifecycleConfiguration GetMetricsConfiguration GetReplicationConfiguration",
)
DISTRIBUTION = _of(
    "cloudfront",
    "CreateDistribution UpdateDistribution DeleteDistribution GetDistribution GetDistributionConfig TagResource UntagResource "
    "ListTagsForResource",
)
FUNCTION = _of("cloudfront", "CreateFunction UpdateFunction PublishFunction DeleteFunction DescribeFunction GetFunction")
STORE = _of("cloudfront", "CreateKeyValueStore UpdateKeyValueStore DeleteKeyValueStore DescribeKeyValueStore")
EDGE_POLICIES = _of(
    "cloudfront",
    "CreateCachePolicy UpdateCachePolicy DeleteCachePolicy GetCachePolicy CreateOriginRequestPolicy UpdateOriginRequestPolicy "
    "DeleteOriginRequestPolicy GetOriginRequestPolicy UpdateOriginAccessControl DeleteOriginAccessControl GetOriginAccessControl",
)
# Of these, IAM looks at the boundary of the role.
BOUND_ROLE = _of("iam", "CreateRole PutRolePolicy DeleteRolePolicy AttachRolePolicy DetachRolePolicy")
ROLE = (
    *BOUND_ROLE,
    *_of("iam", "DeleteRole GetRole UpdateRole UpdateRoleDescription UpdateAssumeRolePolicy TagRole UntagRole GetRolePolicy"),
    *_of("iam", "ListAttachedRolePolicies ListRolePolicies"),
)
MANAGED_POLICY = _of(
    "iam",
    "CreatePolicy DeletePolicy GetPolicy CreatePolicyVersion DeletePolicyVersion GetPolicyVersion ListPolicyVersions "
    "ListEntitiesForPolicy",
)
LAMBDA = _of(
    "lambda",
    "CreateFunction UpdateFunctionCode UpdateFunctionConfiguration DeleteFunction GetFunction TagResource UntagResource "
    "GetFunctionCodeSigningConfig GetFunctionRecursionConfig GetRuntimeManagementConfig GetFunctionScalingConfig "
    "PutFunctionEventInvokeConfig UpdateFunctionEventInvokeConfig GetFunctionEventInvokeConfig DeleteFunctionEventInvokeConfig "
    "AddPermission RemovePermission GetPolicy",
)
LAYER = _of("lambda", "PublishLayerVersion GetLayerVersion DeleteLayerVersion")
LOG_GROUP = _of(
    "logs",
    "CreateLogGroup DeleteLogGroup PutRetentionPolicy DeleteRetentionPolicy TagResource UntagResource ListTagsForResource "
    "GetDataProtectionPolicy",
)
LOG_LISTS = _of("logs", "DescribeLogGroups DescribeIndexPolicies DescribeResourcePolicies")
MACHINE = _of(
    "states",
    "CreateStateMachine UpdateStateMachine DeleteStateMachine DescribeStateMachine TagResource UntagResource ListTagsForResource",
)
PROJECT = _of("codebuild", "CreateProject UpdateProject DeleteProject BatchGetProjects")
TOPIC = _of(
    "sns",
    "CreateTopic DeleteTopic GetTopicAttributes SetTopicAttributes TagResource UntagResource ListTagsForResource "
    "ListSubscriptionsByTopic GetDataProtectionPolicy",
)
RULE = _of(
    "events",
    "PutRule DeleteRule DescribeRule PutTargets RemoveTargets ListTargetsByRule TagResource UntagResource ListTagsForResource",
)
ALARM = _of("cloudwatch", "PutMetricAlarm DeleteAlarms DescribeAlarms TagResource UntagResource ListTagsForResource")
DASHBOARD = _of("cloudwatch", "PutDashboard DeleteDashboards GetDashboard")
CERTIFICATE = _of(
    "acm",
    "DescribeCertificate DeleteCertificate AddTagsToCertificate RemoveTagsFromCertificate ListTagsForCertificate "
    "UpdateCertificateOptions",
)
RECORDS = _of("route53", "ChangeResourceRecordSets ListResourceRecordSets GetHostedZone")


def hosting(scope: Scope) -> tuple[Statement, ...]:
    """For what visitors reach: bucket, store, functions, distribution, certificate, records."""
    return tuple(_hosting(scope))


def _hosting(scope: Scope) -> Iterator[Statement]:
    bucket = scope.bucket(scope.name(is_lower=True))
    # The CDK cuts the stack's name in the middle where that is long.
    functions = scope.arn("cloudfront", f"function/{scope.region}-{'*' if scope.stack else 'toolkit-site-*'}", "")
    yield Statement("Buckets", BUCKET, [bucket], "the site's bucket and the one for logs, with their policies")
    if scope.access_logs:
        acl = ("s3:GetBucketAcl", "s3:PutBucketAcl")
        yield Statement("LogsAcl", acl, [bucket], "CloudFront has whoever switches access logs on give it the right to write them")
    ids = [scope.arn("cloudfront", f"{kind}/*", "") for kind in ("distribution", "key-value-store")]
    yield Statement("Distributions", DISTRIBUTION, [*ids, functions], "the distribution and tags; their ids are random")
    yield Statement("EdgeFunctions", FUNCTION, [functions], "the functions that route requests")
    yield Statement("Stores", STORE, ids[1:], "the store of the routing data")
    kinds = ("cache-policy", "origin-request-policy", "origin-access-control")
    edge = [scope.arn("cloudfront", f"{kind}/*", "") for kind in kinds]
    yield Statement("EdgePolicies", EDGE_POLICIES, edge, "how the edge caches, and how it signs requests to the bucket")
    yield Statement("NewAccessControl", ("cloudfront:CreateOriginAccessControl",), ["*"], "AWS knows no narrower way")
    if scope.hosts:
        yield Statement("Certificates", CERTIFICATE, [scope.arn("acm", "certificate/*", EDGE_REGION)], "of the site's own hosts")
        yield Statement("NewCertificate", ("acm:RequestCertificate",), ["*"], "AWS knows no narrower way", _only_in(EDGE_REGION))
    if scope.zone or not scope.site:
        zone = f"arn:{scope.partition}:route53:::hostedzone/{scope.zone or '*'}"
        yield Statement("Records", RECORDS, [zone], "the hosts' records and those that validate the certificate")
        yield Statement(
            "RecordsAreThere", ("route53:GetChange",), [f"arn:{scope.partition}:route53:::change/*"], "to wait for them"
        )
        yield Statement(
            "Zones", ("route53:ListHostedZones",), ["*"], "CloudFormation looks for the zone; AWS knows no narrower way"
        )
    yield Statement("Files", ("s3:GetObject",), [f"{one}/*" for one in scope.staging()], "templates and code, where `up` sent them")
    yield Statement("BootstrapVersion", ("ssm:GetParameters",), scope.bootstrap_version(), "a rule of every template reads it")


def releases(scope: Scope) -> tuple[Statement, ...]:
    """For what releases run on: roles, functions, state machines, alarms."""
    name = scope.name()
    passed = {
        "StringEquals": {"iam:PassedToService": [f"{it}.amazonaws.com" for it in ("lambda", "states", "codebuild", "events")]}
    }
    layers = unnamed(scope, "lambda", "layer:")
    alarms = [scope.arn("cloudwatch", f"alarm:*-{ending}", EDGE_REGION) for ending in ("5xx", "function-errors")]
    dashboard = scope.arn(
        "cloudwatch", f"dashboard/{'*' if scope.stack else f'toolkit-{scope.site}-*' if scope.site else 'toolkit-*'}", ""
    )
    return (
        *_roles(scope),
        Statement("GiveRoles", ("iam:PassRole",), _made(scope), "to the services that run them, and to no others", passed),
        Statement("SharedPolicies", MANAGED_POLICY, [scope.arn("iam", f"policy/{name}", "")], "what several roles share"),
        Statement("Functions", LAMBDA, [scope.arn("lambda", f"function:{name}")], "publish, verify, flip, watch, upkeep, notify"),
        Statement("Layers", LAYER, [*layers, *(f"{one}:*" for one in layers)], "the libraries of the functions"),
        Statement("LogGroups", LOG_GROUP, scope.log_groups(), "the functions' and machines' logs, with an end"),
        Statement("FindLogGroups", LOG_LISTS, ["*"], "CloudFormation looks for them; AWS knows no narrower way"),
        Statement("Machines", MACHINE, unnamed(scope, "states", "stateMachine:"), "releases and their watch"),
        Statement("LargeSites", PROJECT, unnamed(scope, "codebuild", "project/"), "publishes sites that a function cannot"),
        Statement("Messages", TOPIC, [scope.arn("sns", name)], "where releases are told"),
        Statement("Schedules", RULE, [scope.arn("events", f"rule/{name}")], "daily upkeep"),
        Statement("Alarms", ALARM, alarms, "what flips a release back; named after the distribution"),
        Statement("Dashboard", DASHBOARD, [dashboard], "the site's dashboard"),
    )


def unnamed(scope: Scope, service: str, kind: str, logical: str = "") -> list[str]:
    """ARNs of what CloudFormation names after the logical id, in some services after the stack and that."""
    begins = [f"{scope.logical}{logical}*", scope.name()] if scope.logical else ["*"]
    return [scope.arn(service, f"{kind}{begin}") for begin in begins]


def _made(scope: Scope) -> list[str]:
    return [scope.arn("iam", f"role/{scope.name()}", "")]


def _roles(scope: Scope) -> Iterator[Statement]:
    """Making roles; with a boundary only such as carry it, so that nobody makes one that may more than that."""
    reason = "one role for each function and machine"
    if not scope.boundary:
        yield Statement("Roles", ROLE, _made(scope), reason)
        return
    bound = {"StringEquals": {"iam:PermissionsBoundary": scope.arn("iam", f"policy/{scope.boundary}", "")}}
    yield Statement(
        "BoundRoles", (*BOUND_ROLE, "iam:PutRolePermissionsBoundary"), _made(scope), f"{reason}, with the boundary", bound
    )
    yield Statement("Roles", [one for one in ROLE if one not in BOUND_ROLE], _made(scope), "what IAM knows no boundary for")


def boundary(scope: Scope) -> tuple[Statement, ...]:
    """What the roles of a site may at most. A bucket's policy that names a role does not reach beyond it either."""
    name, bucket = scope.name(), scope.bucket(scope.name(is_lower=True))
    routes = _of("cloudfront-keyvaluestore", "DescribeKeyValueStore GetKey ListKeys UpdateKeys")
    telemetry = _of("xray", "PutTraceSegments PutTelemetryRecords GetSamplingRules GetSamplingTargets") + _of(
        "logs",
        "CreateLogDelivery GetLogDelivery UpdateLogDelivery DeleteLogDelivery ListLogDeliveries PutResourcePolicy "
        "DescribeResourcePolicies DescribeLogGroups",
    )
    groups = [scope.arn("logs", f"log-group:{name}:*")]
    builds = _of("codebuild", "StartBuild StopBuild BatchGetBuilds")
    rule = scope.arn("events", "rule/StepFunctionsGetEventForCodeBuildStartBuildRule")
    alarms = [scope.arn("cloudwatch", "alarm:*", EDGE_REGION)]
    return (
        Statement("Objects", _of("s3", "GetObject PutObject DeleteObject"), [f"{bucket}/*"], "versions of the site"),
        Statement("ListObjects", ("s3:ListBucket",), [bucket], "what is there"),
        Statement("Code", _of("s3", "GetObject GetObjectVersion"), [f"{one}/*" for one in scope.staging()], "CodeBuild's own code"),
        Statement("Routes", routes, [scope.arn("cloudfront", "key-value-store/*", "")], "releases"),
        Statement("Logs", _of("logs", "CreateLogStream PutLogEvents"), groups, "their own logs"),
        Statement("Telemetry", telemetry, ["*"], "traces and the delivery of logs; AWS knows no narrower way"),
        Statement("Functions", ("lambda:InvokeFunction",), [scope.arn("lambda", f"function:{name}")], "a machine runs its steps"),
        Statement("Watch", ("states:StartExecution",), unnamed(scope, "states", "stateMachine:"), "a release starts its watch"),
        Statement("LargeSites", builds, unnamed(scope, "codebuild", "project/"), "a machine starts a build and waits for it"),
        Statement("EndOfBuilds", _of("events", "PutTargets PutRule DescribeRule"), [rule], "how Step Functions hears of its end"),
        Statement("Messages", ("sns:Publish",), [scope.arn("sns", name)], "releases are told"),
        Statement(
            "Webhook", ("secretsmanager:GetSecretValue",), [scope.arn("secretsmanager", "secret:*")], "the webhook's address"
        ),
        Statement("Alarms", ("cloudwatch:DescribeAlarms",), alarms, "the watch looks at them"),
    )


def _only_in(region: str) -> dict[str, dict[str, str]]:
    return {"StringEquals": {"aws:RequestedRegion": region}}
