"""What cdk-nag's AwsSolutions rules find in our stacks and what stays so: one resource each, with the reason.

Constructs acknowledge nothing themselves: in somebody's own app findings are that app's to judge, with `acknowledge` or without.
It writes to the construct tree only, so no template changes, and cdk-nag need not be there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from aws_cdk import Acknowledgment, CfnResource, Validations
from constructs import Construct, IConstruct

from toolkit.cdk.site import StaticSite
from toolkit.cdk.workflow import ReleaseWorkflow


@dataclass(frozen=True)
class Acknowledgement:
    """A finding (cdk-nag's name for it) of one resource that is meant to be there."""

    resource: CfnResource
    rule: str
    reason: str


def acknowledge(scope: IConstruct) -> list[tuple[str, str, str]]:
    """Acknowledge what is expected of every site and workflow below `scope`; returns path of the resource, rule, reason of each."""
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


def _resource(construct: Construct) -> CfnResource:
    return cast(CfnResource, construct.node.default_child)
