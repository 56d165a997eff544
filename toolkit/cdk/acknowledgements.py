"""What cdk-nag's AwsSolutions rules find in our stacks and what stays so: one resource each, with the reason.

Constructs acknowledge nothing themselves: in somebody's own app findings are that app's to judge, with `acknowledge` or without.
It writes to the construct tree only, so no template changes, and cdk-nag need not be there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from aws_cdk import Acknowledgment, CfnResource, Stack, Validations
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from toolkit.cdk.oidc import GitHubDeployRole
from toolkit.cdk.pipeline import SitePipeline
from toolkit.cdk.site import StaticSite
from toolkit.cdk.workflow import ReleaseWorkflow


@dataclass(frozen=True)
class Acknowledgement:
    """A finding (cdk-nag's name for it) of one resource that is meant to be there."""

    resource: CfnResource
    rule: str
    reason: str


def acknowledge(scope: IConstruct) -> list[tuple[str, str, str]]:
    """Acknowledge what is expected of every site, workflow, pipeline and role of a CI below `scope`; returns path of the resource,
    rule, reason of each."""
    done = []
    for node in scope.node.find_all():
        for it in _expected(node):
            Validations.of(it.resource).acknowledge(Acknowledgment(id=it.rule, reason=it.reason))
            done.append((it.resource.node.path, it.rule, it.reason))
    return done


def _expected(node: IConstruct) -> Iterator[Acknowledgement]:
    if isinstance(node, StaticSite):
        yield from _of_site(node)
    if isinstance(node, ReleaseWorkflow):
        yield Acknowledgement(
            _resource(node.telemetry.policy),
            "AwsSolutions-IAM5[Resource::*]",
            "Traces and the delivery of Step Functions' logs: IAM knows no narrower resource for these actions, all of them named.",
        )
    if isinstance(node, SitePipeline):
        yield from _of_pipeline(node)
    if isinstance(node, GitHubDeployRole):
        yield Acknowledgement(
            _resource(node.finds),
            _wildcard(node.finds),
            "Its own stack by its name, as whoever looks for it asks; the rest of its ARN is AWS's to choose.",
        )


def _of_pipeline(pipeline: SitePipeline) -> Iterator[Acknowledgement]:
    yield Acknowledgement(
        _resource(pipeline.jobs),
        "AwsSolutions-IAM5[Resource::*]",
        "The end of an action and the list of functions: IAM knows no narrower resource for these actions, all of them named.",
    )
    if pipeline.reads:
        yield Acknowledgement(
            _resource(pipeline.reads),
            _wildcard(pipeline.reads),
            "Zips below one prefix of a bucket of one's own, whose policy is not this app's to write; each has a key of its own.",
        )


def _of_site(site: StaticSite) -> Iterator[Acknowledgement]:
    distribution = _resource(site.distribution)
    yield Acknowledgement(
        distribution,
        "AwsSolutions-CFR1",
        "A public site is for every country; rules for countries are the site's own, in its _redirects.",
    )
    if site.web_acl_arn is None:
        yield Acknowledgement(
            distribution,
            "AwsSolutions-CFR2",
            "Only files are served, and what a rule of the site leads elsewhere; a web ACL costs 5 USD a month and is one property "
            "away (web_acl_arn).",
        )
    if not site.access_logs:
        yield Acknowledgement(
            distribution,
            "AwsSolutions-CFR3",
            "The site's owner switched the visitors' log off (access_logs); who writes to the bucket is still logged.",
        )
    if not site.domain_names:
        yield Acknowledgement(
            distribution,
            "AwsSolutions-CFR4",
            "CloudFront leaves no choice of TLS versions for its own domain names; with own hosts it is TLSv1.2_2021.",
        )


def _wildcard(policy: iam.ManagedPolicy) -> str:
    """cdk-nag's name for the wildcard in the only resource of a policy: references stand in it as `<Name.Attribute>`."""
    (statement,) = Stack.of(policy).resolve(policy.document)["Statement"]
    return f"AwsSolutions-IAM5[Resource::{_flat(statement['Resource'])}]"


def _flat(value: Any) -> str:
    match value:
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(_flat(part) for part in parts)
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
    return str(value)


def _resource(construct: Construct) -> CfnResource:
    return cast(CfnResource, construct.node.default_child)
