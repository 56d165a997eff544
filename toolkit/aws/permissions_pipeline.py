"""What pipelines add to the policies: for CloudFormation, for the roles of the site, for whoever uploads, starts and follows.

Actions and the resources that they know: docs.aws.amazon.com/service-authorization/latest/reference/.
"""

from __future__ import annotations

from collections.abc import Iterator

from toolkit.aws.doctor_pipeline import RUNS
from toolkit.aws.permissions_scope import Scope
from toolkit.engine.advice import Policy, Statement
from toolkit.engine.pipelines import CONNECTION_SERVICES, GITHUB_ISSUER

# Logical ids of `SitePipeline` in the command line's stacks.
_LOGICAL = "Pipeline"
_PIPELINE = ("CreatePipeline", "UpdatePipeline", "DeletePipeline", "GetPipeline", "GetPipelineState")
_TAGS = ("TagResource", "UntagResource", "ListTagsForResource")
_PROVIDER = ("Create", "Delete", "Get", "Tag", "Untag")
_RUNS = tuple(f"codepipeline:{name}" for name in RUNS)
_ZIPS = ("s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectTagging", "s3:GetObjectVersionTagging")
_BUCKET = ("s3:GetBucketAcl", "s3:GetBucketLocation", "s3:GetBucketVersioning")


def hosting(scope: Scope) -> tuple[Statement, ...]:
    """What CloudFormation needs beside what it may for hosting and releases."""
    return tuple(_hosting(scope))


def _hosting(scope: Scope) -> Iterator[Statement]:
    facts, codepipeline = scope.pipelines, {"StringEquals": {"iam:PassedToService": ["codepipeline.amazonaws.com"]}}
    if facts.keys:
        actions = [f"codepipeline:{name}" for name in (*_PIPELINE, *_TAGS)]
        yield Statement("Pipelines", actions, _pipelines(scope), "one for each way that a site comes to be")
        roles = [scope.arn("iam", f"role/{scope.name()}", "")]
        yield Statement(
            "GivePipelinesRoles", ("iam:PassRole",), roles, "to the service that runs them, and to no other", codepipeline
        )
    if facts.connection_arn:
        passed = [f"{service}:PassConnection" for service in CONNECTION_SERVICES]
        yield Statement("GiveConnection", passed, connections(scope), "a pipeline is given the connection to the repository")
    if facts.builds and facts.keys:
        builds = [f"codebuild:{name}" for name in ("CreateProject", "UpdateProject", "DeleteProject", "BatchGetProjects")]
        yield Statement("Builds", builds, projects(scope), "the projects that build the site")
    if facts.uploads and not facts.bucket:
        bucket = [scope.bucket(scope.name(is_lower=True))]
        told = ("s3:PutBucketVersioning", "s3:PutBucketNotification")
        yield Statement("UploadBucket", told, bucket, "the bucket of zips keeps versions and tells EventBridge of new ones")
    if facts.deploy_role and not facts.oidc_provider_arn:
        provider = [scope.arn("iam", f"oidc-provider/{GITHUB_ISSUER}", "")]
        makes = (*(f"iam:{name}OpenIDConnectProvider" for name in _PROVIDER), "iam:ListOpenIDConnectProviderTags")
        yield Statement("IdentityProvider", makes, provider, "lets workflows of the repository take their role")


def boundary(scope: Scope) -> tuple[Statement, ...]:
    """What roles of pipelines may at most, beside what the boundary leaves the others."""
    return tuple(_boundary(scope))


def _boundary(scope: Scope) -> Iterator[Statement]:
    facts = scope.pipelines
    if facts.deploy_role:
        yield Statement("FindTheSite", ("cloudformation:DescribeStacks",), scope.stacks()[:1], "the repository's own CI deploys")
    if not facts.keys:
        return
    buckets = [scope.bucket(scope.name(is_lower=True)), *_own_bucket(scope)]
    objects = [*(f"{one}/*" for one in buckets[:1]), *(f"{one}/{facts.prefix}*" for one in buckets[1:])]
    yield Statement("Artifacts", _ZIPS, objects, "what pipelines hand on, and zips")
    yield Statement("HandOn", ("s3:PutObjectAcl", "s3:PutObjectTagging"), objects[:1], "how CodePipeline writes what it hands on")
    yield Statement("ArtifactBuckets", _BUCKET, buckets, "CodePipeline and CodeBuild look at them")
    runs = [f"codepipeline:{name}" for name in ("StartPipelineExecution", "GetPipelineExecution", "ListActionExecutions")]
    yield Statement("Pipelines", runs, _pipelines(scope), "a rule starts one; functions ask how far it is")
    jobs = ("codepipeline:PutJobSuccessResult", "codepipeline:PutJobFailureResult", "lambda:ListFunctions")
    yield Statement("Jobs", jobs, ["*"], "how a function is found and ends its action; AWS knows no narrower way")
    yield Statement("Releases", ("states:DescribeExecution",), executions(scope), "an action waits for its release")
    if facts.connection_arn:
        used = [f"{service}:UseConnection" for service in _services(scope)]
        yield Statement("Connection", used, connections(scope), "the repository is read")
    if facts.builds:
        started = ("codebuild:StartBuild", "codebuild:StopBuild", "codebuild:BatchGetBuilds")
        yield Statement(
            "Builds", started, projects(scope), "a pipeline starts a build, waits for it, and stops it when it is stopped"
        )
        yield Statement("Secrets", ("ssm:GetParameters",), [scope.arn("ssm", "parameter/*")], "a build's own secrets")


def deliver(scope: Scope, find: Statement) -> list[Policy]:
    """For upload, trigger, status and logs; `find` is how the site's outputs are found. Nothing where there are no pipelines."""
    facts, policies = scope.pipelines, []
    if facts.uploads:
        bucket = (_own_bucket(scope) or [scope.bucket(scope.name(is_lower=True))])[0]
        puts = ("s3:PutObject", "s3:AbortMultipartUpload", "s3:GetObject")
        send = Statement(
            "Send", puts, [f"{bucket}/{facts.prefix}*"], "a zip, in parts if it is large; then which version it became"
        )
        policies.append(Policy("toolkit-upload", "whoever runs upload; with toolkit-follow", (find, send)))
    if facts.keys:
        start = Statement("Start", ("codepipeline:StartPipelineExecution",), _pipelines(scope), "the pipeline runs once more")
        policies.append(Policy("toolkit-trigger", "whoever runs trigger; with toolkit-follow", (find, start)))
        who = "whoever runs upload, trigger, and, with toolkit-deploy, status and logs; it only reads"
        policies.append(Policy("toolkit-follow", who, (find, *_follow(scope))))
    return policies


def _follow(scope: Scope) -> Iterator[Statement]:
    listed = [f"codepipeline:{name}" for name in ("ListPipelineExecutions", "GetPipelineExecution", "ListActionExecutions")]
    yield Statement("Deliveries", listed, _pipelines(scope), "what was delivered, and how far it came")
    yield Statement(
        "Releases", ("states:GetExecutionHistory",), executions(scope), "when a release published, verified and flipped"
    )
    reads = [f"cloudfront-keyvaluestore:{name}" for name in ("DescribeKeyValueStore", "GetKey")]
    yield Statement("Addresses", reads, [scope.arn("cloudfront", "key-value-store/*", "")], "where the channel answers")
    if scope.pipelines.builds:
        yield Statement(
            "Builds", ("codebuild:BatchGetBuilds",), projects(scope), "where a build's log is, and whether it has ended"
        )
        streams = [scope.arn("logs", f"log-group:{scope.name()}:log-stream:*")]
        yield Statement("BuildLogs", ("logs:GetLogEvents",), streams, "what a build prints")


def doctor(scope: Scope) -> Iterator[Statement]:
    """What `doctor` looks at of pipelines."""
    facts = scope.pipelines
    if facts.connection_arn:
        asked = [f"{service}:GetConnection" for service in _services(scope)]
        yield Statement("Connection", asked, connections(scope), "whether it waits for a person")
    if facts.uploads:
        looks = ("s3:ListBucket", "s3:GetBucketVersioning", "s3:GetBucketNotification", "s3:GetEncryptionConfiguration")
        there = _own_bucket(scope) or [scope.bucket(scope.name(is_lower=True))]
        yield Statement("UploadBucket", looks, there, "whether the bucket can start a pipeline")
        yield Statement("UploadRule", ("events:DescribeRule",), [scope.arn("events", f"rule/{scope.name()}")], "whether it is on")
        yield Statement("UploadRules", ("events:ListRuleNamesByTarget",), ["*"], "which it is; AWS knows no narrower way")
    places = list(facts.secrets.values())
    if not scope.site or any(":secretsmanager:" not in place for place in places):
        why = "whether a build's secrets are there, not what they are; AWS knows no narrower way"
        yield Statement("Parameters", ("ssm:DescribeParameters",), ["*"], why)
    secrets = [":".join(place.split(":")[:7]) for place in places if ":secretsmanager:" in place]
    if not scope.site or secrets:
        any_secret = [scope.arn("secretsmanager", "secret:*")]
        yield Statement("Secrets", ("secretsmanager:DescribeSecret",), sorted(set(secrets)) or any_secret, "the same")
    if facts.deploy_role:
        why = "IAM allows one for GitHub; AWS knows no narrower way"
        yield Statement("IdentityProviders", ("iam:ListOpenIDConnectProviders",), ["*"], why)
    if facts.keys:
        yield Statement("Pipelines", _RUNS, _pipelines(scope), "how the last runs ended")


def verify(scope: Scope) -> Iterator[Statement]:
    """What `verify` looks at of deliveries that were made."""
    if scope.pipelines.keys:
        yield Statement("Pipelines", _RUNS, _pipelines(scope), "what CodePipeline says of deliveries that were made")
        if scope.pipelines.builds:
            yield Statement("Builds", ("codebuild:BatchGetBuilds",), projects(scope), "what the last build ran on")


def connections(scope: Scope) -> list[str]:
    """The site's, or any where the site is not known."""
    if scope.site:
        return [scope.pipelines.connection_arn]
    return [scope.arn(service, "connection/*") for service in CONNECTION_SERVICES]


def _services(scope: Scope) -> tuple[str, ...]:
    """By what names IAM knows the service: an ARN goes with its own only."""
    return tuple(name for name in CONNECTION_SERVICES if not scope.site or f":{name}:" in scope.pipelines.connection_arn)


def projects(scope: Scope) -> list[str]:
    """Of the builds. CloudFormation names them after the logical id, some after the stack and that."""
    begins = [f"{_LOGICAL}*", scope.name()] if scope.logical else ["*"]
    return [scope.arn("codebuild", f"project/{begin}") for begin in begins]


def executions(scope: Scope) -> list[str]:
    """Of the site's state machines."""
    begins = [f"{scope.logical}*", scope.name()] if scope.logical else ["*"]
    return [scope.arn("states", f"execution:{begin}:*") for begin in begins]


def _pipelines(scope: Scope) -> list[str]:
    return [scope.arn("codepipeline", scope.name())]


def _own_bucket(scope: Scope) -> list[str]:
    return [scope.bucket(scope.pipelines.bucket)] if scope.pipelines.bucket else []
