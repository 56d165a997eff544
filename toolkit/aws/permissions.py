"""The smallest policies for each step of a site's life, as a team's administrator hands them out.

Who runs `toolkit up` needs little: it takes the roles that the CDK's bootstrap made. What CloudFormation needs stands apart
(`permissions_stacks`): it is for the bootstrap's execution role, which otherwise has AdministratorAccess. Names are narrowed to
what the toolkit's stacks make: CloudFormation begins a name with the first 24 characters of the stack's.
Actions and the resources that they know: docs.aws.amazon.com/service-authorization/latest/reference/.
"""

from __future__ import annotations

from toolkit.aws import permissions_bootstrap, permissions_pipeline, permissions_stacks
from toolkit.aws.permissions_bootstrap import CHANGE_SETS
from toolkit.aws.permissions_scope import QUALIFIER, Scope
from toolkit.engine.advice import STEPS, PipelineFacts, Policy, SiteFacts, Statement
from toolkit.engine.stacks import EDGE_REGION
from toolkit.errors import UsageError, UserError


def policies(step: str, facts: SiteFacts, account: str, boundary: str = "") -> list[Policy]:
    """The policies of a step. UsageError for a step that is none, UserError for one that the site does not have."""
    scope = Scope(
        account=account,
        region=facts.region or "*",
        site=facts.site,
        stack=facts.stack,
        zone=facts.hosted_zone_id,
        hosts=bool(facts.hosts) or not facts.site,
        boundary=boundary or facts.permissions_boundary,
        access_logs=facts.access_logs,
        pipelines=facts.pipelines if facts.site else _EVERY_PIPELINE,
    )
    makers = {
        "bootstrap": permissions_bootstrap.policies,
        "up": _up,
        "deploy": _deploy,
        "deliver": _deliver,
        "destroy": _destroy,
        "doctor": _doctor,
        "verify": _verify,
    }
    if step not in makers:
        raise UsageError(f"{step!r} is no step", f"choose one of: {', '.join(STEPS)}")
    return makers[step](scope)


def _up(scope: Scope) -> list[Policy]:
    roles = [
        scope.arn("iam", f"role/cdk-{QUALIFIER}-{kind}-role-{scope.account}-{region}", "")
        for region in scope.regions
        for kind in ("deploy", "file-publishing")
    ]
    mine = [
        Statement("TakeTheBootstrapsRoles", ("sts:AssumeRole",), roles, "files are sent and stacks are deployed under these roles"),
        Statement(
            "BootstrapVersion", ("ssm:GetParameter",), scope.bootstrap_version(), "`up` says early that the bootstrap is missing"
        ),
    ]
    if scope.hosts:
        mine.append(_validation(scope))
    own = (
        Statement(
            "ChangeSets",
            [f"cloudformation:{name}" for name in (*CHANGE_SETS, "ListStackResources", "DeleteStack")],
            scope.stacks(),
            "`up` makes a change set for each stack, carries it out and clears away a first one that failed",
        ),
        Statement("SendFiles", ("s3:GetObject", "s3:PutObject"), [f"{bucket}/*" for bucket in scope.staging()], _FILES),
        Statement(
            "BootstrapVersionInStacks", ("ssm:GetParameters",), scope.bootstrap_version(), "a rule of every template reads it"
        ),
    )
    execution = f"CloudFormation's role (cdk bootstrap --cloudformation-execution-policies), or whoever has {_OWN}"
    made = [
        Policy("toolkit-up", "whoever runs `toolkit up` and `toolkit diff`", tuple(mine)),
        Policy("toolkit-hosting", execution, permissions_stacks.hosting(scope)),
        Policy("toolkit-releases", execution, permissions_stacks.releases(scope)),
    ]
    if pipelines := permissions_pipeline.hosting(scope):
        made.append(Policy("toolkit-pipelines", execution, pipelines))
    made.append(Policy(_OWN, "only where the bootstrap's roles may not be taken: with the others", own))
    if scope.boundary:
        bound = f"the boundary of every role of a site ([aws] permissions_boundary = {scope.boundary!r})"
        statements = (*permissions_stacks.boundary(scope), *permissions_pipeline.boundary(scope))
        made.append(Policy(scope.boundary, bound, statements))
    return made


def _deploy(scope: Scope) -> list[Policy]:
    return [
        Policy(
            "toolkit-deploy",
            "whoever runs deploy, rollback, promote, canary, preview, maintenance, pin, prune, status, releases, explain and logs"
            + ("; for status and logs with toolkit-follow" if scope.pipelines.keys else ""),
            (_outputs(scope), *_stores(scope), _watch(scope)),
        )
    ]


def _deliver(scope: Scope) -> list[Policy]:
    made = permissions_pipeline.deliver(scope, _outputs(scope))
    if not made:
        raise UserError(f"the site {scope.site} has no pipeline", "add [aws.github] or [aws.uploads] to site.toml")
    return made


def _destroy(scope: Scope) -> list[Policy]:
    buckets = scope.bucket(scope.name(is_lower=True))
    statements = (
        Statement(
            "Stacks",
            [f"cloudformation:{name}" for name in ("DescribeStacks", "DescribeStackEvents", "ListStackResources", "DeleteStack")],
            scope.stacks(),
            "the site's stacks are looked at, deleted and watched",
        ),
        Statement(
            "DeletedStacks", ("cloudformation:ListStacks",), ["*"], "what earlier stacks left behind; AWS knows no narrower way"
        ),
        Statement("Lease", ("s3:GetObject", "s3:PutObject"), [f"{buckets}/{scope.keys}"], "no deploy may be under way meanwhile"),
        _routes(scope, "DescribeKeyValueStore", "ListKeys", "UpdateKeys"),
        _list(buckets),
        Statement(
            "EmptyBuckets", ("s3:ListBucketVersions", "s3:DeleteBucket"), [buckets], "the site's bucket and that of its logs"
        ),
        Statement(
            "EmptyBucketsObjects", ("s3:DeleteObject", "s3:DeleteObjectVersion"), [f"{buckets}/*"], "and all that is in them"
        ),
        Statement(
            "Store",
            ("cloudfront:DescribeKeyValueStore", "cloudfront:DeleteKeyValueStore"),
            [scope.arn("cloudfront", "key-value-store/*", "")],
            "the store outlives a production stack; its id is random",
        ),
        Statement("LogGroups", ("logs:DescribeLogGroups",), ["*"], "log groups that outlived a stack; AWS knows no narrower way"),
        Statement("LogGroupsOfStacks", ("logs:DeleteLogGroup",), scope.log_groups(), "those of the site"),
    )
    return [
        Policy(
            "toolkit-destroy", "whoever runs `toolkit destroy`; stacks made under own credentials need toolkit-up's too", statements
        )
    ]


def _doctor(scope: Scope) -> list[Policy]:
    lists = ("Distributions", "Functions", "KeyValueStores", "CachePolicies", "OriginRequestPolicies", "OriginAccessControls")
    everywhere = (*(f"cloudfront:List{name}" for name in lists), "servicequotas:ListServiceQuotas", "account:GetRegionOptStatus")
    seen = [f"cloudformation:{name}" for name in ("DescribeStacks", "DescribeStackResources")]
    statements = [
        Statement("Quotas", everywhere, ["*"], "how much of each there is, in the whole account; AWS knows no narrower way"),
        Statement("Stacks", seen, scope.stacks(), "how the site's stacks are"),
        Statement("BootstrapVersion", ("ssm:GetParameter",), scope.bootstrap_version(), "whether the account is bootstrapped"),
    ]
    if scope.hosts:
        alias = ("cloudfront:ListConflictingAliases",)
        statements += [
            _validation(scope),
            Statement("Hosts", alias, [scope.arn("cloudfront", "distribution/*", "")], "who has a host"),
        ]
    if scope.zone:
        statements.append(
            Statement(
                "Zone", ("route53:GetHostedZone",), [f"arn:{scope.partition}:route53:::hostedzone/{scope.zone}"], "delegation"
            )
        )
    statements += permissions_pipeline.doctor(scope)
    return [Policy("toolkit-doctor", "whoever runs `toolkit doctor`; it only reads", tuple(statements))]


def _verify(scope: Scope) -> list[Policy]:
    bucket = scope.bucket(scope.name(is_lower=True))
    policy = ("s3:GetBucketPolicy", "s3:GetBucketPublicAccessBlock")
    config = ("cloudfront:GetDistributionConfig",)
    statements = (
        _outputs(scope),
        *_stores(scope, "verify-*/*"),
        Statement("BucketPolicy", policy, [bucket], "whether the bucket says what the stack made of it"),
        Statement("Distribution", config, [scope.arn("cloudfront", "distribution/*", "")], "where access logs go"),
        *permissions_pipeline.verify(scope),
    )
    return [Policy("toolkit-verify", "whoever runs `toolkit verify`", statements)]


_OWN = "toolkit-up-own"
# While no site is known: whatever one can have.
_EVERY_PIPELINE = PipelineFacts(repository="*", connection_arn="*", pull_requests=True, deploy_role=True, uploads=True)
_FILES = "templates and the functions' code, to the bootstrap's bucket; also sent in parts"


def _outputs(scope: Scope) -> Statement:
    return Statement(
        "FindTheSite", ("cloudformation:DescribeStacks",), scope.stacks()[:1], "the site's bucket and store are outputs"
    )


def _stores(scope: Scope, objects: str = "") -> tuple[Statement, ...]:
    """What the adapters of both stores ask for; `objects` are keys, by default those of the site."""
    bucket = scope.bucket(scope.name(is_lower=True))
    return (
        Statement(
            "Objects",
            ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
            [f"{bucket}/{objects or scope.keys}"],
            "versions are written; prune deletes what nobody needs. CloudFormation chooses the end of the bucket's name",
        ),
        _list(bucket),
        _routes(scope, "DescribeKeyValueStore", "GetKey", "ListKeys", "UpdateKeys"),
    )


def _list(bucket: str) -> Statement:
    reason = "to see what is there already, and to tell a missing object from a forbidden one"
    return Statement("ListObjects", ("s3:ListBucket",), [bucket], reason)


def _routes(scope: Scope, *names: str) -> Statement:
    actions = [f"cloudfront-keyvaluestore:{name}" for name in names]
    return Statement("Routes", actions, [scope.arn("cloudfront", "key-value-store/*", "")], "a release is an update of the store")


def _watch(scope: Scope) -> Statement:
    machines = permissions_stacks.unnamed(scope, "states", "stateMachine:", "WatchMachine")
    return Statement("Watch", ("states:StartExecution",), machines, "a release to live is watched")


def _validation(scope: Scope) -> Statement:
    certificates = [scope.arn("acm", "certificate/*", EDGE_REGION)]
    return Statement("Certificate", ("acm:DescribeCertificate",), certificates, "to print the DNS records that it waits for")
