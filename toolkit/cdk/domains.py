"""A site's own hosts: what must be given together, its certificate, and its records in Route 53."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aws_cdk import Token
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from constructs import Construct

from toolkit.cdk.errors import PropertyError
from toolkit.engine.stacks import EDGE_REGION

CERTIFICATE_PATTERN = rf"^arn:[a-z-]+:acm:{EDGE_REGION}:[0-9]{{12}}:certificate/[A-Za-z0-9-]+$"
WEB_ACL_PATTERN = rf"^arn:[a-z-]+:wafv2:{EDGE_REGION}:[0-9]{{12}}:global/webacl/[A-Za-z0-9_/-]+$"


def check_arn(name: str, value: str | None, pattern: str) -> None:
    """PropertyError when the property `name` is an ARN that CloudFront would refuse. What is only known at deploy passes."""
    if value is not None and not Token.is_unresolved(value) and not re.fullmatch(pattern, value):
        raise PropertyError(
            f"{name} is {value!r}, which CloudFront cannot use", f"give one of {EDGE_REGION} that matches {pattern}"
        )


def check_hosts(domain_names: Sequence[str], certificate_arn: str | None, zone_id: str | None, zone_name: str | None) -> None:
    """PropertyError when a site's hosts, its certificate and its zone do not fit together."""
    if bool(domain_names) != (certificate_arn is not None):
        missing, given = ("certificate_arn", "domain_names") if domain_names else ("domain_names", "certificate_arn")
        raise PropertyError(
            f"{given} is given without {missing}",
            "give both, or neither: a certificate is for the hosts that it names (`hosts` in site.toml)",
        )
    check_arn("certificate_arn", certificate_arn, CERTIFICATE_PATTERN)
    if (zone_id is None) != (zone_name is None):
        raise PropertyError("a hosted zone needs hosted_zone_id and hosted_zone_name", "give both; nothing is looked up at synth")
    if zone_name and not domain_names:
        raise PropertyError(
            f"the hosted zone {zone_name} is given without hosts",
            "give domain_names too (`hosts` in site.toml), or leave the zone out",
        )
    outside = [host for host in domain_names if zone_name and not f".{host}".endswith(f".{zone_name}")]
    if outside:
        raise PropertyError(
            f"{', '.join(outside)} is not in the hosted zone {zone_name}",
            f"name hosts that end in {zone_name}, or leave the zone out and make the records where the DNS of those is",
        )


class SiteCertificate(Construct):
    """A certificate for all of a site's hosts, in a stack of the region us-east-1. The names are validated by DNS.

    With the zone, its records are made there; without, the deploy waits until somebody makes those that ACM shows.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        domain_names: Sequence[str],
        hosted_zone_id: str | None = None,
        hosted_zone_name: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        zone = hosted_zone(self, hosted_zone_id, hosted_zone_name)
        self.certificate = acm.Certificate(
            self,
            "Certificate",
            domain_name=domain_names[0],
            subject_alternative_names=list(domain_names[1:]) or None,
            validation=acm.CertificateValidation.from_dns(zone),
        )


class HostRecords(Construct):
    """An A and an AAAA record for each host, leading to the distribution."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        distribution: cloudfront.IDistribution,
        domain_names: Sequence[str],
        zone: route53.IHostedZone,
    ) -> None:
        super().__init__(scope, construct_id)
        target = route53.RecordTarget.from_alias(targets.CloudFrontTarget(distribution))
        for host in domain_names:
            # The final dot keeps Route 53 from adding the zone's name once more; ids by host, so that their order does not matter.
            route53.ARecord(self, f"{host}-A", zone=zone, record_name=f"{host}.", target=target)
            route53.AaaaRecord(self, f"{host}-AAAA", zone=zone, record_name=f"{host}.", target=target)


def hosted_zone(scope: Construct, zone_id: str | None, zone_name: str | None) -> route53.IHostedZone | None:
    """The zone of these two, None when they are not given."""
    if zone_id is None or zone_name is None:
        return None
    return route53.HostedZone.from_hosted_zone_attributes(scope, "Zone", hosted_zone_id=zone_id, zone_name=zone_name)
